from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from shared.clock import NS_PER_MS, NS_PER_S, ManualClock
from trader.engine.inputs import ALL, ASK, FIRST, LAST, SELL_TAKER, Gap, InputKind
from trader.feeds.hyperliquid.handler import HyperliquidHandler
from trader.feeds.hyperliquid.venue import endpoints
from trader.feeds.stats import FeedStats

T0_NS = 1_790_232_237_000 * NS_PER_MS
HOUR_NS = 3600 * NS_PER_S


class Wire:
    """A handler of BTC and ETH with its clock and counters."""

    def __init__(self) -> None:
        self.clock, self.stats = ManualClock(T0_NS), FeedStats()
        self.handler = HyperliquidHandler(["BTC", "ETH"], endpoints(), self.clock, self.stats)
        self.handler.on_connected(["l2Book:BTC", "trades:BTC"])

    def say(self, channel: str, data: Any) -> str:
        return self.handler.on_frame(json.dumps({"channel": channel, "data": data}))

    def rows(self, kind: InputKind | None = None) -> Any:
        rows = self.handler.take()
        return rows if kind is None else rows[rows["kind"] == kind]


@pytest.fixture
def wire() -> Wire:
    return Wire()


def level(px: object, sz: object = "1.0") -> dict[str, object]:
    return {"px": px, "sz": sz, "n": 1}


def book(bids: list[object], asks: list[object], coin: str = "BTC") -> dict[str, object]:
    return {"coin": coin, "time": 5, "levels": [[level(px) for px in bids], [level(px) for px in asks]]}


