"""Finds the passages of the knowledge base that bear on a question, offline and with stable citations."""
