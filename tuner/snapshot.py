"""A frozen copy of the published state: the only thing about the market and the account that may reach the prompt."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.clock import NS_PER_MS, NS_PER_S, Clock
from shared.errors import UsageError
from shared.events import Action, Mode, Reason, Regime, RiskState, Source, Strategy, TunerMode
from shared.params import CONTROLS, ENABLED, PARAMS, SYMBOL_FIELDS, index_of
from shared.workspace import Workspace

ENABLED_FIELD = SYMBOL_FIELDS.index(ENABLED)
TURBULENT = (Regime.HIGH_VOLATILITY, Regime.SPIKE)
"""Regimes in which a position is in danger and a size too large."""

_TRADES_SHOWN = 5


class TradeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One closed trade. ``side`` +1 long, -1 short; ``held_s`` from entry to exit, ``closed_age_s`` since the exit."""

    side: int
    held_s: float
    closed_age_s: float
    gain_pct: float
    pnl_usd: float
    reason: Reason


class CheckFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One check before an entry, as the trader made it last. A value that is not known is not finite."""

    reason: Reason
    passed: bool
    value: float
    limit: float


class SymbolFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one symbol. ``params`` follows the order of :data:`shared.params.PARAMS`.

    Of the facts with a default, ``next_funding_s`` is infinite where the venue has no funding and 0 stands for "none" in prices.
    """

    symbol: str
    index: int
    # market
    price_usd: float
    bid_price_usd: float
    ask_price_usd: float
    ema_slow_usd: float
    regime: Regime
    volatility_pct: float
    trend_pct: float
    rsi: float
    efficiency: float
    high_60s_usd: float
    low_60s_usd: float
    bars: int
    stale: bool
    feed_age_ms: float
    # position and results
    position_qty: float
    entry_price_usd: float
    held_s: float
    unrealised_usd: float
    realised_usd: float
    fees_usd: float
    trades: int
    wins: int
    losses: int
    loss_streak: int
    win_streak: int
    why: Reason
    recent: tuple[TradeFacts, ...]
    # configuration in force
    params: tuple[float, ...]
    previous: tuple[float, ...]
    sources: tuple[Source, ...]
    enabled: bool
    enabled_by: Source
    revision: int
    set_by: Source
    set_age_s: float
    decision_id: int
    # what the trader makes of it
    regime_confidence: float = 0.0
    strategy: Strategy = Strategy.NONE
    score: float = 0.0
    strength: int = 0
    expected_bps: float = 0.0
    minute_atr_usd: float = 0.0
    checks: tuple[CheckFacts, ...] = ()
    # the open position
    mark_price_usd: float = 0.0
    target_price_usd: float = 0.0
    stop_price_usd: float = 0.0
    liquidation_usd: float = 0.0
    manual: bool = False
    # perpetuals
    funding_usd: float = 0.0
    funding_rate: float = 0.0
    next_funding_s: float = float("inf")

    @property
    def notional_usd(self) -> float:
        """Value of the position, USD, positive for a long and negative for a short."""
        return self.position_qty * (self.mark_price_usd or self.price_usd)

    @property
    def spread_bps(self) -> float:
        """Spread between best bid and ask, bps of the middle; 0 without a book."""
        middle = (self.bid_price_usd + self.ask_price_usd) / 2
        return (self.ask_price_usd - self.bid_price_usd) / middle * 1e4 if middle > 0 else 0.0

    @property
    def net_usd(self) -> float:
        """Realised and unrealised P&L together, USD, as the trader publishes them."""
        return self.realised_usd + self.unrealised_usd

    @property
    def paused_by_tuner(self) -> bool:
        """Whether the tuner itself paused the symbol; what somebody else paused it leaves alone."""
        return not self.enabled and self.enabled_by is Source.TUNER


class MeasuredEffect(msgspec.Struct, frozen=True, kw_only=True):
    """What one earlier decision did: the market that followed, replayed without it and with it. USD, net of all costs.

    ``effect_usd`` is new less old less ``cost_usd``, the price of the call.
    """

    decision_id: int
    age_s: float
    action: Action
    changes: str
    horizon_s: float
    pnl_old_usd: float
    pnl_new_usd: float
    trades_old: int
    trades_new: int
    cost_usd: float
    effect_usd: float


class MeasuredEffects(msgspec.Struct, frozen=True, kw_only=True):
    """The measured effects of the decisions about one symbol so far.

    ``low_usd`` to ``high_usd`` is the 95 % interval of their mean; infinite while ``samples`` are too few to say.
    ``recent`` holds the last ones, newest first.
    """

    symbol: str
    samples: int
    mean_usd: float
    low_usd: float
    high_usd: float
    recent: tuple[MeasuredEffect, ...] = ()


class AccountFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the account, USD unless named otherwise."""

    start_equity_usd: float
    equity_usd: float
    cash_usd: float
    peak_equity_usd: float
    drawdown_pct: float
    realised_usd: float
    unrealised_usd: float
    fees_usd: float
    slippage_usd: float
    trades: int
    wins: int
    losses: int


class ControlFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The global controls in force, and the override's epoch."""

    trading_enabled: bool
    manual_override: bool
    override_epoch: int
    tuner_mode: TunerMode
    tune_now: int
    slippage_bps: float
    commission_bps: float
    max_gross_pct: float
    max_drawdown_pct: float
    maker_bps: float = 2.0
    max_symbol_pct: float = 20.0
    max_correlated_pct: float = 40.0
    max_trade_loss_pct: float = 0.5
    max_daily_loss_pct: float = 6.0
    min_edge_factor: float = 1.0

    @property
    def one_side_cost_pct(self) -> float:
        """Commission and slippage of one side, % of the traded amount."""
        return (self.slippage_bps + self.commission_bps) / 100


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the tuner knows at ``taken_ns``. Ages are at that time. ``engine_ns`` is the market's own time."""

    taken_ns: int
    engine_ns: int = 0
    epoch: int
    heartbeat_age_ms: float
    published_age_ms: float
    venue: str
    live: bool
    simulated: bool
    connected: bool
    stale: bool
    halted: bool
    account: AccountFacts
    controls: ControlFacts
    symbols: tuple[SymbolFacts, ...]
    mode: Mode = Mode.NORMAL
    risk: RiskState = RiskState.ACTIVE
    blocked: tuple[tuple[Reason, int], ...] = ()
    """Seconds each reason was the first to block an entry, all symbols together, most first."""
    effects: tuple[MeasuredEffects, ...] = ()

    def effects_of(self, symbol: str) -> MeasuredEffects | None:
        """Return what the decisions about a symbol did so far; None if none is measured yet."""
        return next((effects for effects in self.effects if effects.symbol == symbol), None)

    def facts(self, symbol: str) -> SymbolFacts:
        """Return the facts of one symbol.

        Errors
        ------
        UsageError
            If it is not configured; the message lists those that are.
        """
        for facts in self.symbols:
            if facts.symbol == symbol:
                return facts
        raise UsageError(f"symbol: was {symbol!r}, expected one of {', '.join(f.symbol for f in self.symbols)}")


def take_controls(workspace: Workspace) -> ControlFacts:
    """Copy the global controls.

    The override's epoch is read first: if the human takes the wheel in between, the copy carries the older epoch and the
    trader refuses whatever follows from it.
    """
    epoch = workspace.override_epoch
    values = workspace.controls.applied()["values"]

    def control(name: str) -> float:
        return float(values[index_of(CONTROLS, name)])

    return ControlFacts(
        trading_enabled=control("trading_enabled") > 0,
        manual_override=control("manual_override") > 0,
        override_epoch=epoch,
        tuner_mode=TunerMode(int(control("tuner_mode"))),
        tune_now=int(control("tune_now")),
        slippage_bps=control("slippage_bps"),
        commission_bps=control("commission_bps"),
        max_gross_pct=control("max_gross_pct"),
        max_drawdown_pct=control("max_drawdown_pct"),
        maker_bps=control("maker_bps"),
        max_symbol_pct=control("max_symbol_pct"),
        max_correlated_pct=control("max_correlated_pct"),
        max_trade_loss_pct=control("max_trade_loss_pct"),
        max_daily_loss_pct=control("max_daily_loss_pct"),
        min_edge_factor=control("min_edge_factor"),
    )


def take(workspace: Workspace, clock: Clock) -> Snapshot:
    """Copy the published state.

    Errors
    ------
    TornRead
        If the trader published during every try; try again.
    """
    controls = take_controls(workspace)
    applied = [row.applied() for row in workspace.symbol_rows]
    view = workspace.portfolio()
    now_ns = clock.now_ns()
    return Snapshot(
        taken_ns=now_ns,
        engine_ns=int(view["time_ns"]),
        epoch=workspace.epoch,
        heartbeat_age_ms=workspace.heartbeat_age_ms,
        published_age_ms=(now_ns - int(view["published_ns"])) / NS_PER_MS,
        venue=bytes(view["venue"]).decode(),
        live=bool(view["live"]),
        simulated=bool(view["simulated"]),
        connected=bool(view["connected"]),
        stale=bool(view["stale"]),
        halted=bool(view["halted"]),
        account=_account(view),
        controls=controls,
        symbols=tuple(_symbol(name, index, view, applied[index], now_ns) for index, name in enumerate(workspace.symbols)),
        mode=Mode(int(view["mode"])),
        risk=RiskState(int(view["risk"])),
        blocked=_blocked(view["blocked"]),
    )


def _account(view: Any) -> AccountFacts:
    floats = (
        "start_equity_usd", "equity_usd", "cash_usd", "peak_equity_usd", "drawdown_pct",
        "realised_usd", "unrealised_usd", "fees_usd", "slippage_usd",
    )  # fmt: skip
    values: dict[str, Any] = {name: float(view[name]) for name in floats}
    values |= {name: int(view[name]) for name in ("trades", "wins", "losses")}
    return AccountFacts(**values)


