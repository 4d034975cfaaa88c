"""The command ``trader_dashboard``. Nothing heavy is imported before it is needed: ``--help`` answers at once."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.clock import SystemClock
from shared.console import exit_codes
from shared.errors import NotRunning, OutOfRange

if TYPE_CHECKING:
    from dashboard.palette import Palette

SCALES = (0.5, 4.0)
TEXT_WAIT_S = PICTURE_WAIT_S = 30.0


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--instance", default=None, help="Name of the running instance [env: TRADER_INSTANCE].")
@click.option("--scale", default=1.0, show_default=True, help="Size of text and panels, 0.5 to 4.")
@click.option(
    "--screenshot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw until there is data, write a PNG, and exit.",
)
@click.option("--without-trader", is_flag=True, help="With --screenshot: a picture even while no trader runs.")
@click.option("--text", is_flag=True, help="Live status on the terminal, with keys; needs no display.")
@click.option("--once", is_flag=True, help="With --text: print it once.")
@click.option("--wait", "wait_s", type=float, help="Seconds to wait for a trader [default: for ever; with --text 30].")
@click.option("--size", help="Size of the window in pixels before --scale [default: as it was left, at first 1500x900].")
@click.option("--red-up", is_flag=True, help="Gains red and losses green, as on East Asian desks.")
@click.option("--colour-blind", is_flag=True, help="Gains blue and losses orange: a pair that everyone can tell apart.")
@click.option("--testhook", type=click.Path(dir_okay=False, path_type=Path), envvar="TRADER_DASHBOARD_TESTHOOK", hidden=True)
def main(
    *,
    instance: str | None,
    scale: float,
    screenshot: Path | None,
    without_trader: bool,
    text: bool,
    once: bool,
    wait_s: float | None,
    size: str | None,
    red_up: bool,
    colour_blind: bool,
    testhook: Path | None,
) -> None:
    """Watch a running trader, and overrule it.

    Nothing depends on the dashboard: it may be closed or killed at any time without harm. It remembers its window and the
    chosen symbol.
    """
    from dashboard.palette import palette_of
    from shared.paths import instance_name

    if once and not text:
        raise click.UsageError("--once: was given alone, expected together with --text")
    with exit_codes():
        name, palette = instance_name(instance), palette_of(red_up=red_up, colour_blind=colour_blind)
        if text:
            _run_text(name, TEXT_WAIT_S if wait_s is None else wait_s, palette, once=once)
            return
        if not SCALES[0] <= scale <= SCALES[1]:
            raise OutOfRange("scale", f"{scale:g}", f"{SCALES[0]:g} to {SCALES[1]:g}")
        width, height = _size(size)
        picture = _writable(screenshot)
        options = {
            "instance": name,
            "scale": scale,
            "wait_s": PICTURE_WAIT_S if picture and wait_s is None else wait_s,
            "width": width,
            "height": height,
            "palette": palette,
            "screenshot": picture,
            "without_trader": without_trader,
            "testhook": testhook,
        }
        sys.exit(_run_window(options))


def _run_text(instance: str, wait_s: float, palette: Palette, *, once: bool) -> None:
    from rich.console import Console

    from dashboard.text import show_text
    from dashboard.text_keys import TextKeys
    from dashboard.views import Viewer
    from dashboard.wishes import WishWorker

    clock = SystemClock()
    with contextlib.closing(Viewer(instance, clock)) as viewer, contextlib.closing(WishWorker(instance, clock)) as worker:
        keys = TextKeys(worker) if sys.stdin.isatty() and not once else None
        show_text(viewer, clock, Console(highlight=False), wait_s=wait_s, once=once, palette=palette, keys=keys)


def _run_window(options: dict[str, Any]) -> int:
    from dashboard.desktop.display import display_problem, import_problem

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
    code = Window(WindowOptions(**options), SystemClock(), stop).run()
    if code == NotRunning.exit_code:
        click.echo(f"error: {no_trader(options['instance'], options['wait_s'])}", err=True)
    elif options["screenshot"] and not code:
        click.echo(f"wrote {options['screenshot']}")
    return code


def _size(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
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
