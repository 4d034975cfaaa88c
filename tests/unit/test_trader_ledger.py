"""The ledger holds each event once, and orders, fills, trades and applied values as rows that add up."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.errors import JournalError
from shared.events import EventKind, Source
from tests.engine_support import CLOSES, Story, eventful_market, param
from trader.ledger import Ledger, stored_events

SYMBOLS = ["BTCUSDT", "ETHUSDT"]
TABLES = ("events", "orders", "fills", "trades", "applied")


@pytest.fixture(scope="module")
def story() -> Story:
    made = Story(2, ema_dev_trending_pct=2.0).tell([param("stop_pct", 0.8, source=Source.TUNER, ref=7)])
    return made.tell(eventful_market(3, 400))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def write(path: Path, *batches: Any) -> None:
    ledger = Ledger(path, SYMBOLS)
    for events in batches:
        ledger.write(events)
    ledger.close()


def rows(path: Path, table: str) -> list[dict[str, Any]]:
    database = sqlite3.connect(path)
    database.row_factory = sqlite3.Row
    found = [dict(row) for row in database.execute(f"SELECT * FROM {table} ORDER BY seq")]  # noqa: S608 - our own names
    database.close()
    return found


def test_every_event_is_stored_raw_and_in_words(path: Path, story: Story) -> None:
    write(path, *np.array_split(story.events, 7))
    assert stored_events(path, 100_000).tobytes() == story.events.tobytes()
    assert stored_events(path, 3).tobytes() == story.events[-3:].tobytes()
    kinds = [EventKind(int(kind)).name for kind in story.events["kind"]]
    assert [row["kind"] for row in rows(path, "events")] == kinds
    assert all(row["text"] for row in rows(path, "events"))


def test_orders_fills_and_trades_have_a_row_each(path: Path, story: Story) -> None:
    write(path, story.events)
    fills, trades, orders = rows(path, "fills"), rows(path, "trades"), rows(path, "orders")
    assert len(fills) == len(orders) == len(story.of(EventKind.FILL)) > 4
    assert len(trades) == len(story.of(*CLOSES)) > 2
    assert [row["order_id"] for row in fills] == [row["order_id"] for row in orders]
    for trade in trades:
        own = [fill for fill in fills if fill["trade_id"] == trade["trade_id"]]
        cash = -sum(fill["side"] * fill["qty"] * fill["price_usd"] + fill["fee_usd"] for fill in own)
        assert trade["pnl_usd"] == pytest.approx(cash, rel=1e-9, abs=1e-6)
        assert trade["fees_usd"] == pytest.approx(sum(fill["fee_usd"] for fill in own))
        assert {fill["symbol"] for fill in own} == {trade["symbol"]}


def test_applied_values_have_a_row_each_with_their_source(path: Path, story: Story) -> None:
    write(path, story.events)
    first, second, *_ = rows(path, "applied")
    assert (first["field"], first["symbol"], first["source"]) == ("ema_dev_trending_pct", "BTCUSDT", "operator")
    assert (second["field"], second["old"], second["new"], second["revision"]) == ("stop_pct", 1.0, 0.8, 7)
    assert second["source"] == "tuner"


def test_writing_the_same_events_again_changes_nothing(path: Path, story: Story) -> None:
    write(path, story.events[: len(story.events) // 2])
    write(path, story.events, story.events[-5:])  # what a recovery does
    once = {table: rows(path, table) for table in TABLES}
    write(path, story.events)
    assert {table: rows(path, table) for table in TABLES} == once
    assert [row["seq"] for row in once["events"]] == story.events["seq"].tolist()


def test_what_is_stored_is_never_overwritten(path: Path, story: Story) -> None:
    write(path, story.events)
    once = {table: rows(path, table) for table in TABLES}
    other = story.events.copy()
    other["price_usd"] += 1.0
    other["new"] += 1.0
    write(path, other)
    assert {table: rows(path, table) for table in TABLES} == once


def test_the_last_stored_number_is_known_at_the_start(path: Path, story: Story) -> None:
    ledger = Ledger(path, SYMBOLS)
    assert ledger.last_event_seq() == 0
    ledger.write(story.events[:10])
    ledger.close()
    ledger = Ledger(path, SYMBOLS)
    assert ledger.last_event_seq() == 10
    ledger.close()


def test_the_file_is_private(path: Path, story: Story) -> None:
    write(path, story.events[:1])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_empty_batch_is_nothing(path: Path, story: Story) -> None:
    write(path, story.events[:0])
    assert rows(path, "events") == []


def test_a_ledger_that_cannot_be_written_stops_trading_with_words(path: Path, story: Story) -> None:
    ledger = Ledger(path, SYMBOLS)
    ledger._database.execute("DROP TABLE fills")  # stands for a full or damaged disk
    ledger.write(story.events)
    ledger._thread.join(10.0)
    assert not ledger._thread.is_alive()
    with pytest.raises(JournalError, match="ledger: could not be written"):
        ledger.write(story.events)
    ledger.close()


def test_a_batch_is_stored_whole_or_not_at_all(path: Path, story: Story) -> None:
    ledger = Ledger(path, SYMBOLS)
    ledger._database.execute("DROP TABLE trades")
    ledger.write(story.events)
    ledger.close()
    assert rows(path, "events") == rows(path, "fills") == []
