"""``trader_control why`` and ``kill``: what they tell and what they leave on disk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from shared.clock import SystemClock
from shared.errors import UsageError
from shared.events import RiskState, Source
from shared.params import CONTROLS, index_of
from shared.paths import kill_file
from shared.wishes import Wish
from shared.workspace import Workspace
from tests.engine_support import Story, control, fresh_instance, market, ramp
from trader.app import Trader
from trader.settings import Settings
from trader.tools.kill import clear_kill, set_kill
from trader.tools.why import why_data, why_words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Shown:
    """What a workspace shows of a story."""

    symbols = ("BTCUSDT", "ETHUSDT")

    def __init__(self, story: Story) -> None:
        self._story = story

    def portfolio(self) -> Any:
        return self._story.view()

    def symbol_index(self, symbol: str) -> int:
        if symbol not in self.symbols:
            raise UsageError(symbol)
        return self.symbols.index(symbol)


def shown(story: Story, symbol: str | None = None) -> dict[str, Any]:
    workspace: Any = Shown(story)
    return why_data(workspace, symbol)


def test_why_tells_every_check_and_what_has_blocked_so_far() -> None:
    story = Story(2).tell([control("max_gross_pct", 1.0), *market(ramp(100.0, 2.0, 64), symbols=(0,))])
    data = json.loads(json.dumps(shown(story), allow_nan=False))
    assert [symbol["symbol"] for symbol in data["symbols"]] == ["BTCUSDT", "ETHUSDT"]
    bitcoin = data["symbols"][0]
    gross = next(check for check in bitcoin["checks"] if check["reason"] == "gross limit")
    assert (bitcoin["why"], gross["passed"]) == ("gross limit", False)
    assert gross["value"] > gross["limit"] > 900.0
    assert data["blocked_s"]["warming up"] > data["blocked_s"]["gross limit"] > 0
    assert (data["mode"], data["risk"]) == ("normal", "active")
    words = why_words(data)
    assert "BTCUSDT · technical · no entry: gross limit" in words
    assert "FAIL gross limit" in words
    assert "?    too small" in words  # the other symbol has no price yet


def test_why_of_one_symbol_is_of_that_one_only() -> None:
    story = Story(2).tell(market(ramp(100.0, 2.0, 5), symbols=(0, 1)))
    assert [symbol["symbol"] for symbol in shown(story, "ETHUSDT")["symbols"]] == ["ETHUSDT"]
    with pytest.raises(UsageError):
        shown(story, "DOGEUSDT")


def test_why_says_so_when_nothing_has_happened_yet() -> None:
    words = why_words(shown(Story(2)))
    assert "no second has closed yet" in words
    assert "nothing has blocked an entry yet" in words


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TRADER_HOME", str(tmp_path))
    with fresh_instance("kill") as name:
        yield name


def new_trader(instance: str) -> Trader:
    settings = Settings(instance=instance, venue="sim")
    return Trader(settings, ["BTCUSDT"], SystemClock(), simulated=False, on_event=lambda _: None, on_trouble=lambda _: None)


def test_the_kill_file_is_private_and_waits_for_the_next_trader(instance: str) -> None:
    words = set_kill(instance)
    assert "no trader is running" in words
    assert kill_file(instance).stat().st_mode & 0o777 == 0o600
    trader = new_trader(instance)
    try:
        account = trader.state[0]
        assert account["risk"] == RiskState.HALTED  # before any market data
    finally:
        trader.close()
    assert kill_file(instance).exists()


def test_the_coming_and_going_of_the_file_are_inputs(instance: str) -> None:
    trader = new_trader(instance)
    try:
        before = int(trader.state["input_seq"][0])
        trader.look_for_the_kill_file()
        assert int(trader.state["input_seq"][0]) == before  # nothing came, nothing went
        kill_file(instance).touch()
        trader.look_for_the_kill_file()
        trader.look_for_the_kill_file()
        assert int(trader.state["input_seq"][0]) == before + 1
        assert trader.state[0]["risk"] == RiskState.HALTED
        assert "removed" in clear_kill(instance)
        trader.look_for_the_kill_file()
        assert int(trader.state["input_seq"][0]) == before + 2
        assert trader.state[0]["risk"] == RiskState.HALTED  # until a human resumes
    finally:
        trader.close()


def test_enabling_trading_that_is_enabled_already_ends_a_halt(instance: str) -> None:
    trader = new_trader(instance)
    try:
        tool = Workspace(instance, SystemClock())
        enabled = index_of(CONTROLS, "trading_enabled")
        for _ in range(2):  # the second wish changes neither value nor source
            trader.state["guard"]["daily_halt"] = 1
            trader.state["halted"] = 1
            tool.controls._write(Wish(source=Source.OPERATOR, changes={enabled: 1.0}), SystemClock())
            trader._serve()
            assert not trader.state["halted"][0]
        tool.close()
    finally:
        trader.close()
