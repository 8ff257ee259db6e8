"""Passages: a text cut at the ends of its sentences, each piece short enough to be quoted."""

import re
from collections.abc import Iterator

LONGEST = 400
"""Characters of a passage, as it is quoted."""
MOST_BLANK = 4 * LONGEST
"""Characters that one sentence may take up in its document, with all its white space."""

_PARAGRAPH = re.compile(r"\S.*?(?=\n[ \t\r]*\n|\Z)", re.DOTALL)
_END = re.compile(r"[.!?…][\"'”’“»)\]*_]*(?=\s)|(?=\n[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t])")
"""Where a sentence or an item of a list may end."""
_MARK = re.compile(r"(?:[-*+•]|\d{1,3}[.)])[ \t]+")
_ABBREVIATED = re.compile(
    r"(?:^|[\s(])(?:[A-Za-zÄÖÜäöü]|e\.g|i\.e|z\. ?B|d\. ?h|u\. ?a|etc|vs|cf|approx|[Nn]os?|Nr|[Aa]rts?|Abs"
    r"|[Ss]ec|Mr|Mrs|Ms|Dr|Prof|St|Fig|bzw|ca|usw|vgl|ggf|inkl|\d{1,2})\.$"
)


def quoted(text: str) -> str:
    """Return a stretch of text as it is quoted: word for word, white space as single spaces."""
    return " ".join(text.split())


def passages(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the passages between two offsets: whole sentences, of one paragraph each.

    A sentence that is longer than a passage may be is cut between words.
    """
    for paragraph in _PARAGRAPH.finditer(text, start, end):
        low = high = _unmarked(text, paragraph.start(), paragraph.end())
        for piece in _pieces(text, low, paragraph.end()):
            if high > low and len(quoted(text[low : piece[1]])) > LONGEST:
                yield low, high
                low = _unmarked(text, *piece)
            high = piece[1]
        if high > low:
            yield low, high


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield sentences, and the parts of sentences that are too long."""
    for low, high in _sentences(text, start, end):
        while high - low > MOST_BLANK or len(quoted(text[low:high])) > LONGEST:
            # white space only shrinks when quoted, so this many characters are never too many
            cut = max(text.rfind(mark, low + 1, low + LONGEST + 1) for mark in " \n\t")
            cut = cut if cut > low else low + LONGEST
            yield low, cut
            low = _after(text, cut, high)
        if low < high:
            yield low, high


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    end = start + len(text[start:end].rstrip())
    low = start
    for mark in _END.finditer(text, start, end):
        after = _after(text, mark.end(), end)
        goes_on = mark[0] and (
            text[after].islower() or _ABBREVIATED.search(text, mark.start() - 12, mark.end())
        )
        if low < mark.end() and not goes_on:
            yield low, mark.end()
            low = after
    if low < end:
        yield low, end


def _unmarked(text: str, start: int, end: int) -> int:
    """Return where a passage begins after the mark of its list."""
    mark = _MARK.match(text, start, end)
    return mark.end() if mark else start


def _after(text: str, at: int, end: int) -> int:
    while at < end and text[at].isspace():
        at += 1
    return at
