"""Damage to bytes, the same for the frames of every venue; a venue's own mutator knows its fields besides."""

from __future__ import annotations

import numpy as np


class ByteDamage:
    """Ways to damage a text; everything comes from one seeded generator."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def _below(self, limit: int) -> int:
        return int(self._rng.integers(max(limit, 1)))

    def _flip(self, frame: bytes) -> bytes:
        at = self._below(len(frame))
        return frame[:at] + bytes([frame[at] ^ (1 << self._below(8))]) + frame[at + 1 :]

    def _digit(self, frame: bytes) -> bytes:
        """One wrong digit: the frame stays well-formed, and mostly plausible."""
        for at in range(self._below(len(frame)), len(frame)):
            if 48 <= frame[at] <= 57:
                return frame[:at] + b"%d" % self._below(10) + frame[at + 1 :]
        return frame

    def _cut(self, frame: bytes) -> bytes:
        return frame[: self._below(len(frame))]

    def _insert(self, frame: bytes) -> bytes:
        at = self._below(len(frame))
        return frame[:at] + self._rng.bytes(1 + self._below(8)) + frame[at:]

    def _repeat(self, frame: bytes) -> bytes:
        at = self._below(len(frame))
        until = min(len(frame), at + self._below(60))
        return frame[:until] + frame[at:until] + frame[until:]
