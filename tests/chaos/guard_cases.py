"""Every property of the guard over many generated cases: ``python -m tests.chaos.guard_cases --cases 100000``."""

from __future__ import annotations

import click
import msgspec

from shared.clock import SystemClock
from shared.events import Action
from tests.guard_cases import PROPERTIES, Case, generated


class Count(msgspec.Struct):
    """How often a property said something, and how often it was broken."""

    applied: int = 0
    broken: int = 0


def count(cases: int, seed: int) -> tuple[dict[str, Count], dict[str, int], list[tuple[str, Case]]]:
    """Ask the guard and check everything; return the counts, the actions that passed, and the first counter-examples."""
    counts = {name: Count() for name in PROPERTIES}
    actions = dict.fromkeys((action.name for action in Action), 0)
    broken: list[tuple[str, Case]] = []
    for case in generated(cases, seed):
        verdict = case.judged()
        actions[verdict.action.name] += 1
        for name, (applies, holds) in PROPERTIES.items():
            if not applies(case, verdict):
                continue
            counts[name].applied += 1
            if not holds(case, verdict):
                counts[name].broken += 1
                broken.append((name, case))
    return counts, actions, broken


@click.command()
@click.option("--cases", default=100_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(cases: int, seed: int) -> None:
    """Check every property of the guard on generated cases."""
    clock = SystemClock()
    started_ns = clock.monotonic_ns()
    counts, actions, broken = count(cases, seed)
    click.echo(f"{'property':52} {'cases it decides':>17} {'broken':>7}")
    for name, one in counts.items():
        click.echo(f"{name:52} {one.applied:>17,} {one.broken:>7,}")
    said = ", ".join(f"{name} {number:,}" for name, number in actions.items())
    click.echo(f"{cases:,} cases (seed {seed}) in {(clock.monotonic_ns() - started_ns) / 1e9:.1f} s; allowed: {said}")
    for name, case in broken[:3]:
        click.echo(f"\nbroken: {name}\n{case}\n{case.judged()}")
    raise SystemExit(1 if broken else 0)


if __name__ == "__main__":
    main()
