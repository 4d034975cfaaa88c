"""What a call costs and what each model accepts, from the dated table beside this file."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

from shared.errors import ConfigError


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """What one call used. ``fresh`` input was neither read from nor written to a cache; output includes the thinking."""

    fresh: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0


class ModelPrice(msgspec.Struct, frozen=True, kw_only=True):
    """USD per million tokens, whether the model takes ``effort``, and the shortest prefix its cache keeps, tokens.

    ``cache_write`` keeps a prefix for an hour, ``cache_write_5m`` for five minutes.
    """

    input: float
    output: float
    cache_read: float = 0.0
    cache_write: float = 0.0
    cache_write_5m: float = 0.0
    effort: bool = True
    cache_min_tokens: int = 0

    def cost_usd(self, used: Tokens) -> float:
        """Return the price of one call."""
        written = used.cache_write_5m * self.cache_write_5m + used.cache_write_1h * self.cache_write
        return (used.fresh * self.input + used.output * self.output + used.cache_read * self.cache_read + written) / 1e6


class ModelTable(msgspec.Struct, frozen=True, kw_only=True):
    """The table of models, with the month it was written down. ``retired`` maps a model to the month it went."""

    as_of: str
    default_claude: str
    default_ollama: str
    claude: dict[str, ModelPrice]
    retired: dict[str, str] = {}

    def price(self, model: str) -> ModelPrice | None:
        """Return the row of a model, also under a dated name such as ``claude-haiku-4-5-20251001``; None if unknown."""
        names = [name for name in self.claude if model == name or model.startswith(f"{name}-")]
        return self.claude[max(names, key=len)] if names else None

    def gone(self, model: str) -> str:
        """Return the month a model was retired; empty if it was not."""
        return next((month for name, month in self.retired.items() if model == name or model.startswith(f"{name}-")), "")


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
