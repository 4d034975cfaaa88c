"""Benchmarks print their figures as one table at the end, each beside its peer or limit of the same run."""

from __future__ import annotations

import pytest

_FIGURES: pytest.StashKey[list[tuple[str, str, str]]] = pytest.StashKey()


class Figures:
    """Collects (what, measured, against what)."""

    def __init__(self, rows: list[tuple[str, str, str]]) -> None:
        self._rows = rows

    def add(self, what: str, measured: str, against: str) -> None:
        self._rows.append((what, measured, against))


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    rows = request.config.stash.setdefault(_FIGURES, [])
    return Figures(rows)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash.get(_FIGURES, [])
    if rows:
        terminalreporter.section("figures")
        for what, measured, against in rows:
            terminalreporter.write_line(f"{what:42} {measured:34} {against}")
