"""exchangeInfo bodies in the venue's shape (2026-09), with the numbers of our symbols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trader.simulator.source import Market

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from trader.simulator.spec import SymbolSpec

_STP_MODES = ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER"]
_SPOT_ORDERS = ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"]
_USDM_ORDERS = ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"]
_PERPETUAL_DELIVERY_MS = 4133404800000
_ONBOARD_MS = 1569398400000


def exchange_info(market: Market, specs: Iterable[SymbolSpec], server_time_ms: int) -> dict[str, object]:
    """Build the whole answer for ``specs``; ``server_time_ms`` since the epoch."""
    head: dict[str, object] = {"timezone": "UTC", "serverTime": server_time_ms}
    if market is Market.SPOT:
        limits = [
            _limit("REQUEST_WEIGHT", "MINUTE", 1, 6000),
            _limit("ORDERS", "SECOND", 10, 100),
            _limit("ORDERS", "DAY", 1, 200000),
            _limit("RAW_REQUESTS", "MINUTE", 5, 300000),
        ]
        return head | {"rateLimits": limits, "exchangeFilters": [], "symbols": [_spot_symbol(spec) for spec in specs]}
    limits = [
        _limit("REQUEST_WEIGHT", "MINUTE", 1, 2400),
        _limit("ORDERS", "MINUTE", 1, 1200),
        _limit("ORDERS", "SECOND", 10, 300),
    ]
    assets = [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}]
    rest = {"rateLimits": limits, "exchangeFilters": [], "assets": assets}
    return head | {"futuresType": "U_MARGINED"} | rest | {"symbols": [_usdm_symbol(spec) for spec in specs]}


def _limit(kind: str, interval: str, number: int, limit: int) -> dict[str, object]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


def _spot_symbol(spec: SymbolSpec) -> dict[str, object]:
    flags = (
        "icebergAllowed", "ocoAllowed", "otoAllowed", "opoAllowed", "quoteOrderQtyMarketAllowed", "allowTrailingStop",
        "cancelReplaceAllowed", "amendAllowed", "pegInstructionsAllowed", "isSpotTradingAllowed",
    )  # fmt: skip
    return {
        "symbol": spec.symbol,
        "status": "TRADING",
        "baseAsset": spec.base,
        "baseAssetPrecision": 8,
        "quoteAsset": spec.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": _SPOT_ORDERS,
        **dict.fromkeys(flags, True),
        "isMarginTradingAllowed": False,
        "filters": _spot_filters(spec),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": _STP_MODES,
    }


def _spot_filters(spec: SymbolSpec) -> list[dict[str, object]]:
    tick, step = _eight(spec.tick), _eight(spec.step)
    percent = {"bidMultiplierUp": "1.2", "bidMultiplierDown": "0.5", "askMultiplierUp": "2", "askMultiplierDown": "0.8"}
    notional = {"applyMinToMarket": True, "maxNotional": "9000000.00000000", "applyMaxToMarket": False}
    trailing = dict.fromkeys(("minTrailingAboveDelta", "minTrailingBelowDelta"), 10) | dict.fromkeys(
        ("maxTrailingAboveDelta", "maxTrailingBelowDelta"), 2000
    )
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "9000.00000000", "stepSize": step},
        {"filterType": "ICEBERG_PARTS", "limit": 100},
        {"filterType": "MARKET_LOT_SIZE", "minQty": _eight(0 * spec.step), "maxQty": "100.00000000", "stepSize": "0.00000000"},
        {"filterType": "TRAILING_DELTA", **trailing},
        {"filterType": "PERCENT_PRICE_BY_SIDE", **percent, "avgPriceMins": 5},
        {"filterType": "NOTIONAL", "minNotional": _eight(spec.min_notional), **notional, "avgPriceMins": 5},
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 10},
    ]


def _usdm_symbol(spec: SymbolSpec) -> dict[str, object]:
    return {
        "symbol": spec.symbol,
        "pair": spec.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": _PERPETUAL_DELIVERY_MS,
        "onboardDate": _ONBOARD_MS,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": spec.base,
        "quoteAsset": spec.quote,
        "marginAsset": spec.quote,
        "pricePrecision": spec.price_decimals,
        "quantityPrecision": spec.qty_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10000,
        "filters": _usdm_filters(spec),
        "orderTypes": _USDM_ORDERS,
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "permissionSets": ["GRID", "COPY"],
    }


def _usdm_filters(spec: SymbolSpec) -> list[dict[str, object]]:
    tick, step = spec.price_text(1), spec.qty_text(1)
    return [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "4529764", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "1000", "stepSize": step},
        {"filterType": "MARKET_LOT_SIZE", "minQty": step, "maxQty": "120", "stepSize": step},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MIN_NOTIONAL", "notional": f"{spec.min_notional:f}"},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500", "multiplierDecimal": "4"},
        {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
    ]


def _eight(value: Decimal) -> str:
    return f"{value:.8f}"
