"""The window: one thread, one loop; look, draw, sleep. Owns the Dear PyGui context of the process."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

import dearpygui.dearpygui as dpg
import msgspec

from dashboard.desktop.pacer import Pacer
from dashboard.desktop.panels import Panels
from dashboard.desktop.picture import take_picture
from dashboard.desktop.remembered import Remembered, load, remembered_file, save
from dashboard.desktop.testhook import TestHook
from dashboard.desktop.theme import Style
from dashboard.model import DashboardView
from dashboard.palette import Palette
from dashboard.views import Viewer
from dashboard.wishes import Request, WishWorker
from shared.clock import NS_PER_MS, NS_PER_S, Clock

WIDTH, HEIGHT = 1500, 900
_LOOK_EVERY_NS = NS_PER_S // 12  # a little faster than data frames, so that none is missed
_EVENT_FRAME_NS = 15 * NS_PER_MS  # an event is drawn at once, but not more often than this
_SLICE_S = 0.005  # the loop looks for events this often while it sleeps
_SAVE_EVERY_NS = 2 * NS_PER_S
_PICTURE_AFTER_S = 1.5  # plots settle their axes in the first frames
_PICTURE_LATEST_S = 20.0
_PICTURE_FRAMES = 20  # on a slow machine the panels need them to find their places


class Stop(Protocol):
    """What ends the loop from outside."""

    exit_code: int

    @property
    def stopped(self) -> bool:
        """Say whether a signal came."""
        ...

    def finish(self) -> None:
        """Take note that the program is ending by itself."""
        ...


class WindowOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the window is opened."""

    instance: str
    scale: float = 1.0
    wait_s: float | None = None  # for a trader before giving up; None: for ever
    width: int | None = None  # None: as it was left
    height: int | None = None
    palette: Palette = Palette()
    screenshot: Path | None = None
    without_trader: bool = False  # a picture of the window that waits
    testhook: Path | None = None


