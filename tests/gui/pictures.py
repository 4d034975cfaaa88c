"""The pictures under ``docs/pictures``, each made by one command: ``python -m tests.gui.pictures NAME`` (or ``all``).

A publisher of real segments plays the trader and the tuner, so that a picture shows the state it is about and nothing by chance.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dearpygui.dearpygui as dpg
import numpy as np
from Xlib import display

from shared.clock import NS_PER_S
from shared.events import EventKind, Reason, Source, TunerEventKind, TunerMode, TunerStatus
from shared.params import CONTROLS, index_of
from shared.paths import project_root
from tests.gui.scene import ai_at_work, lively, tuner_status
from tests.support_segments import Publisher, publishing

FOLDER = project_root() / "docs" / "pictures"
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOTUSDT", "AVAXUSDT")
SIZE = "1500x900"


def running(publisher: Publisher) -> None:
    """Positions are open and the AI steers."""
    lively(publisher)
    ai_at_work(publisher)
    publisher.serve()


def override(publisher: Publisher) -> None:
    """A human has the wheel, and the AI was refused."""
    lively(publisher)
    ai_at_work(publisher)
    publisher.apply_controls(manual_override=1)
    publisher.push(
        EventKind.CONFIG_APPLIED, symbol=-1, field=100 + index_of(CONTROLS, "manual_override"), new=1, source=Source.DASHBOARD
    )
    publisher.push(
        EventKind.CONFIG_REFUSED, field=7, old=1.5, new=2.0, confidence_pct=85, source=Source.TUNER, reason=Reason.OVERRIDE_ON
    )
    publisher.publish_tuner(
        **{**tuner_status(publisher.clock.now_ns()), "status": TunerStatus.OVERRIDE, "why": b"a human has the wheel"}
    )
    publisher.serve()


def stale(publisher: Publisher) -> None:
    """The feed has been silent for 41 s: nothing is shown as if it were live."""
    lively(publisher)
    ai_at_work(publisher)
    silent_ns = publisher.clock.now_ns() - 41 * NS_PER_S
    publisher.view["last_message_ns"], publisher.view["stale"], publisher.view["connected"] = silent_ns, 1, 0
    for row in publisher.view["rows"][: len(SYMBOLS)]:
        row["last_market_ns"], row["stale"], row["why"] = silent_ns, 1, Reason.STALE_FEED
        stale_line = row["checks"][9]
        stale_line["passed"], stale_line["value"] = 0, 41_000
    publisher.push(EventKind.FEED_STALE, symbol=-1)
    publisher.serve(keep=("last_message_ns", "last_market_ns"))


def degraded(publisher: Publisher) -> None:
    """The AI's first advisor fails, so the embedded rules answer."""
    lively(publisher)
    ai_at_work(publisher)
    now_ns = publisher.clock.now_ns()
    publisher.publish_tuner(
        **{
            **tuner_status(now_ns), "status": TunerStatus.DEGRADED, "advisor": b"rules", "model": b"rules",
            "why": b"claude failed 3 times in a row: HTTP 529 overloaded; the rules answer", "failures": 3,
            "until_ns": now_ns + 52 * NS_PER_S, "last_error": b"claude: HTTP 529 overloaded",
        }
    )  # fmt: skip
    publisher.push_tuner(TunerEventKind.DEGRADED, symbol=-1, text=b"claude failed 3 times in a row: HTTP 529 overloaded")
    publisher.push_tuner(TunerEventKind.FALLBACK, symbol=-1, text=b"the rules answer for a minute")
    publisher.serve()


def why(publisher: Publisher) -> None:
    """The drawdown limit has halted trading: banner and checklist say so."""
    lively(publisher)
    view = publisher.view
    for row in view["rows"][: len(SYMBOLS)]:
        row["checks"][2]["passed"], row["checks"][2]["value"] = 0, 10.4
        row["why"] = Reason.DRAWDOWN_HALT
    view["halted"], view["risk"], view["drawdown_pct"] = 1, 2, 10.4
    view["blocked"][Reason.DRAWDOWN_HALT] = 420
    publisher.push(EventKind.RISK_HALT, symbol=-1, reason=Reason.DRAWDOWN_HALT, new=10.4)
    publisher.apply_controls(tuner_mode=TunerMode.OFF)
    publisher.serve()


PICTURES: dict[str, Callable[[Publisher], None] | None] = {
    "running": running,
    "override": override,
    "stale": stale,
    "degraded": degraded,
    "why": why,
    "first_start": None,
}


@contextmanager
def xvfb() -> Iterator[str]:
    """Give a display of our own."""
    reader, writer = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1600x1000x24", "-nolisten", "tcp", "-noreset"],
        pass_fds=[writer], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writer)
    with os.fdopen(reader) as pipe:
        number = pipe.readline().strip()
    try:
        _park_mouse(f":{number}")
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(10)


def _park_mouse(name: str) -> None:
    """Put the mouse in the corner: in the middle of the screen it would light up what lies there."""
    server = display.Display(name)
    server.screen().root.warp_pointer(1599, 999)
    server.sync()
    server.close()


def take(name: str, screen: str, folder: Path = FOLDER, options: tuple[str, ...] = ()) -> Path:
    """Make one picture and return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    picture, state = folder / f"{name}.png", PICTURES[name]
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"DISPLAY": screen, "TRADER_HOME": home}
        command = [sys.executable, "-m", "dashboard.cli", "--screenshot", str(picture), "--size", SIZE, *options]
        if state is None:
            subprocess.run([*command, "--without-trader", "--instance", "nobody"], env=environment, check=True)
            return picture
        with publishing("picture", SYMBOLS) as publisher:
            state(publisher)
            subprocess.run([*command, "--instance", publisher.instance], env=environment, check=True)
    return picture


def shrink(path: Path) -> None:
    """Write a picture again without its alpha and its lowest bits: less than half the size, and no difference to the eye."""
    dpg.create_context()
    width, height, channels, data = dpg.load_image(str(path))
    pixels = np.frombuffer(data, np.float32).reshape(height, width, channels)[:, :, :3] * 255
    dpg.destroy_context()
    coarse = np.minimum(np.round(pixels / 8) * 8, 255).astype(np.uint8)
    rows = np.hstack([np.zeros((height, 1), np.uint8), coarse.reshape(height, -1)]).tobytes()  # a leading 0: no filter
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    chunks = [struct.pack(">I", len(d)) + kind + d + struct.pack(">I", zlib.crc32(kind + d)) for kind, d in parts]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def main() -> None:
    """Take the pictures named on the command line."""
    names = list(PICTURES) if sys.argv[1:2] == ["all"] else sys.argv[1:2]
    with xvfb() as screen:
        for name in names:
            shrink(take(name, screen, options=tuple(sys.argv[2:])))


if __name__ == "__main__":
    main()
