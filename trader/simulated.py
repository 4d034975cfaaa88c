"""Finding the simulator of this instance, or starting one that ends with the trader."""

from __future__ import annotations

import selectors
import subprocess
import sys

import msgspec

from shared.errors import ConfigError, Timeout
from shared.paths import home_dir
from shared.segment import process_start

_START_DEADLINE_S = 60.0  # a long recording is read once before it is played


class SimulatorInfo(msgspec.Struct, frozen=True):
    """What a simulator says of itself."""

    port: int
    market: str
    symbols: list[str]
    mode: str = "generated"
    pid: int = 0
    trades: str = "trade"  # the stream its trades come by


class OwnedSimulator:
    """A simulator started by this trader. It watches its standard input and ends when the trader does, even by kill -9."""

    def __init__(self, process: subprocess.Popen[bytes], info: SimulatorInfo) -> None:
        self._process = process
        self.info = info

    def stop(self) -> None:
        """End it and wait."""
        self._process.terminate()
        self._process.wait(10)


def running_simulator(instance: str) -> SimulatorInfo | None:
    """Return the simulator of this instance if one runs."""
    path = home_dir(instance) / "simulator.json"
    try:
        info = msgspec.json.decode(path.read_bytes(), type=SimulatorInfo)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"{path.name}: is not what a simulator writes ({error}); delete it and start trader_sim again"
        ) from error
    return info if process_start(info.pid) else None


def start_simulator(
    instance: str, *, replay: str | None, speed: str, seed: int, market: str, symbols: tuple[str, ...]
) -> OwnedSimulator:
    """Start ``trader_sim`` and wait until it listens.

    Errors
    ------
    ConfigError
        If it refused its settings; its own words are passed on.
    Timeout
        If it did not listen in time.
    """
    command = [sys.executable, "-m", "trader.simulator.cli", "--json", "--speed", speed, "--seed", str(seed), "--with-parent"]
    if instance:
        command += ["--instance", instance]
    if replay:
        command += ["--replay", replay]
    else:
        command += ["--market", market]
        command += ["--symbols", ",".join(symbols)] if symbols else []
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: S603
    line = _first_line(process)
    try:
        return OwnedSimulator(process, msgspec.json.decode(line, type=SimulatorInfo))
    except msgspec.DecodeError as error:
        process.kill()
        process.wait()
        raise ConfigError(f"trader_sim: said {line[:200]!r}, expected a line of JSON; run it by hand to see why") from error


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None  # noqa: S101 - given as a pipe above
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(_START_DEADLINE_S):
            process.kill()
            raise Timeout(f"trader_sim: did not listen within {_START_DEADLINE_S:g} s; run it by hand to see why")
    line = process.stdout.readline()
    if not line:
        _, said = process.communicate()
        words = said.decode(errors="replace").strip().removeprefix("error: ")
        raise ConfigError(f"trader_sim: ended at once: {words}")
    return line
