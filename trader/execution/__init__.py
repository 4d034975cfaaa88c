"""Execution: how an order becomes a fill."""
