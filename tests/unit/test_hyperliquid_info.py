"""Answers of the simulated ``/info`` against what the venue answered: the same fields, of the same kind."""

from __future__ import annotations

import gzip
import json
import re
from itertools import pairwise
from typing import Any

import pytest

from shared.clock import NS_PER_S, ManualClock
from tests.support import recorded
from trader.simulator.hyperliquid.aggregation import aggregated
from trader.simulator.hyperliquid.flow import Flow
from trader.simulator.hyperliquid.generated import GeneratedOrigin
from trader.simulator.hyperliquid.info import Info
from trader.simulator.hyperliquid.wire import Book, Level

START_NS = 1_790_232_237 * NS_PER_S
ADDED_SINCE_2023 = {"marginTables", "collateralToken", "marginTableId", "isDelisted"}


@pytest.fixture(scope="module")
def flow() -> Flow:
    flow = Flow(GeneratedOrigin(["BTC", "DYDX"], 3, START_NS, 20.0))
    for _ in flow.items():
        pass
    return flow


@pytest.fixture
def info(flow: Flow) -> Info:
    return Info(flow, ManualClock(START_NS))


def ask(info: Info, **request: Any) -> Any:
    status, body = info.answer(json.dumps(request).encode())
    assert status == 200
    return json.loads(body)


def cassette(name: str) -> list[tuple[dict[str, Any], Any]]:
    """Return the requests and answers of a recorded conversation."""
    with gzip.open(recorded("hyperliquid_rest_cassettes") / f"{name}.yaml.gz", "rt") as file:
        text = file.read()
    bodies = re.findall(r"^    body: '(.*?)'$", text, re.MULTILINE | re.DOTALL)
    answers = re.findall(r"^      string: '(.*?)'$", text, re.MULTILINE | re.DOTALL)
    unfolded = [re.sub(r"\n\s*", "", answer.replace("''", "'")) for answer in answers]
    return [(json.loads(body), json.loads(answer)) for body, answer in zip(bodies, unfolded, strict=True)]


def kind(value: object) -> str:
    if isinstance(value, str):
        return "number in a text" if re.fullmatch(r"-?\d+\.\d+", value) else "text"
    return type(value).__name__


def shape(value: object) -> set[tuple[str, str]]:
    """Return the paths and kinds of all leaves; lists are one place whatever their length, mids one key."""
    if isinstance(value, dict):
        return {(f".{key}{path}", leaf) for key, inner in value.items() for path, leaf in shape(inner)}
    if isinstance(value, list):
        return {(f"[]{path}", leaf) for inner in value for path, leaf in shape(inner)}
    return {("", kind(value))}


def old(shapes: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(path, leaf) for path, leaf in shapes if not ADDED_SINCE_2023 & set(re.split(r"[.\[\]]+", path))}


def test_meta_has_the_recorded_fields(info: Info) -> None:
    (_, theirs), *_ = cassette("test_get_info")
    assert old(shape(ask(info, type="meta"))) == shape(theirs)


def test_the_book_has_the_recorded_fields_and_twenty_levels(info: Info) -> None:
    request, theirs = next(pair for pair in cassette("test_get_l2_snapshot") if pair[0]["type"] == "l2Book")
    ours = ask(info, **request)
    assert shape(ours) == shape(theirs)
    assert [len(side) for side in ours["levels"]] == [20, 20]


def test_mids_are_texts_by_coin(info: Info) -> None:
    (_, theirs), *_ = cassette("test_get_all_mids")
    ours = ask(info, type="allMids")
    assert {kind(price) for price in ours.values()} == {kind(price) for price in theirs.values()}
    assert set(ours) == {"BTC", "DYDX"}  # a delisted coin has no middle


