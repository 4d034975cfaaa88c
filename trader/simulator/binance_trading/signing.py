"""Who sends a request: API key, signature over the bytes as received, and the time window."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import parse_qsl, unquote

from shared.errors import ConfigError
from trader.simulator.binance_trading.errors import ApiError, illegal, mandatory
from trader.simulator.trading.accounts_file import AccountEntry

_AHEAD_MS = 1000
_DEFAULT_WINDOW_MS = 5000
_LONGEST_WINDOW_MS = 60_000
_MICROSECONDS = 10**14  # a stamp above this counts microseconds


class Keyring:
    """Checks keys, signatures and stamps.

    Parameters
    ----------
    entries
        The accounts file.
    now_ms
        Venue time as the clients are told it.
    pace
        Simulated seconds per second; the window is that much wider. None (as fast as possible) has no window.

    Errors
    ------
    ConfigError
        If an Ed25519 public key cannot be read.
    """

    def __init__(self, entries: Iterable[AccountEntry], now_ms: Callable[[], int], pace: float | None) -> None:
        self._entries = {entry.key: entry for entry in entries if entry.key}
        self._verifiers = {key: _verifier(entry) for key, entry in self._entries.items()}
        self._now_ms = now_ms
        self._pace = pace

    def owner(self, key: str | None) -> AccountEntry:
        """Return whose key it is, or raise -2014/-2015."""
        if not key:
            raise ApiError(401, -2014, "API-key format invalid.")
        entry = self._entries.get(key)
        if entry is None:
            raise ApiError(401, -2015, "Invalid API-key, IP, or permissions for action.")
        return entry

    def check(self, key: str, payload: str, params: Mapping[str, str]) -> None:
        """Check the signature over ``payload`` and the stamp in ``params``."""
        for name in ("timestamp", "signature"):
            if not params.get(name):
                raise mandatory(name)
        if not self._verifiers[key](payload.encode(), params["signature"]):
            raise ApiError(400, -1022, "Signature for this request is not valid.")
        self._check_time(params)

    def _check_time(self, params: Mapping[str, str]) -> None:
        try:
            stamp_ms, window_ms = float(params["timestamp"]), float(params.get("recvWindow", _DEFAULT_WINDOW_MS))
        except ValueError:
            raise illegal("timestamp") from None
        if window_ms > _LONGEST_WINDOW_MS:
            raise ApiError(400, -1131, "recvWindow must be less than 60000")
        if self._pace is None:
            return
        stamp_ms = stamp_ms / 1000 if stamp_ms > _MICROSECONDS else stamp_ms
        wide, now_ms = max(self._pace, 1.0), self._now_ms()
        if stamp_ms >= now_ms + _AHEAD_MS * wide:
            raise ApiError(400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        if now_ms - stamp_ms > window_ms * wide:
            raise ApiError(400, -1021, "Timestamp for this request is outside of the recvWindow.")


def unsigned(text: str) -> str:
    """Return a query or form body as it was before the signature was added."""
    return "&".join(part for part in text.split("&") if part and not part.startswith("signature="))


def parameters(*texts: str) -> dict[str, str]:
    """Return the parameters of query and body together; the first of a name wins, as on the venue."""
    found: dict[str, str] = {}
    for text in texts:
        for name, value in parse_qsl(text, keep_blank_values=True):
            found.setdefault(name, value)
    return found


def _verifier(entry: AccountEntry) -> Callable[[bytes, str], bool]:
    if not entry.ed25519:
        secret = entry.secret.encode()

        def check_hmac(payload: bytes, signature: str) -> bool:
            expected = hmac.new(secret, payload, hashlib.sha256).hexdigest()
            return bool(secret) and hmac.compare_digest(expected, signature.lower())

        return check_hmac
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        public = load_pem_public_key(entry.ed25519.encode())
    except ValueError:
        public = None
    if not isinstance(public, Ed25519PublicKey):
        raise ConfigError(f"accounts: ed25519 of {entry.name} is not a public key in PEM")
    verify = public.verify

    def check_ed25519(payload: bytes, signature: str) -> bool:
        try:
            verify(base64.b64decode(unquote(signature), validate=True), payload)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True

    return check_ed25519
