"""An empty picture is told from a real one; a Dear PyGui context without a window needs no X server."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import dearpygui.dearpygui as dpg
import numpy as np
import pytest

from dashboard.desktop.picture import has_content


@pytest.fixture
def _context() -> Iterator[None]:
    dpg.create_context()
    yield
    dpg.destroy_context()


@pytest.mark.usefixtures("_context")
def test_a_picture_of_one_colour_is_empty(tmp_path: Path) -> None:
    pixels = np.zeros((6, 8, 4), np.uint8)
    pixels[:, :, 3] = 255
    black = write_png(tmp_path / "black.png", pixels)
    pixels[3, 4] = (204, 102, 255, 255)
    dotted = write_png(tmp_path / "dotted.png", pixels)
    assert (has_content(black), has_content(dotted)) == (False, True)


@pytest.mark.usefixtures("_context")
def test_a_half_written_picture_is_empty(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert not has_content(broken)


def write_png(path: Path, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Path:
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in parts]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path
