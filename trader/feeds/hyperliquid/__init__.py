"""Hyperliquid market data: perpetuals, one socket, whole books, trades that are told again after every subscription."""
