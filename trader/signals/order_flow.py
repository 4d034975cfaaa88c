"""Order-flow detectors: the tape weighted by size and age, its large trades, the top of the book, the spread. Scores in [-1, 1].

A trade only adds its quantity to a sum of its second (see :mod:`trader.market.tape`); ageing happens once a closed second.
"""

from __future__ import annotations

from typing import Any

from shared.compiled import compiled
from trader.market.book import ASKS, BIDS, best_qty
from trader.signals.technical import clip

HALF_LIFE_S = 20.0  # a trade this old weighs half
FADE = 0.5 ** (1.0 / HALF_LIFE_S)
MEAN_FADE = 0.5 ** (1.0 / 300.0)  # of the running mean of the size of a trade
LARGE_TIMES_MEAN = 5.0
FIRST_TRADES = 50.0  # before so many trades none is called large
BOOK_LEVELS = 5
FULL_SPREAD_BPS = 10.0  # a spread this wide scores -1, none scores +1


@compiled
def flow_step(symbol: Any) -> None:
    """Age the tape by a second and take in the trades of the one that has closed."""
    flow = symbol.flow
    flow.buys = flow.buys * FADE + flow.buy_qty
    flow.sells = flow.sells * FADE + flow.sell_qty
    flow.large_buys = flow.large_buys * FADE + flow.large_buy_qty
    flow.large_sells = flow.large_sells * FADE + flow.large_sell_qty
    flow.mean_qty_sum = flow.mean_qty_sum * MEAN_FADE + flow.buy_qty + flow.sell_qty
    flow.mean_qty_count = flow.mean_qty_count * MEAN_FADE + flow.trades
    known = flow.mean_qty_count >= FIRST_TRADES
    flow.large_from_qty = LARGE_TIMES_MEAN * flow.mean_qty_sum / flow.mean_qty_count if known else 0.0
    flow.buy_qty = 0.0
    flow.sell_qty = 0.0
    flow.large_buy_qty = 0.0
    flow.large_sell_qty = 0.0
    flow.trades = 0


@compiled
def imbalance_score(bought: float, sold: float) -> float:
    """Return the share of one side over the other: +1 all bought, -1 all sold, 0 balance or nothing."""
    total = bought + sold
    return clip((bought - sold) / total) if total > 0.0 else 0.0


@compiled
def tape_score(symbol: Any) -> float:
    """Return the imbalance of aggressive trades, weighted by size and age."""
    return imbalance_score(symbol.flow.buys, symbol.flow.sells)


@compiled
def large_trade_score(symbol: Any) -> float:
    """Return the imbalance of those trades that are large against the running mean."""
    return imbalance_score(symbol.flow.large_buys, symbol.flow.large_sells)


@compiled
def book_score(symbol: Any) -> float:
    """Return the imbalance of the quantities on the best levels of the book; of the touch where there is no book."""
    if not symbol.book_valid:
        return imbalance_score(symbol.bid_qty, symbol.ask_qty)
    return imbalance_score(best_qty(symbol, BIDS, BOOK_LEVELS), best_qty(symbol, ASKS, BOOK_LEVELS))


@compiled
def spread_score(bid_usd: float, ask_usd: float) -> float:
    """Return how cheap the spread is: +1 none, 0 half of ``FULL_SPREAD_BPS``, -1 all of it or more, or no two sides."""
    if not 0.0 < bid_usd < ask_usd:
        return -1.0
    spread_bps = 2e4 * (ask_usd - bid_usd) / (ask_usd + bid_usd)
    return clip(1.0 - 2.0 * spread_bps / FULL_SPREAD_BPS)
