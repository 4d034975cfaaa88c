"""Control messages, URLs and stream names of the simulator, without sockets."""

from __future__ import annotations

import json

import pytest

from trader.simulator.protocol import ControlSession, Endpoint, parse_endpoint
from trader.simulator.source import Market
from trader.simulator.streams import Category, allowed, resolve


def _ask(session: ControlSession, message: object) -> object:
    reply = session.handle(message if isinstance(message, str) else json.dumps(message))
    session.commit(reply)
    answer: object = json.loads(reply.text)
    return answer


@pytest.mark.parametrize("request_id", [1, 2**63 - 1, "7f2c4a5e-1111-2222-3333-444455556666", None])
def test_acknowledgement_echoes_the_id_and_takes_effect(request_id: object) -> None:
    session = ControlSession(combined=False)
    message = {"method": "SUBSCRIBE", "params": ["btcusdt@trade", "nosuch@thing"], "id": request_id}
    assert _ask(session, message) == {"result": None, "id": request_id}
    assert _ask(session, {"method": "LIST_SUBSCRIPTIONS", "id": 3}) == {"result": ["btcusdt@trade", "nosuch@thing"], "id": 3}
    _ask(session, {"method": "UNSUBSCRIBE", "params": ["btcusdt@trade"], "id": 4})
    assert _ask(session, {"method": "LIST_SUBSCRIPTIONS"}) == {"result": ["nosuch@thing"], "id": None}


def test_nothing_changes_before_the_reply_is_committed() -> None:
    session = ControlSession(combined=False)
    session.handle('{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}')
    assert not session.subscriptions


def test_combined_property_can_be_read_and_written() -> None:
    session = ControlSession(combined=False)
    assert _ask(session, {"method": "SET_PROPERTY", "params": ["combined", True], "id": 5}) == {"result": None, "id": 5}
    assert _ask(session, {"method": "GET_PROPERTY", "params": ["combined"], "id": 2}) == {"result": True, "id": 2}


@pytest.mark.parametrize(
    ("message", "code", "says"),
    [
        ("{nonsense", 3, "Invalid JSON: expected value at line 1 column 2"),
        ("[]", 2, "Invalid request"),
        ({"params": [], "id": 1}, 2, "missing field `method`"),
        ({"method": "DANCE", "id": 1}, 2, "unknown variant `DANCE`, expected one of `SUBSCRIBE`"),
        ({"method": "SUBSCRIBE", "params": "btcusdt@trade", "id": 1}, 2, "Invalid request"),
        ({"method": "SUBSCRIBE", "params": ["a"], "id": 1.5}, 2, "request ID must be an unsigned integer"),
        ({"method": "SUBSCRIBE", "params": ["a"], "id": -1}, 2, "request ID must be an unsigned integer"),
        ({"method": "SUBSCRIBE", "params": ["a"], "id": True}, 2, "request ID must be an unsigned integer"),
        ({"method": "SUBSCRIBE", "params": ["a"], "id": "x" * 37}, 2, "request ID must be an unsigned integer"),
        ({"method": "GET_PROPERTY", "params": ["colour"], "id": 1}, 0, "Unknown property"),
        ({"method": "GET_PROPERTY", "params": [7], "id": 1}, 2, "property name must be a string"),
        ({"method": "GET_PROPERTY", "params": ["combined", True], "id": 1}, 2, "too many parameters"),
        ({"method": "SET_PROPERTY", "params": ["combined", 1], "id": 1}, 1, "Invalid value type: expected Boolean"),
    ],
)
def test_refusals_have_the_venues_form(message: object, code: int, says: str) -> None:
    answer = _ask(ControlSession(combined=False), message)
    assert isinstance(answer, dict)
    assert answer["error"]["code"] == code
    assert says in answer["error"]["msg"]
    assert "id" in answer


@pytest.mark.parametrize(
    ("target", "market", "expected"),
    [
        ("/ws", "spot", Endpoint(Category.ALL, combined=False, streams=())),
        (
            "/ws/btcusdt@trade/ethusdt@depth@100ms",
            "spot",
            Endpoint(Category.ALL, False, ("btcusdt@trade", "ethusdt@depth@100ms")),
        ),
        ("/ws/3", "spot", Endpoint(Category.ALL, combined=False, streams=())),
        ("/stream?streams=a@trade/b@trade", "spot", Endpoint(Category.ALL, True, ("a@trade", "b@trade"))),
        ("/stream?streams=!sim/a%40trade", "spot", Endpoint(Category.ALL, True, ("!sim", "a@trade"))),
        ("/ws", "usdm", Endpoint(Category.PUBLIC, combined=False, streams=())),
        ("/public/ws/0", "usdm", Endpoint(Category.PUBLIC, combined=False, streams=())),
        ("/market/stream?streams=a@aggTrade", "usdm", Endpoint(Category.MARKET, True, ("a@aggTrade",))),
        ("/private/ws?listenKey=k", "usdm", Endpoint(Category.PRIVATE, combined=False, streams=("k",))),
        ("/public/ws", "spot", None),
        ("/elsewhere", "usdm", None),
        ("/", "spot", None),
    ],
)
def test_paths(target: str, market: str, expected: Endpoint | None) -> None:
    assert parse_endpoint(target, Market(market)) == expected


@pytest.mark.parametrize(
    ("name", "category", "expected"),
    [
        ("btcusdt@depth@100ms", Category.PUBLIC, True),
        ("btcusdt@depth20", Category.PUBLIC, True),
        ("btcusdt@trade", Category.PUBLIC, True),
        ("!bookTicker", Category.PUBLIC, True),
        ("btcusdt@aggTrade", Category.PUBLIC, False),
        ("btcusdt@aggTrade", Category.MARKET, True),
        ("btcusdt@bookTicker", Category.MARKET, False),
        ("!markPrice@arr", Category.MARKET, True),
        ("btcusdt@trade", Category.PRIVATE, False),
        ("btcusdt@aggTrade", Category.ALL, True),
        ("!sim", Category.MARKET, True),
    ],
)
def test_categories(name: str, category: Category, expected: bool) -> None:
    assert allowed(name, category) is expected


def test_another_cadence_of_the_same_depth_is_served_and_everything_else_is_silent() -> None:
    carried = {"btcusdt@depth@0ms", "btcusdt@trade"}
    assert resolve("btcusdt@depth@100ms", carried) == "btcusdt@depth@0ms"
    assert resolve("btcusdt@depth", carried) == "btcusdt@depth@0ms"
    assert resolve("btcusdt@depth@7ms", carried) is None
    assert resolve("btcusdt@depth20", carried) is None
    assert resolve("BTCUSDT@trade", carried) is None
    assert resolve("btcusdt@aggTrade", carried) is None
