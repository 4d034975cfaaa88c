"""Risk: what must hold before a new position, and how large it may be."""
