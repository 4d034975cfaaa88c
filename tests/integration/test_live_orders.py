"""Live orders on a venue whose answers are scripted: whatever it says or not, each order exists once and is booked once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from shared.clock import NS_PER_MS
from shared.events import CommandKind, EventKind, Reason
from tests.live_room import CAPITAL_USD, Room
from tests.scripted_venue import (
    HOLD_EVENT,
    LOSE_ANSWER,
    LOSE_REQUEST,
    NEVER_KNOWN,
    NO_EVENT,
    REFUSE,
    TIMEOUT_504,
    ScriptedVenue,
)
from trader.execution.live import desk, executor
from trader.execution.live.venue import OrderRequest

KILLS = {"journalled": (LOSE_ANSWER,), "sent": ("", LOSE_ANSWER, LOSE_REQUEST), "settled": ("",)}
BUY, CLOSE = CommandKind.MANUAL_BUY, CommandKind.CLOSE
Play = Callable[[ScriptedVenue, Room], Awaitable[None]]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what waits for seconds at a real venue wait for tenths here: nothing is under way for long on one machine."""
    monkeypatch.setattr(executor, "RECHECK_NS", 200 * NS_PER_MS)
    monkeypatch.setattr(desk, "SLOWEST_ASK_NS", 400 * NS_PER_MS)
    monkeypatch.setattr(desk, "WORKING_ASK_NS", 300 * NS_PER_MS)


def play(folder: Path, told: Play, *, prepare: Callable[[ScriptedVenue], None] = lambda _: None, reconciled: bool = True) -> None:
    """Play a story with a venue and a room on it."""

    async def whole() -> None:
        venue = ScriptedVenue()
        prepare(venue)
        await venue.start()
        room = Room(folder, venue.port)
        try:
            await room.start(reconciled=reconciled)
            await told(venue, room)
        finally:
            await room.stop()
            await venue.stop()

    asyncio.run(whole())


def agree(venue: ScriptedVenue, room: Room) -> None:
    """Hold that position and money are the same at the venue and in the ledger, and that no order was sent twice."""
    assert room.position == pytest.approx(venue.position, abs=1e-9)
    assert room.cash == pytest.approx(venue.wallet - venue.position * venue.entry, abs=1e-6)
    assert len(venue.trades) == sum(1 for order in venue.orders.values() if float(order["executedQty"]) > 0)


def test_an_order_that_was_taken_is_booked_once_whatever_becomes_of_the_answer(tmp_path: Path) -> None:
    async def story(venue: ScriptedVenue, room: Room) -> None:
        for number, fault in enumerate(("", LOSE_ANSWER, TIMEOUT_504, HOLD_EVENT, NO_EVENT), start=1):
            venue.script.append(fault)
            room.by_hand(BUY)
            await room.until(lambda: room.position > 0)
            agree(venue, room)
            await room.until(lambda: room.idle)
            room.by_hand(CLOSE)
            await room.until(lambda: room.position == 0)
            agree(venue, room)
            assert venue.requests.count(("POST", "/fapi/v1/order")) == len(venue.placed) == 2 * number, fault

    play(tmp_path, story)


def test_an_order_that_was_not_taken_is_in_doubt_until_the_venue_has_said_so_twice_and_is_never_resent(tmp_path: Path) -> None:
    async def story(venue: ScriptedVenue, room: Room) -> None:
        for number, fault in enumerate((LOSE_REQUEST, NEVER_KNOWN), start=1):
            venue.script.append(fault)
            room.by_hand(BUY)
            await room.until(lambda: room.executor.desk.unconfirmed == 1)
            await room.until(lambda seen=number: len(room.of(EventKind.CANCEL)) == seen)  # type: ignore[misc]
            assert Reason(int(room.of(EventKind.CANCEL)[-1]["reason"])) is Reason.REFUSED_BY_VENUE
            assert venue.requests.count(("POST", "/fapi/v1/order")) == number
            assert venue.requests.count(("GET", "/fapi/v1/order")) >= 2 * number
            assert (room.position, room.cash) == (0.0, CAPITAL_USD)

    play(tmp_path, story)


def test_a_refusal_is_over_at_once(tmp_path: Path) -> None:
    async def story(venue: ScriptedVenue, room: Room) -> None:
        venue.script.append(REFUSE)
        room.by_hand(BUY)
        await room.until(lambda: room.of(EventKind.CANCEL))
        assert not room.of(EventKind.ORDER_STATE)
        assert venue.requests.count(("GET", "/fapi/v1/order")) == 0

    play(tmp_path, story)


