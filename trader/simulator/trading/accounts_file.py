"""The accounts file: JSON, readable by its owner alone, because it holds the secrets that requests are checked with."""

from __future__ import annotations

import os
import stat
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from shared.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


class AccountEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One account as written in the file.

    Attributes
    ----------
    name
        Unique; the key or address if left out.
    key, secret
        Binance: API key, and the HMAC secret.
    ed25519
        Binance: public key in PEM, for a key pair instead of a secret.
    address, agents
        Hyperliquid: the account's address, and those of agent wallets that may sign for it.
    balances
        Asset -> amount as text.
    maker_fee, taker_fee
        Share of the value; the venue's usual ones if left out.
    may_trade, may_withdraw
        What the key is allowed; withdrawals are only told, never carried out.
    """

    name: str = ""
    key: str = ""
    secret: str = ""
    ed25519: str = ""
    address: str = ""
    agents: list[str] = []
    balances: dict[str, Decimal] = {}
    maker_fee: Decimal | None = None
    taker_fee: Decimal | None = None
    may_trade: bool = True
    may_withdraw: bool = False


class _File(msgspec.Struct, forbid_unknown_fields=True):
    accounts: list[AccountEntry]


def read_accounts(path: Path) -> list[AccountEntry]:
    """Read the accounts file.

    Errors
    ------
    ConfigError
        If it is missing, open to others, or not of the form ``{"accounts": [{"key": ..., "secret": ..., "balances": {}}]}``.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise ConfigError(f"accounts: was {path}, expected a readable file ({error.strerror})") from None
    with os.fdopen(handle, "rb") as stream:
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
        if mode & 0o077:
            raise ConfigError(f"accounts: {path.name} has mode {mode:04o}, expected 0600; it holds secrets")
        text = stream.read()
    try:
        entries = msgspec.json.decode(text, type=_File).accounts
    except msgspec.MsgspecError as error:
        # The error names a field and a type, never a value.
        raise ConfigError(f"accounts: {path.name} is not an accounts file ({error})") from None
    named = [msgspec.structs.replace(entry, name=entry.name or entry.key or entry.address.lower()) for entry in entries]
    if len({entry.name for entry in named}) != len(named) or not all(entry.name for entry in named):
        raise ConfigError(f"accounts: {path.name} has two accounts of one name, or one with neither key nor address")
    return named
