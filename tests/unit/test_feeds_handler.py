from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from shared.clock import NS_PER_S, ManualClock
from shared.errors import FeedError
from tests.support import recorded
from trader.engine.inputs import ALL, FIRST, LAST, SELL_TAKER, Gap, InputKind
from trader.feeds.binance.handler import BinanceHandler
from trader.feeds.binance.venue import Market
from trader.feeds.stats import FeedStats

BTC, ETH = "BTCUSDT", "ETHUSDT"


class Desk:
    """A handler and what came out of it."""

    def __init__(self, market: Market = "spot", symbols: Sequence[str] = (BTC,), *, hold: bool = False) -> None:
        self.clock = ManualClock()
        self.stats = FeedStats()
        self.handler = BinanceHandler(market, symbols, "trade", self.clock, self.stats, hold=hold)

    def send(self, stream: str, **data: object) -> None:
        self.handler.on_frame(msgspec.json.encode({"stream": stream, "data": data}))

    def trade(self, trade_id: int, symbol: str = BTC, **more: object) -> None:
        self.send(
            f"{symbol.lower()}@trade",
            **({"e": "trade", "s": symbol, "t": trade_id, "p": "5", "q": "1", "T": 1, "m": True} | more),
        )

    def depth(self, first: int, final: int, symbol: str = BTC, previous: int = -1, bid: str = "4") -> None:
        fields = {"e": "depthUpdate", "E": 9, "s": symbol, "U": first, "u": final, "pu": previous}
        self.send(f"{symbol.lower()}@depth@100ms", **fields, b=[[bid, "1"]], a=[])

    def snapshot(self, update_id: int, symbol: str = BTC) -> None:
        self.handler.on_snapshot(
            symbol, msgspec.json.encode({"lastUpdateId": update_id, "bids": [["3", "1"]], "asks": [["6", "1"]]})
        )

    def kinds(self) -> list[str]:
        return [InputKind(int(row["kind"])).name for row in self.handler.take()]


def test_a_trade_and_a_quote_become_rows() -> None:
    desk = Desk()
    desk.trade(9)
    desk.send("btcusdt@bookTicker", u=7, s=BTC, b="1", B="2", a="3", A="4")
    trade, quote = desk.handler.take()
    assert (trade["kind"], trade["flags"], trade["a"], trade["b"], trade["c"], trade["ref"]) == (1, SELL_TAKER, 5.0, 1.0, 1.0, 9)
    assert (quote["a"], quote["b"], quote["c"], quote["d"], quote["ref"]) == (1.0, 2.0, 3.0, 4.0, 7)
    assert trade["time_ns"] == desk.clock.now_ns()
    assert desk.stats.stream_last_ns["btcusdt@trade"] == desk.stats.last_message_ns == desk.clock.now_ns()


def test_bare_frames_are_understood_as_well() -> None:
    desk = Desk()
    assert desk.handler.on_frame(b'{"u":7,"s":"BTCUSDT","b":"1","B":"2","a":"3","A":"4"}') == "btcusdt@bookTicker"
    assert desk.handler.on_frame(b'{"e":"trade","s":"BTCUSDT","t":1,"p":"5","q":"1","T":1,"m":false}') == "btcusdt@trade"
    assert desk.handler.on_frame(b'{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":2,"b":[],"a":[]}') == "btcusdt@depth"
    assert desk.kinds() == ["QUOTE", "TRADE"]
    assert desk.handler.snapshots_wanted() == [BTC]


def test_simulated_time_stamps_the_rows_once_it_was_told() -> None:
    desk = Desk()
    desk.handler.on_frame(b'{"stream":"!sim","data":{"e":"simTime","ns":1234}}')
    desk.trade(1)
    desk.handler.on_frame(b'{"e":"simTime","ns":5678}')
    desk.trade(2)
    assert desk.handler.take()["time_ns"].tolist() == [1234, 5678]
    desk.handler.on_frame(b'{"stream":"!sim","data":{"e":"simEnd"}}')
    assert desk.handler.sim_ended
    assert desk.stats.bad_messages == desk.stats.unknown_events == 0


