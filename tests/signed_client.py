"""Accounts of the simulated Binance and the signatures of a client that owns them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from decimal import Decimal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from trader.simulator.trading.accounts_file import AccountEntry

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
ENTRIES = (
    AccountEntry(name="a", key="ka", secret="sa", balances={"USDT": Decimal(100_000), "BTC": Decimal(1)}),  # noqa: S106
    AccountEntry(name="b", key="kb", ed25519=PEM, balances={"USDT": Decimal(50_000)}),
    AccountEntry(name="c", key="kc", secret="sc", may_trade=False),  # noqa: S106
)


def ed25519(payload: str) -> str:
    """Sign with the key pair of account b."""
    return base64.b64encode(PRIVATE.sign(payload.encode())).decode()


def signature(payload: str, key: str) -> str:
    """Sign with the HMAC secret that belongs to ``key``."""
    return hmac.new(f"s{key[1:]}".encode(), payload.encode(), hashlib.sha256).hexdigest()
