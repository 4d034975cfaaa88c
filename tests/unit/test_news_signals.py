"""How news meets the loop: what came in is logged, what is grave starts a cycle about its symbols, and no desk costs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.clock import ManualClock
from shared.errors import ConfigError
from shared.events import Action
from tests.support import eventually
from tests.support_tuner import make_decision, make_facts, make_snapshot
from tuner.extras import Extras, news_desk
from tuner.guard import Ruling, judge
from tuner.limits import Grounds, limits_for
from tuner.log import TunerLog
from tuner.news.desk import Fetched, NewsDesk, Source
from tuner.news.parse import RawNews
from tuner.news.signals import heard
from tuner.prompt import build_prompt
from tuner.triggers import Trigger, TriggerLimits, TriggerState, due

NOW_NS = 1_780_000_000_000_000_000
SYMBOLS = ["BTCUSDT", "ETHUSDT"]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[TunerLog]:
    made = TunerLog(tmp_path, ManualClock(NOW_NS), echo=False)
    yield made
    made.close()


def unreachable() -> NewsDesk:
    source = Source(name="nowhere", url="http://127.0.0.1:9/x", parse=lambda _data, _name: [])
    return NewsDesk([source], ManualClock(NOW_NS), SYMBOLS)


def test_without_a_desk_nothing_is_heard(log: TunerLog) -> None:
    assert heard(None, SYMBOLS, log) == ()
    assert "NEWS" not in log.path.read_text()


def test_a_source_that_cannot_be_reached_is_logged_and_the_loop_goes_on(log: TunerLog) -> None:
    desk = unreachable()
    eventually(lambda: heard(desk, SYMBOLS, log) == () and "NEWS" in log.path.read_text())
    assert "[NEWS] Fetched 0 news items, 0 about these symbols" in log.path.read_text()
    assert "news from 127.0.0.1: was unreachable" in log.path.read_text()


def test_grave_news_starts_a_cycle_about_its_symbols_once_and_lets_it_only_lower_risk(log: TunerLog) -> None:
    desk = NewsDesk([], ManualClock(NOW_NS), SYMBOLS, poll_s=1e6)
    desk.take(Fetched(items=(("wire", RawNews(title="Ether bridge drained in exploit", published_ns=NOW_NS)),)))
    signals = heard(desk, SYMBOLS, log)
    snapshot = make_snapshot(make_facts(), make_facts(symbol="ETHUSDT", index=1))
    limits = TriggerLimits(interval_s=300.0)
    state, first = due(TriggerState(), snapshot, NOW_NS, limits, signals)
    assert first is not None
    assert first.by_news
    later_ns = NOW_NS + 200 * 10**9
    state, again = due(state, snapshot, later_ns, limits, signals)
    assert again is None
    (signal,) = signals
    assert (signal.symbols, Trigger.NEWS in (first.trigger, *first.also)) == ((1,), True)
    prompt = build_prompt(snapshot, "ETHUSDT", [], news=desk.items())
    assert prompt.outside == {signal.news_id}
    grounds = Grounds(by_news=first.by_news, news_shown=bool(prompt.outside), trusted=prompt.trusted)
    raising, lowering = make_decision(base_position_pct=2.5), make_decision(base_position_pct=1.5)
    assert judge(snapshot, raising, (), limits_for(300.0), NOW_NS, Grounds()).ruling is Ruling.ACCEPT
    assert judge(snapshot, raising, (), limits_for(300.0), NOW_NS, grounds).ruling is Ruling.REJECT
    assert judge(snapshot, lowering, (), limits_for(300.0), NOW_NS, grounds).action is Action.UPDATE_CONFIG


def test_other_symbols_are_matched_from_then_on(log: TunerLog) -> None:
    desk = unreachable()
    heard(desk, ["SOLUSDT"], log)
    desk.take(Fetched(items=(("wire", RawNews(title="Solana halted", published_ns=NOW_NS)),)))
    assert [signal.symbols for signal in heard(desk, ["SOLUSDT"], log)] == [(0,)]


def test_the_desk_is_made_only_where_news_is_wanted() -> None:
    options: dict[str, Any] = {
        "what_if_min": 0.0, "horizon_min": 15.0, "canary": 0.0, "max_calls_hour": 1, "max_calls_day": 1, "max_usd_hour": 1.0,
        "max_usd_day": 1.0,
    }  # fmt: skip
    clock = ManualClock(NOW_NS)
    assert news_desk(Extras(**options), clock) is None
    assert news_desk(Extras(**options, news=True), clock) is not None
    assert news_desk(Extras(**options, news_feed=("http://127.0.0.1:9/rss",)), clock) is not None
    with pytest.raises(ConfigError, match="news-feed: was 'file:"):
        news_desk(Extras(**options, news_feed=("file:///etc/passwd",)), clock)
