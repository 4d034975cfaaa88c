"""What README and docs say of the commands must be what the commands take, and what they take must be said somewhere."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from shared.paths import project_root

ROOT = project_root()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EVERYWHERE = {"--help", "--instance", "--json", "--verbose"}
OPTION = re.compile(r"--[a-z][a-z-]+")


def commands() -> dict[str, click.Command]:
    """Return every command of the project by name."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    return {name: getattr(import_module(place.partition(":")[0]), place.partition(":")[2]) for name, place in scripts.items()}


def options(command: click.Command) -> set[str]:
    """Return the options of a command and of all below it."""
    below = command.commands.values() if isinstance(command, click.Group) else ()
    own = {name for param in command.params if not getattr(param, "hidden", False) for name in param.opts + param.secondary_opts}
    return {"--help", *(name for name in own if name.startswith("--")), *(name for each in below for name in options(each))}


COMMANDS = {name: options(command) for name, command in commands().items()}
ANY = set().union(*COMMANDS.values())


def said(page: Path) -> Iterator[tuple[str, set[str]]]:
    """Yield every piece of code on a page that names options of ours: the piece, and the options it may name."""
    fenced = False
    for line in page.read_text(encoding="utf-8").splitlines():
        fenced ^= line.startswith("```")
        pieces = [line.removeprefix("$ ").partition("#")[0]] if fenced else line.split("`")[1::2]
        row = pieces[0].split()[0] if line.startswith("| `") else ""
        for piece in pieces:
            first = piece.split()[0] if piece.split() else ""
            if first in COMMANDS or first.startswith("--"):
                yield piece, COMMANDS.get(first, COMMANDS.get(row, ANY))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_that_is_named_exists(page: Path) -> None:
    wrong = [(piece, sorted(unknown)) for piece, known in said(page) if (unknown := {*OPTION.findall(piece)} - known)]
    assert wrong == []


def test_every_option_is_named_somewhere() -> None:
    named = {name for page in PAGES for name in OPTION.findall(page.read_text(encoding="utf-8"))}
    assert sorted(ANY - named - EVERYWHERE) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_lists_every_option_of_a_command(name: str) -> None:
    own = {option for param in commands()[name].params if not getattr(param, "hidden", False) for option in param.opts}
    rows = [line for line in PAGES[0].read_text(encoding="utf-8").splitlines() if re.match(rf"\| `{name}\b", line)]
    listed = OPTION.findall(" ".join(rows))
    assert sorted(option for option in own - EVERYWHERE - {*listed} if option.startswith("--")) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_no_help_shows_how_it_was_laid_out(name: str) -> None:
    shown = CliRunner().invoke(commands()[name], ["--help"])
    assert shown.exit_code == 0
    assert "\\b" not in shown.output
