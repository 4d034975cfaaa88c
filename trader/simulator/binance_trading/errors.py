"""The venue's error bodies, and which of them answers which refusal of the exchange core."""

from __future__ import annotations

import msgspec

from shared.errors import Refused
from trader.simulator.source import Market
from trader.simulator.trading.orders import Reason

_SPOT = {
    Reason.BALANCE: (-2010, "Account has insufficient balance for requested action."),
    Reason.WOULD_TAKE: (-2010, "Order would immediately match and take."),
    Reason.WOULD_TRIGGER: (-2010, "Order would trigger immediately."),
    Reason.DUPLICATE_ID: (-2010, "Duplicate order sent."),
    Reason.NO_BOOK: (-2010, "Market is closed."),
    Reason.UNKNOWN_ORDER: (-2011, "Unknown order sent."),
}
_USDM = {
    Reason.MARGIN: (-2019, "Margin is insufficient."),
    Reason.WOULD_TAKE: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected.",
    ),
    Reason.WOULD_TRIGGER: (-2021, "Order would immediately trigger."),
    Reason.DUPLICATE_ID: (-4116, "ClientOrderId is duplicated."),
    Reason.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    Reason.NO_FILL: (-5021, "Due to the order could not be filled immediately, the FOK order has been rejected."),
    Reason.NO_BOOK: (-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit."),
    Reason.UNKNOWN_ORDER: (-2011, "Unknown order sent."),
}


class ApiError(Refused):
    """An answer that is an error body.

    Parameters
    ----------
    status
        HTTP status.
    code, message
        The two fields of the body.
    """

    def __init__(self, status: int, code: int, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s


def refusal(market: Market, reason: Reason) -> ApiError:
    """Return the venue's words for a refusal."""
    code, message = (_SPOT if market is Market.SPOT else _USDM)[reason]
    return ApiError(400, code, message)


def mandatory(name: str) -> ApiError:
    """Return the answer to a missing parameter."""
    return ApiError(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str) -> ApiError:
    """Return the answer to a parameter that cannot be read."""
    return ApiError(400, -1100, f"Illegal characters found in parameter '{name}'.")


def no_such_order() -> ApiError:
    """Return the answer to a query for an order that is not known."""
    return ApiError(400, -2013, "Order does not exist.")


def error_body(error: ApiError) -> bytes:
    """Return the body of an error."""
    return msgspec.json.encode({"code": error.code, "msg": str(error)})
