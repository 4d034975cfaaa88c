"""The command ``trader_control``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from shared.console import exit_codes

if TYPE_CHECKING:
    from shared.workspace import Workspace


class Context:
    """What every subcommand gets: which system, and how to answer."""

    def __init__(self, instance: str | None, *, as_json: bool) -> None:
        self._instance = instance
        self.as_json = as_json

    @property
    def instance(self) -> str:
        """The checked name of the system."""
        from shared.paths import instance_name

        return instance_name(self._instance)

    def workspace(self) -> Workspace:
        """Return the running system's shared memory."""
        from shared.clock import SystemClock
        from shared.workspace import Workspace

        return Workspace(self.instance, SystemClock())

    def answer(self, data: Any, words: str) -> None:
        """Print an answer, for a machine or for a human."""
        click.echo(json.dumps(data) if self.as_json else words)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--instance", help="Name of the system. [env: TRADER_INSTANCE]")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@click.pass_context
def main(context: click.Context, *, instance: str | None, as_json: bool) -> None:
    """Look at a running trader, change what it does, stop it from doing harm."""
    context.obj = Context(instance, as_json=as_json)


@main.command()
@click.pass_obj
def status(context: Context) -> None:
    """Show account, positions, feed, tuner."""
    with exit_codes():
        from trader.tools.status import status_data, status_words

        data = status_data(context.workspace(), context.instance)
        context.answer(data, status_words(data))


@main.command()
@click.argument("symbol", required=False)
@click.pass_obj
def why(context: Context, symbol: str | None) -> None:
    """Show every check before an entry in SYMBOL [default: all], and what has blocked entries so far."""
    with exit_codes():
        from trader.tools.why import why_data, why_words

        data = why_data(context.workspace(), symbol)
        context.answer(data, why_words(data))


@main.command()
@click.option("--clear", is_flag=True, help="Remove the kill file; trading resumes with `set trading_enabled 1`.")
@click.pass_obj
def kill(context: Context, *, clear: bool) -> None:
    """Close every position and halt, by a file that works without shared memory and outlives a restart."""
    with exit_codes():
        from trader.tools.kill import clear_kill, set_kill

        words = clear_kill(context.instance) if clear else set_kill(context.instance)
        context.answer({"kill": not clear, "words": words}, words)


@main.command(name="list")
@click.option("--symbol", help="One symbol. [default: all]")
@click.pass_obj
def list_values(context: Context, symbol: str | None) -> None:
    """List every parameter and control with unit, bounds and value in force."""
    with exit_codes():
        from trader.tools.values import value_table, values_data

        rows = values_data(context.workspace(), symbol)
        context.answer(rows, value_table(rows))


@main.command()
@click.argument("name")
@click.option("--symbol", help="One symbol. [default: all]")
@click.pass_obj
def get(context: Context, name: str, symbol: str | None) -> None:
    """Show one parameter or control."""
    with exit_codes():
        from trader.tools.values import value_table, values_data

        rows = values_data(context.workspace(), symbol, name)
        context.answer(rows, value_table(rows))


@main.command(name="set")
@click.argument("name")
@click.argument("value", type=float)
@click.option("--symbol", help="One symbol. [default: all]")
@click.pass_obj
def set_value(context: Context, name: str, value: float, symbol: str | None) -> None:
    """Set a parameter (of one symbol or all) or a control, and wait until the trader has applied it."""
    _change(context, lambda ws: _set(ws, name, value, symbol))


@main.command()
@click.argument("symbol", required=False)
@click.pass_obj
def undo(context: Context, symbol: str | None) -> None:
    """Take back the last change of SYMBOL, or of `all` [default: of the symbol changed last], whoever made it."""

    def change(ws: Workspace) -> list[Any]:
        from trader.tools.values import undo_values

        return undo_values(ws, symbol)

    _change(context, change)


@main.command()
@click.argument("symbol")
@click.pass_obj
def pause(context: Context, symbol: str) -> None:
    """Stop new entries in SYMBOL (or `all`); open positions keep their stops and targets."""
    _change(context, lambda ws: _set(ws, "enabled", 0.0, None if symbol == "all" else symbol))


@main.command()
@click.argument("symbol")
@click.pass_obj
def resume(context: Context, symbol: str) -> None:
    """Allow entries in SYMBOL (or `all`) again."""
    _change(context, lambda ws: _set(ws, "enabled", 1.0, None if symbol == "all" else symbol))


