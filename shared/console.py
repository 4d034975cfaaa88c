"""One way for every command to end: an error of the tree becomes one line on stderr and its exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from shared.errors import TradingError

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
