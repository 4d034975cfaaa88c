"""Reads the knowledge folder: which files count, and one hash that names exactly this corpus."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import msgspec

from shared.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MAX_FILE_BYTES = 200_000


class KnowledgeFile(msgspec.Struct, frozen=True, kw_only=True):
    """One Markdown file as read: ``path`` relative to the folder with ``/``, ``digest`` the SHA-256 of its bytes."""

    path: str
    text: str
    digest: str


def read_corpus(folder: Path) -> list[KnowledgeFile]:
    """Return every ``*.md`` file below ``folder``, sorted by path.

    Errors
    ------
    ConfigError
        If the folder is missing or holds no Markdown, or a file is not UTF-8, is larger than :data:`MAX_FILE_BYTES`,
        or is a symbolic link that leads out of the folder. The message names the file.
    """
    root = folder.resolve()
    if not root.is_dir():
        raise ConfigError(f"knowledge folder: was {str(folder)!r}, expected an existing folder with *.md files")
    files = [_read(root, path) for path in sorted(_markdown(root))]
    if not files:
        raise ConfigError(f"knowledge folder: was {str(folder)!r} without any *.md file, expected at least one")
    return sorted(files, key=lambda file: file.path)


def manifest_hash(files: Sequence[KnowledgeFile]) -> str:
    """Return the SHA-256 (hex) over the sorted pairs of path and content digest."""
    total = hashlib.sha256()
    for path, digest in sorted((file.path, file.digest) for file in files):
        total.update(f"{path}\0{digest}\n".encode())
    return total.hexdigest()


def _markdown(root: Path) -> Iterator[Path]:
    """Yield Markdown files; linked folders are not entered, and one that leads outside is an error."""
    for where, folders, names in os.walk(root, followlinks=False):
        here = root / os.path.relpath(where, root)
        for name in folders:
            _stay_inside(root, here / name)
        yield from (here / name for name in names if name.endswith(".md"))


def _stay_inside(root: Path, path: Path) -> None:
    if path.is_symlink() and not path.resolve().is_relative_to(root):
        name = path.relative_to(root).as_posix()
        raise ConfigError(f"knowledge file {name}: was a link out of the folder, expected a file inside; copy it in")


def _read(root: Path, path: Path) -> KnowledgeFile:
    _stay_inside(root, path)
    name = path.relative_to(root).as_posix()
    if not path.is_file():
        raise ConfigError(f"knowledge file {name}: was not a readable regular file, expected Markdown text; remove it")
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"knowledge file {name}: was unreadable ({error.strerror}), expected Markdown text") from error
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(f"knowledge file {name}: was over {MAX_FILE_BYTES} bytes, expected less; split the file")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"knowledge file {name}: was invalid UTF-8 at byte {error.start}, expected UTF-8 text; save it again as UTF-8"
        ) from error
    return KnowledgeFile(path=name, text=text, digest=hashlib.sha256(raw).hexdigest())
