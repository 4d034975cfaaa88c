"""How long each regime holds: closes of any bar length through the engine's own regime step."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.compiled import compiled
from shared.errors import UsageError
from shared.events import Regime, words
from trader.engine.state import SYMBOL
from trader.market.regime import regime_step

Closes = npt.NDArray[np.float64]
Labels = npt.NDArray[np.uint8]


@compiled
def _walk(symbol: Any, closes: Any, labels: Any, confidences: Any) -> None:
    size = len(symbol.closes_usd)
    for i in range(len(closes)):
        symbol.closes_usd[int(symbol.bars % size)] = closes[i]
        symbol.bars += 1
        regime_step(symbol)
        labels[i] = symbol.regime
        confidences[i] = symbol.regimes.confidence


def regimes_of(closes: Closes) -> tuple[Labels, npt.NDArray[np.float64]]:
    """Return the regime and its confidence after each close, from a symbol that has seen nothing else."""
    labels = np.zeros(len(closes), np.uint8)
    confidences = np.zeros(len(closes))
    symbol: Any = np.zeros(1, SYMBOL)
    _walk(symbol[0], np.ascontiguousarray(closes, np.float64), labels, confidences)
    return labels, confidences


def shares_pct(labels: Labels) -> dict[Regime, float]:
    """Return how much of the time each regime held, %, of the time when it was known."""
    known = labels[labels != Regime.UNKNOWN]
    return {r: 100.0 * float((known == r).sum()) / max(len(known), 1) for r in Regime if r is not Regime.UNKNOWN}


def read_closes(path: Path) -> Closes:
    """Return the closes of a file of klines, CSV with a column ``close``, plain or gzipped.

    Errors
    ------
    UsageError
        If it is not such a file.
    """
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            return np.array([float(line["close"]) for line in csv.DictReader(file)])
    except (OSError, KeyError, ValueError, UnicodeDecodeError) as error:
        raise UsageError(f"klines: was {path.name} ({error}), expected a CSV with a column 'close', plain or .gz") from error


def describe_shares(runs: Mapping[str, Labels]) -> str:
    """Return a table: the share of each regime and how often it began, one column a run."""
    lines = [f"{'':16}" + "".join(f"{name:>26}" for name in runs)]
    shares = {name: shares_pct(labels) for name, labels in runs.items()}
    for regime in Regime:
        cells = []
        for name, labels in runs.items():
            began = int(((labels[1:] == regime) & (labels[:-1] != regime)).sum())
            share = f"{int((labels == regime).sum())} bars" if regime is Regime.UNKNOWN else f"{shares[name][regime]:.1f} %"
            cells.append(f"{share + f' in {began}':>26}")
        lines.append(f"{words(regime):16}" + "".join(cells))
    return "\n".join([*lines, f"{'bars':16}" + "".join(f"{len(labels):>26,}" for labels in runs.values())])
