"""Operator tools that come and go: they read shared memory, state wishes and send commands."""
