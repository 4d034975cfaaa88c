"""Work that only makes sense together: until the first part ends, and then none of it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


async def until_the_first_ends(*parts: Coroutine[Any, Any, object], before_the_rest: Callable[[], None] | None = None) -> None:
    """Run parts side by side until one of them ends or this is cancelled; what that one raised is raised, the others are ended.

    ``before_the_rest`` is called before the rest is cancelled.
    """
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        if before_the_rest is not None:
            before_the_rest()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
