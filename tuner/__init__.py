"""The tuner: reads the trader's published state, asks an advisor, and lets a guard decide what is applied."""
