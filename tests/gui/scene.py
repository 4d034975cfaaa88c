"""A busy market for pictures and clicks: prices, open positions, closed trades, an AI that has decided, and minutes of events."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.clock import NS_PER_S
from shared.events import Action, EventKind, Mode, Reason, Regime, Source, Status, TunerEventKind, TunerStatus
from shared.params import PARAMS, index_of
from tests.support_segments import Publisher

STOP, TARGET = index_of(PARAMS, "stop_pct"), index_of(PARAMS, "target_pct")
PRICES = (61_602.01, 2_688.4, 158.31, 0.3391, 7.212, 24.6)
DECISION = 41
HOUR_S = 3600

_WHYS = (Reason.IN_POSITION, Reason.IN_POSITION, Reason.WEAK_SIGNAL, Reason.EMA_DEVIATION, Reason.COOLDOWN, Reason.PAUSED)


def lively(publisher: Publisher, seed: int = 7) -> None:
    """Fill a publisher's portfolio and events, and publish."""
    rng = np.random.default_rng(seed)
    view, now_ns = publisher.view, publisher.clock.now_ns()
    view["simulated"], view["venue"], view["mode"], view["reconciled"] = 1, b"sim-usdm", Mode.NORMAL, 1
    view["feed_lag_ms"] = 3.0
    for i in range(len(publisher.symbols)):
        _fill_row(publisher, i, rng, now_ns)
    held = [(0, 0.0325, 0.9965), (1, -1.25, 1.0021), (2, 14.88, 1.0012)]
    for i, qty, entry in held[: len(publisher.symbols)]:
        _hold(view["rows"][i], qty, entry)
    _fill_account(publisher, rng)
    _fill_trades(publisher, rng, now_ns)
    _push_events(publisher, now_ns)
    publisher.publish()


def _fill_row(publisher: Publisher, i: int, rng: np.random.Generator, now_ns: int) -> None:
    row = publisher.view["rows"][i]
    price = PRICES[i % len(PRICES)]
    closes = price * (1 + np.cumsum(rng.normal(0.0, 0.00025, 300)))
    reach = price * np.abs(rng.normal(0.0, 0.00012, 300))
    row["closes_usd"], row["highs_usd"], row["lows_usd"] = closes, closes + reach, closes - reach
    row["volumes"] = rng.gamma(1.5, 2.0, 300) * (1 + 4 * np.abs(np.gradient(closes)) / price * 1e3)
    row["bars"] = 1207
    last = float(closes[-1])
    row["last_price_usd"] = row["mark_price_usd"] = last
    row["bid_price_usd"], row["ask_price_usd"] = last * (1 - 3e-5 * (1 + i)), last * (1 + 3e-5 * (1 + i))
    row["regime"] = (Regime.TRENDING_UP, Regime.HIGH_VOLATILITY, Regime.RANGING, Regime.TRENDING_DOWN)[i % 4]
    row["regime_confidence"] = (0.82, 0.64, 0.71, 0.58)[i % 4]
    row["strategy"], row["strength"], row["score"] = (2, 1, 3, 2)[i % 4], (2, -3, 0, 1)[i % 4], (0.64, -0.91, 0.05, 0.33)[i % 4]
    row["enabled"] = _WHYS[i % 6] is not Reason.PAUSED
    if not row["enabled"]:
        publisher.apply_symbol(i, enabled=0)
    row["funding_rate"], row["next_funding_ns"] = 0.0001, now_ns + 2 * HOUR_S * NS_PER_S
    _check(publisher, i, _WHYS[i % 6])


