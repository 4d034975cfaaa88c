"""What the documents say is what the program does: the parameter table, every command, every link."""

from __future__ import annotations

import re
import tomllib

import pytest

from shared.paths import project_root
from tuner.knowledge_table import table_file, with_table

ROOT = project_root()


def test_the_parameter_table_of_the_knowledge_base_is_generated() -> None:
    text = table_file().read_text()
    assert with_table(text) == text, "run: python -m tuner.knowledge_table"


def test_every_command_is_in_the_readme() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    readme = (ROOT / "README.md").read_text()
    missing = [name for name in scripts if f"`{name}" not in readme]
    assert not missing


def test_the_two_commands_come_first_in_the_readme() -> None:
    blocks = re.findall(r"```[a-z]*\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert "make demo" in blocks[0]
    assert "make test" in blocks[0]


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md"])
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text()):
        assert (ROOT / target).exists(), f"{name}: {target}"


def test_every_assumption_of_the_paper_exchange_has_its_test() -> None:
    rows = [line for line in (ROOT / "docs" / "paper_exchange.md").read_text().splitlines() if line.startswith("| ")][1:]
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for line in rows:
        named = re.findall(r"`(test_\w+)`", line)
        assert named, line
        assert not [name for name in named if f"def {name}(" not in tests], line
