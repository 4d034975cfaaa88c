"""The small file that tells the other programs of an instance where its simulator listens."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

from shared.paths import home_dir

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE_NAME = "simulator.json"


@contextlib.contextmanager
def announced(instance: str, facts: Mapping[str, object]) -> Iterator[None]:
    """Keep ``simulator.json`` (mode 0600) in the instance's folder while the block runs.

    Parameters
    ----------
    instance
        Name of the instance.
    facts
        What to write; the process id is added.
    """
    path = home_dir(instance) / FILE_NAME
    text = json.dumps({"pid": os.getpid(), **facts})
    draft = path.with_suffix(f".{os.getpid()}")
    handle = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w") as stream:
        stream.write(text)
    draft.replace(path)
    try:
        yield
    finally:
        # A later simulator of the same instance may have put its own file there.
        with contextlib.suppress(FileNotFoundError):
            if path.read_text() == text:
                path.unlink()
