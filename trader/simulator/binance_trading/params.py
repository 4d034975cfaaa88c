"""Request parameters, read strictly: what cannot be read is answered in the venue's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from trader.simulator.binance_trading.errors import ApiError, illegal, mandatory

_DECIMAL = re.compile(r"^[0-9]{1,20}(\.[0-9]{1,20})?$")
_CLIENT_ID = re.compile(r"^[\.A-Z\:/a-z0-9_-]{1,36}$")
_CHOICES = {
    "side": (-1117, "Invalid side.", ("BUY", "SELL")),
    "timeInForce": (-1115, "Invalid timeInForce.", ("GTC", "IOC", "FOK", "GTX", "GTD")),
}


class Params:
    """The parameters of one request.

    Parameters
    ----------
    values
        Names and texts as received.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values

    def text(self, name: str, default: str = "") -> str:
        """Return a parameter as sent."""
        return self.values.get(name) or default

    def required(self, name: str) -> str:
        """Return a parameter that must be there, or raise -1102."""
        value = self.values.get(name)
        if not value:
            raise mandatory(name)
        return value

    def decimal(self, name: str) -> Decimal | None:
        """Return a decimal number or None, or raise -1100."""
        value = self.values.get(name)
        if not value:
            return None
        if not _DECIMAL.match(value):
            legal = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
            raise ApiError(400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")
        return Decimal(value)

    def required_decimal(self, name: str) -> Decimal:
        """Return a decimal that must be there."""
        self.required(name)
        return self.decimal(name) or Decimal(0)

    def integer(self, name: str, default: int | None = None) -> int | None:
        """Return a whole number, or raise -1100."""
        value = self.values.get(name)
        if not value:
            return default
        try:
            return int(value)
        except ValueError:
            raise illegal(name) from None

    def number(self, name: str, default: int) -> int:
        """Return a whole number that has a default."""
        value = self.integer(name, default)
        return default if value is None else value

    def flag(self, name: str) -> bool:
        """Return a true/false parameter, false when absent."""
        value = self.text(name, "false").lower()
        if value not in {"true", "false"}:
            raise illegal(name)
        return value == "true"

    def choice(self, name: str) -> str:
        """Return a parameter with few legal words."""
        code, message, legal = _CHOICES[name]
        value = self.required(name)
        if value not in legal:
            raise ApiError(400, code, message)
        return value

    def client_id(self, name: str) -> str:
        """Return a client order id, empty if none was sent, or raise -1100."""
        value = self.text(name)
        if value and not _CLIENT_ID.match(value):
            legal = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
            raise ApiError(400, -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")
        return value
