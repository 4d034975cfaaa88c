"""What a venue's answer means: a refusal, an order it does not know, or nothing at all.

The rule: a refusal must be certain. Everything else, a timeout, a 5xx, a cut answer, an unheard-of error, leaves the order in
doubt, and it is the venue that is asked, by client id. An order in doubt is never sent again.
"""

from __future__ import annotations

import re
from typing import Any

from ccxt.base import errors

from shared.errors import FeedError
from trader.execution.live.venue import Answer, Outcome, VenueOrder

_CODE = re.compile(r'"code"\s*:\s*(-?\d+)')
_DUPLICATE = re.compile(r"Duplicate order sent|\"code\"\s*:\s*-4116|Duplicate.*(cloid|client|nonce)", re.IGNORECASE)
_REFUSED = re.compile(r'"status"\s*:\s*"err"|"statuses"\s*:\s*\[\s*\{\s*"error"')  # Hyperliquid: of the action, of the order
_POST_ONLY = re.compile(r"\"code\"\s*:\s*-5022|would immediately match|Post.?only", re.IGNORECASE)
_DOUBT_CODES = frozenset({-1000, -1001, -1006, -1007, -1008, -1016})  # Binance: the execution status is not known
_WORDS = 200

# What a venue says only before an order reaches its matching engine.
_CERTAIN = (
    errors.AuthenticationError,
    errors.ArgumentsRequired,
    errors.BadRequest,
    errors.OperationRejected,
    errors.InsufficientFunds,
    errors.InvalidOrder,
    errors.NotSupported,
    errors.DDoSProtection,  # 429 and 418: turned away at the door
    errors.RateLimitExceeded,
    errors.InvalidNonce,  # the request came outside of its time window
)

# A garbled answer makes ccxt stumble over what is not there; that is doubt too.
UNUSABLE = (errors.BaseError, ValueError, TypeError, KeyError, IndexError, AttributeError, TimeoutError, OSError)


def words_of(error: BaseException) -> str:
    """Return what an error says, short; ccxt's messages carry addresses and bodies, never a key or a signature."""
    text = str(error) or type(error).__name__
    return re.sub(r"(signature|apiKey|listenKey)=[^&\s]+", r"\1=…", text)[:_WORDS]


def to_sending(error: BaseException) -> Answer:
    """Return what is known of an order whose sending, or whose cancelling, ended in an error."""
    text = str(error)
    code = _CODE.search(text)
    if _DUPLICATE.search(text) or (code and int(code[1]) in _DOUBT_CODES):
        return Answer(Outcome.AMBIGUOUS, words=words_of(error))
    if isinstance(error, errors.OrderNotFound):
        return Answer(Outcome.NOT_FOUND, words=words_of(error))
    told = code or _REFUSED.search(text)  # a word of the venue's own, even one ccxt has no class for
    if told or isinstance(error, _CERTAIN):
        return Answer(Outcome.REFUSED, words=words_of(error), post_only=bool(_POST_ONLY.search(text)))
    return Answer(Outcome.AMBIGUOUS, words=words_of(error))


def to_asking(error: BaseException) -> Answer:
    """Return what is known of an order that was asked for in vain: an error of the question says nothing of the order."""
    if isinstance(error, errors.OrderNotFound):
        return Answer(Outcome.NOT_FOUND, words=words_of(error))
    return Answer(Outcome.AMBIGUOUS, words=words_of(error))


def no_answer(venue: str, what: str, error: BaseException) -> FeedError:
    """Return the error of a read that failed: it is not an empty answer."""
    return FeedError(f"{venue} {what}: was {type(error).__name__} ({words_of(error)}), expected an answer")


def order_of(raw: dict[str, Any], client_id: str, symbol: int) -> VenueOrder:
    """Return an order from ccxt's form of it; a status without a name counts as open, so that it is asked for again."""
    status = raw.get("status")
    return VenueOrder(
        client_id=client_id,
        symbol=symbol,
        venue_id=str(raw.get("id") or ""),
        is_open=status in (None, "open", "canceling"),
        filled_qty=float(raw.get("filled") or 0.0),
        words="" if status in (None, "open", "closed") else str(status),
    )
