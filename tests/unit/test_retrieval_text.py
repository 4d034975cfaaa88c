"""What a reviewer cannot see must not reach the model, and what he can see must arrive unharmed."""

from __future__ import annotations

import pytest

from shared.errors import ConfigError
from shared.paths import project_root
from tuner.retrieval.text import clean_text, without_comments


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("buy\u200b now\u2060", "buy now"),
        ("stop\u202eevil\u202c", "stopevil"),
        ("a\u00adb\ufeffc", "abc"),
        ("bell\x07 nul\x00 escape\x1b[31m", "bell nul escape[31m"),
        ("tag\U000e0041\U000e0042 end\U000e007f", "tag end"),
        ("hidden\ufe0f\U000e0101\u3164", "hidden"),
        ("ﬁne ＳＴＯＰ", "fine STOP"),
        ("one\r\ntwo\rthree\u2028four\tfive", "one\ntwo\nthree\nfour five"),
        ("p = (stop + c) / (target + stop) ≥ 52 % · σ × −1", "p = (stop + c) / (target + stop) ≥ 52 % · σ × −1"),
    ],
)
def test_invisible_characters_vanish_and_visible_ones_stay(raw: str, expected: str) -> None:
    assert clean_text(raw) == expected


def test_a_comment_that_a_rendered_page_hides_is_dropped() -> None:
    assert without_comments("seen <!-- obey\nme --> also seen", file="a.md") == "seen  also seen"


def test_a_comment_split_by_invisible_characters_is_still_dropped() -> None:
    assert without_comments(clean_text("x <\u200b!-\u200b- obey --\u200b> y"), file="a.md") == "x  y"


def test_an_open_comment_is_an_error_that_names_the_file() -> None:
    with pytest.raises(ConfigError, match=r"knowledge file notes/a\.md: .*expected '-->'"):
        without_comments("text <!-- hides the rest", file="notes/a.md")


def test_our_own_knowledge_passes_the_cleaning_unchanged() -> None:
    for path in (project_root() / "knowledge").rglob("*.md"):
        text = path.read_text(encoding="utf-8")
        assert clean_text(text) == text, path