class Window:
    """The desktop dashboard of one instance. Make one per process.

    Parameters
    ----------
    options
        See :class:`WindowOptions`.
    clock
        Source of ages and pace.
    stop
        Raised by a signal.
    """

    def __init__(self, options: WindowOptions, clock: Clock, stop: Stop) -> None:
        self._options, self._clock, self._stop = options, clock, stop
        self._file = remembered_file(options.instance)
        self._kept = load(self._file)
        self._wanted_symbol = self._kept.symbol
        self._viewer = Viewer(options.instance, clock)
        self._wishes = WishWorker(options.instance, clock)
        self._pacer = Pacer()
        self._selected = 0
        self._title, self._drawn = "", 0
        self._mouse: tuple[float, ...] = ()
        self._next_look_ns = self._next_save_ns = self._last_frame_ns = 0
        self._view: DashboardView | None = None
        self._open()
        self.panels = Panels(
            Style(options.scale, options.palette), options.instance, clock, self._kept, self._send, self.select, self._viewer
        )
        self._hook = TestHook(options.testhook) if options.testhook else None
        dpg.setup_dearpygui()
        dpg.show_viewport()

    def _open(self) -> None:
        options, kept = self._options, self._kept
        dpg.create_context()
        dpg.configure_app(manual_callback_management=True)
        width = options.width or kept.width or WIDTH
        height = options.height or kept.height or HEIGHT
        scaled = (round(width * options.scale), round(height * options.scale))
        place = (0, 0) if options.width else (max(kept.x, 0), max(kept.y, 0))
        dpg.create_viewport(
            title="Trader dashboard", width=scaled[0], height=scaled[1], x_pos=place[0], y_pos=place[1], vsync=False
        )

    def run(self) -> int:
        """Draw until the window is closed or a signal comes; return the exit code (3: no trader came)."""
        start_ns = self._clock.monotonic_ns()
        code = 0
        while dpg.is_dearpygui_running() and not self._stop.stopped:
            changed = self.frame()
            now_ns = self._clock.monotonic_ns()
            age_s = (now_ns - start_ns) / NS_PER_S
            if self._options.screenshot and self._ready_for_picture(age_s):
                take_picture(self._options.screenshot)
                break
            if self._options.wait_s is not None and self._never_attached() and age_s >= self._options.wait_s:
                code = 3
                break
            self._sleep(self._pacer.next_pause_s(now_ns, touched=self._touched(), changed=changed))
        self._stop.finish()
        self.close()
        return self._stop.exit_code if self._stop.stopped else code

    def frame(self) -> bool:
        """Handle input, look, draw; return whether the data changed."""
        dpg.run_callbacks(dpg.get_callback_queue())
        for answer in self._wishes.answers():
            self.panels.answered(answer)
            self._next_look_ns = 0
        changed = self._look()
        self.panels.place()
        dpg.render_dearpygui_frame()
        self._drawn += 1
        self._last_frame_ns = self._clock.monotonic_ns()
        if self._hook:
            self._hook.frame()
        self._remember()
        return changed

    def close(self) -> None:
        """Let go of everything; the window is gone."""
        self._remember(now=True)
        self._wishes.close()
        self._viewer.close()
        if self._hook:
            self._hook.close()
        dpg.destroy_context()

    def select(self, index: int) -> None:
        """Choose the symbol of chart, checks and config."""
        if index < len(self._viewer.symbols):
            self._selected = index
            self._wanted_symbol = ""
            self._next_look_ns = 0

    def _send(self, request: Request) -> None:
        self.panels.sent(request)
        self._wishes.send(request)

    def _sleep(self, pause_s: float) -> None:
        """Sleep till the next frame is due, or till an event waits to be seen."""
        end_ns = self._clock.monotonic_ns() + int(pause_s * NS_PER_S)
        while (left_ns := end_ns - self._clock.monotonic_ns()) > 0 and not self._stop.stopped:
            if self._viewer.moved() and self._clock.monotonic_ns() - self._last_frame_ns >= _EVENT_FRAME_NS:
                self._next_look_ns = 0
                return
            time.sleep(min(_SLICE_S, left_ns / NS_PER_S))

    def _look(self) -> bool:
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._next_look_ns:
            return False
        self._next_look_ns = now_ns + _LOOK_EVERY_NS
        if self._wanted_symbol in self._viewer.symbols:  # the one chosen when the window was closed
            self.select(self._viewer.symbols.index(self._wanted_symbol))
            self._next_look_ns = now_ns + _LOOK_EVERY_NS
        before, view = self._view, self._viewer.look(self._selected)
        self._view = view
        self.panels.show(view)
        self._show_title(view)
        return before is None or (before.stamp, before.events[-1:]) != (view.stamp, view.events[-1:])

    def _show_title(self, view: DashboardView) -> None:
        words = [badge.text for badge in view.header.badges] or [view.header.state]
        name = f" · {view.header.instance}" if view.header.instance else ""
        title = f"Trader dashboard{name} · {' · '.join(words)}"
        if title != self._title:
            self._title = title
            dpg.set_viewport_title(title)

    def _remember(self, *, now: bool = False) -> None:
        """Write what has changed, now and then: a window may be killed at any moment."""
        if self._options.screenshot or (not now and self._last_frame_ns < self._next_save_ns):
            return
        self._next_save_ns = self._last_frame_ns + _SAVE_EVERY_NS
        kept = self._habits()
        if kept != self._kept:
            self._kept = kept
            save(self._file, kept)

    def _habits(self) -> Remembered:
        scale, symbols = self._options.scale, self._viewer.symbols
        x, y = dpg.get_viewport_pos()
        columns = self.panels.columns
        symbol = self._wanted_symbol or (symbols[self._selected] if self._selected < len(symbols) else self._kept.symbol)
        return Remembered(
            symbol=symbol,
            width=max(round(dpg.get_viewport_width() / scale), 800),
            height=max(round(dpg.get_viewport_height() / scale), 600),
            x=round(x),
            y=round(y),
            left=columns.left,
            right=columns.right,
            kind=self.panels.kind,
        )

    def _touched(self) -> bool:
        mouse = tuple(dpg.get_mouse_pos(local=False))
        moved, self._mouse = mouse != self._mouse, mouse
        return moved or self.panels.key_held or dpg.is_mouse_button_down(dpg.mvMouseButton_Left)

    def _never_attached(self) -> bool:
        return self._view is not None and not self._view.attached

    def _ready_for_picture(self, age_s: float) -> bool:
        if self._view is None:
            return False
        if self._drawn < _PICTURE_FRAMES:
            return False
        if not self._view.attached:
            return self._options.without_trader and age_s >= _PICTURE_AFTER_S
        has_data = len(self._view.chart.candles) > 1 and bool(self._view.events)
        return (has_data and age_s >= _PICTURE_AFTER_S) or age_s >= _PICTURE_LATEST_S
