"""A bad knowledge file is one clear error with its name; nothing is read from outside the folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared.errors import ConfigError
from tuner.retrieval.corpus import MAX_FILE_BYTES, read_corpus


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "knowledge"
    (root / "strategies").mkdir(parents=True)
    (root / "good.md").write_text("# Good\n\nText.\n")
    (root / "strategies" / "deep.md").write_text("# Deep\n\nText.\n")
    return root


def test_reads_markdown_in_all_folders_sorted_by_path(folder: Path) -> None:
    (folder / "notes.txt").write_text("not knowledge")
    assert [file.path for file in read_corpus(folder)] == ["good.md", "strategies/deep.md"]


def test_invalid_utf8_names_the_file_and_the_byte(folder: Path) -> None:
    (folder / "bad.md").write_bytes(b"# Bad\n\xff\xfe")
    with pytest.raises(ConfigError, match=r"knowledge file bad\.md: was invalid UTF-8 at byte 6"):
        read_corpus(folder)


def test_a_file_over_the_limit_names_it_and_one_at_the_limit_is_read(folder: Path) -> None:
    (folder / "large.md").write_bytes(b"x" * MAX_FILE_BYTES)
    assert len(read_corpus(folder)) == 3
    (folder / "large.md").write_bytes(b"x" * (MAX_FILE_BYTES + 1))
    with pytest.raises(ConfigError, match=r"knowledge file large\.md: was over 200000 bytes"):
        read_corpus(folder)


def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("private")
    (folder / "strategies" / "link.md").symlink_to(secret)
    with pytest.raises(ConfigError, match=r"knowledge file strategies/link\.md: was a link out of the folder"):
        read_corpus(folder)


def test_a_linked_folder_outside_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / "more").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=r"knowledge file more: was a link out of the folder"):
        read_corpus(folder)


def test_a_link_inside_the_folder_is_read(folder: Path) -> None:
    (folder / "alias.md").symlink_to(folder / "good.md")
    assert [file.path for file in read_corpus(folder)] == ["alias.md", "good.md", "strategies/deep.md"]


def test_the_folder_itself_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(folder)
    assert len(read_corpus(tmp_path / "alias")) == 2


def test_a_dangling_link_or_a_pipe_is_an_error_not_a_hang(folder: Path) -> None:
    (folder / "gone.md").symlink_to(folder / "nothing.md")
    with pytest.raises(ConfigError, match=r"gone\.md: was not a readable regular file"):
        read_corpus(folder)
    (folder / "gone.md").unlink()
    os.mkfifo(folder / "pipe.md")
    with pytest.raises(ConfigError, match=r"pipe\.md: was not a readable regular file"):
        read_corpus(folder)


def test_a_missing_or_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected an existing folder"):
        read_corpus(tmp_path / "none")
    with pytest.raises(ConfigError, match=r"without any \*\.md file"):
        read_corpus(tmp_path)
