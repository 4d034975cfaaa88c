"""The dashboard on a terminal, drawn with rich: the same views as the window, and the keys that matter most."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dashboard import figures
from dashboard.model import Age, Cell, DashboardView, Level, Market, Position, Tone
from dashboard.money_view import books_line
from dashboard.palette import LEVEL_TONES, Palette
from dashboard.text_keys import HELP, TextKeys
from dashboard.tuner_view import account_line, state_line, trouble_line, who_line
from dashboard.views import Viewer
from shared.clock import NS_PER_S, Clock
from shared.errors import NotRunning

EVENTS_SHOWN = 14
CHECKS_SHOWN = 6
_REFRESH_S = 0.5
_REFRESH_FILE_S = 10.0
_WIDE = 110  # columns from which the whole table fits
_COLUMNS = ("Symbol", "Last", "1m %", "Spread", "Regime", "Strategy", "Qty", "Entry", "P&L", "Target/stop", "Why no trade")
_FIGURES = ("Last", "1m %", "Spread", "Qty", "Entry", "P&L", "Target/stop")
_ONLY_WIDE = ("Spread", "Entry", "Target/stop")

Rows = list[Table | Text]


class TextScreen:
    """Draws views for a terminal.

    Parameters
    ----------
    palette
        The colours of this screen.
    """

    def __init__(self, palette: Palette | None = None) -> None:
        self._palette = palette or Palette()

    def render(self, view: DashboardView, width: int, message: str = "", *, keys: bool = False) -> Group:
        """Return a view as rich renderables for a terminal of ``width`` columns."""
        parts: Rows = [self._header(view), self._money(view)]
        parts += [self._text(f"{alert.level.sign} {alert.text}", LEVEL_TONES[alert.level]) for alert in view.header.alerts]
        if view.attached:
            parts += [self._table(view, width), *self._why(view)]
        parts += self._tuner(view)
        parts += self._events(view, width)
        if message:
            parts.append(self._text(message, Tone.BAD if message.startswith("✗") else Tone.INFO))
        if keys:
            parts.append(self._text(HELP, Tone.DIM))
        return Group(*parts)

    def _style(self, tone: Tone) -> str:
        return "rgb({},{},{})".format(*self._palette.colour(tone))

    def _text(self, words: str, tone: Tone) -> Text:
        return Text(words, style=self._style(tone), no_wrap=True, overflow="ellipsis")

    def _header(self, view: DashboardView) -> Text:
        head = view.header
        line = Text(no_wrap=True, overflow="ellipsis")
        for badge in head.badges:
            line.append(f"[{badge.text}] ", style=f"bold {self._style(badge.tone)}")
        line.append(f"{head.level.sign} {head.state}  ", style=self._style(LEVEL_TONES[head.level]))
        for age in (head.trader, head.feed, view.tuner.age):
            self._age(line, age)
        if head.mode:
            line.append(f"mode {head.mode}  ", style=self._style(head.mode_tone))
        line.append(f"{head.venue}  {head.facts}", style=self._style(Tone.GREY))
        return line

    def _age(self, line: Text, age: Age) -> None:
        line.append(f"{age.text}  ", style=self._style(LEVEL_TONES[age.level]))

    def _money(self, view: DashboardView) -> Text:
        account = view.account
        line = Text(no_wrap=True, overflow="ellipsis")
        if not view.attached:
            return line
        fresh = view.fresh
        line.append(f"Equity {figures.usd(account.equity_usd)}  ", style="bold" if fresh else self._style(Tone.DIM))
        gain = f"{figures.signed_usd(account.pnl_usd)} ({figures.signed_pct(account.pnl_pct)})  "
        line.append(gain, style=self._style(figures.gain(account.pnl_usd) if fresh else Tone.DIM))
        line.append(f"drawdown {account.drawdown_pct:.2f} %  ", style=self._style(Tone.GREY))
        line.append(f"trades {account.trades} (✓ {account.wins} ✗ {account.losses})  ", style=self._style(Tone.GREY))
        books, tone = books_line(account)
        line.append(f"{books}  ", style=self._style(Tone.GREY if tone is Tone.GOOD else tone))
        line.append(view.config.wheel, style=self._style(Tone.AI if view.config.wheel_ai else Tone.WARN))
        return line

    def _table(self, view: DashboardView, width: int) -> Table:
        shown = [name for name in _COLUMNS if width >= _WIDE or name not in _ONLY_WIDE]
        table = Table(box=None, pad_edge=False, header_style=self._style(Tone.GREY))
        for name in shown:
            table.add_column(name, justify="right" if name in _FIGURES else "left", no_wrap=True)
        held = {position.index: position for position in view.positions}
        for market in view.markets:
            cells = dict(zip(_COLUMNS, _cells(market, held.get(market.index), view), strict=True))
            live = view.fresh and market.feed.level is not Level.RED
            row = [Text(cells[name][0], style=self._style(cells[name][1] if live else Tone.DIM)) for name in shown]
            table.add_row(*row)
        return table

    def _why(self, view: DashboardView) -> Rows:
        why = view.why
        lines: Rows = [self._text(f"{why.symbol}: {why.verdict}  {why.advice}", why.tone)]
        failing = [check for check in why.checks if not check.passed][:CHECKS_SHOWN]
        lines += [self._text(f"  {c.sign} {c.name:22} {c.value:>14}   needs {c.needs}", c.tone) for c in failing]
        return lines

    def _tuner(self, view: DashboardView) -> Rows:
        words, tone = state_line(view.tuner)
        lines = [(f"TUNER {words}", tone), (f"{who_line(view.tuner)}   {account_line(view.tuner)}", Tone.GREY)]
        if trouble := trouble_line(view.tuner):
            lines.append((trouble, Tone.WARN))
        if made := view.tuner.decision:
            head = f"last: {made.time} {made.symbol} {made.action} {made.changes} [{made.confidence_pct:.0f} %] {made.verdict}"
            lines += [(head, made.verdict_tone), (f"  {made.reasoning}", Tone.PLAIN)]
            lines += [(f"  {step.name}: {step.text}", step.tone) for step in made.steps]
        return [self._text(said, tone) for said, tone in lines if said.strip()]

    def _events(self, view: DashboardView, width: int) -> list[Text]:
        lines = [self._text("─" * min(width, 100), Tone.DIM)]
        return lines + [self._text(f"{line.time}  {line.text}", line.tone) for line in view.events[-EVENTS_SHOWN:]]


def _cells(market: Market, held: Position | None, view: DashboardView) -> tuple[Cell, ...]:
    chosen = "▸" if market.index == view.config.symbol_index else " "
    spread = "–" if market.spread_bps is None else f"{market.spread_bps:.1f}"
    return (
        (f"{chosen}{market.symbol}", Tone.PLAIN if market.enabled else Tone.WARN),
        (figures.price(market.price_usd), Tone.PLAIN),
        figures.change(market.change_1m_pct),
        (spread, Tone.PLAIN),
        (market.regime + (f" {market.confidence_pct:.0f}%" if market.confidence_pct else ""), market.regime_tone),
        (held.strategy if held else "–", Tone.AI if held and held.smart else Tone.PLAIN),
        (figures.quantity(held.qty if held else 0.0), figures.gain(held.qty if held else 0.0)),
        (figures.price(held.entry_usd if held else 0.0), Tone.PLAIN),
        (figures.signed_usd(held.pnl_usd) if held else "–", figures.gain(held.pnl_usd if held else 0.0)),
        (figures.distances(held.target_pct, held.stop_pct) if held else "–", Tone.PLAIN),
        (market.why or "✓ ready", Tone.PLAIN if market.why else Tone.GOOD),
    )


def show_text(
    viewer: Viewer, clock: Clock, console: Console, *, wait_s: float, once: bool, palette: Palette, keys: TextKeys | None = None
) -> None:
    """Show the live status until interrupted, or once.

    Errors
    ------
    NotRunning
        If no trader came within ``wait_s``.
    """
    screen = TextScreen(palette)
    view = wait_for_trader(viewer, clock, wait_s)
    if once:
        console.print(screen.render(view, console.width))
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the terminal gets its cursor back
    if not console.is_terminal:
        _print_now_and_then(lambda: console.print(screen.render(viewer.look(), console.width)))
    _show_live(viewer, console, screen, keys)


def _show_live(viewer: Viewer, console: Console, screen: TextScreen, keys: TextKeys | None) -> None:
    def drawn() -> Group:
        view = viewer.look(keys.selected if keys else 0)
        if keys:
            keys.show(view)
        return screen.render(view, console.width, keys.message if keys else "", keys=keys is not None)

    # Listening first: the screen that names the keys must not be seen before they are heard.
    listening = keys.listening(sys.stdin) if keys else contextlib.nullcontext()
    with listening, Live(drawn(), console=console, auto_refresh=False, transient=False) as live:
        while _wait(keys):
            live.update(drawn(), refresh=True)


def _wait(keys: TextKeys | None) -> bool:
    if keys is not None:
        return keys.wait(_REFRESH_S)
    time.sleep(_REFRESH_S)
    return True


def _print_now_and_then(show: Callable[[], None]) -> None:
    """Print the status to a file or pipe, where nothing can be drawn over."""
    while True:
        show()
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
