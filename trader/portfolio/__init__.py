"""Portfolio: cash, positions and equity, in one accounting that everyone uses."""
