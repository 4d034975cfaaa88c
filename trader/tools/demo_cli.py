"""The command ``trader_demo``: the whole loop, offline, in one terminal."""

from __future__ import annotations

import sys

import click

from shared.console import exit_codes


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", type=click.FloatRange(min=0), default=0.0, help="Stop after this long; 0 runs until Ctrl-C.")
@click.option("--speed", default="5", show_default=True, help="Speed of the simulated market.")
@click.option("--seed", type=int, default=7, show_default=True, help="Seed of the simulated market.")
@click.option("--interval", type=click.IntRange(min=1), default=15, show_default=True, help="Seconds between tuner cycles.")
@click.option("--advisor", default="auto", show_default=True, help="auto, claude, ollama or rules.")
@click.option("--dry-run", is_flag=True, help="The tuner decides but does not write.")
@click.option("--screenshot", metavar="FILE", help="Write a picture of the dashboard shortly before the end (needs a display).")
@click.option("--keep", is_flag=True, help="Keep the demo's folder instead of removing it.")
def main(
    *,
    seconds: float,
    speed: str,
    seed: int,
    interval: int,
    advisor: str,
    dry_run: bool,
    screenshot: str | None,
    keep: bool,
) -> None:
    """Run simulator, trader, tuner and dashboard together. Ctrl-C stops everything and leaves nothing behind."""
    with exit_codes():
        from trader.tools.demo import DemoOptions, run_demo

        options = DemoOptions(
            seconds=seconds,
            speed=speed,
            seed=seed,
            interval=interval,
            advisor=advisor,
            dry_run=dry_run,
            screenshot=screenshot,
            keep=keep,
        )
        sys.exit(run_demo(options))


if __name__ == "__main__":
    main()
