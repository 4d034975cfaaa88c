"""Keys of a venue: from the environment or the system's keyring, never from the command line, never shown."""

from __future__ import annotations

import os
from collections.abc import Mapping

from shared.errors import ConfigError

KEYRING_SERVICE = "trader"

_NAMES: dict[str, tuple[str, str]] = {
    "binance": ("BINANCE_API_KEY", "BINANCE_API_SECRET"),
    "hyperliquid": ("HYPERLIQUID_ACCOUNT", "HYPERLIQUID_AGENT_KEY"),
}


class Secret:
    """A text that shows itself only where it is asked to: not in ``repr``, not in a message, not in a traceback's locals.

    Parameters
    ----------
    text
        What must not be seen.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text. Called only where a request is signed."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class Keys:
    """Who we are at a venue, and what we sign with.

    Attributes
    ----------
    account
        Binance: the API key. Hyperliquid: the address of the account that is traded.
    signing
        Binance: the secret of the key. Hyperliquid: the private key of an agent wallet of that account.
    """

    def __init__(self, account: Secret, signing: Secret) -> None:
        self.account = account
        self.signing = signing

    def __repr__(self) -> str:
        return "Keys(…)"


def load_keys(venue: str, *, testnet: bool, environment: Mapping[str, str] | None = None) -> Keys:
    """Return the keys of a venue.

    Both networks have keys of their own: a key of one is never tried on the other. The names on the test network end in
    ``_TESTNET``.

    Errors
    ------
    ConfigError
        If one is missing; the message names the variable, never a value.
    """
    given = os.environ if environment is None else environment
    names = tuple(f"{name}_TESTNET" if testnet else name for name in _NAMES[venue])
    found = [given.get(name, "").strip() or _from_keyring(name) for name in names]
    missing = [name for name, value in zip(names, found, strict=True) if not value]
    if missing:
        raise ConfigError(
            f"{missing[0]}: was not set, expected a key of {venue} that may trade and not withdraw; set the environment variable "
            f"or store it with `keyring set {KEYRING_SERVICE} {missing[0]}`"
        )
    return Keys(Secret(found[0]), Secret(found[1]))


def _from_keyring(name: str) -> str:
    """Return what the system's keyring holds, or nothing: the package is optional, and so is a keyring."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return ""
    try:
        return str(keyring.get_password(KEYRING_SERVICE, name) or "")
    except KeyringError:
        return ""
