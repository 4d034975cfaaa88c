"""Nonces: each signer's highest are remembered; a new one must be unused, not below them, and near the present."""

from __future__ import annotations

from bisect import insort

_REMEMBERED = 100
_DAY_MS = 86_400_000


class Nonces:
    """The nonces of all signers."""

    def __init__(self) -> None:
        self._used: dict[str, list[int]] = {}

    def refuse(self, signer: str, nonce: int, now_ms: int) -> str:
        """Use ``nonce`` and return an empty text, or return why it cannot be used."""
        used = self._used.setdefault(signer, [])
        if not now_ms - 2 * _DAY_MS < nonce < now_ms + _DAY_MS:
            return f"Invalid nonce: nonce {nonce} is out of the allowed window"
        if nonce in used:
            return f"Invalid nonce: duplicate nonce {nonce}"
        if len(used) >= _REMEMBERED and nonce < used[0]:
            return f"Invalid nonce: nonce too low {nonce} < {used[0]}"
        insort(used, nonce)
        del used[:-_REMEMBERED]
        return ""
