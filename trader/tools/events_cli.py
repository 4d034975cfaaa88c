"""The command ``trader_events``."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from shared.console import exit_codes

if TYPE_CHECKING:
    from trader.tools.event_lines import EventLine

_POLL_S = 0.1


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--tail", type=click.IntRange(min=0), default=20, show_default=True, help="Begin with the last N events.")
@click.option("--follow", "-f", is_flag=True, help="Go on with new events until Ctrl-C.")
@click.option("--symbol", help="Only events of this symbol.")
@click.option("--type", "kind", help="Only events of this kind, for example FILL, TUNER_CONFIG or TunerOutcome.")
@click.option("--stats", is_flag=True, help="Count all events still in memory by kind instead of listing them.")
@click.option("--instance", help="Name of the system. [env: TRADER_INSTANCE]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def main(
    *, tail: int, follow: bool, symbol: str | None, kind: str | None, stats: bool, instance: str | None, as_json: bool
) -> None:
    """Show what the trader and the tuner did, AI events in purple."""
    with exit_codes():
        from shared.clock import SystemClock
        from shared.paths import instance_name
        from shared.workspace import Workspace
        from trader.tools.event_lines import EventSource

        workspace = Workspace(instance_name(instance), SystemClock(), require_alive=False)
        source = EventSource(workspace)
        wanted = _filter(source.known_kinds(), symbol and workspace.symbols[workspace.symbol_index(symbol)], kind)
        if stats:
            _stats([line for line in source.history() if wanted(line)], as_json=as_json)
            return
        history = [line for line in source.history() if wanted(line)]
        for line in history[len(history) - min(tail, len(history)) :]:
            _print(line, as_json=as_json)
        if follow:
            _follow(source, wanted, as_json=as_json)


def _filter(known: list[str], symbol: str | None, kind: str | None) -> Any:
    wanted_kind = _named(kind, known) if kind else None
    if kind and not wanted_kind:
        raise click.UsageError(f"--type: was {kind!r}, expected one of {', '.join(known)}")
    return lambda line: (not symbol or line.symbol == symbol) and (not wanted_kind or line.kind == wanted_kind)


def _named(kind: str, known: list[str]) -> str | None:
    """Return the kind that is meant: TunerOutcome, tuner-outcome and OUTCOME are the same."""
    plain = kind.upper().replace("-", "").replace("_", "")
    return next((name for name in known if plain in (name.replace("_", ""), "TUNER" + name.replace("_", ""))), None)


def _print(line: EventLine, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(line.as_dict()))
    else:
        click.echo(f"{click.style(line.clock, fg='bright_black')} {click.style(line.text, fg=line.colour)}")


def _stats(lines: list[EventLine], *, as_json: bool) -> None:
    counts = Counter(line.kind for line in lines)
    if as_json:
        click.echo(json.dumps(dict(counts.most_common())))
        return
    for kind, count in counts.most_common():
        click.echo(f"{kind:20} {count:8}")
    click.echo(f"{'all':20} {len(lines):8}")


def _follow(source: Any, wanted: Any, *, as_json: bool) -> None:
    from time import sleep

    lost = 0
    while True:
        for line in source.new():
            if wanted(line):
                _print(line, as_json=as_json)
        if source.lost > lost:
            lost = source.lost
            click.echo(f"({lost} events were overwritten before they could be read)", err=True)
        sleep(_POLL_S)


if __name__ == "__main__":
    main()
