"""A real local model decides about the recorded situations, three ways; every decision is kept, so that a run can be resumed.

``python -m tests.llm.decide --model FILE.gguf --way local --out FILE.jsonl`` asks about what is not in the file yet;
``--table`` prints what the file holds. Ways: ``local`` in this process, ``claude`` the Anthropic client against llama.cpp's
``/v1/messages``, ``ollama`` the Ollama client against a third-party server of its API in front of llama.cpp; and without any
model ``rules`` and ``hold``, to compare with.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np

from shared.clock import SystemClock
from shared.events import Action
from shared.params import PARAMS
from tests.llm.states import SYMBOL, Case, cases
from tests.support import eventually
from tuner.advisors.base import Advisor, Reply
from tuner.advisors.claude import ClaudeAdvisor
from tuner.advisors.local import LocalAdvisor
from tuner.advisors.ollama import OllamaAdvisor
from tuner.advisors.replay import nothing_recorded
from tuner.advisors.rules import RulesAdvisor
from tuner.decision import decision_schema, parse_reply
from tuner.guard import Ruling, judge
from tuner.limits import limits_for
from tuner.prompt import build_prompt

WAYS = ("hold", "rules", "local", "claude", "ollama")
INTERVAL_S = 300.0
DEADLINE_S = 600.0  # patient on purpose: a busy machine must not look like a bad model
_TEMPLATE = Path(__file__).with_name("forced_tool.jinja")


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """One decision, as kept in the file. ``memory_mb`` is the peak of the process that holds the model, so far."""

    way: str
    model: str
    case: str
    kind: str
    template_version: str
    action: str
    params: dict[str, float]
    confidence_pct: float
    reasoning: str
    json_valid: bool
    schema_valid: bool
    ruling: str
    raises_risk: bool
    right: bool | None
    error: str
    latency_s: float
    input_tokens: int
    output_tokens: int
    memory_mb: float
    text: str


class HoldAdvisor(RulesAdvisor):
    """Always HOLD: what doing nothing scores."""

    name = "hold"
    model = ""

    def propose(self, prompt: Any, schema: Any, deadline_s: float) -> Reply:  # noqa: ARG002
        return Reply(text=nothing_recorded(prompt.symbol), stop_reason="end_turn")


def decide(advisor: Advisor, case: Case, way: str, memory_mb: float) -> Made:
    """Ask about one situation and judge the answer as the tuner would."""
    prompt = build_prompt(case.snapshot, SYMBOL, [])
    reply = advisor.propose(prompt, decision_schema([SYMBOL]), DEADLINE_S)
    decision = parse_reply("" if reply.error else reply.text, [SYMBOL])
    verdict = judge(case.snapshot, decision, [], limits_for(INTERVAL_S), case.snapshot.taken_ns)
    before = case.snapshot.symbols[0].params
    return Made(
        way=way,
        model=advisor.model,
        case=case.name,
        kind=case.kind,
        template_version=prompt.template_version,
        action=decision.action.name,
        params={PARAMS[field].name: value for field, value in decision.proposed.items()},
        confidence_pct=decision.confidence_pct,
        reasoning=decision.reasoning,
        json_valid=not reply.error and _is_json(reply.text),
        schema_valid=not decision.error,
        ruling=verdict.ruling.value,
        raises_risk=any(PARAMS[field].risk * (new - before[field]) > 0 for field, new in decision.proposed.items()),
        right=None if case.right is None else bool(not decision.error and case.right(decision, case.snapshot)),
        error=reply.error or decision.error,
        latency_s=reply.latency_ms / 1e3,
        input_tokens=reply.input_tokens,
        output_tokens=reply.output_tokens,
        memory_mb=memory_mb,
        text=reply.text,
    )


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def peak_mb(pid: int) -> float:
    """Return the most memory a process ever held, MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1e3
    return 0.0


