"""The venue's order filters, in exact decimals, with its own error texts."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from trader.simulator.binance_trading.errors import ApiError
from trader.simulator.trading.orders import OrderRequest, Side

if TYPE_CHECKING:
    from trader.simulator.spec import SymbolSpec
    from trader.simulator.trading.market_view import MarketView

_MOST_OPEN = 200
_SPOT_MAX_PRICE, _SPOT_MAX_QTY, _SPOT_MAX_MARKET_QTY = Decimal(1_000_000), Decimal(9000), Decimal(100)
_USDM_MAX_PRICE, _USDM_MAX_QTY, _USDM_MAX_MARKET_QTY = Decimal(4_529_764), Decimal(1000), Decimal(120)
_PERCENT_BID, _PERCENT_ASK = (Decimal("0.5"), Decimal("1.2")), (Decimal("0.8"), Decimal(2))
_PERCENT_USDM = (Decimal("0.95"), Decimal("1.05"))


def check_spot(spec: SymbolSpec, view: MarketView, request: OrderRequest, open_orders: int) -> None:
    """Raise the first filter of exchangeInfo that ``request`` breaks."""
    prices = {"price": request.price, "stopPrice": request.trigger.price if request.trigger else None}
    for name, price in prices.items():
        if price is not None:
            _spot_precision(name, price)
            if not spec.tick <= price <= _SPOT_MAX_PRICE or price % spec.tick:
                raise _spot_filter("PRICE_FILTER")
    _spot_precision("quantity", request.qty)
    if not request.quote_qty and (not spec.step <= request.qty <= _SPOT_MAX_QTY or request.qty % spec.step):
        raise _spot_filter("LOT_SIZE")
    if request.price is None and request.qty > _SPOT_MAX_MARKET_QTY:
        raise _spot_filter("MARKET_LOT_SIZE")
    reference = view.last or view.mid or Decimal(0)
    if request.price is not None and reference:
        down, up = _PERCENT_BID if request.side is Side.BUY else _PERCENT_ASK
        if not reference * down <= request.price <= reference * up:
            raise _spot_filter("PERCENT_PRICE_BY_SIDE")
    at = request.price or (request.trigger.price if request.trigger else reference)
    if (request.quote_qty or request.qty * at) < spec.min_notional:
        raise _spot_filter("NOTIONAL")
    if open_orders >= _MOST_OPEN:
        raise _spot_filter("MAX_NUM_ORDERS")


def check_usdm(spec: SymbolSpec, view: MarketView, request: OrderRequest, open_orders: int) -> None:
    """Raise the first filter of exchangeInfo that ``request`` breaks."""
    for price in (request.price, request.trigger.price if request.trigger else None):
        if price is not None:
            _usdm_price(spec, price)
    if not request.closes_position:
        _usdm_quantity(spec, request)
    mark = view.mark or Decimal(0)
    if request.price is not None and request.trigger is None and mark:
        low, high = mark * _PERCENT_USDM[0], mark * _PERCENT_USDM[1]
        if request.side is Side.BUY and request.price > high:
            raise ApiError(400, -4016, f"Limit price can't be higher than {high:.{spec.price_decimals}f}.")
        if request.side is Side.SELL and request.price < low:
            raise ApiError(400, -4024, f"Limit price can't be lower than {low:.{spec.price_decimals}f}.")
    exempt = request.reduce_only or request.closes_position
    if not exempt and request.qty * (request.price or mark) < spec.min_notional:
        least = f"{spec.min_notional:f}"
        raise ApiError(400, -4164, f"Order's notional must be no smaller than {least} (unless you choose reduce only).")
    if open_orders >= _MOST_OPEN:
        raise ApiError(400, -2025, "Reach max open order limit.")


def _usdm_price(spec: SymbolSpec, price: Decimal) -> None:
    if price <= 0:
        raise ApiError(400, -4001, "Price less than 0.")
    if _places(price) > spec.price_decimals:
        raise ApiError(400, -1111, "Precision is over the maximum defined for this asset.")
    if price > _USDM_MAX_PRICE:
        raise ApiError(400, -4002, "Price greater than max price.")
    if price % spec.tick:
        raise ApiError(400, -4014, "Price not increased by tick size.")


def _usdm_quantity(spec: SymbolSpec, request: OrderRequest) -> None:
    if request.qty <= 0:
        raise ApiError(400, -4003, "Quantity less than or equal to zero.")
    if _places(request.qty) > spec.qty_decimals:
        raise ApiError(400, -1111, "Precision is over the maximum defined for this asset.")
    if request.qty < spec.step:
        raise ApiError(400, -4004, "Quantity less than min quantity.")
    if request.qty > (_USDM_MAX_MARKET_QTY if request.price is None else _USDM_MAX_QTY):
        raise ApiError(400, -4005, "Quantity greater than max quantity.")
    if request.qty % spec.step:
        raise ApiError(400, -4023, "Qty not increased by step size.")


def _spot_precision(name: str, value: Decimal) -> None:
    if _places(value) > 8:
        raise ApiError(400, -1111, f"Parameter '{name}' has too much precision.")


def _spot_filter(name: str) -> ApiError:
    return ApiError(400, -1013, f"Filter failure: {name}")


def _places(value: Decimal) -> int:
    return max(0, -int(value.normalize().as_tuple().exponent))
