"""What a window remembers survives anything that can happen to a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.desktop.grid import Columns, grid
from dashboard.desktop.remembered import FILE, Remembered, load, remembered_file, save


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    kept = Remembered(symbol="ETHUSDT", width=1700, height=950, x=40, y=20, left=500, right=400, kind="AI")
    save(tmp_path / FILE, kept)
    assert load(tmp_path / FILE) == kept


@pytest.mark.parametrize("content", [b"", b"{", b'{"width":"wide"}', b"\xff\xfe", b"[1]"])
def test_a_damaged_file_is_the_defaults_and_no_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert load(tmp_path / FILE) == Remembered()


def test_a_file_of_a_newer_dashboard_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b'{"symbol":"ETHUSDT","something":1}')
    assert load(tmp_path / FILE).symbol == "ETHUSDT"


def test_a_folder_that_cannot_be_made_costs_the_habits_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRADER_HOME", str(tmp_path / "file"))
    assert remembered_file("x") is None
    assert load(None) == Remembered()
    save(None, Remembered())
    save(tmp_path / "file" / FILE, Remembered(symbol="A"))  # a full disk, a folder that went away


def test_absurd_widths_are_brought_back_to_what_can_be_read() -> None:
    assert Columns(left=-5, right=90_000).clamped() == Columns(left=330, right=620)
    panels = grid(900, 650, 1.0, 64, Columns(left=9_000, right=9_000))
    assert all(rect.w > 0 and rect.x + rect.w <= 900 for rect in panels.values())
