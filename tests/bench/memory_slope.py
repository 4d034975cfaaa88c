"""Resident memory of a trader on an accelerated market. ``python -m tests.bench.memory_slope --minutes 30``."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click
import numpy as np

from tests.processes import System


def resident_kib(pid: int, kind: str = "VmRSS") -> int:
    """Return the resident memory of a process, KiB; ``RssAnon`` is its own, without shared memory and files."""
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
            seen: list[tuple[float, int]] = []
            while (now := time.monotonic() - begin) < minutes * 60:
                seen.append((now, resident_kib(trader.pid)))
                time.sleep(1.0)
        finally:
            system.stop()
    settled = np.array([moment for moment in seen if moment[0] > minutes * 12])
    slope = float(np.polyfit(settled[:, 0], settled[:, 1], 1)[0]) * 60
    click.echo(
        f"resident memory, {minutes:g} minutes at speed {speed}: {settled[0, 1] / 1024:.1f} → {settled[-1, 1] / 1024:.1f} MiB, "
        f"slope {slope:+.1f} KiB a minute"
    )


if __name__ == "__main__":
    main()
