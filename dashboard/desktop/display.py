"""Is there a screen? Asked before Dear PyGui is touched: without one it aborts the process."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

_ADVICE = "use trader_dashboard --text for a terminal, or start a virtual one: xvfb-run trader_dashboard --screenshot FILE"


def display_problem(environment: Mapping[str, str]) -> str:
    """Return why no window can be opened (``DISPLAY`` unset, or no X server behind it), or ``""``."""
    display = environment.get("DISPLAY", "")
    if not display:
        return f"DISPLAY: was empty, expected an X server such as :0; {_ADVICE}"
    host, _, rest = display.rpartition(":")
    number = rest.split(".")[0]
    if host in ("", "unix") and number.isdigit() and not _answers(number):
        return f"DISPLAY: was {display}, expected an X server that answers there; {_ADVICE}"
    return ""


def _answers(number: str) -> bool:
    """Try the socket of a local server, by file and by abstract name."""
    path = f"/tmp/.X11-unix/X{number}"  # noqa: S108 - where X servers listen
    names = [path] if Path(path).exists() else []
    for name in [*names, "\0" + path]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            try:
                link.connect(name)
            except OSError:
                continue
            return True
    return False


def import_problem() -> str:
    """Return why Dear PyGui cannot be loaded (a missing system library), or ``""``."""
    try:
        import dearpygui.dearpygui  # noqa: F401
    except ImportError as error:
        return f"dearpygui: {error}, expected the system libraries libx11-6 and libgl1; on Debian: apt install libx11-6 libgl1"
    return ""
