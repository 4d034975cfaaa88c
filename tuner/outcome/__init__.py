"""What a decision would have done, and what it did: the same market through the same engine, without it and with it."""
