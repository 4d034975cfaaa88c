"""What the market looks like now: book, tape, bars, indicators and regime, folded from the inputs."""
