"""Whole runs over the recorded frames, by the real commands: the book stays in step and the fills repeat to the bit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fingerprints import REFERENCES, known, shown, through_sockets
from tests.processes import System
from tests.scripted_market import busy_market
from tests.support import recorded

TOPS = {
    "recorded spot, technical": [61602.01, 61602.02],
    "recorded usdm, technical": [61659.70, 61659.80],
}


@pytest.mark.recorded
@pytest.mark.parametrize("name", TOPS)
def test_a_recorded_session_trades_stays_in_step_and_comes_to_its_fingerprint(system: System, name: str) -> None:
    reference = REFERENCES[name]
    recorded(reference.folder)  # skips where the data are not
    run = through_sockets(system, reference, "day")
    assert run["chain_breaks"] == run["resyncs"] == run["bad_messages"] == 0
    assert run["tops"] == {"BTCUSDT": TOPS[name]}
    assert shown(run) == known()[name]
    expected = 100_000 + run["realised_usd"] - run["fees_usd"]
    open_part = run["equity_usd"] - expected
    assert abs(open_part) < 100, "what is not booked yet is the open position's gain at the mark"
    assert not system.segments()


@pytest.mark.recorded
def test_a_kept_session_replays_to_the_bit_and_answers_what_if(system: System) -> None:
    folder = str(recorded("binance_spot_raw_ws_2024"))
    done = system.run(
        "trader.cli",
        "--paper",
        "--venue",
        "sim",
        "--replay",
        folder,
        "--speed",
        "max",
        "--session",
        "day",
        "--json",
        within_s=100,
    )
    live = json.loads(done.stdout.splitlines()[-1])
    replay = system.run("trader.backtest.cli", "run", "day", "--set", "signal_strength=3", "--json")
    results = json.loads(replay.stdout)
    assert results["as recorded"]["fills_hash"] == live["fills_hash"]
    assert results["as recorded"]["fees_usd"] == pytest.approx(live["fees_usd"], rel=1e-12)
    assert results["changed"]["fills_hash"] != live["fills_hash"]
    refused = system.run("trader.backtest.cli", "run", "day", "--set", "stop_pct=7")
    assert refused.returncode == 4
    assert "stop_pct: was 7.0, expected 0.5 to 5 %" in refused.stderr


def test_live_replay_and_backtest_of_one_session_give_the_same_fills(system: System) -> None:
    """The same tape through real sockets, through a replaying trader (twice: it must not change what it reads), and offline."""
    path = str(busy_market(system.home / "market.gz"))
    live = finished(system, "--venue", "sim", "--replay", path, "--speed", "max", "--session", "day")
    kept = sorted(file.stat().st_mtime_ns for file in (system.home / system.instance / "sessions" / "day").iterdir())
    replays = [finished(system, "--venue", "replay", "--session", "day", "--speed", "max") for _ in range(2)]
    offline = json.loads(system.run("trader.backtest.cli", "run", "day", "--json").stdout)["as recorded"]
    assert live["fills"] >= 4
    for other in (*replays, offline):
        assert (other["fills_hash"], other["fills"]) == (live["fills_hash"], live["fills"])
    for name in ("equity_usd", "cash_usd", "inputs", "events", "trades", "tops"):
        assert replays[0][name] == replays[1][name] == live[name], name
    assert sorted(file.stat().st_mtime_ns for file in (system.home / system.instance / "sessions" / "day").iterdir()) == kept


def test_a_replay_needs_a_session_that_is_there(system: System) -> None:
    refused = system.run("trader.cli", "--paper", "--venue", "replay", "--session", "none")
    assert (refused.returncode, "session: was 'none'" in refused.stderr) == (2, True)


def finished(system: System, *arguments: str) -> dict[str, Any]:
    done = system.run("trader.cli", "--paper", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return summary
