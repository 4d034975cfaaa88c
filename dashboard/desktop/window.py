"""The window: one thread, one loop; look, draw, sleep. Owns the Dear PyGui context of the process."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from pathlib import Path

import dearpygui.dearpygui as dpg
import msgspec

from dashboard.desktop.config_panel import ConfigPanel
from dashboard.desktop.controls import Controls
from dashboard.desktop.dialog import Dialog
from dashboard.desktop.events_panel import FILTER, EventsPanel
from dashboard.desktop.grid import Rect, grid
from dashboard.desktop.header import HeaderPanel
from dashboard.desktop.keys import HELP, Keys
from dashboard.desktop.pacer import Pacer
from dashboard.desktop.picture import take_picture
from dashboard.desktop.plots import EquityPlot, PricePlot
from dashboard.desktop.signals import StopFlag
from dashboard.desktop.tables import TablesPanel
from dashboard.desktop.testhook import TestHook
from dashboard.desktop.theme import Style
from dashboard.model import DashboardView
from dashboard.views import Viewer
from dashboard.wishes import Request, WishWorker
from shared.clock import NS_PER_S, Clock

WIDTH, HEIGHT = 1440, 860
_ROOT = "root"
_LOOK_EVERY_NS = NS_PER_S // 12  # a little faster than data frames, so that none is missed
_PICTURE_AFTER_S = 1.5  # plots settle their axes in the first frames
_PICTURE_LATEST_S = 20.0


class WindowOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the window is opened."""

    instance: str
    scale: float = 1.0
    wait_s: float = 30.0  # for a trader, before giving up
    width: int = WIDTH
    height: int = HEIGHT
    screenshot: Path | None = None
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

    def __init__(self, options: WindowOptions, clock: Clock, stop: StopFlag) -> None:
        self._options, self._clock, self._stop = options, clock, stop
        self._viewer = Viewer(options.instance, clock)
        self._wishes = WishWorker(options.instance, clock)
        self._pacer = Pacer()
        self._selected = 0
        self._size = (0, 0, 0)
        self._title = ""
        self._mouse: tuple[float, ...] = ()
        self._next_look_ns = 0
        self._view: DashboardView | None = None
        dpg.create_context()
        dpg.configure_app(manual_callback_management=True)
        scaled = (round(options.width * options.scale), round(options.height * options.scale))
        dpg.create_viewport(title="Trader dashboard", width=scaled[0], height=scaled[1], x_pos=0, y_pos=0, vsync=False)
        self._build()
        self._hook = TestHook(options.testhook) if options.testhook else None
        dpg.setup_dearpygui()
        dpg.show_viewport()

    def run(self) -> int:
        """Draw until the window is closed or a signal comes; return the exit code (3: no trader came)."""
        start_ns = self._clock.monotonic_ns()
        code = 0
        while dpg.is_dearpygui_running() and not self._stop.stopped:
            changed = self._frame()
            now_ns = self._clock.monotonic_ns()
            age_s = (now_ns - start_ns) / NS_PER_S
            if self._never_attached() and age_s >= self._options.wait_s:
                code = 3
                break
            if self._options.screenshot and self._ready_for_picture(age_s):
                take_picture(self._options.screenshot)
                break
            time.sleep(self._pacer.next_pause_s(now_ns, touched=self._touched(), changed=changed))
        self._stop.finish()
        self._close()
        return self._stop.exit_code if self._stop.stopped else code

    def _build(self) -> None:
        self._style = Style(self._options.scale)
        self._dialog = Dialog(self._style)
        self._controls = Controls(self._send, self._dialog.ask)
        tables = self._tables = TablesPanel(self._style, self._select)
        with dpg.window(tag=_ROOT, no_scrollbar=True, no_scroll_with_mouse=True):
            with self._panel("header", scroll=False):
                self._header = HeaderPanel(self._style, self._controls.emergency_exit)
            builders = {
                "positions": tables.build_positions,
                "signals": tables.build_signals,
                "trades": tables.build_trades,
                "account": tables.build_account,
            }
            for name, build in builders.items():
                with self._panel(name, scroll=False):
                    build()
            with self._panel("price", scroll=False):
                self._price = PricePlot(self._style)
            with self._panel("equity", scroll=False):
                self._equity = EquityPlot(self._style)
            with self._panel("config", scroll=True):
                self._config = ConfigPanel(self._style, self._controls, self._select)
            with self._panel("events", scroll=False):
                self._events = EventsPanel(self._style)
        dpg.set_primary_window(_ROOT, True)
        dpg.configure_item(_ROOT, no_scrollbar=True, no_scroll_with_mouse=True)  # becoming the primary window forgot them
        self._keys = self._make_keys()

    def _panel(self, name: str, *, scroll: bool) -> AbstractContextManager[int]:
        tag = f"panel_{name}"
        panel: AbstractContextManager[int] = dpg.child_window(
            tag=tag, border=True, no_scrollbar=not scroll, no_scroll_with_mouse=not scroll
        )
        return panel

    def _make_keys(self) -> Keys:
        always = {
            dpg.mvKey_F6: self._controls.emergency_exit,
            dpg.mvKey_Escape: self._dialog.cancel,
            dpg.mvKey_Return: self._dialog.confirm,
            dpg.mvKey_NumPadEnter: self._dialog.confirm,
        }
        plain = {
            dpg.mvKey_Spacebar: self._controls.toggle_trading,
            dpg.mvKey_M: self._controls.toggle_override,
            dpg.mvKey_A: self._controls.toggle_tuner,
            dpg.mvKey_T: self._controls.tune_now,
            dpg.mvKey_Slash: self._slash,
        }
        plain |= {dpg.mvKey_1 + i: lambda i=i: self._select(i) for i in range(9)}
        return Keys(always, plain, lambda: dpg.is_item_active(FILTER) or self._config.typing or self._dialog.open)

    def _slash(self) -> None:
        if dpg.is_key_down(dpg.mvKey_ModShift):
            self._dialog.ask("KEYS", HELP, "OK", lambda: None)
        else:
            dpg.focus_item(FILTER)

    def _select(self, index: int) -> None:
        if index < len(self._viewer.symbols):
            self._selected = index
            self._next_look_ns = 0

    def _send(self, request: Request) -> None:
        self._config.sent(request.label)
        self._wishes.send(request)

    def _frame(self) -> bool:
        """Handle input, look, draw; return whether the data changed."""
        dpg.run_callbacks(dpg.get_callback_queue())
        for answer in self._wishes.answers():
            self._config.answered(answer)
            self._next_look_ns = 0
        changed = self._look()
        self._place()
        dpg.render_dearpygui_frame()
        if self._hook:
            self._hook.frame()
        return changed

    def _look(self) -> bool:
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._next_look_ns:
            return False
        self._next_look_ns = now_ns + _LOOK_EVERY_NS
        before, view = self._view, self._viewer.look(self._selected)
        self._view = view
        self._controls.show(view)
        self._header.show(view)
        self._tables.show(view, view.config.symbol_index)
        self._price.show(view)
        self._equity.show(view)
        self._config.show(view)
        self._events.show(view)
        self._show_title(view)
        return before is None or (before.stamp, len(before.events)) != (view.stamp, len(view.events))

    def _show_title(self, view: DashboardView) -> None:
        words = [badge.text for badge in view.header.badges] or [view.header.state]
        name = f" · {view.header.instance}" if view.header.instance else ""
        title = f"Trader dashboard{name} · {' · '.join(words)}"
        if title != self._title:
            self._title = title
            dpg.set_viewport_title(title)

    def _place(self) -> None:
        """Lay the panels out again when the window or the number of symbols changed."""
        size = (dpg.get_viewport_client_width(), dpg.get_viewport_client_height(), len(self._viewer.symbols))
        if size == self._size or min(size[:2]) <= 0:
            return
        self._size = size
        for name, rect in grid(*size[:2], self._options.scale, size[2]).items():
            _put(f"panel_{name}", rect)
            if name == "header":
                self._header.place(rect.w)

    def _touched(self) -> bool:
        mouse = tuple(dpg.get_mouse_pos(local=False))
        moved, self._mouse = mouse != self._mouse, mouse
        return moved or self._keys.held or dpg.is_mouse_button_down(dpg.mvMouseButton_Left)

    def _never_attached(self) -> bool:
        return self._view is not None and not self._view.attached

    def _ready_for_picture(self, age_s: float) -> bool:
        if self._view is None or not self._view.attached:
            return False
        has_data = len(self._view.chart.closes_usd) > 1 and bool(self._view.events)
        return (has_data and age_s >= _PICTURE_AFTER_S) or age_s >= _PICTURE_LATEST_S

    def _close(self) -> None:
        self._wishes.close()
        self._viewer.close()
        if self._hook:
            self._hook.close()
        dpg.destroy_context()


def _put(tag: str, rect: Rect) -> None:
    dpg.configure_item(tag, pos=(rect.x, rect.y), width=rect.w, height=rect.h)
