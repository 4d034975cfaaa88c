"""The left column: positions, signals with the reason for no trade, closed trades, and the account."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import dearpygui.dearpygui as dpg

from dashboard import figures
from dashboard.desktop.labels import Column, Label, Table
from dashboard.desktop.theme import Style
from dashboard.figures import DIM, LEVEL_COLOURS, WHITE
from dashboard.model import Account, Colour, DashboardView, Position, Trade
from shared.events import GREEN, GREY, ORANGE, PURPLE, RED
from shared.params import MAX_SYMBOLS

TRADES_SHOWN = 30

POSITION_COLUMNS = (
    Column("Symbol", 8),
    Column("Regime", 7),
    Column("Strategy", 9),
    Column("Qty", 8, right=True),
    Column("Entry", 10, right=True),
    Column("Last", 10, right=True),
    Column("P&L", 10, right=True),
)
SIGNAL_COLUMNS = (
    Column("Symbol", 9),
    Column("Signal", 7),
    Column("Score", 6, right=True),
    Column("Feed", 8),
    Column("Entries", 9),
    Column("Why no trade", 18),
)
TRADE_COLUMNS = (
    Column("Time", 8),
    Column("Symbol", 9),
    Column("Side", 7),
    Column("Entry", 10, right=True),
    Column("Exit", 10, right=True),
    Column("P&L", 10, right=True),
    Column("Reason", 9),
)

Cells = Sequence[tuple[str, Colour]]


class TablesPanel:
    """The panels of the left column.

    Parameters
    ----------
    style
        Fonts and themes.
    on_select
        Called with the index of the symbol that was clicked.
    """

    def __init__(self, style: Style, on_select: Callable[[int], None]) -> None:
        self._style = style
        self._on_select = on_select

    def build_positions(self) -> None:
        """Fill the positions panel."""
        Label("POSITIONS", GREY)
        self._positions = Table(POSITION_COLUMNS, MAX_SYMBOLS, "positions", self._clicked, self._style.px(18))

    def build_signals(self) -> None:
        """Fill the signals panel."""
        Label("SIGNALS", GREY)
        self._signals = Table(SIGNAL_COLUMNS, MAX_SYMBOLS, "signals", self._clicked, self._style.px(18))

    def build_trades(self) -> None:
        """Fill the panel of closed trades."""
        self._trades_title = Label("CLOSED TRADES", GREY)
        self._trades = Table(TRADE_COLUMNS, TRADES_SHOWN, "trades")

    def build_account(self) -> None:
        """Fill the account panel."""
        Label("ACCOUNT", GREY)
        self._account: list[tuple[Label, Label]] = []
        with dpg.table(header_row=False, policy=dpg.mvTable_SizingStretchProp):
            for weight in (10, 11, 10, 11):
                dpg.add_table_column(init_width_or_weight=weight)
            for _ in range(_ACCOUNT_LINES):
                with dpg.table_row():
                    self._account += [(Label("", GREY), Label()), (Label("", GREY), Label())]
        self._books = Label(tag="reconciliation", wrap=0)

    def show(self, view: DashboardView, selected: int) -> None:
        """Show a view."""
        self._positions.show([position_cells(p) for p in view.positions], fresh=view.fresh)
        self._signals.show([signal_cells(p) for p in view.positions], fresh=view.fresh)
        self._trades.show([trade_cells(t) for t in view.trades[:TRADES_SHOWN]])
        for table in (self._positions, self._signals):
            table.pick(selected)
        account = view.account
        self._trades_title.show(f"CLOSED TRADES   {account.trades}   ✓ {account.wins} won   ✗ {account.losses} lost", GREY)
        for (name, value), (text, figure, colour) in zip(self._account, account_lines(account), strict=True):
            name.show(text, GREY)
            value.show(figure.rjust(14), colour if view.fresh else DIM)
        text, colour = books_line(account)
        self._books.show(text if view.attached else "", colour)

    def _clicked(self, _sender: object, _value: object, index: int) -> None:
        self._on_select(index)


_ACCOUNT_LINES = 4


def position_cells(position: Position) -> Cells:
    """Return the cells of the positions table."""
    return (
        (position.symbol, WHITE),
        (position.regime, position.regime_colour),
        (position.strategy, position.strategy_colour),
        (figures.quantity(position.qty), figures.gain_colour(position.qty)),
        (figures.price(position.entry_usd if position.qty else 0.0), WHITE),
        (figures.price(position.last_usd), WHITE),
        (figures.signed_usd(position.pnl_usd) if position.qty else "–", figures.gain_colour(position.pnl_usd)),
    )


def signal_cells(position: Position) -> Cells:
    """Return the cells of the signals table."""
    strength, strength_colour = figures.strength_text(position.strength)
    feed = position.feed
    return (
        (position.symbol, WHITE),
        (strength, strength_colour),
        (f"{position.score:+.2f}", WHITE),
        (feed.text.removeprefix("feed "), LEVEL_COLOURS[feed.level]),
        ("✓ allowed", GREEN) if position.enabled else ("✗ paused", ORANGE),
        (position.why or "✓ ready", WHITE if position.why else GREEN),
    )


def trade_cells(trade: Trade) -> Cells:
    """Return the cells of the table of closed trades."""
    side, side_colour = figures.side_text(trade.side)
    return (
        (trade.time, GREY),
        (trade.symbol, WHITE),
        (side, side_colour),
        (figures.price(trade.entry_usd), WHITE),
        (figures.price(trade.exit_usd), WHITE),
        (figures.signed_usd(trade.pnl_usd), figures.gain_colour(trade.pnl_usd)),
        (trade.reason, GREY),
    )


def account_lines(account: Account) -> tuple[tuple[str, str, Colour], ...]:
    """Return name, figure and colour of the account's figures, in two columns read across."""
    usd = figures.usd
    return (
        ("Start equity", usd(account.start_equity_usd), WHITE),
        ("Realised", figures.signed_usd(account.realised_usd), figures.gain_colour(account.realised_usd)),
        ("Equity", usd(account.equity_usd), WHITE),
        ("Unrealised", figures.signed_usd(account.unrealised_usd), figures.gain_colour(account.unrealised_usd)),
        ("Cash", usd(account.cash_usd), WHITE),
        ("Fees", usd(account.fees_usd), WHITE),
        ("Drawdown", f"{account.drawdown_pct:.2f} %", WHITE),
        ("Slippage / AI", f"{usd(account.slippage_usd)} / {account.ai_cost_usd:.4f}", PURPLE if account.ai_cost_usd else WHITE),
    )


def books_line(account: Account) -> tuple[str, Colour]:
    """Return the reconciliation: equity change = realised + unrealised - fees, and what does not add up."""
    sign, colour = ("✓", GREEN) if account.reconciled else ("✗ BOOKS DISAGREE", RED)
    usd = figures.usd
    line = (
        f"{sign} {usd(account.pnl_usd)} = realised {usd(account.realised_usd)} + unrealised {usd(account.unrealised_usd)} "
        f"- fees {usd(account.fees_usd)}, diff {usd(account.difference_usd)}"
    )
    return line, colour