def test_a_position_has_a_stop_at_the_venue_that_follows_it_and_goes_with_it(tmp_path: Path) -> None:
    async def story(venue: ScriptedVenue, room: Room) -> None:
        room.by_hand(BUY)
        await room.until(lambda: resting(venue) == [(0.05, 59_400.0)])
        room.by_hand(BUY, 6_000.0)
        await room.until(lambda: resting(venue) == [(0.15, 59_400.0)])
        room.by_hand(CLOSE)
        await room.until(lambda: not resting(venue))
        agree(venue, room)

    play(tmp_path, story)


def resting(venue: ScriptedVenue) -> list[tuple[float, float]]:
    return [(float(s["quantity"]), float(s["triggerPrice"])) for s in venue.stops.values() if s["algoStatus"] == "NEW"]


@pytest.mark.parametrize("quietly", [False, True])
def test_a_stop_that_the_venue_carries_out_closes_the_position_in_the_ledger(tmp_path: Path, *, quietly: bool) -> None:
    async def story(venue: ScriptedVenue, room: Room) -> None:
        room.by_hand(BUY)
        await room.until(lambda: resting(venue))
        await venue.trigger(quietly=quietly)
        await room.until(lambda: room.position == 0, within_s=15)
        agree(venue, room)
        assert len(room.of(EventKind.STOP_LOSS)) == 1
        await room.until(lambda: not room.executor.desk.orders)

    play(tmp_path, story)


def test_what_a_human_did_elsewhere_blocks_entries_and_is_not_repaired(tmp_path: Path) -> None:
    async def story(venue: ScriptedVenue, room: Room) -> None:
        venue.position, venue.entry = 0.4, 60_000.0
        room.executor._reconcile_ns = 0
        await room.until(lambda: not room.state["reconciled"][0])
        assert "BTCUSDT position: was 0.4 at the venue, expected 0 as in the ledger" in room.said[-1]
        assert len(room.of(EventKind.DISCREPANCY)) == 1
        room.by_hand(BUY)
        await room.until(lambda: room.of(EventKind.CONFIG_REFUSED))
        assert not venue.placed
        venue.position = 0.0
        await room.until(lambda: room.state["reconciled"][0])

    play(tmp_path, story)


def test_a_position_that_was_there_before_is_not_taken_over(tmp_path: Path) -> None:
    def prepare(venue: ScriptedVenue) -> None:
        venue.position, venue.entry = 0.4, 60_000.0

    async def story(venue: ScriptedVenue, room: Room) -> None:
        await room.until(lambda: room.said)
        assert "NOT RECONCILED" in room.said[-1]
        assert not room.state["reconciled"][0]
        assert not venue.placed

    play(tmp_path, story, prepare=prepare, reconciled=False)


def test_an_empty_answer_is_not_a_flat_answer(tmp_path: Path) -> None:
    async def story(venue: ScriptedVenue, room: Room) -> None:
        room.by_hand(BUY)
        await room.until(lambda: resting(venue))
        venue.empty_positions = True
        room.executor._reconcile_ns = 0
        await room.until(lambda: not room.state["reconciled"][0])
        assert room.position == pytest.approx(0.05)
        assert len(venue.placed) == 1, "nothing is traded on it"

    play(tmp_path, story)


def test_a_silent_venue_blocks_entries_and_keeps_position_and_stop(tmp_path: Path) -> None:
    async def story(venue: ScriptedVenue, room: Room) -> None:
        room.by_hand(BUY)
        await room.until(lambda: resting(venue))
        room.executor._answered_ns -= 60_000_000_000  # nothing was heard for a minute
        room.executor._tell_status()
        assert not room.state["reconciled"][0]
        assert room.position == pytest.approx(0.05)
        await room.until(lambda: room.state["reconciled"][0])
        assert resting(venue)

    play(tmp_path, story)


@pytest.mark.parametrize("told", [True, False])
def test_a_stream_that_is_open_and_dead_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, told: bool) -> None:
    """The key has expired: with the venue's word that it has, and without."""
    monkeypatch.setattr(executor, "UNHEARD_NS", 300_000_000)

    async def story(venue: ScriptedVenue, room: Room) -> None:
        room.executor._listening_ms = 0
        keys = venue.requests.count(("POST", "/fapi/v1/listenKey"))
        if told:
            await venue.say({"e": "listenKeyExpired", "E": 1, "listenKey": "k1"})
        else:
            venue.script.append(NO_EVENT)
            room.by_hand(BUY)
        await room.until(lambda: venue.requests.count(("POST", "/fapi/v1/listenKey")) > keys, within_s=12)
        await room.until(lambda: room.idle)
        agree(venue, room)

    play(tmp_path, story)


