"""One-shot commands to the trader, each acknowledged by an event that carries the command's id."""

from __future__ import annotations

from time import sleep

import numpy as np
import numpy.typing as npt

from shared.clock import NS_PER_S, Clock
from shared.errors import NotRunning, Timeout
from shared.events import CommandKind, EventKind, Source
from shared.layout import COMMAND
from shared.ring import RingReader, RingWriter
from shared.segment import Segment


class CommandSender:
    """The sending end, for operator tools, dashboards and the tuner.

    Parameters
    ----------
    segment
        The command ring, attached writable.
    events
        The trader's event ring, where acknowledgements appear.
    """

    def __init__(self, segment: Segment, events: Segment, clock: Clock) -> None:
        self._segment = segment
        self._writer = RingWriter(segment.body)
        self._events = events
        self._clock = clock

    def send(
        self,
        kind: CommandKind,
        symbol: int,
        source: Source,
        *,
        override_epoch: int = 0,
        decision_id: int = 0,
        notional_usd: float = 0.0,
        valid_for_s: float = 5.0,
    ) -> int:
        """Append a command (``symbol`` -1: all) and return its id.

        ``notional_usd`` sizes a manual trade; 0 takes the symbol's own size.
        """
        row = np.zeros(1, COMMAND)
        row["kind"], row["symbol"], row["source"] = kind, symbol, source
        row["override_epoch"], row["decision_id"] = override_epoch, decision_id
        row["notional_usd"] = notional_usd
        row["issued_ns"] = self._clock.now_ns()
        row["expires_ns"] = self._clock.now_ns() + int(valid_for_s * NS_PER_S)
        with self._segment.locked(self._clock):
            command_id = self._writer.head + 1
            row["seq"] = command_id
            self._writer.push(row)
            self._segment.beat(self._clock.now_ns())
        return command_id

    def send_and_wait(
        self,
        kind: CommandKind,
        symbol: int,
        source: Source,
        *,
        override_epoch: int = 0,
        decision_id: int = 0,
        notional_usd: float = 0.0,
        wait_s: float = 5.0,
    ) -> npt.NDArray[np.void]:
        """Send a command and return the acknowledging event, shape ().

        Errors
        ------
        NotRunning
            If the trader is dead.
        Timeout
            If it did not acknowledge within ``wait_s``; the command expires by itself.
        """
        reader = RingReader(self._events.body)
        command_id = self.send(
            kind,
            symbol,
            source,
            override_epoch=override_epoch,
            decision_id=decision_id,
            notional_usd=notional_usd,
            valid_for_s=wait_s,
        )
        deadline_ns = self._clock.monotonic_ns() + int(wait_s * NS_PER_S)
        while self._clock.monotonic_ns() < deadline_ns:
            for event in reader.read():
                acknowledged = event["kind"] in (EventKind.COMMAND_ACK, EventKind.CONFIG_REFUSED)
                if acknowledged and int(event["command_id"]) == command_id:
                    answer: npt.NDArray[np.void] = event
                    return answer
            if not self._segment.owner_alive:
                raise NotRunning("trader: was not running, expected a live one to take the command; start it")
            sleep(0.001)
        raise Timeout(
            f"command {command_id}: was not acknowledged in {wait_s:g} s, expected milliseconds; see trader_control status"
        )
