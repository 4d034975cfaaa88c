from __future__ import annotations

import msgspec
import pytest

from shared.errors import FeedError
from trader.feeds.binance.messages import (
    read_agg_trade,
    read_depth,
    read_envelope,
    read_head,
    read_quote,
    read_snapshot,
    read_trade,
)

TRADE = {"e": "trade", "E": 5, "s": "BTCUSDT", "t": 9, "p": "61837.63000000", "q": "0.02", "T": 4, "m": True, "M": True}
QUOTE = {"u": 7, "s": "BTCUSDT", "b": "1.0", "B": "2.0", "a": "3.0", "A": "4.0"}
DEPTH = {"e": "depthUpdate", "E": 5, "s": "BTCUSDT", "U": 1, "u": 2, "pu": 0, "b": [["1.5", "0.0"]], "a": [["2.5", "3.0"]]}


def changed(message: dict[str, object], **fields: object) -> bytes:
    return msgspec.json.encode(message | fields)


def without(message: dict[str, object], field: str) -> bytes:
    return msgspec.json.encode({key: value for key, value in message.items() if key != field})


def test_the_fields_of_each_message_arrive() -> None:
    trade, quote, depth = (
        read_trade(msgspec.json.encode(TRADE)),
        read_quote(msgspec.json.encode(QUOTE)),
        read_depth(msgspec.json.encode(DEPTH)),
    )
    assert (trade.price, trade.qty, trade.time_ms, trade.sold, trade.trade_id) == (61837.63, 0.02, 4, True, 9)
    assert (quote.bid, quote.bid_qty, quote.ask, quote.ask_qty, quote.update_id) == (1.0, 2.0, 3.0, 4.0, 7)
    assert (depth.first_id, depth.final_id, depth.previous_id, depth.bids, depth.asks) == (1, 2, 0, [(1.5, 0.0)], [(2.5, 3.0)])
    aggregate = read_agg_trade(
        b'{"e":"aggTrade","a":26129,"s":"X","p":"0.5","q":"4.7","nq":"4.7","f":1,"l":2,"T":8,"m":false,"st":1}'
    )
    assert (aggregate.trade_id, aggregate.price, aggregate.sold) == (26129, 0.5, False)


def test_a_burst_of_thousands_of_levels_is_one_message() -> None:
    levels = [[f"{1000 + i}", "1"] for i in range(5_000)]
    assert len(read_depth(changed(DEPTH, a=levels)).asks) == 5_000


@pytest.mark.parametrize(
    ("frame", "field", "value"),
    [
        (changed(TRADE, p="0.00000000"), "trade.p", "0.0"),
        (changed(TRADE, p="-1.5"), "trade.p", "-1.5"),
        (changed(TRADE, p="nan"), "trade.p", "nan"),
        (changed(TRADE, p="inf"), "trade.p", "inf"),
        (changed(TRADE, p="abc"), "trade.p", "'abc'"),
        (changed(TRADE, p=None), "trade.p", "None"),
        (changed(TRADE, p=[]), "trade.p", "[]"),
        (changed(TRADE, q="0"), "trade.q", "0.0"),
        (changed(TRADE, t=2**63), "trade.t", str(2**63)),
        (changed(TRADE, m="maybe"), "trade.m", "'maybe'"),
        (changed(TRADE, s=5), "trade.s", "5"),
        (without(TRADE, "p"), "trade.p", "missing"),
    ],
)
def test_a_bad_trade_is_named_with_field_and_value(frame: bytes, field: str, value: str) -> None:
    with pytest.raises(FeedError) as raised:
        read_trade(frame)
    assert str(raised.value).startswith(field)
    assert value in str(raised.value)
    assert "expected" in str(raised.value)


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        (changed(DEPTH, b=[["1.0", "1.0"], ["0", "1.0"]]), "depthUpdate.b[1]"),
        (changed(DEPTH, a=[["1.0", "-1.0"]]), "depthUpdate.a[0]"),
        (changed(DEPTH, a=[["1.0", "nan"]]), "depthUpdate.a[0]"),
        (changed(DEPTH, a=[["inf", "1.0"]]), "depthUpdate.a[0]"),
        (changed(DEPTH, a=[["1.0", "inf"]]), "depthUpdate.a[0]"),
        (changed(DEPTH, a="none"), "depthUpdate.a"),
        (changed(DEPTH, U=3), "depthUpdate.u"),
        (without(DEPTH, "U"), "depthUpdate.U"),
    ],
)
def test_a_bad_depth_update_is_named(frame: bytes, field: str) -> None:
    with pytest.raises(FeedError) as raised:
        read_depth(frame)
    assert str(raised.value).startswith(f"{field}: was ")


@pytest.mark.parametrize("field", ["b", "a"])
def test_an_empty_side_of_the_top_is_refused(field: str) -> None:
    with pytest.raises(FeedError, match=rf"^bookTicker\.{field}: was 0\.0, expected a price above 0$"):
        read_quote(changed(QUOTE, **{field: "0.00000000"}))


def test_a_crossed_top_is_the_engines_to_judge() -> None:
    assert read_quote(changed(QUOTE, b="5.0")).bid == 5.0


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"<html>403</html>",
        b"Websocket connection established.",
        b"[" * 100_000,
        b'{"z":' + b"[" * 100_000,
        "\ud800",
        b"[]",
    ],
)
def test_what_is_no_message_is_a_feed_error_that_quotes_little_of_it(frame: bytes | str) -> None:
    for read in (read_envelope, read_head, read_trade):
        with pytest.raises(FeedError) as raised:
            read(frame)
        assert len(str(raised.value)) < 300


def test_a_snapshot_that_is_an_error_answer_is_refused() -> None:
    with pytest.raises(FeedError, match=r"^depth\.lastUpdateId: was missing"):
        read_snapshot(b'{"code":-1121,"msg":"Invalid symbol."}')