def trade(tid: int, *, time_ms: int = T0_NS // NS_PER_MS, coin: str = "BTC", side: str = "B") -> dict[str, object]:
    return {"coin": coin, "side": side, "px": "100.0", "sz": "0.5", "time": time_ms, "hash": "0x0", "tid": tid, "users": []}


def context(**figures: object) -> dict[str, object]:
    return {"coin": "BTC", "ctx": {"funding": "0.0000125", "markPx": "100.5", "oraclePx": "100.0"} | figures}


def test_a_whole_book_is_a_snapshot_whatever_the_order_of_keys(wire: Wire) -> None:
    levels = [[{"n": 5, "sz": "3.5", "px": "99.0"}, {"sz": "1.0", "px": "98.0", "n": 1}], [{"px": "101.0", "sz": "2.0", "n": 2}]]
    assert wire.say("l2Book", {"levels": levels, "time": 7, "coin": "BTC", "fast": True, "new": None}) == "l2Book:BTC"
    rows = wire.rows()
    assert rows["kind"].tolist() == [InputKind.SNAPSHOT] * 3
    assert rows["flags"].tolist() == [FIRST, 0, ASK | LAST]
    assert list(zip(rows["a"], rows["b"], strict=True)) == [(99.0, 3.5), (98.0, 1.0), (101.0, 2.0)]
    assert rows["ref"].tolist() == [7, 7, 7]


def test_a_quote_becomes_a_quote(wire: Wire) -> None:
    assert wire.say("bbo", {"coin": "ETH", "time": 9, "bbo": [level("99.5", "2.0"), level("99.6", "3.0")]}) == "bbo:ETH"
    (row,) = wire.rows(InputKind.QUOTE)
    assert (row["symbol"], row["a"], row["b"], row["c"], row["d"], row["ref"]) == (1, 99.5, 2.0, 99.6, 3.0, 9)


def test_a_clock_that_is_set_back_lets_no_time_step_back_in_any_batch_after_it(wire: Wire) -> None:
    times: list[int] = []
    for step_ns in (NS_PER_S, -10 * NS_PER_S, NS_PER_S, NS_PER_S, 20 * NS_PER_S):
        wire.clock.advance(step_ns)
        wire.say("l2Book", book(["99.0"], ["101.0"]))
        times += sorted(set(wire.rows()["time_ns"].tolist()))
    assert times == [times[0]] * 4 + [wire.clock.now_ns()]


@pytest.mark.parametrize("empty", [book([], []), book(["99.0"], []), book([], ["101.0"])])
def test_an_empty_side_takes_the_book_away_once_and_no_number_comes_of_it(wire: Wire, empty: dict[str, object]) -> None:
    wire.say("l2Book", empty)
    assert wire.rows().size == 0  # a delisted coin: there never was a book
    wire.say("l2Book", book(["99.0"], ["101.0"]))
    wire.rows()
    wire.say("l2Book", empty)
    wire.say("l2Book", empty)
    (gap,) = wire.rows()
    assert (gap["kind"], gap["symbol"], gap["aux"]) == (InputKind.GAP, 0, Gap.BOOK)
    wire.say("l2Book", book(["99.0"], ["101.0"]))
    assert (wire.rows()["kind"] == InputKind.SNAPSHOT).all()
    assert (wire.stats.resyncs, wire.stats.bad_messages) == (1, 0)


@pytest.mark.parametrize("bid", ["101.0", "101.5"])
def test_a_crossed_book_is_refused_and_the_one_before_is_not_trusted_either(wire: Wire, bid: str) -> None:
    wire.say("l2Book", book(["99.0"], ["101.0"]))
    wire.rows()
    assert wire.say("l2Book", book([bid], ["101.0"])) == ""
    (gap,) = wire.rows()
    assert (gap["kind"], gap["aux"]) == (InputKind.GAP, Gap.BOOK)
    assert wire.stats.bad_messages == 1
    assert "expected bids below asks" in wire.stats.last_error


def test_a_crossed_or_one_sided_quote_is_no_quote_and_takes_the_book_away(wire: Wire) -> None:
    for sides in ([level("101.0"), level("101.0")], [None, level("101.0")], [None, None]):
        wire.say("l2Book", book(["99.0"], ["101.0"]))
        wire.rows()
        wire.say("bbo", {"coin": "BTC", "time": 1, "bbo": sides})
        assert wire.rows()["kind"].tolist() == [InputKind.GAP]


@pytest.mark.parametrize(
    "bad",
    [
        book(["99.0", "99.5"], ["101.0"]),
        book(["99.0"], ["101.0", "101.0"]),
        book(["0"], ["101.0"]),
        book(["nan"], ["101.0"]),
        book(["99.0"], ["1e999"]),
        {"coin": "BTC", "time": 1, "levels": [[level("99.0", "-1")], []]},
        {"coin": "BTC", "time": 1, "levels": None},
        {"coin": "BTC", "time": -1, "levels": [[], []]},
        {"coin": None, "time": 1, "levels": [[], []]},
    ],
)
def test_a_book_that_cannot_be_read_is_counted_and_changes_nothing(wire: Wire, bad: dict[str, object]) -> None:
    wire.say("l2Book", book(["99.0"], ["101.0"]))
    wire.rows()
    assert wire.say("l2Book", bad) == ""
    assert wire.rows().size == 0
    assert wire.stats.bad_messages == 1
    assert ": was " in wire.stats.last_error


def test_the_thirty_trades_of_a_subscription_are_left_out_and_remembered(wire: Wire) -> None:
    old = [trade(tid, time_ms=1000 + tid) for tid in range(30)]
    wire.say("trades", old)
    assert wire.rows().size == 0
    wire.say("trades", [old[29], trade(77, side="A"), trade(78)])
    rows = wire.rows()
    assert (rows["ref"].tolist(), rows["flags"].tolist()) == ([77, 78], [SELL_TAKER, 0])
    assert (wire.stats.replayed_trades, wire.stats.duplicate_trades) == (30, 1)


def test_after_a_reconnect_only_what_was_not_seen_is_left_out_as_replayed(wire: Wire) -> None:
    wire.say("trades", [trade(1), trade(2)])  # young: news, though it is the first message
    wire.handler.on_disconnected()
    wire.handler.on_connected(["trades:BTC"])
    wire.rows()
    wire.say("trades", [trade(tid) for tid in range(1, 31)])
    assert wire.rows().size == 0
    assert (wire.stats.duplicate_trades, wire.stats.replayed_trades) == (2, 28)
    wire.say("trades", [trade(31)])
    assert wire.rows()["ref"].tolist() == [31]


def test_the_same_id_at_another_time_is_another_trade(wire: Wire) -> None:
    wire.say("trades", [trade(1)])
    wire.say("trades", [trade(1, time_ms=T0_NS // NS_PER_MS + 1)])
    assert wire.rows().size == 2


def test_the_last_price_of_a_crowd_does_not_make_a_trade_forgotten(wire: Wire) -> None:
    wire.say("trades", [trade(1)])
    for start in range(100, 3100, 100):
        wire.say("trades", [trade(tid) for tid in range(start, start + 100)])
    wire.say("trades", [trade(1)])
    assert wire.stats.duplicate_trades == 1


def test_funding_is_due_at_the_next_full_hour_and_told_when_it_changes(wire: Wire) -> None:
    wire.say("activeAssetCtx", context())
    wire.say("activeAssetCtx", context())
    (row,) = wire.rows(InputKind.FUNDING)
    assert (row["a"], row["ref"]) == (0.0000125, (T0_NS // HOUR_NS + 1) * HOUR_NS)
    wire.clock.set((T0_NS // HOUR_NS + 1) * HOUR_NS)
    wire.say("activeAssetCtx", context())
    (row,) = wire.rows(InputKind.FUNDING)
    assert row["ref"] == (T0_NS // HOUR_NS + 2) * HOUR_NS


def test_mark_and_oracle_become_a_mark_and_nulls_become_nothing(wire: Wire) -> None:
    wire.say("activeAssetCtx", context())
    wire.say("activeAssetCtx", context())
    (row,) = wire.rows(InputKind.MARK)
    assert (row["a"], row["b"]) == (100.5, 100.0)
    assert wire.say("activeAssetCtx", context(markPx=None, oraclePx=None, funding=None, midPx=None, premium=None))
    assert wire.rows().size == 0
    wire.say("activeAssetCtx", context(markPx="nan"))
    assert wire.stats.bad_messages == 1


def test_a_candle_is_closed_when_the_next_one_begins(wire: Wire) -> None:
    def candle(open_ms: int, close: str) -> dict[str, object]:
        prices = {"o": "100.0", "c": close, "h": "103.0", "l": "99.0", "v": "1.5", "n": 3}
        return {"t": open_ms, "T": open_ms + 59_999, "s": "BTC", "i": "1m"} | prices

    for open_ms, close in ((0, "101.0"), (0, "102.0")):
        wire.say("candle", candle(open_ms, close))
    assert wire.handler.closed_candle("BTC") is None
    wire.say("candle", candle(60_000, "100.0"))
    closed = wire.handler.closed_candle("BTC")
    assert closed is not None
    assert (closed.open_ms, closed.c) == (0, 102.0)
    assert wire.rows().size == 0


@pytest.mark.parametrize(
    "frame",
    [
        "Websocket connection established.",
        b"\xff\xfe\x00",
        "<html>403</html>",
        '{"channel":"l2Book","data":{"coin":"BT',
        "[]",
        "7",
        "",
    ],
)
def test_what_is_no_message_is_counted_and_the_next_one_is_read(wire: Wire, frame: str | bytes) -> None:
    assert wire.handler.on_frame(frame) == ""
    assert wire.stats.bad_messages == 1
    assert wire.say("l2Book", book(["99.0"], ["101.0"])) == "l2Book:BTC"


def test_channels_coins_and_sides_nobody_knows_are_ignored_and_counted(wire: Wire) -> None:
    wire.say("webData9", {"x": 1})
    wire.say("l2Book", book(["99.0"], ["101.0"], coin="DOGE"))
    wire.say("trades", [trade(1, side="X")])
    wire.handler.on_frame('{"channel":"pong"}')
    assert wire.rows().size == 0
    assert (wire.stats.unknown_events, wire.stats.bad_messages) == (3, 0)


def test_a_refused_subscription_is_named_and_a_repeated_one_is_harmless(wire: Wire) -> None:
    wire.say("error", 'Already subscribed: {"type":"l2Book","coin":"SOL"}')
    assert wire.stats.bad_messages == 0
    wire.say("error", "Error parsing JSON into valid websocket request: x")
    assert wire.stats.bad_messages == 1
    assert "Error parsing JSON" in wire.stats.last_error


def test_an_acknowledgement_is_matched_by_type_and_coin_and_the_rest_is_named_at_a_close(wire: Wire) -> None:
    form = {"type": "l2Book", "coin": "BTC", "nSigFigs": None, "mantissa": None, "fast": True}
    wire.say("subscriptionResponse", {"method": "subscribe", "subscription": form})
    assert wire.handler.unacknowledged == {"trades:BTC"}
    wire.handler.on_disconnected()
    (gap,) = wire.rows()
    assert (gap["kind"], gap["symbol"], gap["aux"]) == (InputKind.GAP, ALL, Gap.DISCONNECTED)
    assert "trades:BTC" in wire.stats.last_error


def test_a_channel_that_loses_its_rhythm_is_named_and_its_book_not_trusted(wire: Wire) -> None:
    wire.say("l2Book", book(["99.0"], ["101.0"]))
    wire.say("activeAssetCtx", context())
    wire.handler.check()
    wire.rows()
    wire.clock.advance(9 * NS_PER_S)
    wire.handler.check()
    assert not wire.stats.silent_streams
    wire.say("activeAssetCtx", context())
    wire.clock.advance(2 * NS_PER_S)
    wire.handler.check()
    assert wire.stats.silent_streams == {"l2Book:BTC", "l2Book:ETH", "activeAssetCtx:ETH"}
    assert wire.rows(InputKind.GAP)["symbol"].tolist() == [0]  # ETH never had a book
    wire.say("l2Book", book(["99.0"], ["101.0"]))
    assert "l2Book:BTC" not in wire.stats.silent_streams


def test_quotes_and_trades_may_be_silent_for_as_long_as_they_like(wire: Wire) -> None:
    wire.say("bbo", {"coin": "BTC", "time": 9, "bbo": [level("99.5"), level("99.6")]})
    wire.handler.check()
    wire.clock.advance(3600 * NS_PER_S)
    wire.handler.check()
    assert not any(stream.startswith(("bbo", "trades", "candle")) for stream in wire.stats.silent_streams)


def test_simulated_time_without_data_lets_time_pass_so_that_silence_is_noticed(wire: Wire) -> None:
    wire.handler.on_frame(json.dumps({"channel": "simTime", "data": {"ns": T0_NS}}))
    wire.say("l2Book", book(["99.0"], ["101.0"]))
    for second in range(1, 13):
        wire.handler.on_frame(json.dumps({"channel": "simTime", "data": {"ns": T0_NS + second * NS_PER_S}}))
    rows = wire.rows()
    assert np.count_nonzero(rows["kind"] == InputKind.TIMER) == 12
    assert np.count_nonzero((rows["kind"] == InputKind.GAP) & (rows["symbol"] == 0)) == 1
    assert (np.diff(rows["time_ns"]) >= 0).all()
    wire.handler.on_frame('{"channel":"simEnd","data":{}}')
    assert wire.handler.sim_ended
