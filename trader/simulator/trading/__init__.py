"""Accounts, orders and matching of the local exchange, in no venue's words; it trades against the flow and never changes it."""
