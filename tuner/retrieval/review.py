"""Which knowledge files are those that were reviewed with the program: a list of digests that ships with the code.

Text in any other file, new or changed, is still found and shown, but it is marked: a decision with such text in its prompt may
not raise risk. After reviewing a change run ``python -m tuner.retrieval.review``, which writes the list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from shared.errors import ConfigError
from shared.paths import project_root
from tuner.retrieval.corpus import KnowledgeFile, read_corpus

LIST = Path(__file__).with_name("reviewed.sha256")
_LINE = re.compile(r"([0-9a-f]{64}) {2}(\S.*)")


def reviewed_digests(path: Path = LIST) -> dict[str, str]:
    """Return file -> SHA-256 of its reviewed content, as ``sha256sum`` writes it.

    Errors
    ------
    ConfigError
        If a line is something else; the message names it.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"list of reviewed knowledge: was {path.name!r} ({error}), expected a readable text file") from error
    digests = {}
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ConfigError(f"{path.name} line {number}: was {line[:40]!r}, expected a SHA-256, two spaces and a file name")
        digests[match[2]] = match[1]
    return digests


def unreviewed(files: Sequence[KnowledgeFile], digests: Mapping[str, str]) -> frozenset[str]:
    """Return the files that are not on the list with this content."""
    return frozenset(file.path for file in files if digests.get(file.path) != file.digest)


def listed(files: Sequence[KnowledgeFile]) -> str:
    """Return the list for these files."""
    return "".join(f"{file.digest}  {file.path}\n" for file in files)


if __name__ == "__main__":
    LIST.write_text(listed(read_corpus(project_root() / "knowledge")), encoding="utf-8")
