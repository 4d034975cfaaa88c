"""How well the knowledge is found: ``python -m tests.chaos.retrieval_table`` prints recall@4 of our search and of its rivals.

Golden questions in tests/data/golden_questions.toml. All searches see the same chunks in the same run. Chroma's own default
embedder is a model it downloads; where it cannot, its row says so and the row below it shows Chroma with our embedder instead.
``--held-out-missed`` also prints what was missed of the held-out part: never read it while tuning.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from shared.paths import project_root
from tests.golden import Golden, PlainBm25, PlainChroma, Search, cosine_search, golden, knowledge_chunks, scored
from tuner.retrieval.embedders import make_embedder
from tuner.retrieval.index import KnowledgeIndex


def main() -> int:
    """Print the table; 1 if our search misses what it promises."""
    asked, chunks = golden(), knowledge_chunks()
    click.echo(f"{len(asked.tuning)} questions to tune on, {len(asked.held_out)} held out, {len(chunks)} chunks\n")
    click.echo(f"{'search':44} {'tuning':>8} {'held out':>9} {'all':>7} {'MRR':>6} {'index':>9} {'query':>9}")
    with tempfile.TemporaryDirectory() as folder:
        embedder, rivals = make_embedder(), Path(folder)
        _chroma_default(rivals / "default", asked)
        _row("Chroma defaults with our embedder", lambda: _chroma(rivals / "ours"), asked)
        _row("BM25 alone (bm25s, English stems)", lambda: PlainBm25(chunks).search, asked)
        _row("cosine of text and heading (before)", lambda: cosine_search(embedder, chunks), asked)
        with _indexed(rivals / "hybrid") as (index, first_s):
            total = _row("hybrid, cut-off, diversity (ours)", lambda: _ids(index), asked, first_s)
            started = time.perf_counter()
            again = index.refresh()
            again_ms = 1e3 * (time.perf_counter() - started)
            click.echo(f"\nrefresh with nothing changed: {again.embedded} embedded, {again_ms:.0f} ms")
            _unrelated(index, asked)
            missed = scored(_ids(index), asked.tuning).missed
            click.echo(f"missed of the tuning part: {', '.join(map(repr, missed)) or 'none'}")
            held = scored(_ids(index), asked.held_out).missed
            if "--held-out-missed" in sys.argv:
                click.echo(f"missed of the held-out part: {', '.join(map(repr, held)) or 'none'}")
    return 0 if total >= 0.95 else 1


def _row(name: str, made: Callable[[], Search], asked: Golden, index_s: float | None = None) -> float:
    started = time.perf_counter()
    search = made()
    took_s = time.perf_counter() - started if index_s is None else index_s
    search(asked.tuning[0].question)  # the first question pays for what loads late
    tuning, held = scored(search, asked.tuning), scored(search, asked.held_out)
    both = scored(search, (*asked.tuning, *asked.held_out))
    click.echo(
        f"{name:44} {tuning.recall:8.3f} {held.recall:9.3f} {both.recall:7.3f} {both.mrr:6.3f} "
        f"{1e3 * took_s:6.0f} ms {both.query_ms:6.2f} ms"
    )
    return both.recall


def _chroma_default(folder: Path, asked: Golden) -> None:
    try:
        _row("Chroma defaults, its own embedder", lambda: PlainChroma(folder, knowledge_chunks(), None).search, asked)
    except Exception as error:  # noqa: BLE001 - whatever keeps a rival from loading is the finding
        text = " ".join(f"{type(error).__name__}: {error}".split())[:90]
        click.echo(f"{'Chroma defaults, its own embedder':44} cannot load: {text}")


def _chroma(folder: Path) -> Search:
    embedder = make_embedder()
    return PlainChroma(folder, knowledge_chunks(), embedder.embed).search


@contextmanager
def _indexed(folder: Path) -> Iterator[tuple[KnowledgeIndex, float]]:
    index = KnowledgeIndex(project_root() / "knowledge", folder, make_embedder())
    started = time.perf_counter()
    index.refresh()
    try:
        yield index, time.perf_counter() - started
    finally:
        index.close()


def _ids(index: KnowledgeIndex) -> Search:
    return lambda question: [passage.chunk_id for passage in index.search(question)]


def _unrelated(index: KnowledgeIndex, asked: Golden) -> None:
    for part, questions in asked.unrelated.items():
        answered = [question for question in questions if index.search(question)]
        click.echo(f"unrelated questions, {part}: {len(answered)} of {len(questions)} answered {answered or ''}")


if __name__ == "__main__":
    sys.exit(main())
