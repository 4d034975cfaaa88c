"""The command ``trader_tuner``."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.clock import Clock, SystemClock
from shared.console import INTERRUPTED, exit_codes
from shared.errors import UsageError
from shared.paths import home_dir, instance_name, log_dir
from tuner.audit_cli import add_commands
from tuner.extras import extras_from, open_extras, tuning_options

if TYPE_CHECKING:
    from tuner.account import Result
    from tuner.advisors.claude import Structure
    from tuner.advisors.select import Wanted
    from tuner.cycle import Parts
    from tuner.extras import Extras
    from tuner.loop import LoopOptions

LEAST_INTERVAL_S = 10.0
_LEAST_OFFLINE_S = 1.0  # rules and recordings cost nothing to ask


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--interval",
    metavar="S",
    type=float,
    default=300.0,
    show_default=True,
    help="Seconds between scheduled cycles, at least 10 (1 with the advisors rules and replay).",
)
@click.option(
    "--advisor",
    metavar="WHO",
    default="auto",
    show_default=True,
    help="Who decides: claude, ollama, local, rules, replay, or several as a chain such as claude,rules; "
    "auto: Claude with a key, else Ollama if it answers, else the embedded rules.",
)
@click.option("--model", default="", help="Model to ask (or TRADER_TUNER_MODEL).")
@click.option("--model-path", type=click.Path(dir_okay=False, path_type=Path), help="GGUF file for the advisor local.")
@click.option(
    "--structure",
    type=click.Choice(("auto", "format", "tool")),
    default="auto",
    show_default=True,
    help="How Claude is held to the schema; tool: for compatible servers that ignore the format.",
)
@click.option(
    "--calls",
    type=click.Choice(("live", "record", "replay", "replay-strict")),
    default="live",
    show_default=True,
    help="What becomes of calls to a model: asked, asked and kept, or answered from --calls-file (strict: or failed).",
)
@click.option("--calls-file", type=click.Path(dir_okay=False, path_type=Path), help="Kept calls (SQLite).")
@click.option("--replay-file", type=click.Path(dir_okay=False, path_type=Path), help="Recorded replies (JSONL) for replay.")
@click.option("--dry-run", is_flag=True, help="Decide and record, but change nothing.")
@click.option("--once", is_flag=True, help="Do one cycle and exit; 3 if there is no trader.")
@click.option(
    "--wait", "wait_s", metavar="S", type=float, help="Seconds to wait for a trader. [default: for ever; 0 with --once]"
)
@tuning_options
@click.option("--verify-audit", is_flag=True, help="Walk the audit's hash chain and exit; 1 if it is broken.")
@click.option("--instance", help="Instance to tune (or TRADER_INSTANCE).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per decision.")
@click.option("-v", "--verbose", is_flag=True, help="Print the log to the terminal as well.")
@click.pass_context
def main(
    context: click.Context,
    /,
    *,
    interval: float,
    advisor: str,
    model: str,
    model_path: Path | None,
    structure: Structure,
    calls: str,
    calls_file: Path | None,
    replay_file: Path | None,
    dry_run: bool,
    once: bool,
    wait_s: float | None,
    verify_audit: bool,
    instance: str | None,
    as_json: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Tune the parameters of a running trader, within bounds, on record, and only while no human has the wheel.

    For example `trader_tuner --interval 60 --verbose`, or `trader_tuner --once --dry-run --json`. The commands below look at
    what it decided.
    """
    context.obj = (instance, as_json)
    if context.invoked_subcommand:
        return
    with exit_codes():
        name = instance_name(instance)
        if verify_audit:
            sys.exit(_verify(name, as_json=as_json))
        from tuner.advisors.recording import Calls
        from tuner.advisors.select import Wanted, kinds
        from tuner.limits import limits_for
        from tuner.loop import LoopOptions

        wanted = Wanted(
            advisor=",".join(kinds(advisor)), model=model, model_path=model_path, structure=structure, replay_file=replay_file,
            calls=Calls(calls), calls_file=calls_file, rest_s=limits_for(interval).dwell_s, interval_s=interval,
        )  # fmt: skip
        _check_interval(interval, offline=wanted.offline)
        wait = 0.0 if once and wait_s is None else wait_s
        options = LoopOptions(instance=name, interval_s=interval, dry_run=dry_run, once=once, wait_s=wait)
        extras = extras_from(given)
        sys.exit(_run((wanted, extras), options, SystemClock(), as_json=as_json, verbose=verbose and not as_json))


