"""Detectors: bounded scores in [-1, 1] computed on closed bars."""
