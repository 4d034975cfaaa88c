"""Trades by hand: what protects the account holds for them, signals do not, and protection closes them like any other."""

from __future__ import annotations

import pytest

from shared.events import CommandKind, EventKind, Reason, Source
from tests.engine_support import CAPITAL_USD, CLOSES, Story, book, instrument, kill_file, quote, second_ns, spot, timer, trade
from trader.engine.inputs import ALL, InputKind, InputRow, row
from trader.engine.state import ASK_SLOT, BID_SLOT
from trader.engine.trading import quote as rest


def order(kind: CommandKind, at_s: float = 0.5, notional_usd: float = 0.0, symbol: int = 0) -> InputRow:
    return row(InputKind.COMMAND, second_ns(at_s), symbol, flags=Source.DASHBOARD, aux=kind, a=notional_usd, ref=7)


def calm(story: Story, price: float = 100.0, at_s: float = 0.0) -> Story:
    return story.tell(
        [*book(at_s, [(price - 0.01, 1e5)], [(price + 0.01, 1e5)]), quote(at_s, price, 0, 0.01), trade(at_s, price)]
    )


def answer(story: Story) -> tuple[EventKind, Reason]:
    told = story.of(EventKind.COMMAND_ACK, EventKind.CONFIG_REFUSED)[-1]
    assert int(told["command_id"]) == 7
    return EventKind(int(told["kind"])), Reason(int(told["reason"]))


def test_a_buy_takes_the_base_size_without_a_signal_and_is_marked_as_manual() -> None:
    story = calm(Story()).tell([order(CommandKind.MANUAL_BUY)])
    assert answer(story) == (EventKind.COMMAND_ACK, Reason.NONE)
    opened = story.of(EventKind.POSITION_OPEN)[0]
    assert (Reason(int(opened["reason"])), Source(int(opened["source"]))) == (Reason.MANUAL, Source.DASHBOARD)
    assert float(opened["qty"]) == pytest.approx(0.02 * CAPITAL_USD / 100.0, abs=1.0)
    assert int(story.view()["rows"][0]["manual"]) == 1


def test_a_size_of_ones_own_is_kept_in_whole_steps() -> None:
    story = calm(Story()).tell([order(CommandKind.MANUAL_SELL, notional_usd=1_050.0)])
    assert float(story.symbol()["position_qty"]) == -10.0


@pytest.mark.parametrize(
    ("prepare", "kind", "notional_usd", "reason"),
    [
        (None, CommandKind.MANUAL_BUY, 30_000.0, Reason.SYMBOL_EXPOSURE),
        (None, CommandKind.MANUAL_BUY, 50.0, Reason.TOO_SMALL),
        ("kill", CommandKind.MANUAL_BUY, 1_000.0, Reason.TRADING_DISABLED),
        ("spot", CommandKind.MANUAL_SELL, 1_000.0, Reason.LONG_ONLY),
        ("blind", CommandKind.MANUAL_BUY, 1_000.0, Reason.NO_PRICE),
    ],
)
def test_what_protects_the_account_refuses(prepare: str | None, kind: CommandKind, notional_usd: float, reason: Reason) -> None:
    story = spot() if prepare == "spot" else Story()
    if prepare != "blind":
        calm(story)
    if prepare == "kill":
        story.tell([kill_file(0.3, present=True)])
    story.tell([order(kind, notional_usd=notional_usd)])
    assert answer(story) == (EventKind.CONFIG_REFUSED, reason)
    assert len(story.of(EventKind.FILL)) == 0


def test_reducing_passes_while_everything_is_halted() -> None:
    story = calm(Story()).tell([order(CommandKind.MANUAL_BUY, 0.2, 2_000.0)])
    story.account["halted"] = 1
    story.account["risk"] = 2
    story.tell([order(CommandKind.MANUAL_SELL, 0.4, 1_000.0)])
    assert answer(story)[0] is EventKind.COMMAND_ACK
    assert float(story.symbol()["position_qty"]) == pytest.approx(10.0, abs=1.0)