@main.command()
@click.argument("state", type=click.Choice(["on", "off"]))
@click.pass_obj
def override(context: Context, state: str) -> None:
    """Take the wheel: while on, every wish and command of the tuner is refused."""
    _change(context, lambda ws: _set(ws, "manual_override", float(state == "on"), None))


@main.command()
@click.argument("state", type=click.Choice(["on", "off", "now"]))
@click.pass_obj
def tuner(context: Context, state: str) -> None:
    """Switch the tuner on or off, or make it run now."""

    def change(ws: Workspace) -> list[Any]:
        if state == "now":
            return _set(ws, "tune_now", float(_control(ws, "tune_now")) + 1, None)
        return _set(ws, "tuner_mode", float(state == "on"), None)

    _change(context, change)


def _command(context: Context, kind: str, symbol: str, notional_usd: float = 0.0) -> None:
    """Send a one-shot command for a symbol, or for ``all``, and say what the trader made of it."""
    with exit_codes():
        from shared.events import CommandKind, Source, describe

        workspace = context.workspace()
        index = -1 if symbol == "all" else workspace.symbol_index(symbol)
        event = workspace.commands.send_and_wait(CommandKind[kind], index, Source.OPERATOR, notional_usd=notional_usd)
        words = f"{describe(event, workspace.symbols)} · equity {float(event['equity_usd']):,.2f} USD"
        context.answer({"command_id": int(event["command_id"]), "reason": int(event["reason"])}, words)
        sys.exit(1 if int(event["reason"]) else 0)


@main.command(name="emergency-exit")
@click.argument("symbol")
@click.pass_obj
def emergency_exit(context: Context, symbol: str) -> None:
    """Close the position of SYMBOL (or `all`) at the market and pause it."""
    _command(context, "EMERGENCY_EXIT", symbol)


_usd = click.option("--usd", type=click.FloatRange(min=0.0), default=0.0, help="Value of the order; default: the base size.")


@main.command()
@click.argument("symbol")
@_usd
@click.pass_obj
def buy(context: Context, symbol: str, usd: float) -> None:
    """Buy SYMBOL at the market by hand: asks no signal, holds the account's limits, and is marked as manual."""
    _command(context, "MANUAL_BUY", symbol, usd)


@main.command()
@click.argument("symbol")
@_usd
@click.pass_obj
def sell(context: Context, symbol: str, usd: float) -> None:
    """Sell SYMBOL at the market by hand, likewise."""
    _command(context, "MANUAL_SELL", symbol, usd)


@main.command()
@click.argument("symbol")
@click.pass_obj
def close(context: Context, symbol: str) -> None:
    """Close the position of SYMBOL (or `all`) at the market; entries stay as they are."""
    _command(context, "CLOSE", symbol)


@main.command()
@click.argument("symbol")
@click.pass_obj
def cancel(context: Context, symbol: str) -> None:
    """Take every resting order of SYMBOL (or `all`) off the exchange."""
    _command(context, "CANCEL_ALL", symbol)


@main.command()
@click.pass_obj
def doctor(context: Context) -> None:
    """Check this machine and the running system."""
    with exit_codes():
        from trader.tools.doctor import WORST, check_all

        checks = check_all(context.instance)
        lines = [f"{click.style(c.verdict, fg=c.colour):>4} {c.name:22} {c.words}" for c in checks]
        context.answer([{"check": c.name, "verdict": c.verdict, "words": c.words} for c in checks], "\n".join(lines))
        sys.exit(1 if any(c.verdict == WORST for c in checks) else 0)


@main.command()
@click.argument("segment")
@click.pass_obj
def inspect(context: Context, segment: str) -> None:
    """Print every field of a SEGMENT of the live system: field, unit, value, writer, age."""
    with exit_codes():
        from trader.tools.inspect import inspect_data, inspect_table

        data = inspect_data(segment, context.instance)
        context.answer(data, inspect_table(data))


def _change(context: Context, change: Callable[[Workspace], list[Any]]) -> None:
    """Carry out a change and report what the trader made of it; a refusal exits 1."""
    with exit_codes():
        results = change(context.workspace())
        context.answer([result.as_dict() for result in results], "\n".join(result.words for result in results))
        sys.exit(1 if any(result.refused for result in results) else 0)


def _set(workspace: Workspace, name: str, value: float, symbol: str | None) -> list[Any]:
    from trader.tools.values import set_values

    return set_values(workspace, name, value, symbol)


def _control(workspace: Workspace, name: str) -> float:
    from shared.params import CONTROLS, index_of

    return workspace.controls.value(index_of(CONTROLS, name))


if __name__ == "__main__":
    main()
