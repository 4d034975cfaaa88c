"""Knowledge text is shown to a model: nothing a human reviewer cannot see may survive in it."""

from __future__ import annotations

import re
import unicodedata

from shared.errors import ConfigError

# Code points that render as nothing but are letters or marks to Unicode: they could carry hidden words.
_UNSEEN_MARKS = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Co", "Cs", "Cn"})  # control, format (bidi, zero width), private, lone, unassigned
_LINE_ENDS = re.compile("\r\n?|[\u0085\u2028\u2029\v\f]")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def clean_text(raw: str) -> str:
    """Return ``raw`` in NFKC form without control, bidirectional, zero-width and other invisible characters.

    Every kind of line end becomes a newline, a tab a space; everything else that is kept is visible.
    """
    lines = _LINE_ENDS.sub("\n", raw).replace("\t", " ")
    seen = _UNSEEN_MARKS.sub("", unicodedata.normalize("NFKC", lines))
    return "".join(c for c in seen if c == "\n" or unicodedata.category(c) not in _UNSEEN_CATEGORIES)


def without_comments(text: str, *, file: str) -> str:
    """Return Markdown without its HTML comments, which a rendered page hides from the reviewer.

    Errors
    ------
    ConfigError
        If a comment is never closed: a renderer would hide the rest of the file.
    """
    visible = _COMMENT.sub("", text)
    if "<!--" in visible:
        raise ConfigError(f"knowledge file {file}: was text with an open '<!--', expected '-->' after it; close the comment")
    return visible
