"""A document of sections, sentences and tables, written as Markdown or as one page of HTML."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

BLANKS = re.compile(r"[ \t\n\r\f\v]+")
SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Cells of text; the first column names the row."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the document, and what it is asked for by."""

    title: str
    asked: str = ""
    """Where readers look for it: a point of a law, a part of a model card."""
    blocks: tuple[str | Table, ...]
    """Sentences, and tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """All of it."""

    title: str
    lead: str
    sections: tuple[Section, ...]


def markdown(document: Document) -> str:
    """Return the document as Markdown; nothing in a name or a value can become markup."""
    lines = [f"# {_plain(document.title)}", "", _plain(document.lead), ""]
    for number, section in enumerate(document.sections, 1):
        lines += [f"## {number}. {_plain(section.title)}", ""]
        lines += [f"*{_plain(section.asked)}*", ""] if section.asked else []
        for block in section.blocks:
            lines += _table(block) if isinstance(block, Table) else [_plain(block), ""] if block else []
    return "\n".join(lines)


def _table(table: Table) -> list[str]:
    if not table.rows:
        return []
    return [
        f"{_plain(table.caption)}:",
        "",
        _row(table.header),
        _row(["---"] * len(table.header), plain=False),
        *map(_row, table.rows),
        "",
    ]


def _row(cells: Sequence[str], *, plain: bool = True) -> str:
    return f"| {' | '.join(map(_plain, cells) if plain else cells)} |"


def _plain(text: str) -> str:
    """Return a text on one line, so that what it holds reads as it stands.

    >>> _plain("a_b | <c>\\nd")
    'a\\\\_b \\\\| \\\\<c\\\\> d'
    """
    return SPECIAL.sub(r"\\\1", BLANKS.sub(" ", text).strip())
