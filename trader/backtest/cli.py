"""The command ``trader_backtest``."""

from __future__ import annotations

import json

import click

from shared.console import exit_codes


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Replay what was recorded through the very engine that traded it."""


@main.command()
@click.argument("session")
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="Replay with another value of a parameter.")
@click.option("--instance", help="Name of the system. [env: TRADER_INSTANCE]")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def run(*, session: str, changes: tuple[str, ...], instance: str | None, as_json: bool) -> None:
    """Replay SESSION (kept by `trader --session NAME`) as it was, and with --set beside it."""
    with exit_codes():
        import msgspec

        from shared.paths import home_dir, instance_name
        from trader.backtest.replay import KeptSession, describe

        kept = KeptSession(home_dir(instance_name(instance)) / "sessions" / session)
        results = {"as recorded": kept.replay({})}
        if changes:
            results["changed"] = kept.replay(dict(_change(text) for text in changes))
        click.echo(json.dumps(msgspec.to_builtins(results)) if as_json else describe(results))


@main.command()
@click.argument("session")
@click.option("--control", "controls", multiple=True, metavar="NAME=VALUE", help="With another global control.")
@click.option("--instance", help="Name of the system. [env: TRADER_INSTANCE]")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def strategies(*, session: str, controls: tuple[str, ...], instance: str | None, as_json: bool) -> None:
    """Replay SESSION with SMART and with each strategy alone: trades, wins and P&L after all costs."""
    with exit_codes():
        import msgspec

        from shared.paths import home_dir, instance_name
        from trader.backtest.replay import KeptSession
        from trader.backtest.strategies import outcomes, table

        kept = KeptSession(home_dir(instance_name(instance)) / "sessions" / session)
        rows = list(outcomes(kept, dict(_change(text) for text in controls)))
        click.echo(json.dumps(msgspec.to_builtins(rows)) if as_json else table(rows))


@main.command()
@click.argument("klines", nargs=-1, required=True, type=click.Path())
def regimes(*, klines: tuple[str, ...]) -> None:
    """Print how long each market regime holds on the closes of KLINES, CSV files with a column `close` (.gz or plain)."""
    with exit_codes():
        from pathlib import Path

        from trader.backtest.regime_shares import describe_shares, read_closes, regimes_of

        paths = [Path(name) for name in klines]
        click.echo(describe_shares({path.name[:24]: regimes_of(read_closes(path))[0] for path in paths}))


def _change(text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    try:
        return name.strip(), float(value if equals else "")
    except ValueError:
        raise click.UsageError(f"change: was {text!r}, expected NAME=VALUE such as stop_pct=0.8") from None


if __name__ == "__main__":
    main()
