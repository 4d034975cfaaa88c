"""Scripted misbehaviour of the local exchange: what goes wrong, when and for how long, the same for the same seed."""
