"""Live execution: orders at a real venue behind the same events and reports as paper, never imported by a paper run."""
