"""The dashboard on a terminal, drawn with rich: header, positions, account, the last events."""

from __future__ import annotations

import signal
import time

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dashboard import figures
from dashboard.figures import DIM, LEVEL_COLOURS, WHITE
from dashboard.model import Age, Colour, DashboardView, Position
from dashboard.views import Viewer
from shared.clock import NS_PER_S, Clock
from shared.errors import NotRunning
from shared.events import CYAN, GREY, ORANGE, PURPLE

EVENTS_SHOWN = 14
_REFRESH_S = 0.5
_REFRESH_FILE_S = 10.0
_WIDE = 96  # columns from which the whole table fits
_COLUMNS = ("Symbol", "Regime", "Strategy", "Qty", "Entry", "Last", "P&L", "Signal", "Why no trade")
_FIGURES = ("Qty", "Entry", "Last", "P&L")
_ONLY_WIDE = ("Entry", "Signal")


def show_text(viewer: Viewer, clock: Clock, console: Console, *, wait_s: float, once: bool) -> None:
    """Show the live status until interrupted, or once.

    Errors
    ------
    NotRunning
        If no trader came within ``wait_s``.
    """
    view = wait_for_trader(viewer, clock, wait_s)
    if once:
        console.print(render(view, console.width))
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the terminal gets its cursor back
    if not console.is_terminal:
        _print_now_and_then(viewer, console)
    with Live(render(view, console.width), console=console, auto_refresh=False, transient=False) as live:
        while True:
            time.sleep(_REFRESH_S)
            live.update(render(viewer.look(), console.width), refresh=True)


def _print_now_and_then(viewer: Viewer, console: Console) -> None:
    """Print the status to a file or pipe, where nothing can be drawn over."""
    while True:
        console.print(render(viewer.look(), console.width))
        time.sleep(_REFRESH_FILE_S)


def wait_for_trader(viewer: Viewer, clock: Clock, wait_s: float) -> DashboardView:
    """Return the first view with a trader in it.

    Errors
    ------
    NotRunning
        If none came within ``wait_s``.
    """
    deadline_ns = clock.monotonic_ns() + int(wait_s * NS_PER_S)
    while True:
        view = viewer.look()
        if view.attached:
            return view
        if clock.monotonic_ns() >= deadline_ns:
            raise NotRunning(no_trader(view.header.instance, wait_s))
        time.sleep(0.1)


def no_trader(instance: str, wait_s: float) -> str:
    """Return the sentence for a trader that did not come."""
    where = f" in instance {instance!r}" if instance else ""
    return f"trader: was not running{where} after {wait_s:g} s, expected a live one; start it with: trader --paper"


def render(view: DashboardView, width: int) -> Group:
    """Return a view as rich renderables for a terminal of ``width`` columns."""
    parts: list[Table | Text] = [_header(view), _money(view)]
    if view.header.alert:
        parts.append(_text(f"{view.header.alert_level.sign} {view.header.alert}", LEVEL_COLOURS[view.header.alert_level]))
    parts += [_positions(view, width), *_events(view, width)]
    return Group(*parts)


def _text(words: str, colour: Colour) -> Text:
    return Text(words, style=_style(colour), no_wrap=True, overflow="ellipsis")


def _style(colour: Colour) -> str:
    return "rgb({},{},{})".format(*colour)


def _header(view: DashboardView) -> Text:
    head = view.header
    line = Text()
    line.append("TRADER ", style=f"bold {_style(CYAN)}")
    for badge in head.badges:
        line.append(f"[{badge.text}] ", style=f"bold {_style(badge.colour)}")
    line.append(f"{head.level.sign} {head.state}  ", style=_style(LEVEL_COLOURS[head.level]))
    line.append(f"{head.venue}  ", style=_style(GREY))
    for age in (head.trader, head.feed, view.tuner.age):
        _append_age(line, age)
    line.append(f"{view.tuner.advisor} {view.tuner.doing}".strip(), style=_style(PURPLE))
    return line


def _append_age(line: Text, age: Age) -> None:
    line.append(f"{age.text}  ", style=_style(LEVEL_COLOURS[age.level]))


def _money(view: DashboardView) -> Text:
    account = view.account
    line = Text()
    line.append(f"Equity {figures.usd(account.equity_usd)}  ", style=_style(WHITE if view.fresh else DIM))
    gain = f"{figures.signed_usd(account.pnl_usd)} ({figures.signed_pct(account.pnl_pct)})  "
    line.append(gain, style=_style(figures.gain_colour(account.pnl_usd) if view.fresh else DIM))
    line.append(f"drawdown {account.drawdown_pct:.2f} %  fees {figures.usd(account.fees_usd)}  ", style=_style(GREY))
    line.append(f"trades {account.trades} (✓ {account.wins} ✗ {account.losses})  ", style=_style(GREY))
    books = "✓ books agree" if account.reconciled else f"✗ books differ by {account.difference_usd:,.2f}"
    line.append(f"{books}  ", style=_style(GREY if account.reconciled else ORANGE))
    line.append(view.config.wheel, style=_style(PURPLE if view.config.wheel_ai else ORANGE))
    return line


def _positions(view: DashboardView, width: int) -> Table:
    shown = [name for name in _COLUMNS if width >= _WIDE or name not in _ONLY_WIDE]
    table = Table(box=None, pad_edge=False, header_style=_style(GREY))
    for name in shown:
        table.add_column(name, justify="right" if name in _FIGURES else "left", no_wrap=True)
    for position in view.positions:
        cells = dict(zip(_COLUMNS, _cells(position), strict=True))
        texts = [Text(cells[name][0], style=_style(cells[name][1] if view.fresh else DIM)) for name in shown]
        table.add_row(*texts)
    return table


def _cells(p: Position) -> tuple[tuple[str, Colour], ...]:
    return (
        (p.symbol, WHITE),
        (p.regime, p.regime_colour),
        (p.strategy, p.strategy_colour),
        (figures.quantity(p.qty), figures.gain_colour(p.qty)),
        (figures.price(p.entry_usd if p.qty else 0.0), WHITE),
        (figures.price(p.last_usd), WHITE),
        (figures.signed_usd(p.pnl_usd) if p.qty else "–", figures.gain_colour(p.pnl_usd)),
        figures.strength_text(p.strength),
        (p.why or "✓ ready", WHITE),
    )


def _events(view: DashboardView, width: int) -> list[Text]:
    lines = [_text("─" * min(width, 100), DIM)]
    return lines + [_text(f"{line.time}  {line.text}", line.colour) for line in view.events[-EVENTS_SHOWN:]]
