"""The human's way to overrule the AI: the real window, the real trader, the real tuner."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.events import PURPLE, EventKind, Reason, Source
from shared.params import PARAMS
from tests.gui.driver import App
from tests.processes import System, Watcher
from tests.support import eventually

pytestmark = [pytest.mark.gui, pytest.mark.timeout(300)]
CHANGES = (0.95, 0.9, 0.85, 0.8)


def replies(path: Path) -> str:
    """Write an advisor's answers that lower the stop of BTCUSDT a little each time."""
    lines = []
    for stop in CHANGES:
        params = {param.name: stop if param.name == "stop_pct" else None for param in PARAMS}
        reply = {"action": "UPDATE_CONFIG", "symbol": "BTCUSDT", "params": params, "confidence_pct": 90}
        lines.append(json.dumps({"reply": {**reply, "reasoning": "recorded for a test", "cited": []}}))
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_a_click_on_manual_override_makes_the_trader_refuse_the_ai(app: App, system: System) -> None:
    trader, workspace = system.trader("--speed", "1", "--symbols", "BTCUSDT")
    seen = Watcher(workspace)
    file = replies(system.home / "replies.jsonl")
    ask = ("--once", "--advisor", "replay", "--replay-file", file)
    assert system.run("tuner.cli", *ask).returncode == 0
    assert [float(e["new"]) for e in seen.of(EventKind.TUNER_CONFIG)] == [CHANGES[0]], "without the override the AI is obeyed"

    app.start(system.instance)
    app.wait_until(lambda: app.colour_count(PURPLE, "panel_events") > 50)  # the AI's change, read back from the screen's pixels
    app.click("override_toggle")
    eventually(lambda: seen.of(EventKind.CONFIG_APPLIED)["source"].tolist()[-1:] == [Source.DASHBOARD])

    system.run("tuner.cli", *ask)
    write_as_a_tuner_that_does_not_look(workspace)
    refused = seen.of(EventKind.CONFIG_REFUSED)
    assert [Reason(int(e["reason"])) for e in refused] == [Reason.OVERRIDE_ON]
    assert float(workspace.symbol_rows[0].applied()["values"][8]) == CHANGES[0], "nothing was changed"
    assert trader.poll() is None


def write_as_a_tuner_that_does_not_look(workspace: object) -> None:
    """The tuner itself holds while overridden; the trader must refuse even one that does not."""
    from shared.clock import SystemClock
    from shared.wishes import Wish
    from shared.workspace import Workspace

    assert isinstance(workspace, Workspace)
    wish = Wish(changes={8: 0.7}, source=Source.TUNER, override_epoch=workspace.override_epoch, confidence_pct=90)
    assert workspace.symbol_rows[0].post(wish, SystemClock()).refusal is Reason.OVERRIDE_ON
