"""The sections of the prompt: facts computed from the snapshot, untrusted text in envelopes, and the budget they must fit."""
