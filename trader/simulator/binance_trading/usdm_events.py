"""USD-M user-data events: ORDER_TRADE_UPDATE, ALGO_UPDATE, ACCOUNT_UPDATE and ACCOUNT_CONFIG_UPDATE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.clock import NS_PER_MS
from trader.simulator.binance_trading.spot_bodies import eight
from trader.simulator.binance_trading.usdm_bodies import algo_status, order_type, time_in_force, working_type
from trader.simulator.trading.events import AccountEvent, Event, Execution, OrderEvent
from trader.simulator.trading.orders import ZERO

if TYPE_CHECKING:
    from trader.simulator.trading.ledger import MarginLedger

Body = dict[str, object]
_REASONS = {"order": "ORDER", "funding": "FUNDING_FEE", "deposit": "DEPOSIT"}


def usdm_events(event: Event, ledger: MarginLedger, event_ms: int) -> list[Body]:
    """Return the venue's events for one event of the core; ``event_ms`` is the time it is sent."""
    if isinstance(event, AccountEvent):
        if event.reason == "leverage":
            return [_config_update(event, ledger, symbol, event_ms) for symbol in event.symbols]
        return [account_update(event, ledger, event_ms)]
    if event.order.request.trigger is None:
        return [order_update(event, ledger, event_ms)]
    if event.execution is Execution.TRIGGERED:
        return [algo_update(event, event_ms), order_update(event, ledger, event_ms)]
    if not event.order.triggered_ns:
        return [algo_update(event, event_ms)]
    done = [] if event.order.is_open else [algo_update(event, event_ms)]
    return [order_update(event, ledger, event_ms), *done]


def order_update(event: OrderEvent, ledger: MarginLedger, event_ms: int) -> Body:
    """Return what happened to an order."""
    order, fill, request = event.order, event.fill, event.order.request
    spec = ledger.specs[order.symbol]
    execution = Execution.NEW if event.execution is Execution.TRIGGERED else event.execution
    trigger = request.trigger.price if request.trigger else ZERO
    commission = {"N": fill.fee_asset, "n": eight(fill.fee)} if fill else {}
    body: Body = {
        "s": order.symbol,
        "c": request.client_id,
        "S": str(order.side),
        "o": working_type(order),
        "f": time_in_force(order),
        "q": f"{order.qty:.{spec.qty_decimals}f}",
        "p": f"{order.price or ZERO:.{spec.price_decimals}f}",
        "ap": f"{order.mean_price:.5f}",
        "sp": f"{trigger:.{spec.price_decimals}f}",
        "x": str(execution),
        "X": str(order.status),
        "i": order.order_id,
        "l": f"{fill.qty if fill else ZERO:.{spec.qty_decimals}f}",
        "z": f"{order.filled:.{spec.qty_decimals}f}",
        "L": f"{fill.price if fill else ZERO:.{spec.price_decimals}f}",
        **commission,
        "T": event.ns // NS_PER_MS,
        "t": fill.trade_id if fill else 0,
        "b": "0",
        "a": "0",
        "m": fill.is_maker if fill else False,
        "R": request.reduce_only,
        "wt": "MARK_PRICE" if request.trigger and request.trigger.by_mark else "CONTRACT_PRICE",
        "ot": order_type(order),
        "ps": "BOTH",
        "cp": request.closes_position,
        "rp": eight(fill.realized if fill else ZERO),
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": "EXPIRE_MAKER",
        "pm": "NONE",
        "gtd": 0,
    }
    return {"e": "ORDER_TRADE_UPDATE", "E": event_ms, "T": event.ns // NS_PER_MS, "o": body}


def algo_update(event: OrderEvent, event_ms: int) -> Body:
    """Return what happened to a conditional order."""
    order, trigger = event.order, event.order.request.trigger
    body: Body = {
        "caid": order.request.client_id,
        "aid": order.order_id,
        "at": "CONDITIONAL",
        "o": order_type(order),
        "s": order.symbol,
        "S": str(order.side),
        "ps": "BOTH",
        "f": time_in_force(order),
        "q": f"{order.qty:f}",
        "X": algo_status(order),
        "ai": str(order.order_id) if order.triggered_ns else "",
        "ap": f"{order.mean_price:.5f}",
        "aq": f"{order.filled:f}",
        "act": "0",
        "tp": f"{trigger.price if trigger else ZERO:f}",
        "p": f"{order.price or ZERO:f}",
        "V": "EXPIRE_MAKER",
        "wt": "MARK_PRICE" if trigger and trigger.by_mark else "CONTRACT_PRICE",
        "pm": "NONE",
        "cp": order.request.closes_position,
        "pP": False,
        "R": order.request.reduce_only,
        "tt": order.triggered_ns // NS_PER_MS,
        "gtd": 0,
    }
    return {"e": "ALGO_UPDATE", "E": event_ms, "T": event.ns // NS_PER_MS, "o": body}


def account_update(event: AccountEvent, ledger: MarginLedger, event_ms: int) -> Body:
    """Return the wallet and the positions that changed, as they stand now."""
    wallet = eight(ledger.wallet)
    balances = [{"a": asset, "wb": wallet, "cw": wallet, "bc": eight(event.amount)} for asset in event.assets]
    positions = []
    for symbol in event.symbols:
        held, spec = ledger.position(symbol), ledger.specs[symbol]
        positions.append(
            {
                "s": symbol,
                "pa": f"{held.qty:.{spec.qty_decimals}f}",
                "ep": eight(held.entry),
                "bep": eight(held.entry),
                "cr": eight(held.realized),
                "up": eight(held.unrealized(ledger.marks(symbol))),
                "mt": "isolated" if held.isolated else "cross",
                "iw": "0",
                "ps": "BOTH",
            }
        )
    change = {"m": _REASONS.get(event.reason, "ADJUSTMENT"), "B": balances, "P": positions}
    return {"e": "ACCOUNT_UPDATE", "E": event_ms, "T": event.ns // NS_PER_MS, "a": change}


def _config_update(event: AccountEvent, ledger: MarginLedger, symbol: str, event_ms: int) -> Body:
    setting = {"s": symbol, "l": ledger.position(symbol).leverage}
    return {"e": "ACCOUNT_CONFIG_UPDATE", "E": event_ms, "T": event.ns // NS_PER_MS, "ac": setting}
