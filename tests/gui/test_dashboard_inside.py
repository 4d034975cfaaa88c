"""Mouse and keys in the real window, one process for all: what lowers risk acts at once, what raises it asks once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import dearpygui.dearpygui as dpg
import numpy as np
import pytest
from Xlib import XK, X

from dashboard.config_view import ENABLED_FIELD, MANUAL_OVERRIDE, TRADING_ENABLED, TUNE_NOW, TUNER_MODE
from shared.events import CommandKind, EventKind, Reason, Source, TunerEventKind, TunerMode
from shared.params import CONTROLS, PARAMS, SYMBOL_FIELDS, defaults, index_of
from tests.gui.inside import Inside, remembered
from tests.gui.scene import ai_at_work, lively
from tests.support_segments import Publisher, publishing

pytestmark = pytest.mark.gui
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
STOP, MOST = index_of(PARAMS, "stop_pct"), index_of(PARAMS, "max_position_pct")


@pytest.fixture(scope="module")
def home() -> Path:
    return Path(os.environ["TRADER_HOME"])


@pytest.fixture(scope="module")
def publisher() -> Iterator[Publisher]:
    with publishing("inside", SYMBOLS) as publisher:
        lively(publisher)
        ai_at_work(publisher)
        publisher.serve()
        yield publisher


@pytest.fixture(scope="module")
def opened(xdisplay: str, publisher: Publisher, home: Path) -> Iterator[Inside]:
    assert home.is_dir()
    window = Inside(xdisplay, publisher.instance)
    yield window
    window.close()


@pytest.fixture
def app(opened: Inside, publisher: Publisher) -> Iterator[Inside]:
    """Give the window in its first state: nothing asked, the first symbol, controls as they begin."""
    publisher.refuse = Reason.NONE
    publisher.apply_controls(**{field.name: value for field, value in zip(CONTROLS, defaults(CONTROLS), strict=False)})
    publisher.apply_symbol(0, Source.TUNER, **{f.name: v for f, v in zip(SYMBOL_FIELDS, defaults(SYMBOL_FIELDS), strict=False)})
    publisher.commands.clear()
    opened.window.select(0)
    opened.until(lambda: opened.value("symbol_combo") == "BTCUSDT" and opened.value("override_toggle") is False)
    opened.move(700, 250)
    yield opened
    opened.key(XK.XK_Escape)
    assert not opened.asking


def control(publisher: Publisher, field: int) -> float:
    return float(publisher.applied()["values"][field])


def commands(publisher: Publisher) -> list[tuple[int, int, float]]:
    return [(int(c["kind"]), int(c["symbol"]), float(c["notional_usd"])) for c in publisher.commands]


def test_a_click_takes_the_wheel_at_once_and_is_acknowledged(app: Inside, publisher: Publisher) -> None:
    app.click("override_toggle")
    app.until(lambda: control(publisher, MANUAL_OVERRIDE) == 1)
    app.until(lambda: str(app.value("message")).startswith("✓ manual override on"))
    assert app.value("wheel") == "[MANUAL] override on"
    assert int(publisher.desired()["source"]) == Source.DASHBOARD


def test_giving_the_wheel_back_asks_and_cancel_changes_nothing(app: Inside, publisher: Publisher) -> None:
    publisher.apply_controls(manual_override=1)
    app.until(lambda: app.value("override_toggle") is True)
    app.click("override_toggle")
    assert app.asking == "LEAVE MANUAL OVERRIDE"
    app.click("dialog_cancel")
    app.until(lambda: app.value("override_toggle") is True)  # the box shows what is in force, not what was clicked
    assert control(publisher, MANUAL_OVERRIDE) == 1


def test_giving_the_wheel_back_happens_once_it_is_confirmed(app: Inside, publisher: Publisher) -> None:
    publisher.apply_controls(manual_override=1)
    app.until(lambda: app.value("override_toggle") is True)
    app.click("override_toggle")
    app.click("dialog_confirm")
    app.until(lambda: control(publisher, MANUAL_OVERRIDE) == 0)


def test_a_refusal_is_shown_with_its_reason_and_the_box_goes_back(app: Inside, publisher: Publisher) -> None:
    publisher.refuse = Reason.NOT_ALLOWED
    app.click("override_toggle")
    app.until(lambda: app.value("message") == "✗ manual override on: refused, not allowed")
    app.until(lambda: app.value("override_toggle") is False)


def test_a_refused_command_is_shown_with_its_reason(app: Inside, publisher: Publisher) -> None:
    publisher.refuse = Reason.NO_INSTRUMENT
    app.key(XK.XK_F7)
    app.until(lambda: app.value("message") == "✗ cancel all orders: refused, no instrument")


def test_f6_asks_with_the_consequence_and_escape_does_nothing(app: Inside, publisher: Publisher) -> None:
    app.key(XK.XK_F6)
    assert app.asking == "FLATTEN: CLOSE EVERYTHING"
    assert "Closes 3 position(s) at market, which cannot be undone: BTCUSDT +0.0325" in app.value("dialog_text")
    app.key(XK.XK_Escape)
    assert not app.asking
    assert publisher.commands == []


def test_f6_and_enter_flatten_exactly_once(app: Inside, publisher: Publisher) -> None:
    app.key(XK.XK_F6, frames=20)
    app.key(XK.XK_Return)
    app.until(lambda: app.value("message") == "✓ flatten")
    assert commands(publisher) == [(CommandKind.EMERGENCY_EXIT, -1, 0.0)]


def test_the_red_button_asks_the_same_question(app: Inside) -> None:
    app.click("emergency")
    assert app.asking == "FLATTEN: CLOSE EVERYTHING"


def test_f7_cancels_all_orders_without_asking(app: Inside, publisher: Publisher) -> None:
    app.key(XK.XK_F7)
    app.until(lambda: app.value("message") == "✓ cancel all orders")
    assert commands(publisher) == [(CommandKind.CANCEL_ALL, -1, 0.0)]


def test_space_pauses_entries_at_once(app: Inside, publisher: Publisher) -> None:
    app.key(XK.XK_space)
    app.until(lambda: control(publisher, TRADING_ENABLED) == 0)
    assert not app.asking


def test_space_asks_before_entries_are_allowed_again(app: Inside, publisher: Publisher) -> None:
    publisher.apply_controls(trading_enabled=0)
    app.until(lambda: app.value("trading_toggle") is False)
    app.key(XK.XK_space)
    assert app.asking == "ALLOW NEW ENTRIES"
    app.key(XK.XK_Return)
    app.until(lambda: control(publisher, TRADING_ENABLED) == 1)


def test_a_switches_the_tuner_off_at_once_and_asks_before_on(app: Inside, publisher: Publisher) -> None:
    app.key(XK.XK_a)
    app.until(lambda: control(publisher, TUNER_MODE) == TunerMode.OFF)
    app.until(lambda: app.value("tuner_toggle") is False)
    app.key(XK.XK_a)
    assert app.asking == "SWITCH THE AI TUNER ON"
    app.key(XK.XK_Return)
    app.until(lambda: control(publisher, TUNER_MODE) == TunerMode.ON)


def test_m_takes_the_wheel_and_a_second_m_asks(app: Inside, publisher: Publisher) -> None:
    app.key(XK.XK_m)
    app.until(lambda: control(publisher, MANUAL_OVERRIDE) == 1 and app.value("override_toggle") is True)
    app.key(XK.XK_m)
    assert app.asking == "LEAVE MANUAL OVERRIDE"


def test_a_held_key_acts_once(app: Inside, publisher: Publisher) -> None:
    before = control(publisher, TUNE_NOW)
    app.key(XK.XK_t, frames=250)  # keys repeat after a quarter of a second
    app.until(lambda: control(publisher, TUNE_NOW) == before + 1)
    app.pump(20)
    assert control(publisher, TUNE_NOW) == before + 1


def test_keys_are_letters_while_a_filter_is_typed(app: Inside, publisher: Publisher) -> None:
    generation = int(publisher.desired()["generation"])
    app.key(XK.XK_slash)
    app.until(lambda: dpg.is_item_active("events_filter"))
    for letter in (XK.XK_m, XK.XK_t, XK.XK_a):
        app.key(letter)
    app.until(lambda: str(app.value("events_filter")).strip("/") == "mta")
    assert int(publisher.desired()["generation"]) == generation
    app.key(XK.XK_F6)
    assert app.asking == "FLATTEN: CLOSE EVERYTHING", "an emergency works while typing, too"
    app.key(XK.XK_Escape)
    dpg.set_value("events_filter", "")
    app.click("events_follow")
    app.click("events_follow")


def test_a_number_chooses_a_symbol(app: Inside) -> None:
    app.key(XK.XK_2)
    app.until(lambda: app.value("symbol_combo") == "ETHUSDT")
    assert str(app.value("price_title")).startswith("ETHUSDT")
    app.key(XK.XK_9)  # there is no ninth
    assert app.value("symbol_combo") == "ETHUSDT"


def test_a_question_mark_shows_the_keys(app: Inside) -> None:
    app.key(XK.XK_slash, shift=True)
    assert app.asking == "KEYS"
    assert "F7      cancel all resting orders" in app.value("dialog_text")


def test_a_moved_slider_is_a_draft_and_less_risk_is_applied_without_asking(app: Inside, publisher: Publisher) -> None:
    app.click("slider_max_position_pct")  # near its left end
    app.until(lambda: "→" in str(app.value("applied_max_position_pct")))
    assert publisher.applied(0)["values"][MOST] == 5.0
    app.click("params_apply")
    app.until(lambda: publisher.applied(0)["values"][MOST] < 5.0)
    assert int(publisher.desired(0)["mask"]) == 1 << MOST
    assert not app.asking


def test_more_risk_asks_and_says_which_value_raises_it(app: Inside, publisher: Publisher) -> None:
    app.window.panels.actions.apply({STOP: 2.0})
    assert app.asking == "BTCUSDT: MORE RISK"
    assert app.value("dialog_text") == "This raises risk: stop_pct 1.00 → 2.00."
    app.key(XK.XK_Return)
    app.until(lambda: publisher.applied(0)["values"][STOP] == 2.0)


def test_a_raised_limit_asks_and_a_lowered_one_does_not(app: Inside, publisher: Publisher) -> None:
    gross = index_of(CONTROLS, "max_gross_pct")
    app.window.panels.actions.apply_controls({gross: 40.0})
    app.until(lambda: control(publisher, gross) == 40.0)
    app.window.panels.actions.apply_controls({gross: 90.0})
    assert app.asking == "RAISE A LIMIT"


def test_revert_forgets_the_draft(app: Inside, publisher: Publisher) -> None:
    app.click("slider_max_position_pct")
    app.until(lambda: "→" in str(app.value("applied_max_position_pct")))
    app.click("params_revert")
    app.until(lambda: app.value("slider_max_position_pct") == 5.0)
    assert publisher.applied(0)["values"][MOST] == 5.0


def test_a_click_on_a_market_chooses_it(app: Inside) -> None:
    app.click("markets_3")
    app.until(lambda: app.value("symbol_combo") == "XRPUSDT")
    assert app.value("why_verdict") == "✗ no entry: ema deviation"


def test_a_click_on_a_position_chooses_its_symbol(app: Inside) -> None:
    app.click("positions_2")
    app.until(lambda: app.value("symbol_combo") == "SOLUSDT")


def test_a_manual_buy_asks_with_size_and_loss_and_goes_to_the_chosen_symbol(app: Inside, publisher: Publisher) -> None:
    dpg.set_value("manual_usd", 1500.0)
    app.click("manual_buy")
    assert app.asking == "MANUAL BUY BTCUSDT"
    assert "Buys about 1,500.00 USD of BTCUSDT at market" in app.value("dialog_text")
    app.key(XK.XK_Return)
    app.until(lambda: commands(publisher) == [(CommandKind.MANUAL_BUY, 0, 1500.0)])
    dpg.set_value("manual_usd", 0.0)


def test_a_manual_sell_without_a_size_takes_the_symbols_own(app: Inside, publisher: Publisher) -> None:
    app.key(XK.XK_2)
    app.click("manual_sell")
    assert app.asking == "MANUAL SELL ETHUSDT"
    assert "(base_position_pct 2 %)" in app.value("dialog_text")
    app.key(XK.XK_Return)
    app.until(lambda: commands(publisher) == [(CommandKind.MANUAL_SELL, 1, 0.0)])


def test_closing_one_position_does_not_ask(app: Inside, publisher: Publisher) -> None:
    app.click("close_symbol")
    app.until(lambda: commands(publisher) == [(CommandKind.CLOSE, 0, 0.0)])
    app.until(lambda: app.value("message") == "✓ close BTCUSDT")


def test_a_symbol_is_paused_at_once_and_resumed_after_a_question(app: Inside, publisher: Publisher) -> None:
    app.click("pause_symbol")
    app.until(lambda: publisher.applied(0)["values"][ENABLED_FIELD] == 0)
    app.until(lambda: dpg.get_item_label("pause_symbol") == "▶ Resume symbol")
    app.click("pause_symbol")
    assert app.asking == "RESUME SYMBOL"
    app.key(XK.XK_Return)
    app.until(lambda: publisher.applied(0)["values"][ENABLED_FIELD] == 1)


def test_the_last_ai_change_is_undone_by_one_button(app: Inside, publisher: Publisher) -> None:
    publisher.apply_symbol(0, Source.TUNER, stop_pct=1.4)
    app.pump(3)
    app.click("undo_ai")
    app.until(lambda: publisher.applied(0)["values"][STOP] == 1.0)
    app.until(lambda: str(app.value("message")).startswith("✓ undo BTCUSDT stop_pct 1.4 → 1"))


def test_tune_now_is_a_button_too(app: Inside, publisher: Publisher) -> None:
    before = control(publisher, TUNE_NOW)
    app.click("tune_now")
    app.until(lambda: control(publisher, TUNE_NOW) == before + 1)


def test_a_preset_sets_the_whole_map(app: Inside, publisher: Publisher) -> None:
    app.click("tab_strategies")
    app.click("preset_technical")
    app.until(lambda: control(publisher, index_of(CONTROLS, "strategy_spike")) == 1)
    app.until(lambda: app.value("strategy_spike") == "technical")
    app.click("tab_parameters")


def test_an_alert_is_acknowledged_and_a_new_one_lights_up_again(app: Inside, publisher: Publisher) -> None:
    publisher.view["clock_offset_ms"] = 5000.0
    app.until(lambda: app.shown("acknowledge"))
    app.click("acknowledge")
    app.until(lambda: not dpg.is_item_shown("acknowledge"))
    assert "CLOCK" in app.value("alert"), "what is acknowledged is still told"
    publisher.view["feed_lag_ms"] = 5000.0
    app.until(lambda: app.shown("acknowledge"))
    publisher.view["clock_offset_ms"] = publisher.view["feed_lag_ms"] = 0.0
    app.until(lambda: not dpg.is_item_shown("acknowledge"))


def test_a_halt_is_resumed_by_a_human_only_after_its_reason_was_shown(app: Inside, publisher: Publisher) -> None:
    publisher.view["halted"] = 1
    app.click("resume_trading")
    assert app.asking == "RESUME AFTER A RISK HALT"
    assert "RISK HALT" in app.value("dialog_text")
    app.key(XK.XK_Return)
    app.until(lambda: str(app.value("message")).startswith("✓ trading resumed"))
    publisher.view["halted"] = 0
    app.until(lambda: not dpg.is_item_shown("resume_trading"))


def test_the_kill_switch_asks_and_makes_the_file(app: Inside, publisher: Publisher, home: Path) -> None:
    file = home / publisher.instance / "KILL"
    app.click("kill")
    assert app.asking == "KILL SWITCH"
    assert not file.exists()
    app.key(XK.XK_Return)
    app.until(file.exists)
    file.unlink()


def test_events_are_filtered_by_type_and_exported(app: Inside, publisher: Publisher, home: Path) -> None:
    app.window.panels._events.choose_kind("RISK")
    publisher.push(EventKind.RISK_HALT, symbol=-1, reason=Reason.DAILY_LOSS)
    app.until(lambda: " of " in app.window.panels._events._count._text)
    app.click("events_csv")
    app.until(lambda: "events in" in str(app.value("message")))
    (file,) = (home / publisher.instance).glob("events_*.csv")
    lines = file.read_text().splitlines()
    assert lines[0] == "time_utc,type,symbol,text"
    assert {line.split(",")[1] for line in lines[1:]} == {"RISK"}
    app.window.panels._events.choose_kind("")


def test_copied_events_are_on_the_clipboard(app: Inside) -> None:
    app.click("events_copy")
    app.until(lambda: "events copied" in str(app.value("message")))
    assert "FILL" in dpg.get_clipboard_text() or "BUY" in dpg.get_clipboard_text()


def test_a_decision_is_shown_in_full(app: Inside) -> None:
    assert app.value("decision_verdict") == "✓ APPLIED"
    assert app.value("decision_changes") == "stop_pct 1 → 0.8"
    assert str(app.value("decision_step_0")).startswith("read: 2 passages")
    assert "effect +15.50 USD" in str(app.value("decision_step_2"))


def test_five_hundred_events_are_kept_and_the_rest_forgotten(app: Inside, publisher: Publisher) -> None:
    for i in range(600):
        publisher.push(EventKind.SIGNAL, side=1, new=2, score=i / 600)
    app.until(lambda: str(app.window.panels._events._count._text) == "500")
    publisher.push_tuner(TunerEventKind.DEGRADED, symbol=-1, text=b"after the flood")
    app.until(lambda: "after the flood" in app.window.panels._events.wanted()[-1].text)


def test_a_dragged_edge_widens_its_column_and_is_remembered(app: Inside, publisher: Publisher, home: Path) -> None:
    rect = dpg.get_item_pos("panel_price")
    app.move(rect[0] - 3, 700)
    app.press(X.ButtonPress)
    app.move(rect[0] + 57, 700)
    app.press(X.ButtonRelease)
    assert app.window.panels.columns.left == pytest.approx(496, abs=4)
    app.window._next_save_ns = 0
    app.pump(1)
    assert f'"left":{app.window.panels.columns.left}' in remembered(home, publisher.instance)
    assert '"symbol":"BTCUSDT"' in remembered(home, publisher.instance)


def test_a_shrunk_window_keeps_every_panel_on_it(app: Inside) -> None:
    dpg.set_viewport_width(1100)
    dpg.set_viewport_height(760)
    app.until(lambda: dpg.get_viewport_client_width() == 1100)
    app.pump(3)
    for name in ("config", "tuner", "events", "costs"):
        (x, y), (w, h) = dpg.get_item_pos(f"panel_{name}"), dpg.get_item_rect_size(f"panel_{name}")
        assert x + w <= 1100
        assert y + h <= 760
    dpg.set_viewport_width(1500)
    dpg.set_viewport_height(900)
    app.until(lambda: dpg.get_viewport_client_width() == 1500)


def test_every_act_of_this_session_was_answered(app: Inside) -> None:
    app.until(lambda: app.window.panels._config._waiting == 0)


def test_stale_figures_are_grey_everywhere(app: Inside, publisher: Publisher) -> None:
    grey = np.array(dpg.get_item_configuration("equity_figure")["color"][:3]) * 255
    assert grey.max() > 150
    publisher.view["status"] = 2  # stopped
    app.until(lambda: "NOT RUNNING" in str(app.value("state")))
    app.pump(2)
    for tag in ("equity_figure", "pnl_figure", "facts", "markets_0_name", "reconciliation", "reward_risk", "price_title"):
        colour = np.array(dpg.get_item_configuration(tag)["color"][:3]) * 255
        assert colour.max() < 130, tag
    publisher.view["status"] = 1
    app.until(lambda: "RUNNING" in str(app.value("state")))
