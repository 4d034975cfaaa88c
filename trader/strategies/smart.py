"""SMART: which strategy acts for a symbol. The regime proposes through the map in the controls; hysteresis steadies it.

* A chosen strategy stays for at least ``MINIMUM_HOLD_S``, whatever the regime does. A change of the map by a human, and a
  regime mapped to nothing, count at once.
* While a position is open its strategy stays: who opened it decides about its reversal.
* A flip waits: no entry within ``UNSETTLED_S`` of a change of the signal's sign, and none against the last position's side
  within ``FLIP_COOLDOWN_S`` of its exit. A signal that flickers around zero would else pay a round trip for each flicker.
"""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from trader.engine.state import STRATEGY_BY_REGIME

SECOND_NS = 1_000_000_000
MINIMUM_HOLD_S = 60
UNSETTLED_S = 5
FLIP_COOLDOWN_S = 60


@compiled
def wanted_strategy(state: Any, symbol: Any) -> int:
    """Return the code of the strategy the map gives to the symbol's regime; 0 for nothing and for a code nobody has."""
    code = int(state.controls.values[STRATEGY_BY_REGIME[int(symbol.regime)]])
    return code if 0 < code < len(symbol.opinions) else 0


@compiled
def choose(state: Any, symbol: Any) -> None:
    """Set the symbol's acting strategy."""
    smart = symbol.smart
    wanted = wanted_strategy(state, symbol)
    if wanted == symbol.strategy or symbol.position_qty != 0.0:
        return
    held = state.next_second_ns - smart.chosen_ns >= MINIMUM_HOLD_S * SECOND_NS
    map_changed = smart.chosen_regime == symbol.regime
    if wanted == 0 or held or map_changed:
        symbol.strategy = wanted
        smart.chosen_ns = state.next_second_ns
        smart.chosen_regime = symbol.regime
        smart.score_side = 0


@compiled
def remember_position(state: Any, symbol: Any) -> None:
    """Notice an exit: its side and its second. A position that came and went within one second is known by its trade number."""
    smart = symbol.smart
    side = int(symbol.position_qty > 0.0) - int(symbol.position_qty < 0.0)
    left = smart.held_side
    if smart.trade_id != symbol.trade_id and left == 0:
        left = smart.score_side
    if left not in (0, side):
        smart.exit_side = left
        smart.exit_ns = state.next_second_ns
    smart.held_side = side
    smart.trade_id = symbol.trade_id


@compiled
def remember_signal(state: Any, symbol: Any) -> None:
    """Notice a change of the signal's sign."""
    smart = symbol.smart
    side = int(symbol.score > 0.0) - int(symbol.score < 0.0)
    if side not in (0, smart.score_side):
        if smart.score_side != 0:
            smart.flipped_ns = state.next_second_ns
        smart.score_side = side


@compiled
def flip_waits(state: Any, symbol: Any) -> bool:
    """Say whether an entry now would be a flip that came too fast."""
    smart = symbol.smart
    now_ns = state.next_second_ns
    if smart.flipped_ns > 0 and now_ns - smart.flipped_ns < UNSETTLED_S * SECOND_NS:
        return True
    against_the_last = smart.exit_side * symbol.score < 0.0
    return bool(against_the_last and now_ns - smart.exit_ns < FLIP_COOLDOWN_S * SECOND_NS)
