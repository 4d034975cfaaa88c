"""The trader: market data in, orders out, and everything between them deterministic."""
