"""Feeds turn what a venue sends into the engine's inputs, and nothing else."""