@contextmanager
def started(words: Sequence[str], env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a program while the block runs; what it says is thrown away but for its first line."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def asked(way: str, model: Path | None, threads: int, proxy: Path | None) -> Iterator[tuple[Advisor, int]]:
    """Yield an advisor, and the process that holds its model; servers run while the block runs."""
    clock = SystemClock()
    if way in ("hold", "rules") or model is None:
        yield (HoldAdvisor() if way == "hold" else RulesAdvisor(limits_for(INTERVAL_S).dwell_s)), os.getpid()
        return
    if way == "local":
        yield LocalAdvisor(model, clock, threads=threads), os.getpid()
        return
    serve = [sys.executable, "-m", "tests.llm.serve", str(model), "--threads", str(threads)]
    with ExitStack() as stack:
        server = stack.enter_context(started([*serve, *(["--template", str(_TEMPLATE)] if way == "claude" else [])]))
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        if way == "claude":
            claude = ClaudeAdvisor(api_key="none", base_url=address, model="local-model", clock=clock)
            click.echo(f"claude: {claude.probe(DEADLINE_S).note}")
            yield claude, server.pid
            return
        assert proxy is not None, "the way ollama needs --ollama-proxy"
        host = stack.enter_context(_proxied(proxy, address))
        ollama = OllamaAdvisor(host=host, model="local/local-model", clock=clock)
        click.echo(f"ollama: {ollama.probe(DEADLINE_S).note}")
        yield ollama, server.pid


@contextmanager
def _proxied(proxy: Path, address: str) -> Iterator[str]:
    """Run the third-party server of Ollama's API in front of a llama.cpp server and yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    env = os.environ | {"PROVIDERS_LOCAL_BASE_URL": f"{address}/v1", "EXTRA_MODELS": "local/local-model"}

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    with started([str(proxy), "serve", "--host", "127.0.0.1", "--port", str(port)], env):
        eventually(listens, 60)
        yield f"http://127.0.0.1:{port}"


def kept(path: Path) -> list[Made]:
    """Return the decisions in a file."""
    return [msgspec.json.decode(line, type=Made) for line in path.read_text().splitlines()] if path.exists() else []


def table(made: Sequence[Made]) -> str:
    """Return the table of the README: one row for each way and model."""
    head = (
        "| way | model | decisions | valid JSON | schema valid | accepted by the guard | of these, changes | raises risk "
        "| clear-cut right | p50 s | p95 s | in 60 s | tokens/s | memory MB |"
    )
    groups: dict[tuple[str, str], list[Made]] = {}
    for one in made:
        groups.setdefault((one.way, one.model), []).append(one)
    rows = [_row(way, model, of) for (way, model), of in sorted(groups.items(), key=lambda item: WAYS.index(item[0][0]))]
    return "\n".join([head, "|---" * 14 + "|", *rows])


def _share(part: int, whole: int) -> str:
    return f"{part}/{whole} ({100 * part / whole:.0f} %)" if whole else "-"


def _row(way: str, model: str, made: list[Made]) -> str:
    n = len(made)
    accepted = [one for one in made if one.schema_valid and one.ruling != Ruling.REJECT.value]
    acting = [one for one in accepted if one.action != Action.HOLD.name]
    clear = [one for one in made if one.right is not None]
    latencies = np.array([one.latency_s for one in made])
    written, taken = sum(one.output_tokens for one in made), float(latencies.sum())
    cells = [
        way, model or "-", str(n), _share(sum(one.json_valid for one in made), n),
        _share(sum(one.schema_valid for one in made), n), _share(len(accepted), n),
        str(len(acting)), str(sum(one.raises_risk for one in made)),
        _share(sum(bool(one.right) for one in clear), len(clear)),
        f"{np.percentile(latencies, 50):.1f}", f"{np.percentile(latencies, 95):.1f}", _share(int((latencies <= 60).sum()), n),
        f"{written / taken:.1f}" if written else "-", f"{max(one.memory_mb for one in made):.0f}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def by_kind(made: Sequence[Made]) -> str:
    """Return what each way answered to each kind of situation."""
    columns = list(dict.fromkeys((one.way, one.model) for one in made))
    lines = [
        "| situation | " + " | ".join(f"{way} {model}".strip() for way, model in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for kind in dict.fromkeys(one.kind for one in made):
        cells = []
        for column in columns:
            of = [one for one in made if (one.way, one.model) == column and one.kind == kind]
            actions = [one.action if one.schema_valid else "invalid" for one in of]
            counted = ", ".join(f"{actions.count(name)} {name}" for name in dict.fromkeys(actions))
            right = [one.right for one in of if one.right is not None]
            cells.append(f"{counted} ({sum(right)}/{len(right)} right)" if right else counted)
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


@click.command()
@click.option("--model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--way", "ways", multiple=True, type=click.Choice(WAYS), help="Ways to ask. [default: all]")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option("--limit", default=0, help="At most so many decisions each way; 0: all.")
@click.option("--threads", default=1, show_default=True)
@click.option("--ollama-proxy", "proxy", type=click.Path(path_type=Path), help="The program of ollama-proxy-plus.")
@click.option("--table", "only_table", is_flag=True, help="Only print the table of what is kept.")
def main(
    *, model: Path | None, ways: tuple[str, ...], out: Path, limit: int, threads: int, proxy: Path | None, only_table: bool
) -> None:
    """Let a model decide about every recorded situation."""
    if not only_table:
        os.nice(max(0, 10 - os.nice(0)))
        for way in ways or WAYS:
            _run(way, model, out, limit, threads, proxy)
    made = kept(out)
    click.echo(f"{table(made)}\n\n{by_kind(made)}")


def _run(way: str, model: Path | None, out: Path, limit: int, threads: int, proxy: Path | None) -> None:
    name = model.name if model is not None and way not in ("hold", "rules") else ""
    done = {one.case for one in kept(out) if one.way == way and one.model == name}
    todo = sorted((case for case in cases() if case.name not in done), key=lambda case: case.name.split()[-1])  # every kind early
    todo = todo[: max(0, limit - len(done))] if limit else todo
    if not todo:
        return
    with asked(way, model, threads, proxy) as (advisor, pid):
        for case in todo:
            made = msgspec.structs.replace(decide(advisor, case, way, 0.0), model=name)
            made = msgspec.structs.replace(made, memory_mb=peak_mb(pid))
            with out.open("ab") as file:
                file.write(msgspec.json.encode(made) + b"\n")
            click.echo(f"{way} {case.name}: {made.action} {made.latency_s:.1f} s {made.error[:80]}")


if __name__ == "__main__":
    main()
