"""Everything that goes wrong with a model, one drill after another, beside a trader that must not notice.

``python -m tests.chaos.advisor_drills`` runs the real ``trader_tuner`` against a local server that is scripted to fail, beside a
real trader on a generated market, and prints a table: drill × how it ended × seconds, and how long the trader took from a frame
to the published view: with no tuner, while one starts (it imports two clients and opens an index) or ends, and while its
advisor fails.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np

from shared.workspace import Workspace
from tests.processes import System
from tests.support_llm import (
    API_ERROR,
    KEY,
    READY,
    THINKING,
    Send,
    Server,
    chat,
    dripping,
    message,
    sending,
    serving,
    stalling,
    text_block,
)
from tests.support_tuner import reply_object, reply_text
from tuner.advisors.base import PROBE_TEXT

SYMBOL = "BTCUSDT"
INTERVAL_S = 10.0
DEADLINE_S = 10.0  # what a decision is worth waiting for at this interval
GRACE_S = 1.5  # past the deadline: hanging up, telling, recording
AT_REST, STARTING, FAILING = PHASES = ("no tuner", "a tuner starts or ends", "its advisor fails")
_REST_S = 5.0
_HUNG_S = 120.0
_EVERY_S = 0.002

HELD = "HOLD"
FAILED = "FAILED → HOLD"


class Drill(msgspec.Struct, frozen=True, kw_only=True):
    """One failure: what the server sends, and the state it must end in. ``named`` must stand in the error."""

    name: str
    answer: Send
    state: str
    named: str = ""
    advisor: str = "claude"


def _said(text: str, **changes: Any) -> Send:
    return sending(message(text_block(text), **changes))


def _update(**changes: Any) -> str:
    return json.dumps(reply_object("UPDATE_CONFIG", **changes))


DRILLS = (
    Drill(name="429, retry after 3600 s", answer=sending(API_ERROR, 429), state=FAILED, named="429"),
    Drill(name="529 overloaded", answer=sending(API_ERROR, 529), state=FAILED, named="529"),
    Drill(name="404 retired model", answer=sending(API_ERROR, 404), state=FAILED, named="404"),
    Drill(name="refusal", answer=sending(message(stop="refusal")), state=FAILED, named="refused"),
    Drill(name="cut at max_tokens", answer=_said('{"action": "PAU', stop="max_tokens"), state=FAILED, named="max_tokens"),
    Drill(name="thinking first", answer=sending(message(THINKING, text_block(reply_text()))), state=HELD),
    Drill(name="nothing but thinking", answer=sending(message(THINKING)), state=FAILED, named="no text"),
    Drill(name="body that stalls", answer=stalling, state=FAILED, named="no answer within"),
    Drill(name="body that drips", answer=dripping, state=FAILED, named="no answer within"),
    Drill(name="invalid UTF-8", answer=sending(b'{"id": "\xff\xfe\x80"}'), state=FAILED, named="claude"),
    Drill(name="schema ignored", answer=_said("Sell everything, now!"), state=FAILED, named="not JSON"),
    Drill(name="wrong symbol", answer=_said(reply_text(symbol="DOGEUSDT")), state=FAILED, named="symbol"),
    Drill(name="numbers as strings", answer=_said(_update(stop_pct="0.8")), state=FAILED, named="expected a number"),
    Drill(name="NaN", answer=_said(_update(stop_pct=float("nan"))), state=FAILED, named="finite"),
    Drill(name="10 × out of range", answer=_said(_update(stop_pct=50.0)), state=FAILED, named="refused"),
    Drill(name="ollama: 503 busy", answer=sending({"error": "busy"}, 503), state=FAILED, named="503", advisor="ollama"),
    Drill(
        name="ollama: answer cut", answer=sending(chat('{"action"', done_reason="length")), state=FAILED, named="cut",
        advisor="ollama",
    ),
    Drill(
        name="ollama: prompt cut", answer=sending(chat(prompt_eval_count=8192)), state=FAILED, named="probably cut",
        advisor="ollama",
    ),
    Drill(name="ollama: body that drips", answer=dripping, state=FAILED, named="no answer within", advisor="ollama"),
    Drill(name="ollama: schema ignored", answer=sending(chat("Hold.")), state=FAILED, named="not JSON", advisor="ollama"),
    Drill(name="529 in a chain with the rules", answer=sending(API_ERROR, 529), state="DRY_RUN", advisor="claude,rules"),
)  # fmt: skip


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a drill ended: the state, the seconds from asking to the reply, and what was said."""

    drill: Drill
    state: str
    seconds: float
    error: str

    @property
    def wrong(self) -> str:
        """What is not as it should be; empty if all is well."""
        if self.state != self.drill.state and not (self.drill.state == "DRY_RUN" and self.state == HELD):
            return f"ended as {self.state}"
        if self.drill.named not in self.error:
            return f"said {self.error!r}"
        return "late" if self.seconds > DEADLINE_S + GRACE_S else ""


