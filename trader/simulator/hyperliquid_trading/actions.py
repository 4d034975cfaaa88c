"""What an authenticated action does, and the venue's answer to it; every refusal is an HTTP 200."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from shared.clock import NS_PER_MS
from shared.errors import Refused
from trader.simulator.hyperliquid_trading.bodies import NO_CLOID, text
from trader.simulator.trading.orders import Order, OrderRequest, Reason, Rejected, Side, TimeInForce, Trigger

if TYPE_CHECKING:
    from trader.simulator.trading.account import Account
    from trader.simulator.trading.venue import TradingVenue

_TIFS = {"Gtc": TimeInForce.GTC, "Ioc": TimeInForce.IOC, "Alo": TimeInForce.POST, "FrontendMarket": TimeInForce.IOC}
_LEAST_VALUE_USD = Decimal(10)
_MOST_PLACES = 6  # of a perpetual's price, less its size places
_MOST_FIGURES = 5
_FAR = Decimal("0.95")
_SOONEST_CANCEL_MS = 5_000
_WORDS = {
    Reason.MARGIN: "Insufficient margin to place order.",
    Reason.BALANCE: "Insufficient margin to place order.",
    Reason.REDUCE_ONLY: "Reduce only order would increase position.",
    Reason.WOULD_TRIGGER: "Invalid TP/SL price.",
    Reason.NO_BOOK: "No liquidity available for market order.",
    Reason.NO_FILL: "Order could not immediately match against any resting orders.",
    Reason.DUPLICATE_ID: "Order has duplicate cloid.",
    Reason.UNKNOWN_ORDER: "Order was never placed, already canceled, or filled.",
}
DEFAULT = {"status": "ok", "response": {"type": "default"}}
Answer = dict[str, Any]


class OrderError(Refused):
    """One order or cancel of a batch is refused; the others are not."""


class ActionError(Refused):
    """The whole action is refused."""


class Actions:
    """Carries actions out.

    Parameters
    ----------
    venue
        The exchange core.
    coins
        Names in the order of the universe: an asset's number is its place.
    sz_decimals, most_leverage
        By coin.
    """

    def __init__(self, venue: TradingVenue, coins: list[str], sz_decimals: dict[str, int], most_leverage: dict[str, int]) -> None:
        self._venue = venue
        self._coins = coins
        self._sz_decimals = sz_decimals
        self._most_leverage = most_leverage
        self._unnamed = 0
        self._table: dict[str, Callable[[Account, dict[str, Any]], Answer]] = {
            "order": self._order,
            "cancel": self._cancel,
            "cancelByCloid": self._cancel_by_cloid,
            "modify": self._modify,
            "batchModify": self._batch_modify,
            "scheduleCancel": self._schedule_cancel,
            "updateLeverage": self._update_leverage,
        }

    def carry_out(self, account: Account, action: dict[str, Any]) -> Answer:
        """Carry out one action and return the answer.

        Errors
        ------
        ActionError
            If it is refused as a whole.
        """
        act = self._table.get(str(action.get("type")))
        if act is None:
            return DEFAULT
        try:
            return act(account, action)
        except (KeyError, TypeError, ValueError, IndexError, InvalidOperation):
            raise ActionError("Failed to deserialize the JSON body into the target type") from None

    # ---- orders

    def _order(self, account: Account, action: dict[str, Any]) -> Answer:
        if not action["orders"]:
            raise ActionError("Batch is empty.")
        return _statuses("order", [self._each(self._place, account, wire) for wire in action["orders"]])

    def _place(self, account: Account, wire: dict[str, Any]) -> Answer:
        order = self._submit(account, self._request(wire))
        if order.filled:
            return {
                "filled": {"totalSz": text(order.filled), "avgPx": text(order.mean_price, 6), "oid": order.order_id}
                | _cloid(wire)
            }
        if order.is_open:
            return {"resting": {"oid": order.order_id} | _cloid(wire)}
        raise OrderError(self._asset_words(_WORDS[Reason.NO_FILL], wire["a"]))

    def _submit(self, account: Account, request: OrderRequest) -> Order:
        asset = self._coins.index(request.symbol)
        try:
            return self._venue.place(account, request)
        except Rejected as rejected:
            if rejected.reason is Reason.WOULD_TAKE:
                bid, ask = self._venue.view(request.symbol).bid, self._venue.view(request.symbol).ask
                at = f"{text(bid[0]) if bid else 'none'}@{text(ask[0]) if ask else 'none'}"
                words = f"Post only order would have immediately matched, bbo was {at}."
                raise OrderError(self._asset_words(words, asset)) from None
            raise OrderError(self._asset_words(_WORDS[rejected.reason], asset)) from None

    def _request(self, wire: dict[str, Any]) -> OrderRequest:
        coin = self._coin(wire["a"])
        side = Side.BUY if wire["b"] else Side.SELL
        price, size, kind = Decimal(wire["p"]), Decimal(wire["s"]), wire["t"]
        self._check(coin, price, size, wire)
        tif, trigger = TimeInForce.GTC, None
        limit: Decimal | None = price
        if "limit" in kind:
            tif = _TIFS[kind["limit"]["tif"]]
        else:
            asked = kind["trigger"]
            is_profit = asked["tpsl"] == "tp"
            trigger = Trigger(Decimal(asked["triggerPx"]), (side is Side.BUY) != is_profit, by_mark=True, is_profit=is_profit)
            self._check_price(coin, trigger.price, wire)
            limit = None if asked["isMarket"] else price
        self._unnamed += 1
        return OrderRequest(coin, side, size, limit, wire.get("c") or f"{NO_CLOID}{self._unnamed}", tif, trigger, bool(wire["r"]))

    def _check(self, coin: str, price: Decimal, size: Decimal, wire: dict[str, Any]) -> None:
        self._check_price(coin, price, wire)
        if size <= 0 or _places(size) > self._sz_decimals[coin]:
            raise OrderError(self._asset_words("Order has invalid size.", wire["a"]))
        if not wire["r"] and price * size < _LEAST_VALUE_USD:
            raise OrderError(self._asset_words("Order must have minimum value of $10.", wire["a"]))
        mark = self._venue.mark(coin)
        if mark and abs(price - mark) > mark * _FAR:
            raise OrderError(self._asset_words("Order price cannot be more than 95% away from the reference price", wire["a"]))

    def _check_price(self, coin: str, price: Decimal, wire: dict[str, Any]) -> None:
        if price <= 0:
            raise OrderError(self._asset_words("Order has invalid price.", wire["a"]))
        digits = len(price.normalize().as_tuple().digits)
        is_whole = price == price.to_integral_value()
        if not is_whole and (digits > _MOST_FIGURES or _places(price) > _MOST_PLACES - self._sz_decimals[coin]):
            raise OrderError(self._asset_words("Price must be divisible by tick size.", wire["a"]))

    # ---- cancels and changes

    def _cancel(self, account: Account, action: dict[str, Any]) -> Answer:
        return _statuses("cancel", [self._each(self._cancel_one, account, row) for row in action["cancels"]])

    def _cancel_by_cloid(self, account: Account, action: dict[str, Any]) -> Answer:
        rows = [{"a": row["asset"], "o": row["cloid"]} for row in action["cancels"]]
        return _statuses("cancel", [self._each(self._cancel_one, account, row) for row in rows])

    def _cancel_one(self, account: Account, row: dict[str, Any]) -> str:
        try:
            self._venue.cancel(account, self._found(account, row["a"], row["o"]))
        except Rejected:
            raise OrderError(self._asset_words(_WORDS[Reason.UNKNOWN_ORDER], row["a"])) from None
        return "success"

    def _found(self, account: Account, asset: int, known: int | str) -> Order:
        number, name = (known, None) if isinstance(known, int) else (None, known)
        return account.find(self._coin(asset), number, name)

    def _modify(self, account: Account, action: dict[str, Any]) -> Answer:
        try:
            self._replace(account, action)
        except OrderError as error:
            raise ActionError(str(error)) from None
        return DEFAULT

    def _batch_modify(self, account: Account, action: dict[str, Any]) -> Answer:
        return _statuses("order", [self._each(self._replace, account, row) for row in action["modifies"]])

    def _replace(self, account: Account, change: dict[str, Any]) -> Answer:
        wire = change["order"]
        self._request(wire)  # a change that cannot be is refused before the old order goes
        try:
            self._venue.cancel(account, self._found(account, wire["a"], change["oid"]))
        except Rejected:
            raise OrderError("Cannot modify canceled or filled order") from None
        return self._place(account, wire)

    def _schedule_cancel(self, account: Account, action: dict[str, Any]) -> Answer:
        when = action.get("time")
        if when is None:
            account.countdowns.pop("", None)
        elif int(when) * NS_PER_MS < self._venue.now_ns() + _SOONEST_CANCEL_MS * NS_PER_MS:
            raise ActionError("Scheduled cancel time too early, must be at least 5 seconds from now.")  # the one before stays
        else:
            account.countdowns[""] = int(when) * NS_PER_MS
        return DEFAULT

    def _update_leverage(self, account: Account, action: dict[str, Any]) -> Answer:
        coin, leverage = self._coin(action["asset"]), int(action["leverage"])
        if not 1 <= leverage <= self._most_leverage[coin]:
            raise ActionError("Invalid leverage value")
        held = account.ledger.position(coin)  # type: ignore[union-attr]
        held.leverage, held.isolated = leverage, not action["isCross"]
        return DEFAULT

    # ---- inside

    def _coin(self, asset: int) -> str:
        if not 0 <= asset < len(self._coins) or self._coins[asset] not in self._sz_decimals:
            raise OrderError(f"Invalid asset {asset}")
        return self._coins[asset]

    def _each(self, act: Callable[[Account, dict[str, Any]], Any], account: Account, row: dict[str, Any]) -> Any:
        try:
            return act(account, row)
        except OrderError as error:
            return {"error": str(error)}

    def _asset_words(self, words: str, asset: int) -> str:
        return f"{words} asset={asset}"


def _statuses(kind: str, statuses: list[Any]) -> Answer:
    return {"status": "ok", "response": {"type": kind, "data": {"statuses": statuses}}}


def _cloid(wire: dict[str, Any]) -> dict[str, str]:
    return {"cloid": wire["c"]} if wire.get("c") else {}


def _places(value: Decimal) -> int:
    return max(0, -int(value.normalize().as_tuple().exponent))
