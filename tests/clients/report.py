"""What a client script tells: one JSON line a call. Imports nothing but the standard library: it runs in foreign environments."""

from __future__ import annotations

import json
import os
import sys
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

KEY, SECRET = "client-key", "client-secret"
# The published test key of Hyperliquid's own signing vectors; it owns nothing anywhere.
WALLET_KEY = "0x" + "0123456789" * 6 + "0123"


@dataclass
class Report:
    """Runs calls, keeps what they return and prints how they went."""

    client: str
    failed: int = 0
    results: dict[str, Any] = field(default_factory=dict)

    def run(self, call: str, act: Callable[[], Any], check: Callable[[Any], bool] = lambda _: True) -> Any:
        """Make one call; ``check`` says whether the answer is right."""
        try:
            result = act()
            self._tell(call, "ok" if check(result) else "WRONG", result)
        except Exception as error:  # noqa: BLE001 - whatever a foreign client raises is a result
            self._fail(call, error)
            return None
        return result

    async def await_(self, call: str, act: Callable[[], Awaitable[Any]], check: Callable[[Any], bool] = lambda _: True) -> Any:
        """Make one asynchronous call."""
        try:
            result = await act()
            self._tell(call, "ok" if check(result) else "WRONG", result)
        except Exception as error:  # noqa: BLE001 - whatever a foreign client raises is a result
            self._fail(call, error)
            return None
        return result

    def refused(self, call: str, act: Callable[[], Any], *words: str) -> None:
        """Make one call that must be refused with one of ``words``."""
        try:
            self._tell(call, "WRONG", act())
        except Exception as error:  # noqa: BLE001 - the refusal is what is wanted
            said = f"{type(error).__name__} {error}"
            self._tell(call, "ok" if any(word in said for word in words) else "WRONG", said)

    def end(self) -> None:
        """Leave with the number of failures."""
        sys.stdout.flush()
        os._exit(min(self.failed, 100))  # some clients keep threads that never end

    def _fail(self, call: str, error: Exception) -> None:
        place = traceback.extract_tb(error.__traceback__)[-1]
        self._tell(call, "FAILED", f"{type(error).__name__}: {error} ({place.name})")

    def _tell(self, call: str, result: str, detail: object) -> None:
        self.failed += result != "ok"
        text = "" if result == "ok" else str(detail)[:300]
        print(json.dumps({"client": self.client, "call": call, "result": result, "detail": text}), flush=True)  # noqa: T201