def test_a_clock_that_is_set_back_lets_no_time_step_back_in_any_batch_after_it() -> None:
    desk = Desk()
    times: list[int] = []
    for trade_id, step_ns in enumerate([NS_PER_S, -10 * NS_PER_S, NS_PER_S, NS_PER_S, 20 * NS_PER_S]):
        desk.clock.advance(step_ns)
        desk.trade(trade_id)
        times += desk.handler.take()["time_ns"].tolist()
    assert times == [times[0]] * 4 + [desk.clock.now_ns()]


def test_a_trade_counts_once_and_a_restarted_count_is_no_repetition() -> None:
    desk = Desk()
    for trade_id in (50_000, 50_000, 49_999, 50_001, 3, 4):
        desk.trade(trade_id)
    assert desk.handler.take()["ref"].tolist() == [50_000, 50_001, 3, 4]
    assert desk.stats.duplicate_trades == 2


def test_what_is_not_ours_is_counted_and_nothing_else() -> None:
    desk = Desk("usdm")
    desk.trade(1, X="INSURANCE_FUND")
    desk.send("btcusdt@aggTrade", e="aggTrade", s=BTC, a=1, p="5", q="1", T=1, m=True)
    desk.send("dogeusdt@trade", e="trade", s="DOGEUSDT", t=1, p="5", q="1", T=1, m=True)
    desk.send("!serverShutdown", e="serverShutdown", E=1)
    desk.handler.on_frame(b'{"e":"somethingNew","x":[1,2]}')
    assert desk.handler.take().size == 0
    assert (desk.stats.unknown_events, desk.stats.bad_messages) == (4, 0)


def test_an_acknowledgement_is_nothing_and_a_refusal_is_told() -> None:
    desk = Desk()
    assert desk.handler.on_frame(b'{"result":null,"id":1}') == ""
    assert (desk.stats.bad_messages, desk.stats.unknown_events) == (0, 0)
    desk.handler.on_frame(b'{"error":{"code":2,"msg":"Invalid request"},"id":1}')
    assert desk.stats.bad_messages == 1
    assert "Invalid request" in desk.stats.last_error


def test_a_frame_under_the_wrong_name_is_refused() -> None:
    desk = Desk(symbols=(BTC, ETH))
    desk.send("btcusdt@bookTicker", u=7, s=ETH, b="1", B="2", a="3", A="4")
    assert desk.handler.take().size == 0
    assert desk.stats.last_error == "s: was 'ETHUSDT', expected 'BTCUSDT' as the stream's name says"


def test_a_book_starts_with_a_snapshot_and_then_changes() -> None:
    desk = Desk()
    desk.depth(11, 20)
    desk.trade(1)
    desk.snapshot(15)
    desk.depth(21, 30)
    rows = desk.handler.take()
    assert [InputKind(int(kind)).name for kind in rows["kind"]] == ["TRADE", "SNAPSHOT", "SNAPSHOT", "DEPTH", "DEPTH"]
    assert rows["flags"].tolist()[1:] == [FIRST, LAST | 1, LAST, LAST]
    assert rows["ref"].tolist()[1:] == [15, 15, 20, 30]


