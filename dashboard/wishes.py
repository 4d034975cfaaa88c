"""Wishes leave through one worker thread: a trader that is slow or dead never holds up the screen."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Mapping

import msgspec

from shared.clock import Clock
from shared.errors import TradingError
from shared.events import CommandKind, EventKind, Reason, Source, words
from shared.params import CONTROLS, SYMBOL_FIELDS
from shared.paths import kill_file
from shared.wishes import Wish
from shared.workspace import Workspace

_WAIT_S = 5.0


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Something the human wants: a patch of the controls, a patch of a symbol, a command, or the kill file.

    ``symbol`` None means the global controls, or all symbols for a command; ``notional_usd`` is the size of a manual trade,
    0 for the symbol's own. ``kill`` makes the kill file, which needs no trader that answers.
    """

    label: str
    changes: Mapping[int, float] = {}
    symbol: int | None = None
    command: CommandKind | None = None
    notional_usd: float = 0.0
    kill: bool = False


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request."""

    label: str
    ok: bool
    text: str


class WishWorker:
    """One thread that carries out requests in order and keeps their answers until they are taken.

    It opens the workspace anew for each request: a restart of the trader in between does no harm.

    Parameters
    ----------
    instance, clock
        As for :class:`shared.workspace.Workspace`.
    """

    def __init__(self, instance: str, clock: Clock) -> None:
        self._instance = instance
        self._clock = clock
        self._requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="wishes", daemon=True)
        self._thread.start()

    def send(self, request: Request) -> None:
        """Queue a request; returns at once."""
        self._requests.put(request)

    def answers(self) -> list[Answer]:
        """Return the answers that came since the last call."""
        taken: list[Answer] = []
        with contextlib.suppress(queue.Empty):
            while True:
                taken.append(self._answers.get_nowait())
        return taken

    def close(self) -> None:
        """Stop after what is queued; does not wait for it."""
        self._requests.put(None)

    def _work(self) -> None:
        while (request := self._requests.get()) is not None:
            self._answers.put(carry_out(request, self._instance, self._clock))


def carry_out(request: Request, instance: str, clock: Clock) -> Answer:
    """Send one request and wait for the trader's answer; every refusal and failure becomes words."""
    try:
        if request.kill:
            kill_file(instance).touch()
            return Answer(label=request.label, ok=True, text=f"✓ {request.label}: the file is there, trader_control kill --clear")
        with contextlib.closing(Workspace(instance, clock)) as workspace:
            return _send(request, workspace, clock)
    except (TradingError, OSError) as error:
        return Answer(label=request.label, ok=False, text=f"✗ {request.label}: {error}")


def _send(request: Request, workspace: Workspace, clock: Clock) -> Answer:
    if request.command is not None:
        symbol = -1 if request.symbol is None else request.symbol
        event = workspace.commands.send_and_wait(
            request.command, symbol, Source.DASHBOARD, override_epoch=workspace.override_epoch, notional_usd=request.notional_usd
        )
        refusal, generation = Reason(int(event["reason"])), 0
        acknowledged = int(event["kind"]) == EventKind.COMMAND_ACK
    else:
        row = workspace.controls if request.symbol is None else workspace.symbol_rows[request.symbol]
        wish = Wish(changes=request.changes, source=Source.DASHBOARD, override_epoch=workspace.override_epoch)
        outcome = row.post(wish, clock, wait_s=_WAIT_S)
        refusal, generation = outcome.refusal, outcome.generation
        acknowledged = refusal is Reason.NONE
    if not acknowledged:
        return Answer(label=request.label, ok=False, text=f"✗ {request.label}: refused, {words(refusal)}")
    return Answer(label=request.label, ok=True, text=f"✓ {request.label}" + (f" (generation {generation})" if generation else ""))


def describe_changes(changes: Mapping[int, float], *, control: bool = False) -> str:
    """Return ``stop_pct 0.80, target_pct 2.00`` for a patch."""
    fields = CONTROLS if control else SYMBOL_FIELDS
    return ", ".join(f"{fields[i].name} {fields[i].shown(value)}" for i, value in sorted(changes.items()))
