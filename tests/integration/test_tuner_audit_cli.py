"""The commands that look at what was decided, over an audit that real decisions were written to."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shared.clock import NS_PER_S
from tests.integration.test_tuner_dry_run import both_sides
from tests.support_tuner import reply_object
from tuner.audit import GENESIS, chain
from tuner.cli import main


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose unnamed instance has an audit of six decisions by the rules."""
    folder: Path = tmp_path_factory.mktemp("audit")
    with both_sides(folder) as (applied, _, clock):
        for cycle in range(6):
            applied.market(cycle)
            applied.decide()
            clock.advance(60 * NS_PER_S)
    made = folder / "home" / "default"
    made.mkdir(parents=True)
    for name in ("sqlite", "sqlite.seal"):
        shutil.copy(folder / f"applied.{name}", made / f"audit.{name}")
    return folder / "home"


@pytest.fixture(autouse=True)
def _at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADER_HOME", str(home))
    monkeypatch.delenv("TRADER_INSTANCE", raising=False)


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def _json(*arguments: str) -> Any:
    done = _run("--json", *arguments)
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def _first_applied() -> int:
    return int(_json("audit", "list", "--status", "APPLIED")[0]["decision_id"])


def test_the_list_names_every_decision_and_filters() -> None:
    lines = _json("audit", "list")
    assert [line["decision_id"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert {line["status"] for line in lines} >= {"HOLD", "APPLIED"}
    assert len(_json("audit", "list", "--last", "2")) == 2
    assert _json("audit", "list", "--symbol", "NONE") == []
    assert "UPDATE_CONFIG" in _run("audit", "list").output


def test_one_decision_shows_its_prompt_its_reply_and_its_verdict() -> None:
    decision_id = _first_applied()
    data = _json("audit", "show", str(decision_id))
    assert [row["status"] for row in data["rows"]] == ["SENDING", "APPLIED"]
    assert set(data["texts"]) == {"system", "user", "reply"}
    assert "BTCUSDT" in data["texts"]["user"]
    shown = _run("audit", "show", str(decision_id)).output
    assert "── reply ──" in shown
    assert "ruling" in shown
    missing = _run("audit", "show", "99")
    assert missing.exit_code == 2
    assert "expected 1 to 6" in missing.output


def test_an_export_carries_its_own_proof(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    rows = _json("audit", "export", str(file))["rows"]
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == rows
    head = GENESIS
    for line in lines:
        assert line["prev_hash"] == head
        head = chain(head, line["record"])
        assert line["hash"] == head
        for key, text in line["texts"].items():
            assert hashlib.sha256(text.encode()).hexdigest() == json.loads(line["record"])["stored"][key]
    assert head == _json("audit", "verify")["head"]


def test_verify_ends_with_one_where_anything_was_changed(home: Path) -> None:
    assert "sealed" in _run("audit", "verify").output
    broken = home / "broken"
    broken.mkdir(exist_ok=True)
    shutil.copy(home / "default" / "audit.sqlite", broken / "audit.sqlite")
    database = sqlite3.connect(broken / "audit.sqlite")
    database.executescript("DROP TRIGGER audit_no_update; UPDATE audit SET status = 'HOLD' WHERE status = 'APPLIED'")
    database.close()
    done = _run("audit", "verify", "--instance", "broken")
    assert done.exit_code == 1
    assert "BROKEN: row" in done.output
    assert _run("audit", "verify", "--instance", "nobody").exit_code == 3


def test_a_decision_can_be_made_again_by_the_same_advisor_or_another(tmp_path: Path) -> None:
    decision_id = _first_applied()
    same = _json("replay", str(decision_id))
    assert (same["same_reply"], same["guard_agrees"]) == (True, True)
    assert same["then"] == same["now"]
    recorded = tmp_path / "replies.jsonl"
    recorded.write_text(json.dumps({"reply": reply_object("UPDATE_CONFIG", max_position_pct=10.0)}))
    other = _json("replay", str(decision_id), "--advisor", "replay", "--replay-file", str(recorded))
    assert (other["same_reply"], other["now"]["advisor"]) == (False, "replay")
    assert other["now"]["ruling"] != other["then"]["ruling"]  # the same guard judges it: too large a step
    assert "the reply differs" in _run("replay", str(decision_id), "--advisor", "replay", "--replay-file", str(recorded)).output


def test_calibration_says_so_while_nothing_is_measured() -> None:
    assert "no decision with a measured effect" in _run("calibration").output
    assert _json("calibration")["decisions"] == 0
