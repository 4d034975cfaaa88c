"""The rules a reader relies on: who may import whom, how long a file is, and that every folder says what it is for."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from shared.paths import project_root

ROOT = project_root()
PACKAGES = ("shared", "trader", "tuner", "dashboard")
# who may import whom; each may also import itself
ALLOWED: dict[str, set[str]] = {"shared": set(), "trader": {"shared"}, "tuner": {"shared", "trader"}, "dashboard": {"shared"}}
KERNEL_ROOMS = ("market", "signals", "strategies", "risk", "execution")  # pure: they may not know the world outside
MOST_LINES = 600
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
FOLDERS = sorted({path.parent for path in SOURCES})
OUR_FILES = [*SOURCES, *sorted((ROOT / "tests").rglob("*.py"))]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(path: Path) -> set[str]:
    """Return the full names of all modules a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name_of(path)}: a relative import hides where things come from"
            names |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def first_parts(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(path)}


def offenders(paths: Iterable[Path], breaks: Callable[[Path], bool]) -> list[str]:
    return [name_of(path) for path in paths if breaks(path)]


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_one_way(package: str) -> None:
    forbidden = {*PACKAGES, "tests"} - ALLOWED[package] - {package}
    own = [path for path in SOURCES if path.is_relative_to(ROOT / package)]
    assert not offenders(own, lambda path: bool(first_parts(path) & forbidden))


def test_the_simulator_knows_nothing_of_the_trader() -> None:
    def knows_more(path: Path) -> bool:
        ours = {name for name in imported(path) if name.partition(".")[0] in PACKAGES}
        return not all(name.startswith(("shared", "trader.simulator")) for name in ours)

    assert not offenders((ROOT / "trader" / "simulator").rglob("*.py"), knows_more)


def test_the_trader_starts_the_simulator_only_as_a_program() -> None:
    outside = [p for p in SOURCES if p.is_relative_to(ROOT / "trader") and not p.is_relative_to(ROOT / "trader" / "simulator")]
    assert not offenders(outside, lambda path: any(name.startswith("trader.simulator") for name in imported(path)))


@pytest.mark.parametrize("room", KERNEL_ROOMS)
def test_the_kernels_know_no_feed_no_disk_and_no_clock(room: str) -> None:
    allowed = {"__future__", "typing", "math", "numpy", "collections", "shared", "trader"}
    for path in (ROOT / "trader" / room).glob("*.py"):
        assert first_parts(path) <= allowed, name_of(path)
        trader = {name.split(".")[1] for name in imported(path) if name.startswith("trader.")}
        assert trader <= {*KERNEL_ROOMS, "engine"}, name_of(path)
        assert not {"shared.clock", "shared.segment"} & imported(path), name_of(path)


def test_only_the_clock_asks_the_system_for_the_time_and_nothing_draws_from_a_hidden_seed() -> None:
    calls = ("time.time(", "time.time_ns(", "datetime.now(", "utcnow(", "import random", "from random", "np.random.seed")
    others = [path for path in SOURCES if path != ROOT / "shared" / "clock.py"]
    assert not offenders(others, lambda path: any(call in path.read_text() for call in calls))


def test_no_file_is_too_long() -> None:
    assert not offenders(OUR_FILES, lambda path: len(path.read_text().splitlines()) > MOST_LINES)


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_every_folder_says_its_purpose_in_one_sentence(folder: Path) -> None:
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
    assert text, "no docstring"
    assert "\n" not in text
    assert text.endswith(".")
    assert ". " not in text


def test_every_module_says_what_it_is() -> None:
    assert not offenders(SOURCES, lambda path: not ast.get_docstring(ast.parse(path.read_text())))


def test_errors_of_the_tree_are_the_only_public_ones() -> None:
    def defines_one(path: Path) -> bool:
        classes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
        public = [node for node in classes if not node.name.startswith("_")]
        return any(ast.unparse(base).endswith(("Error", "Exception")) for node in public for base in node.bases)

    assert offenders(SOURCES, defines_one) == ["shared/errors.py"]


def test_no_broad_except() -> None:
    def catches_all(path: Path) -> bool:
        handlers = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ExceptHandler)]
        broad = [node for node in handlers if node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"}]
        return any(not isinstance(node.body[-1], ast.Raise) or node.body[-1].exc is not None for node in broad)

    assert not offenders(SOURCES, catches_all)


def test_these_rules_look_at_real_files() -> None:
    assert len(SOURCES) > 100
    assert "shared.errors" in imported(ROOT / "trader" / "session.py")
    assert set(FOLDERS) >= {ROOT / package for package in PACKAGES}