def _run(wanted: tuple[Wanted, Extras], options: LoopOptions, clock: Clock, *, as_json: bool, verbose: bool) -> int:
    from shared.workspace import Workspace
    from tuner.loop import TunerLoop

    if options.wait_s == 0:
        Workspace(options.instance, clock).close()  # say at once that there is no trader, before anything heavy is loaded
    interrupted, stop = threading.Event(), threading.Event()
    told: list[Result] = []

    def tell(result: Result) -> None:
        if options.once:
            told.append(result)
        if as_json:
            import msgspec

            click.echo(msgspec.json.encode(result).decode())
        elif not verbose:
            click.echo(_line(result))

    with _signals(stop, interrupted), _parts(wanted, options, clock, stop, verbose=verbose) as parts:
        if not as_json and not verbose:
            click.echo(f"advisor {parts.choice.advisor.name}: {parts.choice.why}; log {parts.log.path}")
        TunerLoop(parts, options, tell).run()
        if options.once and not told:
            click.echo(f"nothing decided: {parts.publisher.status['last_error'].decode()}", err=True)
    return INTERRUPTED if interrupted.is_set() else 0


@contextmanager
def _parts(
    wanted: tuple[Wanted, Extras], options: LoopOptions, clock: Clock, stop: threading.Event, *, verbose: bool
) -> Iterator[Parts]:
    """Make everything the loop works with, the segment first: it is the lock against a second tuner."""
    from tuner.advisors.select import choose
    from tuner.audit import Audit
    from tuner.cycle import Parts
    from tuner.knowledge import open_knowledge
    from tuner.log import TunerLog
    from tuner.publish import Publisher

    with ExitStack() as stack:
        publisher = Publisher(options.instance, clock)
        stack.callback(publisher.close)
        log = TunerLog(log_dir(), clock, echo=verbose)
        stack.callback(log.close)
        choice = choose(wanted[0], os.environ, clock)
        publisher.update(
            advisor=choice.advisor.name, model=choice.advisor.model, advisor_why=choice.why, chain=choice.chain,
            interval_s=options.interval_s, dry_run=options.dry_run,
        )  # fmt: skip
        log.line("TUNER", f"advisor {choice.advisor.name}: {choice.why}")
        audit = Audit(home_dir(options.instance) / "audit.sqlite")
        stack.callback(audit.close)
        more = open_extras(wanted[1], options.instance, (audit, publisher, log, clock), stack)
        publisher.beat()
        knowledge = open_knowledge(options.instance, os.environ)
        stack.callback(knowledge.close)
        publisher.update(passages=knowledge.chunks, corpus=knowledge.corpus)
        log.line("RAG", knowledge.note)
        yield Parts(
            clock=clock, choice=choice, knowledge=knowledge, audit=audit, publisher=publisher, log=log, stop=stop, **more
        )  # fmt: skip
        log.line("TUNER", "stopped")


@contextmanager
def _signals(stop: threading.Event, interrupted: threading.Event) -> Iterator[None]:
    """Let SIGINT and SIGTERM end the loop in its own time."""

    def interrupt(*_args: object) -> None:
        interrupted.set()
        stop.set()

    before = {signal.SIGINT: signal.signal(signal.SIGINT, interrupt)}
    before[signal.SIGTERM] = signal.signal(signal.SIGTERM, lambda *_args: stop.set())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_interval(interval_s: float, *, offline: bool) -> None:
    least_s = _LEAST_OFFLINE_S if offline else LEAST_INTERVAL_S
    if not least_s <= interval_s <= 86_400:
        hint = "" if offline else " (1 with --advisor rules or replay)"
        raise UsageError(f"interval: was {interval_s:g}, expected {least_s:g} to 86400 s{hint}")


def _verify(instance: str, *, as_json: bool) -> int:
    from tuner.audit import verify

    path = home_dir(instance) / "audit.sqlite"
    found = verify(path)
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(found).decode())
    elif found.bad_row:
        click.echo(f"audit {path}: BROKEN at row {found.bad_row}: {found.why}")
    else:
        click.echo(f"audit {path}: {found.rows} rows, chain whole, head {found.head}")
        for decision_id in found.unfinished:
            click.echo(f"decision {decision_id}: was sent and never concluded; see trader_events for what the trader did")
    return 1 if found.bad_row else 0


def _line(result: Result) -> str:
    changes = ", ".join(f"{name} {old:g} → {new:g}" for name, (old, new) in result.changes.items())
    detail = changes or result.error or "; ".join(result.reasons)
    parts = [result.symbol, result.action, f"{result.confidence_pct:.0f}%", result.status, detail]
    return "  ".join(part for part in parts if part)


add_commands(main)

if __name__ == "__main__":
    main()
