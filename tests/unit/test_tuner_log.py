"""The boxed decision in the log."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from rich.cells import cell_len

from shared.clock import NS_PER_MS, NS_PER_S, ManualClock
from tuner.log import Box, TunerLog, boxed
from tuner.publish import fitting

BOX = Box(
    time_ns=1_768_856_674 * NS_PER_S + 842 * NS_PER_MS, action="UPDATE_CONFIG", symbol="BTCUSDT", confidence_pct=80,
    changes="stop_pct 1.00 → 0.80", reasoning="High volatility: tighten.", latency_ms=3821, input_tokens=1967,
    output_tokens=500, cost_usd=0.0006, status="✓ APPLIED (generation 7)",
)  # fmt: skip

EXPECTED = """\
╔══════════════════════════════════════════════════════════════════════════════╗
║ TUNING DECISION @ 2026-01-19 21:04:34.842                                    ║
║ Action:     UPDATE_CONFIG        Symbol: BTCUSDT        Confidence: 80%      ║
║ Changes:    stop_pct 1.00 → 0.80                                             ║
║ Reasoning:  High volatility: tighten.                                        ║
║ API Stats:  3821 ms · 1967 in / 500 out tokens · $0.0006                     ║
║ Status:     ✓ APPLIED (generation 7)                                         ║
╚══════════════════════════════════════════════════════════════════════════════╝"""


def test_the_box_has_the_agreed_form() -> None:
    assert "\n".join(boxed(BOX)) == EXPECTED


@pytest.mark.parametrize("text", ["long " * 60, "見出し" * 60, "line\nbreak " * 30, ""])
def test_every_line_is_eighty_cells_whatever_the_text(text: str) -> None:
    lines = boxed(msgspec.structs.replace(BOX, reasoning=text, changes=text, status=text, symbol=text[:30]))
    assert {cell_len(line) for line in lines} == {80}
    assert len(lines) <= 10


def test_the_file_is_named_by_its_start_and_holds_what_was_written(tmp_path: Path) -> None:
    log = TunerLog(tmp_path, ManualClock(BOX.time_ns), echo=False)
    log.line("API", "Calling claude (model x)")
    log.box(BOX)
    log.close()
    assert log.path.name == "tuner_20260119_210434.log"
    assert log.path.read_text(encoding="utf-8") == f"[2026-01-19 21:04:34.842] [API] Calling claude (model x)\n{EXPECTED}\n"


def test_text_is_cut_between_characters() -> None:
    assert fitting("a→b", 3) == b"a"
    assert fitting("a→b", 4).decode() == "a→"
