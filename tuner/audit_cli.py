"""The commands of ``trader_tuner`` that look at what was decided: audit, replay, calibration."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from shared.console import exit_codes


def add_commands(main: click.Group) -> None:
    """Add them to ``trader_tuner``."""
    main.add_command(audit)
    main.add_command(replay)
    main.add_command(calibration)


def _where(context: click.Context, instance: str | None) -> Path:
    """Return the audit of the instance that is named here, before the command, or in the environment."""
    from shared.paths import home_dir, instance_name

    return home_dir(instance_name(instance if instance is not None else context.find_root().obj[0])) / "audit.sqlite"


def _answer(context: click.Context, data: Any, words: str) -> None:
    import json

    click.echo(json.dumps(data) if context.find_root().obj[1] else words)


_INSTANCE = click.option("--instance", help="Instance to look at (or TRADER_INSTANCE).")


@click.group()
def audit() -> None:
    """Look at every decision: what it was made from, what became of it, what it did."""


@audit.command(name="list")
@_INSTANCE
@click.option("--symbol", help="Only this one.")
@click.option("--status", help="Only this ending, such as APPLIED or REFUSED.")
@click.option("--last", default=30, show_default=True, help="How many.")
@click.pass_context
def list_decisions(context: click.Context, *, instance: str | None, symbol: str | None, status: str | None, last: int) -> None:
    """List decisions, newest last, each with its ending and its measured effect."""
    with exit_codes():
        from tuner.records import decisions, decisions_table

        found = decisions(_where(context, instance), symbol=symbol, status=status, last=last)
        _answer(context, found, decisions_table(found))


@audit.command()
@_INSTANCE
@click.argument("decision_id", type=int)
@click.pass_context
def show(context: click.Context, *, instance: str | None, decision_id: int) -> None:
    """Show everything about one decision: prompt, passages, reply, verdict, what if, effect."""
    with exit_codes():
        from tuner.records import decision_data, decision_words

        data = decision_data(_where(context, instance), decision_id)
        _answer(context, data, decision_words(data))


@audit.command()
@_INSTANCE
@click.pass_context
def verify(context: click.Context, *, instance: str | None) -> None:
    """Walk the hash chain, check every stored text and the seal; 1 if anything was changed."""
    with exit_codes():
        import msgspec

        from tuner.audit import verify as walk
        from tuner.records import verification_words

        found = walk(_where(context, instance))
        _answer(context, msgspec.to_builtins(found), verification_words(found))
        sys.exit(1 if found.why else 0)


@audit.command()
@_INSTANCE
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_context
def export(context: click.Context, *, instance: str | None, file: Path) -> None:
    """Write every row with its texts to FILE, one JSON object a line; the chain can be checked from it."""
    with exit_codes():
        from tuner.records import export as write

        rows = write(_where(context, instance), file)
        _answer(context, {"rows": rows, "file": str(file)}, f"{rows} rows written to {file}")


@click.command()
@_INSTANCE
@click.argument("decision_id", type=int)
@click.option("--advisor", help="Who decides this time. [default: who did]")
@click.option("--model", default="", help="Model to ask.")
@click.option("--replay-file", type=click.Path(dir_okay=False, path_type=Path), help="Recorded replies for replay.")
@click.pass_context
def replay(
    context: click.Context, *, instance: str | None, decision_id: int, advisor: str | None, model: str, replay_file: Path | None
) -> None:
    """Make a decision again from the same snapshot, by the same advisor or another; nothing is applied."""
    with exit_codes():
        import msgspec

        from tuner.again import Again, decide_again

        again: Again = decide_again(_where(context, instance), decision_id, advisor=advisor, model=model, file=replay_file)
        _answer(context, msgspec.to_builtins(again), again.words)


@click.command()
@_INSTANCE
@click.pass_context
def calibration(context: click.Context, *, instance: str | None) -> None:
    """Show whether confidence means anything: how often decisions of each confidence did good, as measured."""
    with exit_codes():
        import msgspec

        from tuner.calibration import calibrate, calibration_table

        found = calibrate(_where(context, instance))
        _answer(context, msgspec.to_builtins(found), calibration_table(found))
