"""What a trader says, and how the knowledge calls it: a question is asked in both."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from shared.errors import ConfigError

_FILE = Path(__file__).with_name("glossary.toml")


class Glossary:
    """A list of phrases with the words of the knowledge for them.

    Errors
    ------
    ConfigError
        If the file is not TOML made of texts.
    """

    def __init__(self, path: Path = _FILE) -> None:
        try:
            entries = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"glossary: was {path.name!r} ({error}), expected TOML with one line a phrase") from error
        if not all(isinstance(means, str) for means in entries.values()):
            raise ConfigError(f"glossary: was {path.name!r} with something other than texts, expected one line a phrase")
        self._entries = [(_pattern(says), str(means)) for says, means in entries.items()]

    def expanded(self, question: str) -> str:
        """Return the question with the knowledge's words for what it says behind it."""
        low = question.lower()
        return " ".join([question, *(means for pattern, means in self._entries if pattern.search(low))])


def _pattern(says: str) -> re.Pattern[str]:
    phrases = "|".join(re.escape(phrase.strip()) for phrase in says.split(","))
    return re.compile(rf"\b(?:{phrases})\b")