def _symbol(name: str, index: int, view: Any, applied: Any, now_ns: int) -> SymbolFacts:
    row = view["rows"][index]
    floats = (
        "bid_price_usd", "ask_price_usd", "ema_slow_usd", "volatility_pct", "trend_pct", "rsi", "efficiency",
        "high_60s_usd", "low_60s_usd", "position_qty", "entry_price_usd", "unrealised_usd", "realised_usd", "fees_usd",
        "regime_confidence", "score", "expected_bps", "minute_atr_usd", "mark_price_usd", "target_price_usd", "stop_price_usd",
        "liquidation_usd", "funding_usd", "funding_rate",
    )  # fmt: skip
    values: dict[str, Any] = {field: float(row[field]) for field in floats}
    values |= {field: int(row[field]) for field in ("bars", "trades", "wins", "losses", "loss_streak", "win_streak")}
    values["strength"] = int(row["strength"])
    engine_ns = int(view["time_ns"])  # market times are the venue's, so their ages are measured on its clock
    return SymbolFacts(
        symbol=name,
        index=index,
        price_usd=float(row["last_price_usd"]),
        regime=Regime(int(row["regime"])),
        stale=bool(row["stale"]),
        feed_age_ms=max(0.0, (engine_ns - int(row["last_market_ns"])) / NS_PER_MS) if row["last_market_ns"] else 0.0,
        held_s=max(0.0, (engine_ns - int(row["entry_ns"])) / NS_PER_S) if row["position_qty"] else 0.0,
        why=Reason(int(row["why"])),
        recent=_recent_trades(view, index),
        params=tuple(float(value) for value in applied["values"][: len(PARAMS)]),
        previous=tuple(float(value) for value in applied["previous"][: len(PARAMS)]),
        sources=tuple(Source(int(source)) for source in applied["sources"][: len(PARAMS)]),
        enabled=bool(applied["values"][ENABLED_FIELD]),
        enabled_by=Source(int(applied["sources"][ENABLED_FIELD])),
        revision=int(applied["revision"]),
        set_by=Source(int(applied["source"])),
        set_age_s=_set_age_s(int(applied["updated_ns"]), engine_ns, now_ns),
        decision_id=int(applied["decision_id"]),
        strategy=Strategy(int(row["strategy"])),
        checks=_checks(row),
        manual=bool(row["manual"]),
        next_funding_s=(int(row["next_funding_ns"]) - engine_ns) / NS_PER_S if row["next_funding_ns"] else float("inf"),
        **values,
    )


def _checks(row: Any) -> tuple[CheckFacts, ...]:
    return tuple(
        CheckFacts(
            reason=Reason(int(check["reason"])),
            passed=bool(check["passed"]),
            value=float(check["value"]),
            limit=float(check["limit"]),
        )
        for check in row["checks"][: int(row["n_checks"])]
    )


def _blocked(counts: Any) -> tuple[tuple[Reason, int], ...]:
    """Return the histogram of blocking reasons, most seconds first."""
    found = [(code, int(counts[code])) for code in Reason if code and int(counts[code])]
    return tuple(sorted(found, key=lambda item: (-item[1], item[0])))


def _set_age_s(updated_ns: int, engine_ns: int, now_ns: int) -> float:
    """Return the age of a change, s; infinity if there was none.

    The trader stamps it with the engine's time, which lies in the past while a recording is replayed; one that the engine
    has not reached yet was stamped by this machine's clock.
    """
    if not updated_ns:
        return float("inf")
    reference_ns = engine_ns if updated_ns <= engine_ns + NS_PER_S else now_ns
    return max(0.0, (reference_ns - updated_ns) / NS_PER_S)


def _recent_trades(view: Any, index: int) -> tuple[TradeFacts, ...]:
    """Return the last trades of one symbol, oldest first."""
    rows = view["recent"][(view["recent"]["trade_id"] > 0) & (view["recent"]["symbol"] == index)]
    rows = rows[rows["trade_id"].argsort()][-_TRADES_SHOWN:]
    return tuple(_trade(row, int(view["time_ns"])) for row in rows)


def _trade(row: Any, engine_ns: int) -> TradeFacts:
    side, entry, leave = int(row["side"]), float(row["entry_price_usd"]), float(row["exit_price_usd"])
    return TradeFacts(
        side=side,
        held_s=(int(row["exit_ns"]) - int(row["entry_ns"])) / NS_PER_S,
        closed_age_s=max(0.0, (engine_ns - int(row["exit_ns"])) / NS_PER_S),
        gain_pct=side * (leave / entry - 1) * 100 if entry > 0 else 0.0,
        pnl_usd=float(row["pnl_usd"]),
        reason=Reason(int(row["reason"])),
    )
