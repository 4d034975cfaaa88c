"""Backtests: the engine's own step over the inputs of a kept session."""