def _check(publisher: Publisher, i: int, failing: Reason) -> None:
    """Write the checks of a symbol as the trader does, one of them failing."""
    lines = (
        (Reason.TRADING_DISABLED, 1, 1), (Reason.KILL_FILE, 0, 0), (Reason.DRAWDOWN_HALT, 0.21, 10), (Reason.DAILY_LOSS, -0.3, 6),
        (Reason.EXIT_ONLY, 0, 4), (Reason.CRASH_GUARD, 0, 2), (Reason.PAUSED, 1, 1), (Reason.NO_INSTRUMENT, 0.001, 0),
        (Reason.NO_PRICE, PRICES[i % 6], 0), (Reason.STALE_FEED, 40, 5000), (Reason.CROSSED_BOOK, 0.6, 0),
        (Reason.WARMING_UP, 1207, 60), (Reason.IN_POSITION, 0, 0), (Reason.ORDER_PENDING, 0, 0), (Reason.COOLDOWN, 61_000, 2000),
        (Reason.LOSS_COOLDOWN, np.inf, 30), (Reason.ORDER_RATE, 0, 5), (Reason.WEAK_SIGNAL, 3, 2), (Reason.NO_STRATEGY, 1, 0),
        (Reason.LONG_ONLY, 0.64, 0), (Reason.MIN_EDGE, 41.2, 30), (Reason.TOO_SMALL, 2008, 100), (Reason.TRADE_LOSS, 26, 502),
        (Reason.SYMBOL_EXPOSURE, 2008, 20_000), (Reason.GROSS_LIMIT, 7340, 60_000), (Reason.CORRELATED_EXPOSURE, 4010, 40_000),
        (Reason.BUYING_POWER, 2008, 295_000),
    )  # fmt: skip
    bad = {
        Reason.IN_POSITION: (0.0325, 0), Reason.WEAK_SIGNAL: (1, 2), Reason.EMA_DEVIATION: (0.61, 0.5),
        Reason.COOLDOWN: (900, 2000), Reason.PAUSED: (0, 1),
    }  # fmt: skip
    for reason, value, limit in lines:
        if reason is failing or (reason is Reason.NO_STRATEGY and failing is Reason.EMA_DEVIATION):
            publisher.check(i, failing, *bad[failing], passed=False)
        elif reason is Reason.MIN_EDGE and failing is Reason.WEAK_SIGNAL:
            publisher.check(i, reason, 11.4, 30, passed=False)
        else:
            publisher.check(i, reason, value, limit, passed=True)


def _hold(row: np.void, qty: float, entry: float) -> None:
    last, side = float(row["last_price_usd"]), np.sign(qty)
    row["position_qty"], row["entry_price_usd"] = qty, last * entry
    row["unrealised_usd"] = qty * (last - last * entry)
    row["target_price_usd"], row["stop_price_usd"] = last * entry * (1 + side * 0.015), last * entry * (1 - side * 0.01)


def _fill_account(publisher: Publisher, rng: np.random.Generator) -> None:
    view = publisher.view
    view["realised_usd"], view["fees_usd"], view["slippage_usd"], view["funding_usd"] = 412.77, 58.31, 29.15, 1.42
    view["unrealised_usd"] = sum(float(row["unrealised_usd"]) for row in view["rows"])
    view["equity_usd"] = 100_000 + view["realised_usd"] + view["unrealised_usd"] - view["fees_usd"] - view["funding_usd"]
    view["cash_usd"], view["drawdown_pct"] = view["equity_usd"] - 1_300, 0.02
    view["trades"], view["wins"], view["losses"] = 9, 6, 3
    walk = 100_000 + np.cumsum(rng.normal(0.6, 9.0, 600))
    view["equity_usd_1s"] = walk + (view["equity_usd"] - walk[-1]) * np.linspace(0, 1, 600)
    view["peak_equity_usd"] = view["equity_usd_1s"].max()
    blocked = view["blocked"]
    blocked[Reason.WEAK_SIGNAL], blocked[Reason.IN_POSITION], blocked[Reason.COOLDOWN], blocked[Reason.MIN_EDGE] = (
        812,
        240,
        61,
        33,
    )


def _fill_trades(publisher: Publisher, rng: np.random.Generator, now_ns: int) -> None:
    for i in range(9):
        trade = publisher.view["recent"][i]
        symbol = i % len(publisher.symbols)
        price = PRICES[symbol % len(PRICES)]
        trade["trade_id"], trade["symbol"], trade["side"] = i + 1, symbol, (1, -1)[i % 2]
        trade["reason"] = (Reason.TARGET, Reason.STOP, Reason.PULLBACK)[i % 3]
        trade["exit_ns"] = now_ns - (9 - i) * 130 * NS_PER_S
        trade["entry_price_usd"], trade["exit_price_usd"] = price, price * (1 + rng.normal(0, 0.01))
        trade["qty"], trade["pnl_usd"] = 0.03, (83.2, -41.07, 20.55)[i % 3]


