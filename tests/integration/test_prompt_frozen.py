"""Nothing that happens after a snapshot reaches its prompt: real shared memory is rewritten, and the bytes stay."""

from __future__ import annotations

import numpy as np
import pytest

from shared.clock import SystemClock
from shared.events import Mode, Reason, Regime
from shared.workspace import Workspace
from tests.support_segments import Publisher, publishing
from tuner.prompt import build_prompt, retrieval_query
from tuner.snapshot import Snapshot, take


def _snapshot(publisher: Publisher) -> Snapshot:
    workspace = Workspace(publisher.instance, SystemClock())
    try:
        return take(workspace, SystemClock())
    finally:
        workspace.close()


def _disturb(publisher: Publisher, seed: int) -> None:
    """Change every number the trader publishes of a symbol, and the configuration."""
    rng = np.random.default_rng(seed)
    row = publisher.view["rows"][0]
    for name in row.dtype.names or ():
        if row.dtype[name].kind == "f" and row.dtype[name].shape == ():
            row[name] = rng.uniform(1.0, 100.0)
    row["regime"], row["trades"], row["wins"] = Regime.SPIKE, 77, 12
    row["n_checks"], row["why"] = 1, Reason.MIN_EDGE
    row["checks"][0] = (Reason.MIN_EDGE, 0, rng.uniform(), 30.0)
    publisher.view["mode"], publisher.view["blocked"][Reason.MIN_EDGE] = Mode.DEFENSIVE, 99
    publisher.view["equity_usd"] = rng.uniform(1_000.0, 200_000.0)
    publisher.apply_symbol(0, stop_pct=float(rng.uniform(0.5, 5.0)))
    publisher.apply_controls(slippage_bps=float(rng.uniform(0.0, 50.0)))
    publisher.publish()


@pytest.mark.parametrize("seed", range(5))
def test_changing_data_after_t_never_changes_the_prompt_of_t(seed: int) -> None:
    with publishing("prompt-frozen") as publisher:
        before = _snapshot(publisher)
        first, question = build_prompt(before, "BTCUSDT", []), retrieval_query(before, "BTCUSDT")
        _disturb(publisher, seed)
        again = build_prompt(before, "BTCUSDT", [])
        assert (again.system, again.user, again.sha256) == (first.system, first.user, first.sha256)
        assert retrieval_query(before, "BTCUSDT") == question
        after = build_prompt(_snapshot(publisher), "BTCUSDT", [])
        assert after.sha256 != first.sha256
        assert "min edge" in after.user
        assert "mode defensive" in after.user
        assert "the first reason was: min edge 100 %" in after.user
