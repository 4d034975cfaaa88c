"""A busy market for pictures: prices, an open long and an open short, closed trades, and an hour of events."""

from __future__ import annotations

import numpy as np

from shared.clock import NS_PER_S
from shared.events import Action, EventKind, Reason, Regime, Source, Status, TunerEventKind
from shared.params import PARAMS, index_of
from tests.support_segments import Publisher

STOP = index_of(PARAMS, "stop_pct")
PRICES = (61_602.01, 2_688.4, 158.31, 0.3391, 7.212, 24.6)


def lively(publisher: Publisher, seed: int = 7) -> None:
    """Fill a publisher's portfolio, events and tuner, and publish."""
    rng = np.random.default_rng(seed)
    view, now_ns = publisher.view, publisher.clock.now_ns()
    view["simulated"] = 1
    view["venue"] = b"sim"
    for i, _ in enumerate(publisher.symbols):
        _fill_row(publisher, i, rng)
    first, second = view["rows"][0], view["rows"][1]
    first["position_qty"], first["entry_price_usd"] = 0.0325, first["last_price_usd"] * 0.996
    second["position_qty"], second["entry_price_usd"] = -1.25, second["last_price_usd"] * 0.998
    for row in (first, second):
        row["unrealised_usd"] = row["position_qty"] * (row["last_price_usd"] - row["entry_price_usd"])
    view["realised_usd"], view["fees_usd"], view["slippage_usd"] = 412.77, 58.31, 29.15
    view["unrealised_usd"] = first["unrealised_usd"] + second["unrealised_usd"]
    view["equity_usd"] = 100_000 + view["realised_usd"] + view["unrealised_usd"] - view["fees_usd"]
    view["cash_usd"], view["drawdown_pct"] = view["equity_usd"] - 1_300, 0.21
    view["trades"], view["wins"], view["losses"] = 9, 6, 3
    walk = 100_000 + np.cumsum(rng.normal(0.6, 9.0, 600))
    view["equity_usd_1s"] = walk + (view["equity_usd"] - walk[-1]) * np.linspace(0, 1, 600)
    _fill_trades(publisher, rng, now_ns)
    _push_events(publisher, now_ns)
    publisher.publish()


def _fill_row(publisher: Publisher, i: int, rng: np.random.Generator) -> None:
    row = publisher.view["rows"][i]
    price = PRICES[i % len(PRICES)]
    row["closes_usd"] = price * (1 + np.cumsum(rng.normal(0.0, 0.00025, 300)))
    row["last_price_usd"] = row["mark_price_usd"] = row["closes_usd"][-1]
    row["regime"] = (Regime.TRENDING_UP, Regime.HIGH_VOLATILITY, Regime.RANGING, Regime.TRENDING_DOWN)[i % 4]
    row["strategy"], row["strength"], row["score"] = 1, (2, -3, 0, 1)[i % 4], (0.64, -0.91, 0.05, 0.33)[i % 4]
    whys = (Reason.IN_POSITION, Reason.IN_POSITION, Reason.WEAK_SIGNAL, Reason.EMA_DEVIATION, Reason.COOLDOWN, Reason.PAUSED)
    row["why"] = whys[i % 6]
    row["enabled"] = whys[i % 6] is not Reason.PAUSED


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
    publisher.push(EventKind.REGIME_CHANGE, time_ns=now_ns - 30 * NS_PER_S, symbol=0, old=3, new=1)
    publisher.push(
        EventKind.TUNER_CONFIG, time_ns=now_ns - 18 * NS_PER_S, symbol=0, field=STOP, old=1.0, new=0.8,
        confidence_pct=80, source=Source.TUNER, status=Status.TUNER_CONFIG_UPDATE,
    )  # fmt: skip


def ai_at_work(publisher: Publisher) -> None:
    """Start a tuner that has decided, was refused once, and talks in a dry run once."""
    publisher.start_tuner(cost_usd=0.0123, cycles=14, applied=3, refused=1, held=9, last_latency_ms=820.0)
    at = publisher.clock.now_ns() - 20 * NS_PER_S
    changes = [(STOP, 1.0, 0.8)]
    action = Action.UPDATE_CONFIG
    publisher.push_tuner(TunerEventKind.TRIGGER, time_ns=at, symbol=-1, text=b"scheduled")
    publisher.push_tuner(
        TunerEventKind.DECISION, changes, time_ns=at + 10**9, action=action, confidence_pct=80,
        text=b"trend is clean and volatility low: a tighter stop costs little and halves the tail",
    )  # fmt: skip
    publisher.push_tuner(TunerEventKind.APPLIED, changes, time_ns=at + 2 * 10**9, action=action, confidence_pct=80, generation=7)
    publisher.push_tuner(
        TunerEventKind.REFUSED, [(7, 1.5, 4.0)], time_ns=at + 3 * 10**9, symbol=1, action=action, confidence_pct=52,
        text=b"confidence 52 is below 60",
    )  # fmt: skip
    publisher.push_tuner(
        TunerEventKind.DRY_RUN, [(3, 2.0, 2.5)], time_ns=at + 4 * 10**9, symbol=1, action=action, confidence_pct=71
    )
