"""Binance's trading protocols (spot and USD-M) over the exchange core: signed REST, user data, WebSocket API."""
