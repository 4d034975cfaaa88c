"""A local exchange on loopback that speaks Binance spot and USD-M market data: a recording replayed, or a generated market."""
