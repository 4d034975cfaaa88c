"""Strategies: when to enter and when to leave, given the signals and the parameters in force."""
