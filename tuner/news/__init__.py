"""News about the traded symbols: off by default, untrusted always, and never a reason to take more risk."""
