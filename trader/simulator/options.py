"""How a server behaves, whichever venue it speaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trader.simulator.faults.plan import Change
from trader.simulator.faults.script import Script

if TYPE_CHECKING:
    from trader.simulator.trading.accounts_file import AccountEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What both servers take.

    Attributes
    ----------
    port
        TCP port on 127.0.0.1; 0 takes a free one.
    speed
        Simulated seconds per wall second; None sends as fast as the clients read.
    once
        Finish when the flow has ended and every client has left.
    accounts
        Who may trade. With accounts a generated flow starts at once and never waits.
    answer_first
        Whether a call's answer leaves before the events it caused; the venues promise neither order, usually events lead.
    faults, tell_fault
        What goes wrong and when; called when a fault begins or ends, with the venue time in ns.
    """

    port: int = 0
    speed: float | None = 1.0
    once: bool = False
    accounts: tuple[AccountEntry, ...] = ()
    answer_first: bool = False
    faults: Script | None = None
    tell_fault: Callable[[Change, int], None] | None = None
