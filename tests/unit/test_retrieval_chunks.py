"""Chunks follow headings, stay short, and keep their ids while other sections change."""

from __future__ import annotations

import hashlib
import itertools

import pytest

from shared.paths import project_root
from tuner.retrieval.chunks import TARGET_CHARS, Chunk, split_file, split_long
from tuner.retrieval.corpus import KnowledgeFile, manifest_hash, read_corpus

PAGE = """# Regimes

Intro.

## Trending up

Price makes progress.

### Shorts

Not here.

## Ranging ##

Price swings.
"""


def page(text: str, path: str = "a/b.md") -> KnowledgeFile:
    return KnowledgeFile(path=path, text=text, digest=hashlib.sha256(text.encode()).hexdigest())


def ids(chunks: list[Chunk]) -> dict[str, str]:
    return {chunk.own_heading: chunk.chunk_id for chunk in chunks}


def test_one_chunk_a_section_with_the_path_of_headings() -> None:
    chunks = split_file(page(PAGE))
    assert [(c.heading, c.text, c.position) for c in chunks] == [
        ("Regimes", "Intro.", 0),
        ("Regimes > Trending up", "Price makes progress.", 1),
        ("Regimes > Trending up > Shorts", "Not here.", 2),
        ("Regimes > Ranging", "Price swings.", 3),
    ]


def test_an_id_reads_file_heading_hash() -> None:
    chunk = split_file(page(PAGE))[1]
    digest = hashlib.sha256(b"Regimes > Trending up\nPrice makes progress.").hexdigest()[:8]
    assert chunk.chunk_id == f"a/b.md#trending-up#{digest}"


def test_editing_one_section_changes_only_its_id() -> None:
    before = ids(split_file(page(PAGE)))
    after = ids(split_file(page(PAGE.replace("Price makes", "## New\n\nText.\n\n## Trending up\n\nPrice hardly makes"))))
    assert after["Ranging"] == before["Ranging"]
    assert after["Regimes"] == before["Regimes"]
    assert after["Trending up"] != before["Trending up"]


def test_ids_do_not_depend_on_invisible_characters_or_line_ends() -> None:
    noisy = PAGE.replace("\n", "\r\n").replace("progress", "pro\u200bgress")
    assert ids(split_file(page(noisy))) == ids(split_file(page(PAGE)))


def test_a_hash_inside_a_code_fence_is_no_heading() -> None:
    chunks = split_file(page("# Title\n\n```\n# not a heading\n```\n"))
    assert [chunk.heading for chunk in chunks] == ["Title"]


def test_text_repeated_word_for_word_under_one_heading_is_kept_once() -> None:
    chunks = split_file(page("# T\n\n## Same\n\nx\n\n## Same\n\nx\n\n## Same\n\ny\n"))
    assert [chunk.text for chunk in chunks] == ["x", "y"]
    assert len({chunk.chunk_id for chunk in chunks}) == 2


def test_a_long_section_is_cut_at_paragraphs_with_one_repeated() -> None:
    paragraphs = [f"Paragraph {number} " + "word " * 50 for number in range(8)]
    pieces = split_long("\n\n".join(p.strip() for p in paragraphs))
    assert len(pieces) > 1
    assert all(len(piece) <= TARGET_CHARS for piece in pieces)
    for earlier, later in itertools.pairwise(pieces):
        assert later.split("\n\n")[0] == earlier.split("\n\n")[-1]


@pytest.mark.parametrize("unit", ["word ", "Sentence with an end. ", "x"])
def test_one_endless_paragraph_is_still_bounded_and_loses_nothing(unit: str) -> None:
    text = (unit * 4000).strip()
    pieces = split_long(text)
    assert all(len(piece) <= TARGET_CHARS for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_a_long_table_keeps_its_head_in_every_piece() -> None:
    head = "| parameter | range |\n|---|---|"
    table = head + "".join(f"\n| parameter_{n} | {n} to {n + 100} with a remark of some length |" for n in range(60))
    pieces = split_long(table)
    assert len(pieces) > 1
    assert all(piece.startswith(head) and len(piece) <= TARGET_CHARS for piece in pieces)
    assert sum(piece.count("| parameter_") for piece in pieces) == 60


def test_every_section_of_the_shipped_knowledge_stands_alone() -> None:
    files = read_corpus(project_root() / "knowledge")
    chunks = [chunk for file in files for chunk in split_file(file)]
    assert len(files) >= 10
    assert len({chunk.chunk_id for chunk in chunks}) == len(chunks)
    assert all(len(chunk.text) <= TARGET_CHARS for chunk in chunks)


def test_the_manifest_depends_on_paths_and_contents_but_not_on_order() -> None:
    one, two = page("x", "a.md"), page("y", "b.md")
    assert manifest_hash([one, two]) == manifest_hash([two, one])
    assert manifest_hash([one, two]) != manifest_hash([page("x", "c.md"), two])
    assert manifest_hash([one, two]) != manifest_hash([page("z", "a.md"), two])
