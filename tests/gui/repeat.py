"""The GUI tests again and again: ``python -m tests.gui.repeat 20`` prints one line a run and what failed."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import click

SUITES = ("tests/gui/test_dashboard_inside.py", "tests/gui")


def run(suite: str) -> tuple[float, int, str]:
    """Run a suite once; return seconds, how many tests failed, and which and how."""
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", suite], capture_output=True, text=True, check=False)
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    where = re.findall(r"^(?:>|E) .*", done.stdout, re.MULTILINE)  # the lines that failed, and what they say
    return time.monotonic() - start, len(failed), "\n".join(failed + where)


def main() -> None:
    """Repeat each suite as often as asked and print the table."""
    times = int(sys.argv[1])
    for suite in SUITES:
        flakes = 0
        for number in range(1, times + 1):
            seconds, failed, names = run(suite)
            flakes += failed
            click.echo(f"{suite:40} run {number:2}  {seconds:6.1f} s  {failed} failed {names}".rstrip())
        click.echo(f"{suite:40} {times} runs: {flakes} failures")


if __name__ == "__main__":
    main()
