"""Asks the strategies of a symbol what they want, once a closed second, and says which of them acts."""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from shared.events import Reason, Strategy
from trader.signals.fair_value import fair_value_step
from trader.signals.order_flow import flow_step
from trader.strategies.leader import leader_disagrees
from trader.strategies.registry import ask_all
from trader.strategies.smart import choose, flip_waits, remember_position, remember_signal, wanted_strategy

_NONE = int(Reason.NONE)
_NO_STRATEGY = int(Reason.NO_STRATEGY)
_FLIP = int(Reason.FLIP_COOLDOWN)
_LEADER = int(Reason.LEADER_DISAGREES)
_MARKET_MAKER = int(Strategy.MARKET_MAKER)


@compiled
def decide(state: Any, index: int) -> None:
    """Set the symbol's score, strength, strategy, objection, expected move and quotes from its closed bars."""
    symbol = state.symbols[index]
    flow_step(symbol)
    fair_value_step(symbol)
    remember_position(state, symbol)
    ask_all(state, index)
    choose(state, symbol)
    _adopt(symbol)
    remember_signal(state, symbol)
    if symbol.objection == _NONE and flip_waits(state, symbol):
        symbol.objection = _FLIP
    if symbol.objection == _NONE and leader_disagrees(state, index):
        symbol.objection = _LEADER
    if symbol.strategy == _MARKET_MAKER and wanted_strategy(state, symbol) != _MARKET_MAKER:
        _only_reduce(symbol)


@compiled
def _adopt(symbol: Any) -> None:
    """Make the acting strategy's opinion the symbol's."""
    opinion = symbol.opinions[int(symbol.strategy)]
    symbol.score = opinion.score
    symbol.strength = opinion.strength
    symbol.expected_bps = opinion.expected_bps
    symbol.quote_bid_usd = opinion.quote_bid_usd
    symbol.quote_ask_usd = opinion.quote_ask_usd
    symbol.objection = opinion.objection if symbol.strategy != 0 else _NO_STRATEGY


@compiled
def _only_reduce(symbol: Any) -> None:
    """Keep only the quote that brings the market maker home: the regime no longer asks for it."""
    if symbol.position_qty >= 0.0:
        symbol.quote_bid_usd = 0.0
    if symbol.position_qty <= 0.0:
        symbol.quote_ask_usd = 0.0