@pytest.mark.parametrize("name", ["test_get_funding_history[None]", "test_get_funding_history[1684811870000]"])
def test_funding_has_the_recorded_fields(info: Info, name: str) -> None:
    (_, theirs), *_ = [pair for pair in cassette(name) if pair[0]["type"] == "fundingHistory"]
    ours = ask(info, type="fundingHistory", coin="BTC", startTime=START_NS // 10**6 - 7_200_000)
    assert shape(ours) == shape(theirs)
    assert [row["time"] % 3_600_000 for row in ours] == [0, 0]


def test_every_context_has_the_fields_of_the_recorded_one(info: Info, flow: Flow) -> None:
    frames = (recorded("hyperliquid_wire_frames_2026") / "frames.jsonl").read_text().splitlines()
    theirs = json.loads(frames[7])["data"]["ctx"]
    meta, contexts = ask(info, type="metaAndAssetCtxs")
    assert shape(contexts[0]) == shape(theirs)
    assert [asset["name"] for asset in meta["universe"]] == ["BTC", "DYDX", flow.delisted]
    assert (contexts[2]["midPx"], contexts[2]["premium"], contexts[2]["impactPxs"]) == (None, None, None)


def test_candles_join_minutes_and_stop_where_they_are_told_to(info: Info) -> None:
    now_ms = START_NS // 10**6
    request = {"coin": "BTC", "interval": "1m", "startTime": now_ms - 600_000, "endTime": now_ms}
    minutes = ask(info, type="candleSnapshot", req=request)
    fives = ask(info, type="candleSnapshot", req=request | {"interval": "5m", "startTime": 0})
    assert all(request["startTime"] <= candle["t"] <= now_ms for candle in minutes)
    assert {after["t"] - before["t"] for before, after in pairwise(minutes)} == {60_000}
    assert all(candle["T"] - candle["t"] == 299_999 and candle["t"] % 300_000 == 0 for candle in fives)
    within = [candle for candle in minutes if candle["t"] // 300_000 == fives[-2]["t"] // 300_000]
    if len(within) == 5:
        assert float(fives[-2]["h"]) == max(float(candle["h"]) for candle in within)
    frames = (recorded("hyperliquid_wire_frames_2026") / "frames.jsonl").read_text().splitlines()
    assert shape(minutes[0]) == shape(json.loads(frames[9])["data"])


def test_recent_trades_have_the_fields_of_the_stream(info: Info) -> None:
    trades = ask(info, type="recentTrades", coin="BTC")
    frames = (recorded("hyperliquid_wire_frames_2026") / "frames.jsonl").read_text().splitlines()
    assert shape(trades) == shape(json.loads(frames[8])["data"])
    assert len(trades) == 30


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"\xff", b'{"type":"nope"}', b'{"type":7}', b'{"type":"l2Book"}',
     b'{"type":"candleSnapshot","coin":"BTC"}', b'{"type":"fundingHistory","coin":"BTC"}',
     b'{"type":"l2Book","coin":"BTC","nSigFigs":9}'],
)  # fmt: skip
def test_a_body_that_cannot_be_read_is_refused(info: Info, body: bytes) -> None:
    assert info.answer(body) == (422, b"Failed to deserialize the JSON body into the target type")


def test_an_unknown_coin_is_null_and_a_delisted_one_has_an_empty_book(info: Info, flow: Flow) -> None:
    assert ask(info, type="l2Book", coin="NOPE") is None
    assert ask(info, type="l2Book", coin=flow.delisted)["levels"] == [[], []]


def test_the_minute_has_an_allowance(flow: Flow) -> None:
    clock = ManualClock(START_NS)
    info = Info(flow, clock)
    for _ in range(60):
        ask(info, type="meta")
    assert info.answer(b'{"type":"allMids"}')[0] == 429
    clock.advance(60 * NS_PER_S)
    assert ask(info, type="allMids")


def test_aggregation_rounds_away_from_the_middle_and_adds_up() -> None:
    book = Book(
        "X",
        1,
        ([Level("84143.0", "1.5", 2), Level("84141.0", "0.5", 1)], [Level("84144.0", "1.0", 1), Level("84151.0", "2.0", 3)]),
    )
    coarse = aggregated(book, 4, None)
    assert coarse.levels[0] == [Level("84140.0", "2.0", 3)]
    assert coarse.levels[1] == [Level("84150.0", "1.0", 1), Level("84160.0", "2.0", 3)]
    fives = aggregated(book, 5, 5)
    assert [level.px for level in fives.levels[0]] == ["84140.0"]
    assert aggregated(book, None, None) is book
