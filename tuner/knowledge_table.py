"""The parameter table of the knowledge base, generated from the registry: ``python -m tuner.knowledge_table`` writes it."""

from __future__ import annotations

from pathlib import Path

from shared.errors import ConfigError
from shared.params import parameter_table
from shared.paths import project_root

BEGIN = "<!-- params:begin -->"
END = "<!-- params:end -->"


def table_file() -> Path:
    """Return the file that holds the table."""
    return project_root() / "knowledge" / "trading_config_parameters.md"


def with_table(text: str) -> str:
    """Return the text with the table of the registry between its marks.

    Errors
    ------
    ConfigError
        If a mark is missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ConfigError(f"{table_file().name}: was without its marks, expected {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{parameter_table()}\n{END}{after}"


if __name__ == "__main__":
    table_file().write_text(with_table(table_file().read_text()))
