"""The trader's side of wishes and commands: looks at what others want, judges it, and turns it into inputs of the engine.

The verdict is made here, where the wall clock is, and recorded as an input: a replay then needs no clock to decide the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shared import layout
from shared.clock import Clock
from shared.errors import OutOfRange
from shared.events import CONTROL_FIELDS, CommandKind, Reason, Source, TunerMode
from shared.params import CONTROLS, SYMBOL_FIELDS, Param
from shared.ring import RingReader
from shared.segment import Segment
from shared.wishes import WishRow
from shared.workspace import controls_row, symbol_row
from trader.engine.inputs import ALL, InputKind, InputRow, row
from trader.engine.state import BASE_POSITION, ENABLED_FIELD, MANUAL_OVERRIDE, MAX_POSITION, TRADING_ENABLED, TUNER_MODE, State

_HUMANS = (Source.OPERATOR, Source.DASHBOARD)
_FOR_SOURCE = 256  # flags of an input: source + 256 x reason


class ControlPlane:
    """The segments ``config``, ``symbol_cfgs`` and ``commands``, and the loop that serves them.

    Parameters
    ----------
    symbols
        Configured symbols, in order.
    state
        The engine's state: what is in force is read from there and only from there.
    """

    def __init__(self, instance: str, symbols: list[str], state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._config = Segment.create("config", layout.CONFIG, instance, clock)
        self._symbol_cfgs = Segment.create("symbol_cfgs", layout.SYMBOL_CFGS, instance, clock)
        self._commands = Segment.create("commands", layout.COMMANDS, instance, clock)
        self.segments = (self._config, self._symbol_cfgs, self._commands)
        self._symbol_cfgs.body["count"] = len(symbols)
        self._symbol_cfgs.body["symbols"][0][: len(symbols)] = [symbol.encode() for symbol in symbols]
        self._rows = [controls_row(self._config), *(symbol_row(self._symbol_cfgs, i) for i in range(len(symbols)))]
        self._targets = [ALL, *range(len(symbols))]
        self._seen = [0] * len(self._rows)  # versions of desired rows looked at
        self._observed = [0] * len(self._rows)  # generations answered
        self._refusals = [Reason.NONE] * len(self._rows)
        self._mirrored: list[tuple[int, int]] = [(-1, -1)] * len(self._rows)
        self._command_reader = RingReader(self._commands.body)
        self.mirror()

    def activate(self) -> None:
        """Let others attach."""
        for segment in self.segments:
            segment.activate()

    def unlink(self) -> None:
        """Remove the segments."""
        for segment in self.segments:
            segment.unlink()

    @property
    def waiting(self) -> bool:
        """Say whether anybody wishes something new: a few counter reads, cheap enough to ask with every message."""
        for wished, seen in zip(self._rows, self._seen, strict=True):
            if wished.pending_version != seen:
                return True
        return bool(self._command_reader.head != self._command_reader.cursor)

    def poll(self, time_ns: int) -> list[InputRow]:
        """Return the inputs that new wishes and commands amount to; mostly none, and then it costs a few counter reads."""
        inputs: list[InputRow] = []
        for at, wished in enumerate(self._rows):
            version = wished.pending_version
            if version != self._seen[at]:
                self._seen[at] = version
                inputs += self._judge(at, wished, time_ns)
        if self._command_reader.head != self._command_reader.cursor:
            inputs += [self._command(command, time_ns) for command in self._command_reader.read()]
        return inputs

    def mirror(self) -> None:
        """Publish what is in force, where it changed. To be called after the inputs of :meth:`poll` were processed."""
        self._config.body["override_epoch"] = self._state["override_epoch"]
        for at, wished in enumerate(self._rows):
            settings = self._settings(at)
            now = (int(settings["revision"]), self._observed[at])
            if now == self._mirrored[at]:
                continue
            self._mirrored[at] = now
            applied = np.zeros((), layout.APPLIED)
            for name in ("revision", "updated_ns", "decision_id", "source", "values", "previous", "sources"):
                applied[name] = settings[name]
            applied["observed_generation"] = self._observed[at]
            applied["refusal"] = self._refusals[at]
            wished.publish(applied, self._clock.now_ns())

    def _settings(self, at: int) -> Any:
        whole = self._state[0]
        return whole["controls"] if at == 0 else whole["symbols"][at - 1]["settings"]

    def _control(self, field: int) -> float:
        return float(self._state[0]["controls"]["values"][field])

    def _judge(self, at: int, wished: WishRow, time_ns: int) -> list[InputRow]:
        wish = wished.desired()
        self._observed[at] = int(wish["generation"])
        settings = self._settings(at)
        fields = CONTROLS if at == 0 else SYMBOL_FIELDS
        reason, field = self._objection(at, wish, settings, fields)
        self._refusals[at] = reason
        named = [i for i in range(len(fields)) if int(wish["mask"]) >> i & 1]
        source = int(wish["source"])
        if reason:
            refused = field if field >= 0 else (named[0] if named else 0)
            return [
                row(
                    InputKind.REFUSAL, time_ns, self._targets[at], flags=source + _FOR_SOURCE * reason,
                    aux=refused + (CONTROL_FIELDS if at == 0 else 0),
                    a=float(settings["values"][refused]), d=float(wish["values"][refused]), b=float(wish["confidence_pct"]),
                    c=float(wish["decision_id"]), ref=int(wish["generation"]),
                )
            ]  # fmt: skip
        revision = int(settings["revision"]) + 1
        kind = InputKind.CONTROL if at == 0 else InputKind.PARAM
        return [
            row(
                kind, time_ns, self._targets[at], flags=source, aux=i, a=float(wish["values"][i]),
                b=float(wish["confidence_pct"]), c=float(wish["decision_id"]), ref=revision,
            )
            for i in named
            if settings["values"][i] != wish["values"][i] or settings["sources"][i] != source or self._resumes(at, i)
        ]  # fmt: skip

    def _objection(self, at: int, wish: Any, settings: Any, fields: tuple[Param, ...]) -> tuple[Reason, int]:
        """Return why a wish is refused and the field at fault (-1: none in particular)."""
        source = int(wish["source"])
        if self._clock.now_ns() > int(wish["expires_ns"]):
            return Reason.EXPIRED, -1
        if source == Source.TUNER and (standing := self._tuner_standing(int(wish["override_epoch"]))):
            return standing, -1
        if source not in (*_HUMANS, Source.TUNER) or (source == Source.TUNER and at == 0):
            return Reason.NOT_ALLOWED, -1
        if int(wish["base_revision"]) not in (0, int(settings["revision"])):
            return Reason.STALE_BASE, -1
        values = settings["values"].copy()
        for i, field in enumerate(fields):
            if int(wish["mask"]) >> i & 1:
                try:
                    values[i] = field.check(float(wish["values"][i]))
                except OutOfRange:
                    return Reason.OUT_OF_RANGE, i
        if at > 0 and values[BASE_POSITION] > values[MAX_POSITION]:
            return Reason.BASE_ABOVE_MAX, BASE_POSITION
        resumes = at > 0 and values[ENABLED_FIELD] > settings["values"][ENABLED_FIELD]
        if resumes and source == Source.TUNER and int(settings["sources"][ENABLED_FIELD]) in _HUMANS:
            return Reason.NOT_ALLOWED, ENABLED_FIELD  # what a human paused only a human resumes
        return Reason.NONE, -1

    def _resumes(self, at: int, field: int) -> bool:
        """Say whether a wish ends a halt even if it changes no value: trading is enabled already, but halted."""
        return at == 0 and field == TRADING_ENABLED and bool(self._state["halted"][0])

    def _tuner_standing(self, override_epoch: int) -> Reason:
        """Return why nothing of the tuner is taken now, or NONE."""
        if self._control(MANUAL_OVERRIDE) > 0:
            return Reason.OVERRIDE_ON
        if override_epoch != int(self._state["override_epoch"][0]):
            return Reason.OVERRIDE_EPOCH
        return Reason.NONE if self._control(TUNER_MODE) == TunerMode.ON else Reason.TUNER_OFF

    def _command(self, command: Any, time_ns: int) -> InputRow:
        reason = Reason.NONE
        symbol, source = int(command["symbol"]), int(command["source"])
        if self._clock.now_ns() > int(command["expires_ns"]):
            reason = Reason.EXPIRED
        elif source == Source.TUNER:
            reason = self._tuner_standing(int(command["override_epoch"]))
            if int(command["kind"]) != CommandKind.EMERGENCY_EXIT:
                reason = Reason.NOT_ALLOWED  # trading by hand needs a hand
        elif source not in _HUMANS:
            reason = Reason.NOT_ALLOWED
        if not -1 <= symbol < len(self._rows) - 1:
            reason, symbol = Reason.UNKNOWN_SYMBOL, -1
        return row(
            InputKind.COMMAND, time_ns, ALL if symbol < 0 else symbol, flags=source + _FOR_SOURCE * reason,
            aux=int(command["kind"]), a=float(command["notional_usd"]), c=float(command["decision_id"]), ref=int(command["seq"]),
        )  # fmt: skip
