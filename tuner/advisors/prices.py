"""What a call costs, from the dated table beside this file."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

from shared.errors import ConfigError


class ModelPrice(msgspec.Struct, frozen=True, kw_only=True):
    """USD per million tokens, and whether the model takes ``effort``."""

    input: float
    output: float
    cache_read: float = 0.0
    cache_write: float = 0.0
    effort: bool = True

    def cost_usd(self, fresh: int, output: int, cache_read: int = 0, cache_write: int = 0) -> float:
        """Return the price of one call. ``fresh`` is the input that was neither read from nor written to a cache, tokens."""
        total = fresh * self.input + output * self.output + cache_read * self.cache_read + cache_write * self.cache_write
        return total / 1e6


class ModelTable(msgspec.Struct, frozen=True, kw_only=True):
    """The table of models, with the month it was written down."""

    as_of: str
    default_claude: str
    default_ollama: str
    claude: dict[str, ModelPrice]

    def price(self, model: str) -> ModelPrice | None:
        """Return the row of a model, also under a dated name such as ``claude-haiku-4-5-20251001``; None if unknown."""
        names = [name for name in self.claude if model == name or model.startswith(f"{name}-")]
        return self.claude[max(names, key=len)] if names else None


def load_models() -> ModelTable:
    """Read the table.

    Errors
    ------
    ConfigError
        If the file is damaged.
    """
    path = Path(__file__).with_name("models.toml")
    try:
        return msgspec.convert(tomllib.loads(path.read_text()), ModelTable)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(
            f"{path.name}: was unreadable ({error}), expected the table of models; reinstall the program"
        ) from error
