"""A newcomer's walk: ``make demo`` runs ``trader_demo``; in its window everything needed is at most three actions away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from dashboard.config_view import MANUAL_OVERRIDE
from shared.clock import SystemClock
from shared.events import Reason, Source
from shared.params import PARAMS, index_of
from shared.wishes import Wish
from shared.workspace import Workspace
from tests.gui.driver import App
from tests.processes import System
from tests.support import eventually as _eventually

pytestmark = [pytest.mark.gui, pytest.mark.timeout(300)]
STOP = index_of(PARAMS, "stop_pct")
START_S, ANSWER_S, MOST_ACTIONS = 120.0, 30.0, 3


def eventually(check: Callable[[], object], within_s: float = 30.0) -> None:
    """Wait for what a busy machine may take long for."""
    _eventually(check, within_s)


@contextmanager
def at_most_three_actions(app: App) -> Iterator[None]:
    before = app.actions
    yield
    assert app.actions - before <= MOST_ACTIONS


def test_from_the_demo_to_override_reasons_and_undo(app: App, system: System) -> None:
    system.environment |= {"DISPLAY": app.environment["DISPLAY"], "TRADER_DASHBOARD_TESTHOOK": str(app.hook), "GALLIUM_NOOP": "1"}
    # The tuner only shows what it would do: the change that is taken back below is then surely the AI's last.
    demo = system.start("trader.tools.demo_cli", "--advisor", "rules", "--interval", "300", "--speed", "2", "--dry-run")
    app.adopt(demo, START_S)
    app.wait_until(lambda: str(app.value("state")) == "● RUNNING" and app.rect("markets_1"), START_S)
    workspace = Workspace(system.instance, SystemClock())

    with at_most_three_actions(app):
        app.click("override_toggle")
        eventually(lambda: workspace.controls.value(MANUAL_OVERRIDE) == 1, 10)
        app.wait_until(lambda: app.value("wheel") == "[MANUAL] override on")
        app.click("override_toggle")
        app.click("dialog_confirm")
        eventually(lambda: workspace.controls.value(MANUAL_OVERRIDE) == 0, 10)

    with at_most_three_actions(app):  # why does the second symbol not trade?
        app.click("markets_1")
        app.wait_until(lambda: app.value("symbol_combo") == workspace.symbols[1])
        app.wait_until(lambda: "no entry" in str(app.value("why_verdict")) or "may enter" in str(app.value("why_verdict")), 60)

    before = workspace.symbol_rows[0].value(STOP)
    wish = Wish(
        changes={STOP: before + 0.2},
        source=Source.TUNER,
        override_epoch=workspace.override_epoch,
        confidence_pct=90,
        valid_for_s=ANSWER_S,
    )
    assert workspace.symbol_rows[0].post(wish, SystemClock(), ANSWER_S).refusal is Reason.NONE
    app.pass_frames(15)  # the change is on the screen before it is taken back
    with at_most_three_actions(app):
        app.click("undo_ai")
        eventually(lambda: workspace.symbol_rows[0].value(STOP) == before, 10)
        app.wait_until(lambda: str(app.value("message")).startswith(f"✓ undo {workspace.symbols[0]} stop_pct"))
    workspace.close()
