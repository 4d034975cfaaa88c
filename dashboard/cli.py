"""The command ``trader_dashboard``. Nothing heavy is imported before it is needed: ``--help`` answers at once."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import click

from shared.clock import SystemClock
from shared.console import exit_codes
from shared.errors import NotRunning, OutOfRange

SCALES = (0.5, 4.0)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--instance", default=None, help="Name of the running instance [env: TRADER_INSTANCE].")
@click.option("--scale", default=1.0, show_default=True, help="Size of text and panels, 0.5 to 4.")
@click.option(
    "--screenshot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw until there is data, write a PNG, and exit.",
)
@click.option("--text", is_flag=True, help="Live status on the terminal; needs no display.")
@click.option("--once", is_flag=True, help="With --text: print it once.")
@click.option("--wait", "wait_s", default=30.0, show_default=True, help="Seconds to wait for a trader.")
@click.option("--size", default="1440x860", show_default=True, help="Size of the window in pixels, before --scale.")
@click.option("--testhook", type=click.Path(dir_okay=False, path_type=Path), hidden=True)
def main(
    *,
    instance: str | None,
    scale: float,
    screenshot: Path | None,
    text: bool,
    once: bool,
    wait_s: float,
    size: str,
    testhook: Path | None,
) -> None:
    """Watch a running trader, and overrule it.

    The dashboard holds no state of its own: it may be closed or killed at any time without harm.
    """
    from shared.paths import instance_name

    if once and not text:
        raise click.UsageError("--once: was given alone, expected together with --text")
    with exit_codes():
        name = instance_name(instance)
        if text:
            _run_text(name, wait_s, once=once)
        else:
            picture = _writable(screenshot)
            sys.exit(_run_window(name, scale=scale, size=_size(size), wait_s=wait_s, screenshot=picture, testhook=testhook))


def _run_text(instance: str, wait_s: float, *, once: bool) -> None:
    from rich.console import Console

    from dashboard.text import show_text
    from dashboard.views import Viewer

    clock = SystemClock()
    with contextlib.closing(Viewer(instance, clock)) as viewer:
        show_text(viewer, clock, Console(highlight=False), wait_s=wait_s, once=once)


def _run_window(
    instance: str, *, scale: float, size: tuple[int, int], wait_s: float, screenshot: Path | None, testhook: Path | None
) -> int:
    from dashboard.desktop.display import display_problem, import_problem

    if not SCALES[0] <= scale <= SCALES[1]:
        raise OutOfRange("scale", f"{scale:g}", f"{SCALES[0]:g} to {SCALES[1]:g}")

    problem = display_problem(os.environ) or import_problem()
    if problem:
        click.echo(f"error: {problem}", err=True)
        return 1
    from dashboard.desktop.signals import StopFlag

    stop = StopFlag()  # before any thread: they inherit its signal mask
    from dashboard.desktop.theme import font_problem
    from dashboard.desktop.window import Window, WindowOptions
    from dashboard.text import no_trader

    if font_problem():
        click.echo(f"error: {font_problem()}", err=True)
    options = WindowOptions(
        instance=instance,
        scale=scale,
        wait_s=wait_s,
        width=size[0],
        height=size[1],
        screenshot=screenshot,
        testhook=testhook,
    )
    code = Window(options, SystemClock(), stop).run()
    if code == NotRunning.exit_code:
        click.echo(f"error: {no_trader(instance, wait_s)}", err=True)
    elif screenshot and not code:
        click.echo(f"wrote {screenshot}")
    return code


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) >= 800 and int(height) >= 600):
        raise click.UsageError(f"--size: was {text}, expected WIDTHxHEIGHT of at least 800x600, e.g. 1440x860")
    return int(width), int(height)


def _writable(path: Path | None) -> Path | None:
    """Return the path of the picture if its folder can take it; it would be missed only after the drawing otherwise."""
    if path is not None and not os.access(path.resolve().parent, os.W_OK):
        raise click.UsageError(f"--screenshot: was {path}, expected a file in a folder that exists and can be written")
    return path


if __name__ == "__main__":
    main()
