"""The replaying process: ``python -m tuner.outcome.worker``, a task a line in, an answer a line out, at the lowest priority.

A process of its own because a replay takes a core for seconds: neither the trader nor the tuner's heartbeat may wait for it.
"""

from __future__ import annotations

import os
import sys
from queue import SimpleQueue
from threading import Thread
from typing import BinaryIO

import msgspec

from shared.clock import NS_PER_MS, Clock, SystemClock
from shared.errors import Timeout, TradingError
from tuner.outcome.tasks import Answer, Task, WhatIf

READY = b"ready\n"
"""The first line out: the engine is loaded."""

_NICE = 15


def serve(tasks: SimpleQueue[bytes], answers: BinaryIO, clock: Clock) -> None:
    """Answer one task after another, for as long as the process lives."""
    while True:
        task = msgspec.json.decode(tasks.get(), type=Task)
        answers.write(msgspec.json.encode(answer(task, clock)) + b"\n")
        answers.flush()


def listen(source: BinaryIO, tasks: SimpleQueue[bytes]) -> None:
    """Take tasks as they come; with the tuner gone the process ends at once, whatever it is doing."""
    for line in source:
        tasks.put(line)
    os._exit(0)


def answer(task: Task, clock: Clock) -> Answer:
    """Carry out one task; what cannot be replayed is said in the answer."""
    from tuner.outcome.replays import measure, what_if

    started_ns = clock.monotonic_ns()
    try:
        both = what_if(task) if isinstance(task, WhatIf) else measure(task)
    except (TradingError, OSError, ValueError) as error:
        return Answer(error=f"{error}", final=not isinstance(error, Timeout))
    return Answer(both=msgspec.structs.replace(both, took_ms=(clock.monotonic_ns() - started_ns) / NS_PER_MS))


def main() -> None:
    """Load the engine, then serve standard input."""
    os.nice(_NICE)
    tasks: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=listen, args=(sys.stdin.buffer, tasks), name="tasks", daemon=True).start()
    from trader.engine.warmup import warm_up

    clock = SystemClock()
    warm_up(clock, lambda words: print(words, file=sys.stderr))  # noqa: T201 - standard output carries the answers
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    serve(tasks, sys.stdout.buffer, clock)


if __name__ == "__main__":
    main()
