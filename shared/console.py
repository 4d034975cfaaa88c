"""What the commands have in common: how they end on an error, and how they read an option that more than one of them has."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from shared.errors import TradingError, UsageError

INTERRUPTED = 130


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn errors of :mod:`shared.errors` into their exit codes and Ctrl-C into 130."""
    try:
        yield
    except TradingError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.exit(0)  # the reader of our output, `head` perhaps, has seen enough


def parse_speed(text: str) -> float | None:
    """Return how many market seconds pass in one; None for ``max``, as fast as possible.

    Errors
    ------
    UsageError
        If it is neither ``max`` nor a number above 0.
    """
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0.0 < speed < math.inf:
        raise UsageError(f"speed: was {text!r}, expected a number above 0, or max")
    return speed
