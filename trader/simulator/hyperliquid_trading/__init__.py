"""Hyperliquid's trading protocol over the exchange core: signed actions, user information, user channels."""
