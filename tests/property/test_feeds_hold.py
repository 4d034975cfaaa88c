"""The first synchronisation must not depend on when the snapshots were answered: replays are reproducible only so."""

from __future__ import annotations

import msgspec
from hypothesis import event, given
from hypothesis import strategies as st

from shared.clock import NS_PER_MS, NS_PER_S, ManualClock
from trader.engine.inputs import InputKind
from trader.feeds.binance.handler import BinanceHandler
from trader.feeds.binance.venue import Market
from trader.feeds.stats import FeedStats

SYMBOLS = ("BTCUSDT", "ETHUSDT")
STEP = 10  # ids of an update

moves = st.lists(
    st.tuples(st.sampled_from(SYMBOLS), st.sampled_from(("trade", "quote", "depth", "depth", "lost depth", "repeated depth"))),
    min_size=4,
    max_size=40,
)


def frames_of(script: list[tuple[str, str]]) -> list[bytes]:
    updates = dict.fromkeys(SYMBOLS, 1)
    frames = []
    for number, (symbol, move) in enumerate(script):
        kind = move.rpartition(" ")[2]
        if move == "lost depth":
            updates[symbol] += 1
        if move == "repeated depth":
            updates[symbol] = max(1, updates[symbol] - 1)
        data: dict[str, object] = {"s": symbol}
        if kind == "trade":
            data |= {"t": number, "p": "5", "q": f"{number + 1}", "T": number, "m": False}
        elif kind == "quote":
            data |= {"u": number, "b": "4", "B": "1", "a": "6", "A": "1"}
        else:
            first = updates[symbol] * STEP
            data |= {"E": number, "U": first, "u": first + STEP - 1, "pu": first - 1, "b": [[f"{1 + number}", "2"]], "a": []}
            updates[symbol] += 1
        stream = {"trade": "trade", "quote": "bookTicker", "depth": "depth@100ms"}[kind]
        frames.append(msgspec.json.encode({"stream": f"{symbol.lower()}@{stream}", "data": data}))
    return frames


def play(market: Market, frames: list[bytes], snapshot_ids: dict[str, int], after: dict[str, int]) -> bytes:
    """Return the bytes of all rows when the snapshot of each symbol is answered after so many frames."""
    clock = ManualClock()
    handler = BinanceHandler(market, SYMBOLS, "trade", clock, FeedStats(), hold=True, hold_s=60.0)
    out = bytearray()
    for number in range(len(frames) + 1):
        for symbol in SYMBOLS:
            if after[symbol] == number:
                body = {"lastUpdateId": snapshot_ids[symbol], "bids": [["1", "1"]], "asks": [["9", "1"]]}
                handler.on_snapshot(symbol, msgspec.json.encode(body))
        if number < len(frames):
            clock.advance(NS_PER_MS)
            handler.on_frame(frames[number])
        out += handler.take().tobytes()
    clock.advance(61 * NS_PER_S)
    out += handler.take().tobytes()
    return bytes(out)


@given(
    market=st.sampled_from(("spot", "usdm")),
    script=moves,
    snapshot_ids=st.fixed_dictionaries({symbol: st.integers(0, 60) for symbol in SYMBOLS}),
    after=st.fixed_dictionaries({symbol: st.integers(0, 40) for symbol in SYMBOLS}),
)
def test_the_rows_do_not_depend_on_when_the_snapshots_come(
    market: Market, script: list[tuple[str, str]], snapshot_ids: dict[str, int], after: dict[str, int]
) -> None:
    frames = frames_of(script)
    after = {symbol: min(number, len(frames)) for symbol, number in after.items()}
    late = play(market, frames, snapshot_ids, dict.fromkeys(SYMBOLS, len(frames)))
    event(f"started: {bytes([InputKind.SNAPSHOT]) in late[16::64]}")
    assert play(market, frames, snapshot_ids, after) == late