def _push_events(publisher: Publisher, now_ns: int) -> None:
    n = len(publisher.symbols)
    for i in range(12):
        at, symbol = now_ns - (280 - 22 * i) * NS_PER_S, i % n
        price = float(publisher.view["rows"][symbol]["closes_usd"][20 + 22 * i])
        side = (1, -1)[i // n % 2]
        publisher.push(EventKind.SIGNAL, time_ns=at, symbol=symbol, side=side, new=2, score=0.62 * side)
        publisher.push(EventKind.FILL, time_ns=at + 10**8, symbol=symbol, side=side, qty=0.0325, price_usd=price, fee_usd=2.0)
        if i % 4 == 1:
            publisher.push(EventKind.STOP_LOSS, time_ns=at + 2 * 10**8, symbol=symbol, pnl_usd=-41.07, price_usd=price, reason=2)
        if i % 4 == 3:
            publisher.push(EventKind.TARGET_HIT, time_ns=at + 2 * 10**8, symbol=symbol, pnl_usd=83.2, price_usd=price, reason=1)
    publisher.push(EventKind.REGIME_CHANGE, time_ns=now_ns - 90 * NS_PER_S, symbol=0, old=3, new=1)
    _ai_change(publisher, now_ns - 78 * NS_PER_S, STOP, 1.0, 0.8)


def _ai_change(publisher: Publisher, at_ns: int, field: int, old: float, new: float) -> None:
    publisher.push(
        EventKind.TUNER_CONFIG, time_ns=at_ns, symbol=0, field=field, old=old, new=new,
        confidence_pct=80, source=Source.TUNER, status=Status.TUNER_CONFIG_UPDATE, decision_id=DECISION,
    )  # fmt: skip
    publisher.apply_symbol(0, Source.TUNER, **{PARAMS[field].name: new})


def ai_at_work(publisher: Publisher) -> None:
    """Start a tuner that has decided in full, was refused once, and reads the tape of the first symbol."""
    now_ns = publisher.clock.now_ns()
    publisher.start_tuner(**tuner_status(now_ns))
    at = now_ns - 80 * NS_PER_S
    changes = [(STOP, 1.0, 0.8)]
    common: dict[str, Any] = {"action": Action.UPDATE_CONFIG, "confidence_pct": 80, "decision_id": DECISION}
    publisher.push_tuner(TunerEventKind.TRIGGER, time_ns=at, symbol=-1, text=b"scheduled: 300 s; BTCUSDT, ETHUSDT")
    publisher.push_tuner(
        TunerEventKind.RETRIEVAL, time_ns=at + 10**8,
        text=b"2 passages: trading_risk.md#stops#3fa1, regimes.md#trending#90c2",
    )  # fmt: skip
    publisher.push_tuner(
        TunerEventKind.DECISION, changes, time_ns=at + 10**9, latency_ms=1820, input_tokens=3120, output_tokens=284,
        cost_usd=0.0137, **common,
        text=b"Efficiency 0.41 and falling volatility: the trend is clean, so a tighter stop costs little and halves the tail.",
    )  # fmt: skip
    publisher.push_tuner(TunerEventKind.GUARD_VERDICT, changes, time_ns=at + 11 * 10**8, text=b"accept: lowers risk", **common)
    publisher.push_tuner(
        TunerEventKind.WHAT_IF, time_ns=at + 12 * 10**8, horizon_s=900, pnl_old_usd=-12.4, pnl_new_usd=3.1, trades_old=6,
        trades_new=5, effect_usd=15.5, **common,
    )  # fmt: skip
    publisher.push_tuner(TunerEventKind.APPLIED, changes, time_ns=at + 2 * 10**9, generation=7, **common)
    publisher.push_tuner(
        TunerEventKind.REFUSED, [(TARGET, 1.5, 4.0)], time_ns=at + 3 * 10**9, symbol=1, action=Action.UPDATE_CONFIG,
        confidence_pct=52, text=b"confidence 52 is below 60",
    )  # fmt: skip
    publisher.push_tuner(
        TunerEventKind.OUTCOME, time_ns=now_ns - 10 * NS_PER_S, horizon_s=60, pnl_old_usd=-4.1, pnl_new_usd=2.7, trades_old=2,
        trades_new=2, effect_usd=6.8, effect_low_usd=-1.9, effect_high_usd=8.4, samples=9, **common,
    )  # fmt: skip


def tuner_status(now_ns: int) -> dict[str, object]:
    """Return the fields of an active tuner's status, with a scalper's read of the first symbol."""
    return {
        "status": TunerStatus.ACTIVE, "advisor": b"claude", "model": b"claude-opus", "chain": b"claude,ollama,rules",
        "cost_usd": 0.0823, "cycles": 14, "applied": 3, "refused": 1, "held": 9, "last_latency_ms": 1820.0, "interval_s": 300.0,
        "next_cycle_ns": now_ns + 207 * NS_PER_S, "calls_hour": 6, "calls_hour_limit": 20, "cost_day_usd": 0.08,
        "cost_day_limit_usd": 5.0, "reads": scalper_reads(now_ns),
    }  # fmt: skip


def scalper_reads(now_ns: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Return the reads of a scalper that has looked at the first symbol."""
    from shared.layout import SCALPER_READ
    from shared.params import MAX_SYMBOLS

    reads = np.zeros(MAX_SYMBOLS, SCALPER_READ)
    reads[0] = (now_ns - 4 * NS_PER_S, 0.62, -0.18, 0.74, 0.9, 1, b"Buyers lift every offer, but the bid is thin below.")
    return reads
