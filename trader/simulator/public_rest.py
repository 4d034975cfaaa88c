"""Public REST answers about recent trades and prices, built from the frames already sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from trader.simulator.binance_trading.errors import ApiError
from trader.simulator.source import Market

if TYPE_CHECKING:
    from trader.simulator.recent import RecentFrames
    from trader.simulator.source import Source

_MOST_TRADES = 1000
_ZERO = Decimal(0)
_Row = dict[str, object]


class PublicRest:
    """Trades, tickers and futures' reference prices.

    Parameters
    ----------
    source
        The market served.
    recent
        What was sent.
    """

    def __init__(self, source: Source, recent: RecentFrames) -> None:
        self._source = source
        self._recent = recent
        self._spot = source.market is Market.SPOT

    def table(self) -> Mapping[str, tuple[int, Callable[[dict[str, str]], object]]]:
        """Return weight and handler by path. Weights as of 2026-04."""
        prefix = "/api/v3/" if self._spot else "/fapi/v1/"
        calls: dict[str, tuple[int, Callable[[dict[str, str]], object]]] = {
            prefix + "trades": (25 if self._spot else 5, self._trades),
            prefix + "aggTrades": (4 if self._spot else 20, self._agg_trades),
            prefix + "ticker/price": (2, lambda params: self._each(params, self._price)),
            prefix + "ticker/bookTicker": (2, lambda params: self._each(params, self._book)),
            prefix + "ticker/24hr": (2, lambda params: self._each(params, self._day)),
        }
        if self._spot:
            return calls | {prefix + "avgPrice": (2, lambda params: self._average(self._symbol(params)))}
        return calls | {
            "/fapi/v2/ticker/price": (1, lambda params: self._each(params, self._price)),
            prefix + "premiumIndex": (1, lambda params: self._each(params, self._premium)),
            prefix + "fundingRate": (1, lambda _: []),
            prefix + "fundingInfo": (0, lambda _: []),
        }

    def _symbol(self, params: dict[str, str]) -> str:
        symbol = params.get("symbol", "")
        if symbol not in self._source.specs:
            raise ApiError(400, -1121, "Invalid symbol.")
        return symbol

    def _each(self, params: dict[str, str], build: Callable[[str], _Row]) -> object:
        if params.get("symbol"):
            return build(self._symbol(params))
        wanted = msgspec.json.decode(params["symbols"].encode(), type=list[str]) if params.get("symbols") else self._source.specs
        return [build(symbol) for symbol in wanted if symbol in self._source.specs]

    def _limit(self, params: dict[str, str]) -> int:
        text = params.get("limit", "500")
        if not text.isdigit() or not int(text):
            raise ApiError(400, -1130, "Data sent for parameter 'limit' is not valid.")
        return min(int(text), _MOST_TRADES)

    def _trades(self, params: dict[str, str]) -> object:
        events = self._events(self._symbol(params), "trade", self._limit(params))
        extra = {"isBestMatch": True} if self._spot else {"isRPITrade": False}
        return [
            {
                "id": event["t"], "price": event["p"], "qty": event["q"],
                "quoteQty": f"{Decimal(event['p']) * Decimal(event['q']):f}", "time": event["T"], "isBuyerMaker": event["m"],
            }
            | extra
            for event in events
        ]  # fmt: skip

    def _agg_trades(self, params: dict[str, str]) -> object:
        names = "apqflTmM" if self._spot else "apqflTm"
        events = self._events(self._symbol(params), "aggTrade", _MOST_TRADES)
        first, start = int(params.get("fromId", -1)), int(params.get("startTime", 0))
        end = int(params.get("endTime", 2**63))
        kept = [event for event in events if event["a"] >= first and start <= event["T"] <= end]
        anchored = first >= 0 or start > 0
        page = kept[: self._limit(params)] if anchored else kept[-self._limit(params) :]
        return [{name: event[name] for name in names if name in event} for event in page]

    def _events(self, symbol: str, kind: str, count: int) -> list[dict[str, Any]]:
        return [msgspec.json.decode(payload) for payload in self._recent.last(symbol, kind, count)]

    def _last_price(self, symbol: str) -> str:
        bars = self._source.bars(symbol)
        return self._source.specs[symbol].price_text(int(bars[-1].close / self._source.specs[symbol].tick)) if bars else "0"

    def _price(self, symbol: str) -> _Row:
        stamp = {} if self._spot else {"time": self._source.server_time_ms()}
        return {"symbol": symbol, "price": self._last_price(symbol), **stamp}

    def _average(self, symbol: str) -> _Row:
        return {"mins": 5, "price": self._last_price(symbol), "closeTime": self._source.server_time_ms()}

    def _touch(self, symbol: str) -> tuple[str, str, str, str]:
        payload = self._recent.latest(symbol, "bookTicker")
        if payload is not None:
            event = msgspec.json.decode(payload)
            return event["b"], event["B"], event["a"], event["A"]
        book = msgspec.json.decode(self._source.depth(symbol, 5))
        bid, ask = (book["bids"] or [["0", "0"]])[0], (book["asks"] or [["0", "0"]])[0]
        return bid[0], bid[1], ask[0], ask[1]

    def _book(self, symbol: str) -> _Row:
        names = ("bidPrice", "bidQty", "askPrice", "askQty")
        stamp = {} if self._spot else {"time": self._source.server_time_ms()}
        return {"symbol": symbol, **dict(zip(names, self._touch(symbol), strict=True)), **stamp}

    def _day(self, symbol: str) -> _Row:
        bars = self._source.bars(symbol)[-1440:]
        last = self._last_price(symbol)
        first = bars[0].open if bars else _ZERO
        change = Decimal(last) - first
        volume, value = sum((b.volume for b in bars), _ZERO), sum((b.quote_volume for b in bars), _ZERO)
        row: _Row = {
            "symbol": symbol,
            "priceChange": f"{change:f}",
            "priceChangePercent": f"{change / first * 100 if first else _ZERO:.3f}",
            "weightedAvgPrice": f"{value / volume if volume else _ZERO:.8f}",
            "lastPrice": last,
            "lastQty": f"{bars[-1].volume if bars else _ZERO:f}",
            "openPrice": f"{first:f}",
            "highPrice": f"{max((b.high for b in bars), default=_ZERO):f}",
            "lowPrice": f"{min((b.low for b in bars), default=_ZERO):f}",
            "volume": f"{volume:f}",
            "quoteVolume": f"{value:f}",
            "openTime": bars[0].open_ms if bars else 0,
            "closeTime": self._source.server_time_ms(),
            "firstId": max(0, bars[0].first_id) if bars else 0,
            "lastId": max(0, bars[-1].last_id) if bars else 0,
            "count": sum(b.trades for b in bars),
        }
        if self._spot:
            bid, bid_qty, ask, ask_qty = self._touch(symbol)
            row |= {"prevClosePrice": f"{first:f}", "bidPrice": bid, "bidQty": bid_qty, "askPrice": ask, "askQty": ask_qty}
        return row

    def _premium(self, symbol: str) -> _Row:
        payload = self._recent.latest(symbol, "markPrice")
        event = msgspec.json.decode(payload) if payload is not None else {}
        mark = event.get("p", self._last_price(symbol))
        return {
            "symbol": symbol,
            "markPrice": mark,
            "indexPrice": event.get("i", mark),
            "estimatedSettlePrice": event.get("P", mark),
            "lastFundingRate": event.get("r", "0.00010000"),
            "interestRate": "0.00010000",
            "nextFundingTime": event.get("T", 0),
            "time": self._source.server_time_ms(),
        }
