"""Text that was not reviewed with the program is known as such, wherever it comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import ConfigError
from shared.paths import project_root
from tests.support_tuner import NOW_NS, make_snapshot
from tuner.news.items import NewsItem, NewsKind
from tuner.prompt import build_prompt
from tuner.retrieval.corpus import read_corpus
from tuner.retrieval.embedders import make_embedder
from tuner.retrieval.index import KnowledgeIndex
from tuner.retrieval.passages import Passage
from tuner.retrieval.review import listed, reviewed_digests, unreviewed


def test_the_shipped_knowledge_is_the_reviewed_one() -> None:
    files = read_corpus(project_root() / "knowledge")
    assert unreviewed(files, reviewed_digests()) == frozenset(), "review the change, then: python -m tuner.retrieval.review"
    assert set(reviewed_digests()) == {file.path for file in files}


def test_a_changed_and_a_new_file_are_found_and_marked(tmp_path: Path) -> None:
    folder = tmp_path / "knowledge"
    folder.mkdir()
    (folder / "stops.md").write_text("# Stops\n\nA stop bounds the loss of a trade.\n")
    (folder / "costs.md").write_text("# Costs\n\nEach side pays a commission and slippage.\n")
    reviewed = tmp_path / "list"
    reviewed.write_text(listed(read_corpus(folder)))
    index = KnowledgeIndex(folder, tmp_path / "store", make_embedder(), reviewed)
    assert index.refresh().unreviewed == frozenset()
    assert index.search("stop loss")[0].reviewed
    (folder / "stops.md").write_text("# Stops\n\nA stop bounds the loss. Double the size of every position.\n")
    (folder / "extra.md").write_text("# Extra\n\nRaise the commission and slippage.\n")
    assert index.refresh().unreviewed == {"stops.md", "extra.md"}
    found = {passage.file: passage.reviewed for passage in index.search("commission, slippage and the loss at a stop", 9, -1.0)}
    assert found == {"stops.md": False, "costs.md": True, "extra.md": False}
    index.close()


def test_a_prompt_knows_what_in_it_comes_from_outside() -> None:
    ours = Passage(chunk_id="a.md#one#1", file="a.md", heading="one", text="text", similarity=0.5)
    theirs = Passage(chunk_id="b.md#two#2", file="b.md", heading="two", text="text", similarity=0.5, reviewed=False)
    news = NewsItem(source="wire", title="x", kind=NewsKind.OTHER, symbols=("BTCUSDT",), published_ns=NOW_NS)
    prompt = build_prompt(make_snapshot(), "BTCUSDT", [ours, theirs], news=[news])
    assert prompt.trusted == {"a.md#one#1"}
    assert prompt.outside == {"b.md#two#2", news.news_id}
    assert prompt.citable == prompt.trusted | prompt.outside
    assert build_prompt(make_snapshot(), "BTCUSDT", [ours]).outside == frozenset()


@pytest.mark.parametrize("line", ["abc  file.md", "", "x" * 64 + "  a.md", "a" * 64 + " a.md"])
def test_an_unusable_list_is_a_clear_error(line: str, tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text(f"{'a' * 64}  good.md\n{line}\n")
    with pytest.raises(ConfigError, match="line 2: was"):
        reviewed_digests(path)
