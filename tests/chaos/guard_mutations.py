"""Breaks each rule of the guard once and shows that a test fails: ``python -m tests.chaos.guard_mutations``.

Each mutation is made in a copy of the tuner; the guard's own tests run against it in a process of their own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import click
import msgspec

from shared.paths import project_root

TESTS = ("tests/unit/test_tuner_guard.py", "tests/property/test_guard_generated.py", "tests/property/test_guard.py")


class Mutation(msgspec.Struct, frozen=True):
    """A rule, and the text whose replacement breaks it."""

    rule: str
    file: str
    text: str
    broken: str


def mutations() -> list[Mutation]:
    """Return every mutation of the list beside this file."""
    listed = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())["mutation"]
    return msgspec.convert(listed, list[Mutation])


def caught(mutation: Mutation, folder: Path) -> bool:
    """Break the rule in a copy of the tuner and say whether the guard's tests notice.

    Errors
    ------
    ValueError
        If the text is not there, or more than once: the mutation is out of date.
    """
    path = folder / "tuner" / mutation.file
    whole = path.read_text()
    if whole.count(mutation.text) != 1:
        raise ValueError(f"{mutation.rule}: text was {whole.count(mutation.text)} times in {mutation.file}, expected once")
    path.write_text(whole.replace(mutation.text, mutation.broken))
    try:
        return _failed(folder)
    finally:
        path.write_text(whole)


def copied(folder: Path) -> Path:
    """Copy the tuner, and point at the rest of the project."""
    root = project_root()
    shutil.copytree(root / "tuner", folder / "tuner", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("shared", "trader", "dashboard", "knowledge", "tests", "pyproject.toml"):
        (folder / name).symlink_to(root / name)
    return folder


def _failed(folder: Path) -> bool:
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *TESTS]
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise ValueError(f"tests: ended with {done.returncode}, expected 0 or 1:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 1


@click.command()
@click.option("--only", help="Mutations whose rule contains this.")
def main(only: str | None) -> None:
    """Break each rule of the guard once; every one must be caught."""
    missed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = copied(Path(name))
        if _failed(folder):
            raise ValueError("tests: failed without a mutation, expected them to pass")
        click.echo(f"{'rule':36} {'file':10} caught")
        chosen = [mutation for mutation in mutations() if only is None or only in mutation.rule]
        for mutation in chosen:
            found = caught(mutation, folder)
            missed += not found
            click.echo(f"{mutation.rule:36} {mutation.file:10} {'yes' if found else 'NO'}")
    click.echo(f"{len(chosen)} rules broken, {missed} not caught")
    raise SystemExit(1 if missed else 0)


if __name__ == "__main__":
    main()