def test_a_stop_closes_a_manual_position_and_a_signal_does_not() -> None:
    story = calm(Story(stop_pct=1.0)).tell([order(CommandKind.MANUAL_BUY)])
    story.symbol()["score"], story.symbol()["strength"] = -1.0, 3
    for at_s in range(1, 90):
        calm(story, 100.0, at_s)
    assert float(story.symbol()["position_qty"]) > 0.0
    calm(story, 98.5, 90)
    assert Reason(int(story.of(*CLOSES)[0]["reason"])) is Reason.STOP


def test_close_leaves_the_symbol_enabled() -> None:
    story = calm(Story()).tell([order(CommandKind.MANUAL_BUY, 0.2), order(CommandKind.CLOSE, 0.4)])
    assert float(story.symbol()["position_qty"]) == 0.0
    assert int(story.view()["rows"][0]["enabled"]) == 1
    assert Reason(int(story.of(*CLOSES)[0]["reason"])) is Reason.MANUAL


def test_cancel_all_takes_every_resting_order_away() -> None:
    story = calm(Story())
    for side, price in ((1, 99.9), (-1, 100.1)):
        rest(story.account, story.engine._box[0], 0, side, 1.0, price, int(Reason.QUOTE))
    story.tell([timer(0.1), order(CommandKind.CANCEL_ALL, 0.2, symbol=ALL), timer(0.3)])
    assert [int(story.symbol()["orders"][slot]["status"]) for slot in (BID_SLOT, ASK_SLOT)] == [0, 0]


def test_nobody_buys_every_symbol_by_hand_at_once() -> None:
    story = calm(Story()).tell([order(CommandKind.MANUAL_BUY, symbol=ALL)])
    assert answer(story) == (EventKind.CONFIG_REFUSED, Reason.NOT_ALLOWED)


def test_the_published_stop_is_the_price_that_closes() -> None:
    story = calm(Story(stop_pct=1.0, target_pct=2.0, pullback_pct=0.5)).tell([order(CommandKind.MANUAL_BUY)])
    for at_s, price in enumerate((100.5, 101.0, 101.2), 1):
        calm(story, price, at_s)
        shown = story.view()["rows"][0]
        assert float(shown["target_price_usd"]) == pytest.approx(float(shown["entry_price_usd"]) * 1.02)
    stop = float(shown["stop_price_usd"])
    assert stop > 100.0
    calm(story, stop + 0.03, 4)
    assert float(story.symbol()["position_qty"]) > 0.0
    calm(story, stop - 0.03, 5)
    assert float(story.symbol()["position_qty"]) == 0.0
    assert float(story.view()["rows"][0]["stop_price_usd"]) == 0.0


def test_venues_that_drift_apart_are_told_and_not_entered() -> None:
    story = Story(2)
    story.tell([row(InputKind.INSTRUMENT, second_ns(0), i, flags=1, a=0.01, b=1.0, c=5.0, d=3.0) for i in range(2)])
    assert instrument(0)[0] == 0
    for at_s, other in enumerate((100.0, 100.0, 101.0, 101.0, 100.2, 100.2, 100.3, 100.3, 100.0, 100.0)):
        story.tell([quote(at_s, 100.0, 0), trade(at_s, 100.0, 0), quote(at_s, other, 1), trade(at_s, other, 1)])
        checks = story.view()["rows"][1]
        failing = {int(c["reason"]) for c in checks["checks"][: int(checks["n_checks"])] if not c["passed"]}
        assert (Reason.VENUE_DRIFT in failing) == bool(story.symbol(1)["drifting"])
    drifts = [(int(e["symbol"]), abs(float(e["new"])) > 50.0) for e in story.of(EventKind.VENUE_DRIFT)]
    assert drifts == [(0, True), (1, True), (0, False), (1, False)]
