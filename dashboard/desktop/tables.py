"""The tables: MARKETS, POSITIONS and the closed trades."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dashboard import figures
from dashboard.desktop.labels import Column, Label, Table
from dashboard.desktop.theme import Style
from dashboard.model import Cell, DashboardView, Level, Market, Position, Tone, Trade
from dashboard.palette import LEVEL_TONES
from shared.params import MAX_SYMBOLS

TRADES_SHOWN = 50

MARKET_COLUMNS = (
    Column("Symbol", 10),
    Column("Price", 10, right=True),
    Column("1m %", 7, right=True),
    Column("bps", 5, right=True),
    Column("Regime", 12),
    Column("Feed", 7),
)
POSITION_COLUMNS = (
    Column("Symbol", 8),
    Column("Side", 7),
    Column("Regime", 7),
    Column("Strat.", 6),
    Column("Qty", 8, right=True),
    Column("Entry", 9, right=True),
    Column("Last", 9, right=True),
    Column("P&L", 9, right=True),
    Column("Tgt/stop", 11, right=True),
    Column("", 6, spark=True),
)
TRADE_COLUMNS = (
    Column("Time", 8),
    Column("Symbol", 9),
    Column("Side", 7),
    Column("Entry", 10, right=True),
    Column("Exit", 10, right=True),
    Column("P&L", 10, right=True),
    Column("Reason", 10),
)

Select = Callable[[int], None]


class MarketsPanel:
    """One line a symbol; a click chooses it."""

    def __init__(self, style: Style, on_select: Select) -> None:
        self._on_select = on_select
        self._title = Label(style, "MARKETS", Tone.GREY)
        self._table = Table(style, MARKET_COLUMNS, MAX_SYMBOLS, "markets", self._clicked)

    def show(self, view: DashboardView) -> None:
        """Show a view."""
        count = len(view.markets)
        self._title.show(f"MARKETS   {count}" if count else "MARKETS", Tone.GREY)
        self._table.show([market_cells(market, fresh=view.fresh) for market in view.markets])
        self._table.pick(view.config.symbol_index if view.attached else -1)

    def _clicked(self, _sender: object, _value: object, index: int) -> None:
        self._on_select(index)


class PositionsPanel:
    """What is open; a click chooses the symbol."""

    def __init__(self, style: Style, on_select: Select) -> None:
        self._on_select = on_select
        self._indices: tuple[int, ...] = ()
        self._title = Label(style, "POSITIONS", Tone.GREY, tag="positions_title")
        self._table = Table(style, POSITION_COLUMNS, MAX_SYMBOLS, "positions", self._clicked)

    def show(self, view: DashboardView) -> None:
        """Show a view."""
        held = view.positions
        self._indices = tuple(position.index for position in held)
        total = sum(position.pnl_usd for position in held)
        words = f"{len(held)} open, unrealised {figures.signed_usd(total)} USD" if held else "none open"
        self._title.show(f"POSITIONS   {words}" if view.attached else "POSITIONS", Tone.GREY)
        curves = [position.spark for position in held]
        self._table.show([position_cells(position) for position in held], fresh=view.fresh, curves=curves)
        chosen = view.config.symbol_index
        self._table.pick(self._indices.index(chosen) if chosen in self._indices else -1)

    def _clicked(self, _sender: object, _value: object, index: int) -> None:
        if index < len(self._indices):
            self._on_select(self._indices[index])


class TradesPanel:
    """The closed trades, newest first."""

    def __init__(self, style: Style) -> None:
        self._title = Label(style, tag="trades_title")
        self._table = Table(style, TRADE_COLUMNS, TRADES_SHOWN, "trades")

    def show(self, view: DashboardView) -> None:
        """Show a view."""
        account = view.account
        won = f"{account.trades} trades   ✓ {account.wins} won   ✗ {account.losses} lost   {account.win_rate_pct:.0f} % win rate"
        self._title.show(won, Tone.GREY)
        self._table.show([trade_cells(trade) for trade in view.trades[:TRADES_SHOWN]])


def market_cells(market: Market, *, fresh: bool) -> Sequence[Cell]:
    """Return the cells of the markets table; a symbol whose own feed is dead is grey on its own."""
    live = fresh and market.feed.level is not Level.RED
    spread = "–" if market.spread_bps is None else f"{market.spread_bps:.1f}"
    regime = market.regime + (f" {market.confidence_pct:.0f}%" if market.confidence_pct else "")
    cells: list[Cell] = [
        (market.symbol if market.enabled else f"■ {market.symbol}", Tone.PLAIN if market.enabled else Tone.WARN),
        (figures.price(market.price_usd), Tone.PLAIN),
        figures.change(market.change_1m_pct),
        (spread, Tone.PLAIN),
        (regime, market.regime_tone),
    ]
    feed = (market.feed.text.removeprefix("feed "), LEVEL_TONES[market.feed.level])
    return [*((text, tone if live else Tone.DIM) for text, tone in cells), feed]


def position_cells(position: Position) -> Sequence[Cell]:
    """Return the cells of the positions table; the last is the curve of the price."""
    side, side_tone = figures.side_text(position.side)
    return (
        (position.symbol, Tone.PLAIN),
        (side, side_tone),
        (position.regime, position.regime_tone),
        (position.strategy, Tone.AI if position.smart else Tone.YELLOW if position.manual else Tone.PLAIN),
        (figures.quantity(position.qty), Tone.PLAIN),
        (figures.price(position.entry_usd), Tone.PLAIN),
        (figures.price(position.last_usd), Tone.PLAIN),
        (figures.signed_usd(position.pnl_usd), figures.gain(position.pnl_usd)),
        (figures.distances(position.target_pct, position.stop_pct), Tone.PLAIN),
        ("", figures.gain(position.pnl_usd)),
    )


def trade_cells(trade: Trade) -> Sequence[Cell]:
    """Return the cells of the table of closed trades."""
    return (
        (trade.time, Tone.GREY),
        (trade.symbol, Tone.PLAIN),
        figures.side_text(trade.side),
        (figures.price(trade.entry_usd), Tone.PLAIN),
        (figures.price(trade.exit_usd), Tone.PLAIN),
        (figures.signed_usd(trade.pnl_usd), figures.gain(trade.pnl_usd)),
        (trade.reason, Tone.YELLOW if trade.reason == "manual" else Tone.GREY),
    )
