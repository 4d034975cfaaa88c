"""Indexing and searching touch no network: in a process where any use of it is an error, they work as ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from shared.paths import project_root

PROGRAM = """
import socket, sys
from pathlib import Path

def guard(event, args):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.sendto") or (
        event == "socket.connect" and args[0].family != socket.AF_UNIX
    ):
        raise SystemExit(f"NETWORK: {event} {args[1:]}")

sys.addaudithook(guard)
if sys.argv[2] == "prove":
    socket.create_connection(("127.0.0.1", 9))

from tuner.retrieval.embedders import make_embedder
from tuner.retrieval.index import KnowledgeIndex

index = KnowledgeIndex(Path("knowledge"), Path(sys.argv[1]), make_embedder())
print(index.refresh().status)
print(len(index.search("five losses in a row, what should be changed")))
import logging
print(logging.getLogger().handlers, logging.getLogger().level)
index.close()
"""


def run(folder: Path, mode: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, str(folder), mode]
    return subprocess.run(command, cwd=project_root(), capture_output=True, text=True, timeout=100, check=False)


def test_index_and_search_under_a_blocked_network(tmp_path: Path) -> None:
    done = run(tmp_path, "work")
    assert (done.returncode, done.stdout.splitlines()) == (0, ["created", "4", "[] 30"]), done.stderr
    assert done.stderr == ""  # no library talks


def test_the_block_blocks(tmp_path: Path) -> None:
    done = run(tmp_path, "prove")
    assert done.returncode != 0
    assert "NETWORK: socket." in done.stderr