def test_a_cut_stream_loses_no_fill_and_the_next_one_is_not_blamed_for_it(tmp_path: Path) -> None:
    async def story(venue: ScriptedVenue, room: Room) -> None:
        room.executor._listening_ms = 0
        await venue.cut()
        await room.until(lambda: room.executor._deaf_since)
        room.by_hand(BUY)
        await room.until(lambda: room.position > 0)
        agree(venue, room)
        await room.until(lambda: not room.executor._deaf_since)
        assert not room.executor._unheard

    play(tmp_path, story)


def ordered(room: Room) -> bool:
    """Order something by hand; False if the engine does not take it just now."""
    before = len(room.of(EventKind.ORDER))
    room.by_hand(CLOSE if room.position else BUY)
    return len(room.of(EventKind.ORDER)) > before


async def moment(name: str, venue: ScriptedVenue, room: Room, orders: int) -> None:
    """Wait for the moment of a kill, ``orders`` being those there were before."""
    await room.until(lambda: room.journal.last_order() > orders)
    if name == "sent":
        await room.until(lambda: sent(venue) or room.of(EventKind.CANCEL))
    elif name == "settled":
        await room.until(lambda: room.idle)


def sent(venue: ScriptedVenue) -> int:
    return venue.requests.count(("POST", "/fapi/v1/order"))


def test_a_trader_killed_at_any_moment_finds_its_orders_again(tmp_path: Path) -> None:
    async def whole() -> None:
        venue = ScriptedVenue()
        await venue.start()
        room = await Room(tmp_path, venue.port).start()
        for name, faults in KILLS.items():
            for fault in faults:
                venue.requests.clear()
                venue.script.append(fault)
                orders = room.journal.last_order()
                await room.until(lambda room=room: ordered(room))  # type: ignore[misc]
                await moment(name, venue, room, orders)
                state = await room.kill()
                venue.script.clear()
                room = await Room(tmp_path, venue.port, state, settling_s=0.2).start()
                await room.until(lambda room=room: room.idle)  # type: ignore[misc]
                agree(venue, room)
                assert sent(venue) <= 1, (name, fault)
        await room.stop()
        await venue.stop()

    asyncio.run(whole())


def test_a_report_that_never_reached_the_engine_is_told_after_the_restart_and_one_that_did_is_not(tmp_path: Path) -> None:
    async def whole() -> None:
        venue = ScriptedVenue()
        await venue.start()
        room = await Room(tmp_path, venue.port).start()
        room.by_hand(BUY)
        before = room.engine.fork().state  # what is left if the machine loses the last second
        await room.until(lambda: room.position > 0)
        after = await room.kill()
        for state, position in ((after, 0.05), (before, 0.05)):
            again = await Room(tmp_path, venue.port, state).start(reconciled=False)
            await again.until(lambda room=again: room.position > 0)  # type: ignore[misc]
            assert again.position == pytest.approx(position)
            agree(venue, again)
            await again.kill()
        await venue.stop()

    asyncio.run(whole())


async def quote(room: Room) -> str:
    """Let a bid rest far below the market, as the market maker does; return its client id."""
    own = room.executor.desk
    request = OrderRequest(client_id=own.client_id(), symbol=0, side=1, qty=0.01, limit_usd=50_000.0)
    await room.executor._send(own.plan(request, 999, 0))
    return request.client_id


def test_the_dead_mans_switch_is_armed_while_a_quote_rests_and_never_while_a_stop_does(tmp_path: Path) -> None:
    async def story(venue: ScriptedVenue, room: Room) -> None:
        await room.executor._keep_switch()
        assert venue.countdowns == []
        name = await quote(room)
        await room.executor._keep_switch()
        assert venue.countdowns == [60_000]
        room.by_hand(BUY)
        await room.until(lambda: resting(venue))
        await room.executor._keep_switch()
        assert venue.countdowns == [60_000, 0], "the stop is worth more"
        assert venue.orders[name]["status"] == "NEW"

    play(tmp_path, story)


def test_quotes_are_withdrawn_at_the_end_and_after_a_fall_and_the_stop_stays(tmp_path: Path) -> None:
    async def whole() -> None:
        venue = ScriptedVenue()
        await venue.start()
        room = await Room(tmp_path, venue.port).start()
        room.by_hand(BUY)
        await room.until(lambda: resting(venue))
        left = await quote(room)
        state = await room.kill()
        assert venue.orders[left]["status"] == "NEW"
        room = await Room(tmp_path, venue.port, state).start()
        await room.until(lambda: venue.orders[left]["status"] == "CANCELED")
        last = await quote(room)
        await room.stop()
        assert venue.orders[last]["status"] == "CANCELED"
        assert resting(venue) == [(0.05, 59_400.0)]
        await venue.stop()

    asyncio.run(whole())