@pytest.mark.parametrize(
    ("market", "order", "gaps"),
    [
        ("spot", (1, 3, 4), 1),  # dropped
        ("usdm", (1, 3, 4), 1),
        ("spot", (1, 3, 2, 4), 1),  # swapped
        ("usdm", (1, 3, 2, 4), 1),
        ("usdm", (1, 2, 2, 3, 4), 0),  # repeated
        ("spot", (1, 2, 2, 3, 4), 0),
        ("usdm", (1, 2, 3, 2, 4), 1),  # an older one: its id does not say that it was applied
        ("spot", (1, 2, 3, 2, 4), 0),
    ],
)
def test_a_broken_chain_is_one_gap_of_that_symbol_only(market: Market, order: tuple[int, ...], gaps: int) -> None:
    desk = Desk(market, (BTC, ETH))
    for symbol in (BTC, ETH):
        desk.depth(1, 9, symbol, 0)
        desk.snapshot(5, symbol)
    desk.handler.take()
    for i in order:
        desk.depth(10 * i, 10 * i + 9, BTC, 10 * i - 1)
    desk.depth(10, 19, ETH, 9)
    rows = desk.handler.take()
    lost = rows[rows["kind"] == InputKind.GAP]
    assert [(int(row["symbol"]), int(row["aux"])) for row in lost] == [(0, Gap.BOOK)] * gaps
    assert desk.stats.chain_breaks == gaps
    assert desk.handler.snapshots_wanted() == [BTC] * gaps
    assert desk.handler.in_step(ETH)


def test_after_a_gap_a_later_snapshot_brings_the_book_back() -> None:
    desk = Desk()
    desk.depth(1, 9)
    desk.snapshot(5)
    desk.depth(20, 29)
    desk.snapshot(12)  # older than the update that revealed the gap: ask again
    assert desk.stats.stale_snapshots == 1
    assert desk.handler.snapshots_wanted() == [BTC]
    desk.snapshot(25)
    assert desk.handler.in_step(BTC)
    assert desk.kinds() == ["SNAPSHOT", "SNAPSHOT", "DEPTH", "GAP", "SNAPSHOT", "SNAPSHOT", "DEPTH"]
    assert (desk.stats.chain_breaks, desk.stats.resyncs) == (1, 1)


def test_a_useless_snapshot_changes_nothing() -> None:
    desk = Desk()
    desk.depth(1, 9)
    with pytest.raises(FeedError, match=r"^depth\.lastUpdateId: was missing"):
        desk.handler.on_snapshot(BTC, b"{}")
    assert desk.handler.snapshots_wanted() == [BTC]


def test_an_update_that_cannot_be_read_breaks_the_chain() -> None:
    desk = Desk()
    desk.depth(1, 9)
    desk.snapshot(5)
    desk.depth(10, 19, bid="0")
    desk.depth(20, 29)
    assert desk.kinds() == ["SNAPSHOT", "SNAPSHOT", "DEPTH", "GAP"]
    assert desk.stats.bad_messages == 1


def test_a_disconnect_is_told_for_all_and_every_book_starts_anew() -> None:
    desk = Desk(symbols=(BTC, ETH))
    desk.depth(1, 9)
    desk.snapshot(5)
    desk.handler.take()
    desk.handler.on_disconnected()
    (gap,) = desk.handler.take()
    assert (gap["kind"], gap["symbol"], gap["aux"]) == (InputKind.GAP, ALL, Gap.DISCONNECTED)
    desk.depth(10, 19)
    assert desk.handler.take().size == 0
    desk.snapshot(15)
    assert desk.kinds() == ["SNAPSHOT", "SNAPSHOT", "DEPTH"]
    assert desk.stats.resyncs == 1
    assert desk.stats.chain_breaks == 0


def test_the_end_of_a_replay_is_no_disconnect() -> None:
    desk = Desk()
    desk.handler.on_frame(b'{"stream":"!sim","data":{"e":"simEnd"}}')
    desk.handler.on_disconnected()
    assert desk.handler.take().size == 0


def test_holding_back_ends_after_its_time_without_losing_or_doubling_rows() -> None:
    desk = Desk(hold=True)
    desk.trade(1)
    desk.depth(1, 9)
    desk.trade(2)
    assert desk.kinds() == []
    desk.clock.advance(4 * NS_PER_S)
    assert desk.kinds() == ["TRADE", "TRADE"]
    assert not desk.handler.holding
    desk.snapshot(5)
    assert desk.kinds() == ["SNAPSHOT", "SNAPSHOT", "DEPTH"]


