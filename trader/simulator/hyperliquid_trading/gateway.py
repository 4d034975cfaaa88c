"""The trading side of a simulated Hyperliquid: accounts by address, signed actions, user information and user channels."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from shared.clock import NS_PER_MS
from shared.errors import ConfigError
from trader.simulator.hyperliquid.facts import ASSETS, OTHER_ASSET
from trader.simulator.hyperliquid.wire import Book, Quote, Told, encode
from trader.simulator.hyperliquid_trading import bodies
from trader.simulator.hyperliquid_trading.actions import DEFAULT, ActionError, Actions, Answer, OrderError
from trader.simulator.hyperliquid_trading.nonces import Nonces
from trader.simulator.hyperliquid_trading.signing import (
    USER_SIGNED,
    Unrecoverable,
    action_hash,
    action_signers,
    require_library,
    user_signer,
)
from trader.simulator.spec import SymbolSpec
from trader.simulator.trading.account import Account
from trader.simulator.trading.events import Event, OrderEvent
from trader.simulator.trading.ledger import Fees, MarginLedger
from trader.simulator.trading.market_view import Levels, MarketView
from trader.simulator.trading.orders import ZERO, Rejected
from trader.simulator.trading.venue import TradingVenue

if TYPE_CHECKING:
    from shared.clock import Clock
    from trader.simulator.hyperliquid.flow import Flow
    from trader.simulator.hyperliquid.wire import Level
    from trader.simulator.trading.accounts_file import AccountEntry

_MAKER, _TAKER = Decimal("0.00015"), Decimal("0.00045")
_FUNDING_S = 3600
_FUNDING_RATE = Decimal("0.0000125")
_MAINTENANCE = Decimal("0.0125")  # half the initial margin at 40x; one share for all coins
_MOST_FILLS = 2000
_MOST_FUNDINGS = 500
_REMEMBERED_TRADES = 4096


class HyperliquidTrading:
    """Accounts, actions and user data of one simulated Hyperliquid.

    Parameters
    ----------
    flow
        The market.
    entries
        The accounts file; those with an address trade here.
    clock
        Wall clock: nonces are near the clients' own time.

    Errors
    ------
    ConfigError
        If no entry has an address, or signatures cannot be verified here.
    """

    def __init__(self, flow: Flow, entries: Iterable[AccountEntry], clock: Clock) -> None:
        require_library()
        self._flow = flow
        self._clock = clock
        coins = list(flow.state.coins)
        self._leverage = {coin: ASSETS.get(coin, OTHER_ASSET)[1] for coin in coins}
        specs = {coin: _spec(coin, places) for coin, places in flow.specs.items()}
        views = {coin: MarketView(partial(_levels, flow, coin)) for coin in specs}
        self.venue = TradingVenue(specs, views, self._now_ns, funding_s=_FUNDING_S)
        self.venue.funding_rate = _FUNDING_RATE
        self.venue.listeners.append(self._hear)
        self._actions = Actions(self.venue, coins, dict(flow.specs), self._leverage)
        self._signers: dict[str, Account] = {}
        self._nonces = Nonces()
        self._fills: dict[str, deque[bodies.Body]] = {}
        self._queue: deque[Told] = deque()
        self._seen: dict[tuple[int, int], None] = {}
        for entry in entries:
            if entry.address:
                self._open(entry, specs)
        if not self._signers:
            raise ConfigError("accounts: no account has an address, expected at least one for Hyperliquid")
        self._questions = self._question_table()

    # ---- the flow

    def take(self, item: Told) -> None:
        """Let what the market says work on the orders."""
        if isinstance(item.value, Book) and item.coin in self.venue.specs:
            self.venue.view(item.coin).forget_levels()
        elif isinstance(item.value, Quote):
            bid, ask = item.value.bbo
            self.venue.on_touch(item.coin, _pair(bid), _pair(ask))
        elif isinstance(item.value, list):
            for trade in item.value:
                key = (trade.time, trade.tid)
                if key not in self._seen:  # a trade that is told again fills nothing
                    self._seen[key] = None
                    self.venue.on_print(item.coin, Decimal(trade.px), Decimal(trade.sz), buyer_is_maker=trade.side == "A")
            while len(self._seen) > _REMEMBERED_TRADES:
                del self._seen[next(iter(self._seen))]
        self.venue.on_time()

    def drain(self) -> list[Told]:
        """Return the user data that has come up since the last call, in order."""
        told, self._queue = list(self._queue), deque()
        return told

    # ---- requests

    def exchange(self, body: bytes) -> Answer:
        """Answer one ``POST /exchange``."""
        try:
            request = msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.MsgspecError:
            return _refused("Failed to deserialize the JSON body into the target type")
        return self.act(request)

    def act(self, request: dict[str, Any]) -> Answer:
        """Check who signed and carry out what was signed."""
        try:
            action, nonce = request["action"], int(request["nonce"])
            account = self._identify(request, action, nonce)
            return self._carry_out(account, action)
        except Unrecoverable:
            return _refused("Unable to recover signer.")
        except (ActionError, OrderError) as error:
            return _refused(str(error))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return _refused("Failed to deserialize the JSON body into the target type")

    def ask(self, request: dict[str, Any]) -> Any:
        """Answer a question about a user; see :meth:`knows`."""
        return self._questions[str(request["type"])](request)

    def knows(self, request: dict[str, Any]) -> bool:
        """Whether a question is about a user and can be answered here."""
        return request.get("type") in self._questions and isinstance(request.get("user", ""), str)

    def fills(self, address: str) -> list[bodies.Body]:
        """Return the fills of an address, newest first: what a subscription begins with."""
        return list(self._fills.get(address.lower(), ()))[::-1]

    # ---- inside

    def _open(self, entry: AccountEntry, specs: dict[str, SymbolSpec]) -> None:
        fees = Fees(
            _MAKER if entry.maker_fee is None else entry.maker_fee, _TAKER if entry.taker_fee is None else entry.taker_fee
        )
        ledger = MarginLedger(specs, fees, "USDC", self.venue.mark, tuple, _MAINTENANCE)
        account = Account(entry.address.lower(), ledger, updated_ns=self._now_ns())
        ledger.open_orders = account.iterate_open
        ledger.wallet = entry.balances.get("USDC", ZERO)
        self.venue.add(account)
        for signer in (entry.address, *entry.agents):
            self._signers[signer.lower()] = account

    def _identify(self, request: dict[str, Any], action: dict[str, Any], nonce: int) -> Account:
        expires, vault = request.get("expiresAfter"), request.get("vaultAddress")
        if action["type"] in USER_SIGNED:
            candidates: tuple[str, ...] = (user_signer(action, request["signature"]),)
        else:
            candidates = action_signers(action_hash(action, nonce, vault, expires), request["signature"])
        signer = next((address for address in candidates if address in self._signers), None)
        if signer is None:
            raise ActionError(f"L1 error: User or API Wallet {candidates[0]} does not exist.")
        if vault is not None and str(vault).lower() not in self.venue.accounts:
            raise ActionError(f"Vault not registered: {vault}")
        now_ms = self._clock.now_ns() // NS_PER_MS
        if expires is not None and int(expires) < now_ms:
            raise ActionError("Action expired.")
        words = self._nonces.refuse(signer, nonce, now_ms)
        if words:
            raise ActionError(words)
        return self.venue.accounts[str(vault).lower()] if vault is not None else self._signers[signer]

    def _carry_out(self, account: Account, action: dict[str, Any]) -> Answer:
        kind = action["type"]
        if kind == "approveAgent":
            self._signers[str(action["agentAddress"]).lower()] = account
            return DEFAULT
        if kind in {"usdSend", "withdraw3", "spotSend", "sendAsset"}:
            raise ActionError("This simulator moves no money out.")
        return self._actions.carry_out(account, action)

    def _hear(self, event: Event) -> None:
        now_ns = self._now_ns()
        if not isinstance(event, OrderEvent):
            return
        if event.fill is not None:
            ledger = self.venue.accounts[event.owner].ledger
            assert isinstance(ledger, MarginLedger)  # noqa: S101 - every account here is opened with one
            fill = bodies.fill_body(event.order, event.fill, ledger.position(event.fill.symbol).qty)
            self._fills.setdefault(event.owner, deque(maxlen=10_000)).append(fill)
            self._tell(now_ns, "userFills", event.owner, {"user": event.owner, "fills": [fill]})
            self._tell(now_ns, "userEvents", event.owner, {"fills": [fill]})
        self._tell(now_ns, "orderUpdates", event.owner, [bodies.order_update(event)])

    def _tell(self, ns: int, channel: str, address: str, data: object) -> None:
        self._queue.append(Told(ns, channel, address, data=encode(data)))

    def _now_ns(self) -> int:
        return self._flow.state.now_ms * NS_PER_MS

    # ---- questions

    def _question_table(self) -> dict[str, Callable[[dict[str, Any]], Any]]:
        return {
            "clearinghouseState": lambda q: self._state(q["user"]),
            "spotClearinghouseState": lambda _: {"balances": []},
            "openOrders": lambda q: [bodies.order_body(order) for order in self._open_orders(q["user"])],
            "frontendOpenOrders": lambda q: [bodies.frontend_order(order) for order in self._open_orders(q["user"])],
            "orderStatus": lambda q: self._status(q["user"], q["oid"]),
            "historicalOrders": lambda q: [self._status_body(order) for order in self._orders(q["user"])],
            "userFills": lambda q: self.fills(q["user"])[:_MOST_FILLS],
            "userFillsByTime": self._fills_by_time,
            "userFunding": self._fundings,
            "userFees": lambda _: {"userCrossRate": f"{_TAKER}", "userAddRate": f"{_MAKER}", "activeReferralDiscount": "0.0"},
            "userRateLimit": lambda _: {"cumVlm": "0.0", "nRequestsUsed": 0, "nRequestsCap": 10_000},
            "userRole": lambda q: self._role(q["user"].lower()),
            "userAbstraction": lambda _: "default",
            "extraAgents": lambda _: [],
            "subAccounts": lambda _: None,
            "maxBuilderFee": lambda _: 0,
            "activeAssetData": lambda q: self._active_asset(q["user"], q["coin"]),
        }

    def _role(self, address: str) -> Answer:
        if address in self.venue.accounts:
            return {"role": "user"}
        master = self._signers.get(address)
        return {"role": "missing"} if master is None else {"role": "agent", "data": {"user": master.name}}

    def _account(self, address: str) -> Account | None:
        return self.venue.accounts.get(address.lower())

    def _state(self, address: str) -> Answer:
        account = self._account(address)
        specs = {coin: _spec(coin, places) for coin, places in self._flow.specs.items()}
        empty = MarginLedger(specs, Fees(_MAKER, _TAKER), "USDC", self.venue.mark, tuple, _MAINTENANCE)
        ledger = account.ledger if account is not None and isinstance(account.ledger, MarginLedger) else empty
        return bodies.clearinghouse_state(ledger, self._leverage, self._flow.state.now_ms)

    def _orders(self, address: str) -> list[Any]:
        account = self._account(address)
        return list(account.orders.values())[::-1] if account is not None else []

    def _open_orders(self, address: str) -> list[Any]:
        account = self._account(address)
        return account.open_orders() if account is not None else []

    def _status(self, address: str, known: int | str) -> Answer:
        account = self._account(address)
        number, name = (known, None) if isinstance(known, int) else (None, known)
        try:
            if account is None:
                return {"status": "unknownOid"}
            return {"status": "order", "order": self._status_body(account.find(None, number, name))}
        except Rejected:
            return {"status": "unknownOid"}

    def _status_body(self, order: Any) -> Answer:
        stamp = order.updated_ns // NS_PER_MS
        return {"order": bodies.frontend_order(order), "status": bodies.order_status(order), "statusTimestamp": stamp}

    def _fills_by_time(self, question: dict[str, Any]) -> list[bodies.Body]:
        start, end = int(question["startTime"]), int(question.get("endTime") or 2**63)
        rows = [fill for fill in self._fills.get(question["user"].lower(), ()) if start <= int(str(fill["time"])) <= end]
        return rows[:_MOST_FILLS]

    def _fundings(self, question: dict[str, Any]) -> list[bodies.Body]:
        start, end = int(question.get("startTime") or 0), int(question.get("endTime") or 2**63)
        mine = [paid for paid in self.venue.fundings if paid.owner == question["user"].lower()]
        return [bodies.funding_body(paid) for paid in mine if start <= paid.ns // NS_PER_MS <= end][:_MOST_FUNDINGS]

    def _active_asset(self, address: str, coin: str) -> Answer:
        account, mark = self._account(address), self.venue.mark(coin)
        ledger = account.ledger if account is not None else None
        leverage = ledger.position(coin).leverage if isinstance(ledger, MarginLedger) else 20
        free = ledger.available if isinstance(ledger, MarginLedger) else ZERO
        most = bodies.text(free * leverage / mark if mark else ZERO, self._flow.specs.get(coin, 2))
        return {
            "user": address.lower(), "coin": coin, "leverage": {"type": "cross", "value": leverage}, "maxTradeSzs": [most, most],
            "availableToTrade": [bodies.text(free, 6)] * 2, "markPx": bodies.text(mark),
        }  # fmt: skip


def _refused(words: str) -> Answer:
    return {"status": "err", "response": words}


def _spec(coin: str, places: int) -> SymbolSpec:
    return SymbolSpec(
        coin, coin, "USDC", Decimal(1).scaleb(places - 6), Decimal(1).scaleb(-places), Decimal(10), 6 - places, places
    )


def _pair(level: Level | None) -> tuple[Decimal, Decimal] | None:
    return None if level is None else (Decimal(level.px), Decimal(level.sz))


def _levels(flow: Flow, coin: str) -> Levels:
    book: Book = flow.state.coins[coin].book
    bids, asks = ([(Decimal(level.px), Decimal(level.sz)) for level in side] for side in book.levels)
    return bids, asks
