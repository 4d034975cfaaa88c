from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared import layout
from shared.layout import layout_hash, record, ring, without_text
from shared.workspace import LAYOUTS
from trader.engine.journal import CHECKPOINT, JOURNAL
from trader.engine.state import STATE

A = record(("price_usd", "f8"), ("qty", "f8"))
OTHERS = {
    "a name": record(("price_eur", "f8"), ("qty", "f8")),
    "a type": record(("price_usd", "i8"), ("qty", "f8")),
    "a width": record(("price_usd", "f8"), ("qty", "f4")),
    "the order": record(("qty", "f8"), ("price_usd", "f8")),
    "a field more": record(("price_usd", "f8"), ("qty", "f8"), ("fee_usd", "f8")),
    "a shape": record(("price_usd", "f8"), ("qty", "f8", (1,))),
    "an offset": np.dtype({"names": ["price_usd", "qty"], "formats": ["f8", "f8"], "offsets": [0, 16]}),
    "the size": np.dtype({"names": ["price_usd", "qty"], "formats": ["f8", "f8"], "offsets": [0, 8], "itemsize": 24}),
}


@pytest.mark.parametrize("what", OTHERS)
def test_the_hash_of_a_layout_sees_a_change_of(what: str) -> None:
    assert layout_hash(OTHERS[what]) != layout_hash(A)
    assert layout_hash(ring(OTHERS[what], 4)) != layout_hash(ring(A, 4))  # nested as well


def test_the_hash_of_a_layout_sees_a_field_that_moved_into_padding() -> None:
    spec = {"names": ["price_usd", "qty"], "formats": ["f8", "f8"], "itemsize": 24}
    near: Any = spec | {"offsets": [0, 8]}
    far: Any = spec | {"offsets": [0, 16]}
    assert layout_hash(np.dtype(near)) != layout_hash(np.dtype(far))


def test_the_hash_of_a_layout_is_of_what_it_says_not_of_the_object() -> None:
    assert layout_hash(record(("price_usd", "f8"), ("qty", "f8"))) == layout_hash(A)
    assert layout_hash(ring(A, 4)) != layout_hash(ring(A, 5))
    assert len(layout_hash(A)) == 16


def test_every_segment_has_a_layout_of_its_own() -> None:
    hashes = [layout_hash(made) for made in (*LAYOUTS.values(), JOURNAL, CHECKPOINT)]
    assert len(set(hashes)) == len(hashes)


@pytest.mark.parametrize("made", [layout.INPUT, layout.TRADE_EVENT], ids=["input", "trade event"])
def test_records_that_are_stored_raw_have_no_gaps(made: np.dtype[np.void]) -> None:
    fields: Any = made.fields
    assert sum(fields[name][0].itemsize for name in made.names or ()) == made.itemsize


def test_an_input_is_a_cache_line() -> None:
    assert layout.INPUT.itemsize == 64


LATCHED = [layout.APPLIED, layout.DESIRED, layout.PORTFOLIO_VIEW, layout.TUNER_VIEW, STATE]


@pytest.mark.parametrize("made", LATCHED, ids=["applied", "desired", "portfolio", "tuner", "state"])
def test_latched_records_are_whole_words(made: np.dtype[np.void]) -> None:
    assert made.isalignedstruct
    assert made.itemsize % 8 == 0


def test_the_header_fits_before_the_body() -> None:
    assert layout.HEADER.itemsize <= layout.HEADER_BYTES
    assert layout.HEADER_BYTES % 64 == 0


def test_without_text_the_bytes_are_where_they_were() -> None:
    plain = without_text(layout.PORTFOLIO_VIEW)
    assert plain.itemsize == layout.PORTFOLIO_VIEW.itemsize
    record_ = np.zeros(1, layout.PORTFOLIO_VIEW)
    record_["venue"] = b"binance"
    record_["equity_usd"] = 12.5
    seen = record_.view(plain)
    assert bytes(seen["venue"][0]).rstrip(b"\0") == b"binance"
    assert seen["equity_usd"][0] == 12.5
