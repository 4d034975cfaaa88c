"""The engine joins market, signals, strategies, risk, execution and portfolio into one deterministic step over one record."""
