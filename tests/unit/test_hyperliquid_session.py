from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support import recorded
from trader.simulator.hyperliquid.session import Answer, Session


@pytest.fixture
def session() -> Session:
    return Session({"BTC", "SOL", "MATIC", "xyz:SP500"})


def ask(session: Session, method: str, **subscription: Any) -> Answer:
    return session.handle(json.dumps({"method": method, "subscription": subscription}))


def frames() -> list[bytes]:
    return (recorded("hyperliquid_wire_frames_2026") / "frames.jsonl").read_bytes().splitlines()


def test_answers_are_the_recorded_ones_to_the_byte(session: Session) -> None:
    theirs = frames()
    assert ask(session, "subscribe", type="l2Book", coin="BTC", fast=True).text == theirs[0]
    ask(session, "subscribe", type="l2Book", coin="BTC", nSigFigs=5)
    assert ask(session, "unsubscribe", type="l2Book", coin="BTC", nSigFigs=5).text == theirs[1]
    ask(session, "subscribe", type="l2Book", coin="SOL")
    assert ask(session, "subscribe", coin="SOL", type="l2Book", fast=False).text == theirs[11]
    array = b'{"method":"subscribe","subscription":{"type":"bbo","coin":["BTC","ETH"]}}'
    assert session.handle(array).text == theirs[12]
    assert session.handle('{"method":"ping"}').text == theirs[10]


def test_a_subscription_is_known_by_its_normal_form(session: Session) -> None:
    form = {"aggregateByTime": False, "type": "userFills", "user": "0xab"}
    answer = ask(session, "subscribe", type="userFills", user="0xAB")
    assert json.loads(answer.text)["data"]["subscription"] == form
    assert ask(session, "unsubscribe", user="0xab", type="userFills").unsubscribe is not None
    assert b"Already unsubscribed" in ask(session, "unsubscribe", type="userFills", user="0xAB").text


@pytest.mark.parametrize(
    "subscription",
    [
        {"type": "trades", "coin": "btc"},
        {"type": "l2Book", "coin": "XYZ:SP500"},
        {"type": "l2Book", "coin": "BTC", "nSigFigs": 6},
        {"type": "l2Book", "coin": "BTC", "mantissa": 2},
        {"type": "candle", "coin": "NOPE", "interval": "1m"},
    ],
)
def test_what_does_not_exist_ends_the_connection_without_a_word(session: Session, subscription: dict[str, Any]) -> None:
    assert ask(session, "subscribe", **subscription) == Answer(hang_up=True)


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        b"\xff",
        "7",
        '{"method":"subscribe"}',
        '{"method":"subscribe","subscription":{"type":"webData2","user":"0x1"}}',
        '{"method":"subscribe","subscription":{"type":"candle","coin":"BTC","interval":"7m"}}',
        '{"method":"subscribe","subscription":{"type":"userFills"}}',
        '{"method":"post","id":1,"request":{"type":"info"}}',
        '{"method":"post","request":{"type":"info","payload":{}}}',
        '{"method":"fly"}',
    ],
)
def test_what_cannot_be_read_is_answered_and_survived(session: Session, text: str | bytes) -> None:
    answer = session.handle(text)
    assert json.loads(answer.text)["channel"] == "error"
    assert not answer.hang_up
    assert ask(session, "subscribe", type="trades", coin="BTC").subscribe is not None


def test_a_delisted_coin_may_be_subscribed(session: Session) -> None:
    assert ask(session, "subscribe", type="bbo", coin="MATIC").subscribe is not None
