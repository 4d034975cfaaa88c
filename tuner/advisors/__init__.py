"""Advisors: anything that can be shown the facts and propose a decision, all behind one protocol."""
