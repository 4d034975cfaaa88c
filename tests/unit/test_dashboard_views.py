"""The view of a dashboard, from real segments made in the test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from time import process_time

import pytest

from dashboard.figures import REGIMES
from dashboard.model import DashboardView, Level, Tone
from dashboard.views import Viewer
from shared.clock import NS_PER_S, ManualClock, SystemClock
from shared.events import EventKind, Reason, Regime, Source, Status, TunerEventKind, TunerMode
from shared.layout import TRADE_ROW
from shared.params import PARAMS, index_of
from shared.paths import project_root
from shared.segment import Segment, reclaim
from shared.wishes import Wish
from shared.workspace import LAYOUTS, Workspace
from tests.gui.scene import lively
from tests.support import eventually
from tests.support_segments import Publisher, publishing

STOP = index_of(PARAMS, "stop_pct")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def publisher(clock: ManualClock) -> Iterator[Publisher]:
    with publishing("view", clock=clock) as publisher:
        yield publisher


@pytest.fixture
def viewer(publisher: Publisher, clock: ManualClock) -> Iterator[Viewer]:
    viewer = Viewer(publisher.instance, clock)
    yield viewer
    viewer.close()


def test_without_a_trader_the_view_waits_and_says_how_to_start_one() -> None:
    view = Viewer(f"none-{os.getpid()}", SystemClock()).look()
    assert (view.attached, view.fresh, view.header.state) == (False, False, "WAITING FOR A TRADER")
    assert "trader --paper" in view.header.alert
    assert view.header.trader.text == "trader ○ –"


def test_badges_tell_paper_from_live_and_simulated(publisher: Publisher, viewer: Viewer) -> None:
    assert [b.text for b in viewer.look().header.badges] == ["PAPER"]
    publisher.view["live"], publisher.view["simulated"], publisher.view["halted"] = 1, 1, 1
    publisher.publish()
    assert [b.text for b in viewer.look().header.badges] == ["LIVE", "SIMULATED", "RISK HALT"]


@pytest.mark.parametrize(("silence_s", "level"), [(0, Level.OK), (19, Level.OK), (20, Level.AMBER), (30, Level.RED)])
def test_a_silent_feed_turns_amber_then_red_and_its_figures_are_no_longer_live(
    publisher: Publisher, viewer: Viewer, clock: ManualClock, silence_s: int, level: Level
) -> None:
    clock.advance(silence_s * NS_PER_S)
    publisher.publish()
    view = viewer.look()
    assert (view.header.feed.level, view.fresh) == (level, level is not Level.RED)
    assert view.header.trader.level is Level.OK
    assert ("FEED STALE" in view.header.alert) is (level is Level.RED)


@pytest.mark.parametrize(
    ("silence_s", "level", "state"),
    [(1, Level.OK, "RUNNING"), (2, Level.AMBER, "RUNNING"), (5, Level.RED, "NOT RESPONDING")],
)
def test_a_trader_that_stops_moving_is_noticed_in_seconds(
    viewer: Viewer, clock: ManualClock, silence_s: int, level: Level, state: str
) -> None:
    clock.advance(silence_s * NS_PER_S)
    view = viewer.look()
    assert (view.header.trader.level, view.header.state, view.fresh) == (level, state, level is not Level.RED)


def test_the_books_agree_and_a_difference_is_shown(publisher: Publisher, viewer: Viewer) -> None:
    state = publisher.view
    state["realised_usd"], state["unrealised_usd"], state["fees_usd"] = 500.0, -120.0, 30.0
    state["equity_usd"] = 100_000 + 500 - 120 - 30
    publisher.publish()
    account = viewer.look().account
    assert (account.pnl_usd, account.pnl_pct, account.reconciled) == (350.0, 0.35, True)
    state["equity_usd"] += 1.5
    publisher.publish()
    account = viewer.look().account
    assert account.difference_usd == pytest.approx(1.5)
    assert not account.reconciled


def test_a_position_line_says_what_is_held_and_why_there_is_no_trade(publisher: Publisher, viewer: Viewer) -> None:
    row = publisher.view["rows"][1]
    row["position_qty"], row["entry_price_usd"], row["last_price_usd"], row["unrealised_usd"] = -2.0, 2700.0, 2690.0, 20.0
    row["regime"], row["strategy"], row["why"] = Regime.TRENDING_DOWN, 1, Reason.COOLDOWN
    publisher.publish()
    view = viewer.look()
    (line,) = view.positions
    assert (line.symbol, line.qty, line.entry_usd, line.last_usd, line.pnl_usd) == ("ETHUSDT", -2.0, 2700.0, 2690.0, 20.0)
    assert (line.regime, line.strategy, view.markets[1].why) == ("▼ DOWN", "TECH", "cooldown")


def test_the_strategy_is_a_purple_smart_only_while_the_tuner_steers(publisher: Publisher, viewer: Viewer) -> None:
    publisher.view["rows"][0]["position_qty"] = 1.0
    publisher.publish()
    assert viewer.look().positions[0].strategy == "TECH"
    publisher.start_tuner()
    eventually(lambda: _looked(viewer, publisher).tuner.alive)
    line = viewer.look().positions[0]
    assert (line.strategy, line.smart, viewer.look().config.wheel) == ("SMART", True, "[AI TUNER]")
    publisher.publish_tuner(status=1, dry_run=1)
    assert (viewer.look().positions[0].strategy, viewer.look().config.wheel) == ("TECH", "[MANUAL] AI tuner in DRY RUN")
    publisher.publish_tuner(status=1)
    publisher.apply_controls(manual_override=1)
    view = viewer.look()
    assert (view.positions[0].strategy, view.config.wheel) == ("TECH", "[MANUAL] override on")
    publisher.apply_controls(manual_override=0, tuner_mode=TunerMode.OFF)
    assert viewer.look().config.wheel == "[MANUAL] AI tuner off"


def test_the_config_panel_shows_the_selected_symbol_and_who_set_it(publisher: Publisher, viewer: Viewer) -> None:
    publisher.serve()
    workspace = Workspace(publisher.instance, SystemClock())
    workspace.symbol_rows[1].post(Wish(changes={STOP: 0.8}, source=Source.TUNER), SystemClock())
    config = viewer.look(selected=1).config
    assert (config.symbol, config.generation, config.revision, config.who, config.by_ai) == ("ETHUSDT", 1, 1, "AI", True)
    assert (config.settings[STOP].previous, config.settings[STOP].value, config.settings[STOP].changed) == (1.0, 0.8, True)
    assert [s.name for s in config.settings if s.changed] == ["stop_pct"]
    assert viewer.look(selected=0).config.settings[STOP].value == 1.0
    workspace.close()


def test_events_of_trader_and_tuner_stand_in_order_of_time(publisher: Publisher, viewer: Viewer, clock: ManualClock) -> None:
    start_ns = clock.now_ns()
    publisher.start_tuner()
    publisher.push(EventKind.SIGNAL, time_ns=start_ns, side=1, new=2)
    publisher.push_tuner(TunerEventKind.APPLIED, [(STOP, 1.0, 0.8)], time_ns=start_ns + 1, confidence_pct=80, action=1)
    publisher.push(
        EventKind.TUNER_CONFIG, time_ns=start_ns + 2, field=STOP, old=1.0, new=0.8, confidence_pct=80,
        source=Source.TUNER, status=Status.TUNER_CONFIG_UPDATE,
    )  # fmt: skip
    publisher.push(EventKind.FILL, time_ns=start_ns + 3, side=1, qty=0.1, price_usd=60_000)
    lines = viewer.look().events
    assert [line.text.split()[0] for line in lines] == ["SIGNAL", "AI", "AI", "▲"]
    assert [line.ai for line in lines] == [False, True, True, False]
    assert lines[1].tone is lines[2].tone is Tone.AI
    assert "stop_pct 1 → 0.8 [80%]" in lines[1].text
    assert "stop_pct 1 → 0.8 [80%]" in lines[2].text


def test_the_chart_has_the_closes_so_far_and_the_fills_where_they_were(publisher: Publisher, viewer: Viewer) -> None:
    row = publisher.view["rows"][0]
    row["closes_usd"][-3:] = (100.0, 101.0, 102.0)
    row["bars"], row["last_price_usd"] = 3, 102.0
    publisher.view["equity_usd_1s"][-2:] = (100_000.0, 100_010.0)
    now_ns = int(publisher.view["time_ns"])
    publisher.push(EventKind.FILL, time_ns=now_ns - 2 * NS_PER_S, side=-1, qty=1, price_usd=100.5)
    publisher.push(EventKind.FILL, time_ns=now_ns - NS_PER_S, side=1, qty=1, price_usd=2700.0, symbol=1)
    publisher.publish()
    view = viewer.look()
    assert [candle.close for candle in view.chart.candles] == [102.0]
    assert view.equity.equity_usd == (100_000.0, 100_010.0)
    assert [m.price_usd for m in view.chart.sells] == [100.5]
    assert view.chart.buys == ()


def test_a_killed_trader_greys_the_view_and_a_new_one_is_found() -> None:
    instance = f"kill-{os.getpid()}"
    viewer = Viewer(instance, SystemClock())
    first = _publisher_process(instance)
    second = None
    try:
        eventually(lambda: viewer.look().fresh and viewer.look().events, 30)
        first.kill()
        first.wait()
        view = viewer.look()
        assert (view.attached, view.fresh, view.header.state) == (True, False, "NOT RUNNING")
        second = _publisher_process(instance)
        wanted = ["STARTED all", "── the trader was restarted ──", "STARTED all"]
        eventually(lambda: [line.text for line in viewer.look().events] == wanted, 30)
        assert viewer.look().fresh
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()
                process.wait()
        viewer.close()
        for name in LAYOUTS:
            reclaim(name, instance)


def _publisher_process(instance: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tests.support_segments", instance], cwd=project_root())


def _looked(viewer: Viewer, publisher: Publisher) -> DashboardView:
    """Look after moving the clock past the pause between two searches."""
    assert isinstance(publisher.clock, ManualClock)
    publisher.clock.advance(NS_PER_S)
    publisher.publish()
    publisher.publish_tuner(status=1)
    return viewer.look()


def test_every_regime_has_a_short_name_of_its_own() -> None:
    assert set(REGIMES) == set(Regime)
    names = [text for text, _ in REGIMES.values()]
    assert len(set(names)) == len(names)
    assert max(len(name) for name in names) <= 7


def test_a_trader_of_another_version_is_told_and_not_read() -> None:
    instance = f"other-{os.getpid()}"
    segment = Segment.create("portfolio", TRADE_ROW, instance, SystemClock())
    segment.activate()
    viewer = Viewer(instance, SystemClock())
    view = viewer.look()
    segment.close()
    segment.unlink()
    viewer.close()
    assert (view.attached, view.header.state, view.header.level) == (False, "CANNOT READ THE TRADER", Level.RED)
    assert "LAYOUT MISMATCH" in view.header.alert
    assert "restart both" in view.header.alert


def test_a_tuner_of_another_version_leaves_the_traders_figures_alone(publisher: Publisher, viewer: Viewer) -> None:
    segment = Segment.create("tuner", TRADE_ROW, publisher.instance, SystemClock())
    segment.activate()
    view = viewer.look()
    segment.close()
    segment.unlink()
    assert view.fresh
    assert not view.tuner.alive
    assert "layout was" in view.tuner.last_error


def test_events_that_wait_are_noticed_without_a_look(publisher: Publisher, viewer: Viewer) -> None:
    assert not viewer.moved(), "nothing is attached yet"
    viewer.look()
    assert not viewer.moved()
    publisher.push(EventKind.SIGNAL)
    assert viewer.moved()
    viewer.look()
    assert not viewer.moved()


def test_a_chosen_symbol_that_is_gone_becomes_the_last_one(viewer: Viewer) -> None:
    assert viewer.look(selected=7).config.symbol == "ETHUSDT"
    assert viewer.look(selected=-1).config.symbol == "BTCUSDT"


def test_the_whole_of_64_symbols_and_500_events_is_a_matter_of_milliseconds() -> None:
    names = [f"SYM{i}USDT" for i in range(64)]
    with publishing("many", names) as publisher:
        lively(publisher)
        for i in range(600):
            publisher.push(EventKind.SIGNAL, symbol=i % 64, side=1)
        publisher.publish()
        viewer = Viewer(publisher.instance, SystemClock())
        view = viewer.look(63)
        assert (len(view.markets), len(view.events), view.config.symbol) == (64, 500, "SYM63USDT")
        begin_s = process_time()  # of this process: other programs of the machine do not count
        for _ in range(5):
            viewer.look(63)
        assert (process_time() - begin_s) / 5 < 0.05, "a look must leave room for ten frames a second"
        viewer.close()
