"""Where the news desk meets the loop: one call a turn, which logs what came in and names what deserves a look at once."""

from __future__ import annotations

from collections.abc import Sequence

from shared.events import words
from tuner.log import TunerLog
from tuner.news.desk import NewsDesk
from tuner.triggers import NewsSignal


def heard(desk: NewsDesk | None, symbols: Sequence[str], log: TunerLog) -> tuple[NewsSignal, ...]:
    """Return the grave headlines of the last minutes; none without a desk.

    Parameters
    ----------
    symbols
        Configured symbols in their order: headlines are matched to them, signals name them by index.
    """
    if desk is None:
        return ()
    desk.watch(symbols)
    fetched = desk.tick()
    if fetched is not None:
        log.line("NEWS", f"Fetched {len(fetched.items)} news items, {len(desk.items())} about these symbols")
        for error in fetched.errors:
            log.line("NEWS", error)
    return tuple(
        NewsSignal(
            news_id=item.news_id,
            symbols=tuple(symbols.index(symbol) for symbol in item.symbols if symbol in symbols),
            words=f"{words(item.kind)} news about {', '.join(item.symbols)} ({item.news_id})",
        )
        for item in desk.grave()
    )