@pytest.mark.recorded
def test_the_frames_of_2026_are_understood() -> None:
    folder = recorded("binance_wire_frames_2026")
    desk = Desk("usdm", (BTC, ETH))
    aggregates = BinanceHandler("usdm", (BTC, ETH), "aggTrade", desk.clock, FeedStats())
    for name in ("usdm_frames.jsonl", "usdm_frames_testnet.jsonl", "usdm_mark_price_rollover.jsonl"):
        for line in (folder / name).read_bytes().splitlines():
            desk.handler.on_frame(line)
            aggregates.on_frame(line)
    assert desk.stats.bad_messages == 0
    trades = aggregates.take()
    assert trades["ref"][trades["kind"] == InputKind.TRADE].tolist() == [3404749954, 3339472008, 300238285]
    rows = desk.handler.take()
    kinds = [InputKind(int(row["kind"])).name for row in rows]
    assert (kinds.count("QUOTE"), kinds.count("MARK")) == (2, 11)
    assert sorted(desk.handler.snapshots_wanted()) == [BTC, ETH]
    desk.handler.on_snapshot(BTC, (folder / "usdm_rest_depth_testnet.json").read_bytes())


@pytest.mark.recorded
def test_at_the_funding_instant_the_old_time_is_not_told_again() -> None:
    """The frame whose E is the settlement still names the settled one; the next second names the next."""
    desk = Desk("usdm", (BTC, ETH, "LPTUSDT"))
    for line in (recorded("binance_wire_frames_2026") / "usdm_mark_price_rollover.jsonl").read_bytes().splitlines():
        desk.handler.on_frame(line)
    rows = desk.handler.take()
    assert (rows["kind"] == InputKind.MARK).sum() == 12
    funding = rows[rows["kind"] == InputKind.FUNDING]
    told = [(int(row["symbol"]), float(row["a"]), int(row["ref"]) // 10**6) for row in funding]
    assert told == [
        (0, -0.00000189, 1790755200000),
        (1, 0.00005479, 1790755200000),
        (2, 0.00005, 1790755200000),
        (0, -0.00000244, 1790784000000),
        (1, 0.00005437, 1790784000000),
        (2, 0.00005, 1790769600000),  # four hours: the interval is each symbol's own
    ]
    mark = rows[rows["kind"] == InputKind.MARK][0]
    assert (mark["a"], mark["b"]) == (83259.61836957, 83301.31260870)


def test_a_contract_without_funding_has_a_mark_price_only() -> None:
    desk = Desk("usdm")
    desk.send("btcusdt@markPrice@1s", e="markPriceUpdate", E=5, s=BTC, p="7", i="6", r="", T=0)
    assert desk.kinds() == ["MARK"]


def test_a_candle_counts_once_it_is_closed() -> None:
    desk = Desk()
    candle = {"t": 60_000, "T": 119_999, "s": BTC, "i": "1m", "o": "5", "h": "7", "l": "4", "c": "6", "v": "9", "n": 3}
    desk.send("btcusdt@kline_1m", e="kline", E=1, s=BTC, k=candle | {"x": False})
    assert desk.handler.last_candle(BTC) is None
    desk.send("btcusdt@kline_1m", e="kline", E=2, s=BTC, k=candle | {"x": True})
    closed = desk.handler.last_candle(BTC)
    assert closed is not None
    assert (closed.open_ms, closed.open, closed.high, closed.low, closed.close, closed.volume) == (60_000, 5, 7, 4, 6, 9)
    desk.send("btcusdt@kline_1m", e="kline", E=3, s=BTC, k=candle | {"x": True, "h": "5"})
    assert "expected low and high around the others" in desk.stats.last_error


@pytest.mark.parametrize("market", ["spot", "usdm"])
def test_after_a_change_of_connections_repetitions_are_left_out(market: Market) -> None:
    desk = Desk(market)
    desk.depth(11, 20, previous=10)
    desk.snapshot(15)
    desk.depth(21, 30, previous=20)
    desk.trade(7)
    desk.send("btcusdt@bookTicker", u=30, s=BTC, b="1", B="2", a="3", A="4")
    desk.handler.take()
    desk.handler.on_replaced()
    desk.depth(11, 20, previous=10)
    desk.depth(21, 30, previous=20)
    desk.trade(7)
    desk.send("btcusdt@bookTicker", u=30, s=BTC, b="1", B="2", a="3", A="4")
    assert desk.handler.take().size == 0
    desk.depth(31, 40, previous=30)
    desk.trade(8)
    assert desk.kinds() == ["DEPTH", "TRADE"]
    assert (desk.stats.chain_breaks, desk.stats.repetitions, desk.stats.duplicate_trades) == (0, 3, 1)
    desk.clock.advance(6 * NS_PER_S)
    desk.depth(31, 40, previous=30)  # the one the book stands at says nothing, whenever it comes
    assert desk.kinds() == []
    desk.depth(21, 30, previous=20)  # later an older one means that something is wrong, where the venue's rule says so
    assert desk.kinds() == (["GAP"] if market == "usdm" else [])


def test_an_update_that_would_cross_the_book_is_not_believed() -> None:
    """One wrong digit keeps every id: the chain cannot see it."""
    desk = Desk(symbols=(BTC, ETH))
    for symbol in (BTC, ETH):
        desk.depth(11, 20, symbol)
        desk.snapshot(15, symbol)
    desk.handler.take()
    desk.depth(21, 30, bid="40")  # the best ask is 6
    assert desk.kinds() == ["GAP"]
    assert "BTCUSDT book: was crossed by update 30" in desk.stats.last_error
    assert (desk.handler.in_step(BTC), desk.handler.in_step(ETH)) == (False, True)
    desk.depth(31, 40)
    assert desk.handler.snapshots_wanted() == [BTC]
    desk.snapshot(35)
    assert desk.kinds() == ["SNAPSHOT", "SNAPSHOT", "DEPTH"]
    assert (desk.stats.crossed_books, desk.stats.chain_breaks, desk.stats.resyncs) == (1, 0, 1)


def test_a_snapshot_that_is_crossed_starts_nothing() -> None:
    desk = Desk()
    desk.depth(11, 20, bid="7")
    desk.snapshot(15)
    assert desk.kinds() == ["GAP"]
    assert not desk.handler.in_step(BTC)
    assert desk.handler.starts(BTC) == 0


def test_one_wrong_id_does_not_freeze_a_spot_book() -> None:
    """Everything after it looks old; a venue repeats an update at times, never a dozen."""
    desk = Desk()
    desk.depth(11, 20)
    desk.snapshot(15)
    desk.depth(21, 9_000_000)
    desk.handler.take()
    for first in range(31, 200, 10):
        desk.depth(first, first + 9)
    assert desk.kinds() == ["GAP"]
    desk.snapshot(195)
    assert desk.kinds()[-1] == "DEPTH"
    assert desk.handler.in_step(BTC)


def test_one_wrong_trade_id_does_not_silence_the_tape() -> None:
    desk = Desk()
    desk.trade(1)
    desk.trade(5_001)
    for trade_id in range(2, 200):
        desk.trade(trade_id)
    assert desk.handler.take()["ref"].tolist() == [1, 5_001, *range(52, 200)]


@pytest.mark.parametrize("market", ["spot", "usdm"])
def test_a_count_that_restarts_while_the_book_is_out_of_step_does_not_keep_it_there(market: Market) -> None:
    desk = Desk(market)
    desk.depth(9_000, 9_010, previous=8_999)
    desk.depth(11, 20, previous=10)
    desk.depth(21, 30, previous=20)
    desk.snapshot(15)
    assert desk.handler.in_step(BTC)
    assert desk.kinds() == ["SNAPSHOT", "SNAPSHOT", "DEPTH", "DEPTH"]
