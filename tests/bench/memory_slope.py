"""Resident memory of a trader on an accelerated market. ``python -m tests.bench.memory_slope --minutes 30``."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click
import numpy as np

from tests.processes import System

KINDS = {"own": "RssAnon", "files": "RssFile", "shared memory": "RssShmem"}


def resident_kib(pid: int, kind: str = "VmRSS") -> int:
    """Return the resident memory of a process, KiB; ``RssAnon`` is its own, shared memory counts once a page was touched."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1])
    return 0


@click.command()
@click.option("--minutes", default=30.0, show_default=True)
@click.option("--speed", default="50", show_default=True, help="Speed of the generated market.")
def main(minutes: float, speed: str) -> None:
    """Print the slope of resident memory after the first fifth of the run."""
    with tempfile.TemporaryDirectory() as home:
        system = System(Path(home))
        (system.home / "logs").mkdir()
        try:
            trader, _ = system.trader("--speed", speed, "--symbols", "BTCUSDT,ETHUSDT")
            begin = time.monotonic()
            seen: list[list[float]] = []
            while (now := time.monotonic() - begin) < minutes * 60:
                seen.append([now, *(resident_kib(trader.pid, kind) for kind in KINDS.values())])
                time.sleep(1.0)
        finally:
            system.stop()
    settled = np.array([moment for moment in seen if moment[0] > minutes * 12])
    half = settled[len(settled) // 2 :]
    click.echo(f"resident memory, {minutes:g} minutes at speed {speed}, the first fifth left out")
    for column, kind in enumerate(KINDS, start=1):
        slopes = [float(np.polyfit(part[:, 0], part[:, column], 1)[0]) * 60 for part in (settled, half)]
        click.echo(
            f"{kind:14} {settled[0, column] / 1024:7.1f} → {settled[-1, column] / 1024:7.1f} MiB, "
            f"slope {slopes[0]:+8.1f} KiB a minute, in the second half {slopes[1]:+8.1f}"
        )


if __name__ == "__main__":
    main()