def well_at_first(answer: Send, failing: Callable[[bool], None]) -> Send:
    """Return a server that answers the start-up probe as it should and all else as scripted, and tells while it does so."""
    probe = sending(message(text_block(READY)))
    ollama_probe = sending(chat(READY))

    def respond(handler: BaseHTTPRequestHandler, server: Server) -> None:
        asked = server.asked[-1] if server.asked else {}
        if any(part.get("content") == PROBE_TEXT for part in asked.get("messages", ())):
            (ollama_probe if "options" in asked else probe)(handler, server)
            return
        failing(True)
        answer(handler, server)
        failing(False)

    return respond


def run_drill(system: System, drill: Drill, failing: Callable[[bool], None]) -> Ended:
    """Run ``trader_tuner --once`` against a server that fails."""
    with serving(well_at_first(drill.answer, failing)) as server:
        system.environment |= {"CLAUDE_API_KEY": KEY, "ANTHROPIC_BASE_URL": server.url, "OLLAMA_HOST": server.url}
        options = ("--advisor", drill.advisor, "--interval", f"{INTERVAL_S:g}", "--once", "--json", "--dry-run")
        try:
            done = system.run("tuner.cli", *options, within_s=_HUNG_S)
        except subprocess.TimeoutExpired:
            return Ended(drill=drill, state="HUNG", seconds=_HUNG_S, error="")
    assert done.returncode == 0, done.stderr
    assert KEY not in done.stdout + done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    state = FAILED if result["status"] == "FAILED" else str(result["status"])
    return Ended(drill=drill, state=state, seconds=result["latency_ms"] / 1e3, error=result["error"])


class Latency:
    """Watches how long the trader takes from the arrival of a frame to the view that shows it, as the trader stamps both.

    Attributes
    ----------
    phase
        What goes on just now; every sample is counted under it.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.phase = AT_REST
        self._ages_ms: dict[str, list[float]] = {phase: [] for phase in PHASES}

    def failing(self, now: bool) -> None:
        """Take note that an advisor fails now, or no longer."""
        if now:
            self.phase = FAILING
        elif self.phase == FAILING:
            self.phase = STARTING

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take a sample of every publication that shows a new frame while the block runs."""
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(over,), name="watch")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _watch(self, over: threading.Event) -> None:
        last = 0
        while not over.wait(_EVERY_S):
            view = self._workspace.portfolio()
            if int(view["messages"]) != last:
                last = int(view["messages"])
                self._ages_ms[self.phase].append((int(view["published_ns"]) - int(view["last_message_ns"])) / 1e6)

    def rows(self) -> Iterator[str]:
        """Yield one line for each phase."""
        for phase, ages_ms in self._ages_ms.items():
            p50, p99 = np.percentile(ages_ms, [50, 99]) if ages_ms else (np.nan, np.nan)
            yield f"frame → published, {phase:28} p50 {p50:6.2f} ms, p99 {p99:6.2f} ms over {len(ages_ms):,} publications"


def drilled(system: System, drills: tuple[Drill, ...], tell: Callable[[Ended], None]) -> Latency:
    """Run drills beside a trader, with a rest before each, and return its latency: the machine is the same for all phases."""
    _, workspace = system.trader("--symbols", SYMBOL)
    try:
        latency = Latency(workspace)
        generation = int(workspace.symbol_rows[0].desired()["generation"])
        time.sleep(_REST_S)
        with latency.watching():
            for drill in drills:
                latency.phase = AT_REST
                time.sleep(_REST_S)
                latency.phase = STARTING
                tell(run_drill(system, drill, latency.failing))
        assert int(workspace.symbol_rows[0].desired()["generation"]) == generation, "a drill changed something"
        return latency
    finally:
        workspace.close()


@click.command()
def main() -> None:
    """Run every drill and print what came of it."""
    with tempfile.TemporaryDirectory() as home:
        system = System(Path(home))
        (system.home / "logs").mkdir()
        ended: list[Ended] = []

        def tell(one: Ended) -> None:
            ended.append(one)
            verdict = one.wrong or "ok"
            click.echo(f"{one.drill.name:32} {one.state:16} {one.seconds:6.2f} s  {verdict:4} {one.error[:90]}")

        try:
            latency = drilled(system, DRILLS, tell)
        finally:
            system.stop()
    click.echo("\n".join(latency.rows()))
    if any(one.wrong for one in ended):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
