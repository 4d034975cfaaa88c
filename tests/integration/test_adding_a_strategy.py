"""The page that shows how to add a strategy is followed to the letter on a copy of the sources, and the strategy trades."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from shared.paths import project_root

if TYPE_CHECKING:
    from pathlib import Path

MOST_LINES = 40
STORY = """
from shared.events import EventKind, Regime
from shared.params import STRATEGY_NAMES
from tests.engine_support import Story, control, market, ramp

code = float(len(STRATEGY_NAMES))
controls = [control(f"strategy_{regime.name.lower()}", code) for regime in Regime]
story = Story().tell(controls).tell(market(ramp(100.0, 2.0, 80)))
(opened,) = story.of(EventKind.POSITION_OPEN)
print(STRATEGY_NAMES[int(story.symbol()["strategy"]) - 1], int(opened["side"]))
"""


def insert(path: Path, before: str, text: str) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count(before) == 1, f"{path.name}: {before}"
    path.write_text(source.replace(before, text + before), encoding="utf-8")


@pytest.mark.timeout(400)  # it compiles the whole engine anew
def test_a_strategy_added_as_the_page_says_trades(tmp_path: Path) -> None:
    root = project_root()
    page = (root / "docs" / "adding_a_strategy.md").read_text(encoding="utf-8")
    file, imported, called, names = (block.rstrip() for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    assert len(f"{file}\n{imported}\n{called}\n{names}".splitlines()) < MOST_LINES
    for package in ("shared", "trader"):
        shutil.copytree(root / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tests").mkdir()
    shutil.copy(root / "tests" / "engine_support.py", tmp_path / "tests")
    (tmp_path / "trader" / "strategies" / "breakout.py").write_text(file + "\n", encoding="utf-8")
    registry = tmp_path / "trader" / "strategies" / "registry.py"
    insert(registry, "from trader.strategies.fair_value", imported + "\n")
    registry.write_text(registry.read_text(encoding="utf-8").rstrip() + "\n" + called + "\n", encoding="utf-8")
    params = tmp_path / "shared" / "params.py"
    source, changed = re.subn(r"^STRATEGY_NAMES = .*$", names, params.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert changed == 1
    params.write_text(source, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "TRADER_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", STORY], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=380, check=False
    )
    assert (done.stdout, done.returncode) == ("breakout 1\n", 0), done.stderr
