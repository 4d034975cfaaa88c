from __future__ import annotations

import inspect
import re

import click
import pytest

from shared import errors
from shared.console import INTERRUPTED, exit_codes
from shared.errors import OutOfRange, RiskHalt, Timeout, TradingError

CLASSES = {name: made for name, made in vars(errors).items() if inspect.isclass(made) and issubclass(made, TradingError)}
LINE = re.compile(
    r"^\s*(?P<tree>[│├└─ ]*)\s*(?P<name>[A-Z]\w+)\s{2,}(?P<retry>yes|no)\s+(?P<halts>\S+(?: \S+)?)\s+(?P<code>\d)\s", re.MULTILINE
)


def documented() -> dict[str, tuple[str, str, int, int]]:
    """Return what the module's docstring says: name -> (retry, halts, exit code, depth)."""
    found = LINE.finditer(inspect.getdoc(errors) or "")
    return {m["name"]: (m["retry"], m["halts"], int(m["code"]), len(m["tree"].rstrip()) // 4 + 1) for m in found}


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    assert set(documented()) == set(CLASSES) - {"TradingError"}
    for name, (retry, halts, code, depth) in documented().items():
        made = CLASSES[name]
        assert made.exit_code == code, name
        assert made.retryable == (retry == "yes"), name
        assert len(made.__mro__) - len(TradingError.__mro__) == depth, name
        if halts != "at start":  # said of a program that starts, not of one that trades
            assert made.halts_trading == (halts == "yes"), name


def test_out_of_range_names_value_and_bounds() -> None:
    error = OutOfRange("stop_pct", 7.0, "0.5 to 5 %")
    assert str(error) == "stop_pct: was 7.0, expected 0.5 to 5 %"
    assert (error.field, error.was, error.expected) == ("stop_pct", 7.0, "0.5 to 5 %")


@pytest.mark.parametrize("made", [c for c in CLASSES.values() if c is not OutOfRange], ids=lambda c: c.__name__)
def test_an_error_ends_a_command_with_one_line_and_its_code(made: type[TradingError], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end, exit_codes():
        raise made("field: was 1, expected 2")
    assert end.value.code == made.exit_code
    assert capsys.readouterr().err == "error: field: was 1, expected 2\n"


def test_interruption_and_a_closed_pipe_have_their_codes() -> None:
    with pytest.raises(SystemExit) as end, exit_codes():
        raise KeyboardInterrupt
    assert end.value.code == INTERRUPTED == 130
    with pytest.raises(SystemExit) as end, exit_codes():
        raise BrokenPipeError
    assert end.value.code == 0


def test_a_mistake_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), exit_codes():
        click.echo(1 // 0)


def test_exit_codes_are_those_of_the_design() -> None:
    assert (RiskHalt.exit_code, Timeout.exit_code, TradingError.exit_code) == (6, 5, 1)
