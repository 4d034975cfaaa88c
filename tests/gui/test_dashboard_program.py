"""Whole programs: the real dashboard on the real trader. What is clicked happens to trading, and what happens is seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from Xlib import XK

from shared.clock import NS_PER_S, SystemClock
from shared.events import EventKind, Reason, Source
from shared.params import CONTROLS, PARAMS, index_of
from shared.wishes import Wish
from shared.workspace import Workspace
from tests.gui.driver import App
from tests.processes import START_S, System, Watcher
from tests.support import eventually as _eventually

pytestmark = [pytest.mark.gui, pytest.mark.timeout(300)]
STOP, TARGET = index_of(PARAMS, "stop_pct"), index_of(PARAMS, "target_pct")
OVERRIDE, TRADING = index_of(CONTROLS, "manual_override"), index_of(CONTROLS, "trading_enabled")
STALE_WITHIN_S = 2.0
ANSWER_S = 30.0  # a trader on a busy machine


def eventually(check: Callable[[], object], within_s: float = 30.0) -> None:
    """Wait for what a busy machine may take long for."""
    _eventually(check, within_s)


class Desk:
    """A trader on a simulated market and a dashboard in front of it."""

    def __init__(self, system: System, app: App) -> None:
        self.system, self.app = system, app
        self.start_trader()
        app.environment |= {"TRADER_HOME": str(system.home), "GALLIUM_NOOP": "1"}  # nobody looks at these pixels
        app.start(system.instance)
        app.wait_until(lambda: "RUNNING" in str(app.value("state")))

    def start_trader(self) -> None:
        self.process, self.workspace = self.system.trader("--speed", "1", "--symbols", "BTCUSDT,ETHUSDT")
        self.seen = Watcher(self.workspace)

    def control(self, field: int) -> float:
        return self.workspace.controls.value(field)

    def as_the_ai(self, **params: float) -> Reason:
        """Write as a tuner that does not look at the override."""
        workspace = Workspace(self.system.instance, SystemClock())
        changes = {index_of(PARAMS, name): value for name, value in params.items()}
        wish = Wish(
            changes=changes, source=Source.TUNER, override_epoch=workspace.override_epoch, confidence_pct=90, valid_for_s=ANSWER_S
        )
        refusal = workspace.symbol_rows[0].post(wish, SystemClock(), ANSWER_S).refusal
        workspace.close()
        return refusal


@pytest.fixture(scope="module")
def desk(xdisplay: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    home = tmp_path_factory.mktemp("desk")
    (home / "logs").mkdir()
    system, app = System(home), App(xdisplay, home / "hook.jsonl")
    try:
        yield Desk(system, app)
    finally:
        app.close()
        system.stop()


def test_an_ai_change_is_shown_in_purple_and_undone_by_one_click(desk: Desk) -> None:
    app = desk.app
    assert desk.as_the_ai(stop_pct=1.3) is Reason.NONE
    app.wait_until(lambda: "1.00→1.30 AI" in str(app.value("applied_stop_pct")))
    app.click("undo_ai")
    eventually(lambda: desk.workspace.symbol_rows[0].value(STOP) == 1.0)
    app.wait_until(lambda: str(app.value("message")).startswith("✓ undo BTCUSDT stop_pct 1.3 → 1"))


def test_override_makes_the_trader_refuse_the_ai_and_leaving_it_asks(desk: Desk) -> None:
    app = desk.app
    app.click("override_toggle")
    eventually(lambda: desk.control(OVERRIDE) == 1)
    assert desk.as_the_ai(stop_pct=0.7) is Reason.OVERRIDE_ON
    app.wait_until(lambda: app.value("wheel") == "[MANUAL] override on")
    app.click("override_toggle")
    app.click("dialog_confirm")
    eventually(lambda: desk.control(OVERRIDE) == 0)
    assert desk.as_the_ai(stop_pct=0.9) is Reason.NONE


def test_space_pauses_entries_and_the_checklist_says_so(desk: Desk) -> None:
    app = desk.app
    app.point_at(700, 250)
    app.key(XK.XK_space)
    eventually(lambda: desk.control(TRADING) == 0)
    app.wait_until(lambda: "trading disabled" in str(app.value("why_verdict")))
    assert "press Space" in app.value("why_advice")


def test_a_manual_buy_opens_a_position_marked_manual(desk: Desk) -> None:
    app = desk.app
    eventually(lambda: float(desk.workspace.portfolio()["rows"][1]["last_price_usd"]) > 0, 30)
    if desk.control(TRADING) == 0:  # a human's own trade needs trading switched on, too
        app.key(XK.XK_space)
        app.click("dialog_confirm")
        eventually(lambda: desk.control(TRADING) == 1)
    app.key(XK.XK_2)
    app.wait_until(lambda: app.value("symbol_combo") == "ETHUSDT")
    eventually(lambda: int(desk.workspace.portfolio()["rows"][1]["stale"]) == 0, 30)
    app.click("manual_buy")
    app.click("dialog_confirm")
    eventually(lambda: desk.workspace.portfolio()["rows"][1]["manual"] == 1, 20)
    app.wait_until(lambda: "1 open" in str(app.value("positions_title")) or "2 open" in str(app.value("positions_title")))


def test_flatten_makes_it_flat_and_pauses_every_symbol(desk: Desk) -> None:
    app = desk.app
    app.key(XK.XK_F6)
    app.wait_until(lambda: app.rect("dialog_confirm"))
    app.key(XK.XK_Return)
    eventually(lambda: not desk.workspace.portfolio()["rows"]["position_qty"].any(), 20)
    app.wait_until(lambda: "none open" in str(app.value("positions_title")))
    assert not desk.workspace.portfolio()["rows"]["enabled"][:2].any()
    closed = desk.seen.of(EventKind.POSITION_CLOSE)
    assert Reason.EMERGENCY in [Reason(int(e["reason"])) for e in closed]


def test_a_slider_and_apply_reach_the_trader(desk: Desk) -> None:
    app = desk.app
    app.key(XK.XK_1)
    app.wait_until(lambda: app.value("symbol_combo") == "BTCUSDT")
    app.click("slider_max_position_pct")
    app.wait_until(lambda: "→" in str(app.value("applied_max_position_pct")))
    app.click("params_apply")
    app.wait_until(lambda: str(app.value("message"))[:1] in "✓✗" and "max_position_pct" in str(app.value("message")))
    row = desk.workspace.symbol_rows[0]
    applied, refused = row.value(index_of(PARAMS, "max_position_pct")) < 5.0, "refused" in str(app.value("message"))
    assert applied is not refused, "what the window says is what the trader did"


def test_minimised_it_draws_nothing_while_the_trader_goes_on_and_back_it_shows_what_happened(desk: Desk) -> None:
    app, target = desk.app, float(desk.workspace.symbol_rows[0].value(TARGET))
    app.minimise()
    before = desk.workspace.portfolio()
    eventually(lambda: int(desk.workspace.portfolio()["input_seq"]) > int(before["input_seq"]) + 500)
    assert desk.as_the_ai(target_pct=target + 0.1) is Reason.NONE
    frame = app.last()["frame"]
    eventually(lambda: int(desk.workspace.portfolio()["published_ns"]) > int(before["published_ns"]) + 3 * NS_PER_S)
    assert app.last()["frame"] == frame
    app.minimise(on=False)
    app.wait_until(lambda: f"{target:.2f}→{target + 0.1:.2f} AI" in str(app.value("applied_target_pct")))
    assert "RUNNING" in app.value("state")


def test_a_dead_trader_is_shown_within_two_seconds_and_its_figures_are_not_live(desk: Desk) -> None:
    app = desk.app
    desk.system.kill(desk.process)
    killed = time.monotonic()
    app.wait_until(lambda: "NOT RUNNING" in str(app.value("state")))
    assert time.monotonic() - killed < STALE_WITHIN_S
    assert "the trader is gone" in app.value("alert")


def test_a_restarted_trader_is_found_and_its_figures_are_live_again(desk: Desk) -> None:
    app = desk.app
    desk.start_trader()
    app.wait_until(lambda: "RUNNING" in str(app.value("state")) and "NOT" not in str(app.value("state")), START_S)
    app.click("override_toggle")
    eventually(lambda: desk.control(OVERRIDE) == 1)


def test_a_killed_dashboard_leaves_trading_alone_and_the_next_one_remembers(desk: Desk, xdisplay: str, tmp_path: Path) -> None:
    app = desk.app
    app.key(XK.XK_2)
    app.wait_until(lambda: app.value("symbol_combo") == "ETHUSDT")
    kept = desk.system.home / desk.system.instance / "dashboard.json"
    eventually(lambda: '"symbol":"ETHUSDT"' in kept.read_text(), 10)
    before = int(desk.workspace.portfolio()["input_seq"])
    assert app._process is not None
    app._process.kill()
    app._process.wait()
    eventually(lambda: int(desk.workspace.portfolio()["input_seq"]) > before + 5, 10)
    assert desk.control(OVERRIDE) == 1
    again = App(xdisplay, tmp_path / "again.jsonl")
    try:
        again.environment |= {"TRADER_HOME": str(desk.system.home), "GALLIUM_NOOP": "1"}
        again.start(desk.system.instance)
        again.wait_until(lambda: again.value("symbol_combo") == "ETHUSDT")
        assert again.value("override_toggle") is True
    finally:
        again.close()
