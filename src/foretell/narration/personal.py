"""What may leave this machine about a row: owner's words, figures and dates, and no personal value in them.

Personal are the row's id, the entities, and the values of the columns that the spec names. A text in which
one of them is found, in any case, split or common encoding, is withheld as a whole.
"""

import base64
import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any
from urllib.parse import unquote

from foretell import units, wording
from foretell.records import Evidence, Fact
from foretell.verification.folding import folded
from foretell.verification.grammar import grammar, language_of
from foretell.verification.productions import Literal

WITHHELD = "[withheld]"
TOLD = frozenset(
    (
        *("term", "instant", "input", "score", "threshold", "reliability", "attribution", "history"),
        *("similar", "counterfactual", "recourse", "model", "sample"),
    )
)
"""Kinds whose text comes from the spec and from us alone; of all others only the kind and the id are told."""
LEAST_PART, LEAST_WHOLE = 2, 4
"""Letters from which a word of a personal value, and from which all of it without spaces, is looked for."""


class Personal:
    """The personal values of one evidence."""

    def __init__(self, evidence: Evidence, columns: Sequence[str]) -> None:
        self._columns = frozenset(columns)
        self._words: set[str] = set()
        self._wholes: set[str] = set()
        ordinary = _ordinary(language_of(evidence)).union(
            *(
                _words(fact.text) | _words(str(fact.value))
                for fact in evidence.of("term")
                if fact.name != "id"
            ),
            *(_words(fact.text) for fact in evidence.of("entity")),
        )
        for value in (evidence.id, *self._values(evidence)):
            telling = _words(value) - ordinary
            self._words |= {word for word in telling if len(word) >= LEAST_PART}
            spelled = value.casefold().translate(_SPELLED)
            for written in {value, value.casefold(), value.upper(), spelled} if telling else ():
                self._wholes |= {each for each in _encoded(written) if len(each) >= LEAST_WHOLE}

    def told(self, fact: Fact) -> dict[str, Any]:
        """Return what another machine is told of a fact."""
        known: dict[str, Any] = {"id": fact.id, "kind": fact.kind}
        if fact.kind not in TOLD:
            return known
        known["text"] = self.clean(fact.text)
        if self._hides(fact) or (isinstance(fact.value, str) and not self._short(fact)):
            return known
        value = self.clean(fact.value) if isinstance(fact.value, str) else fact.value
        return {**known, "value": value, "unit": fact.unit}

    def clean(self, text: str) -> str:
        """Return a text, or that it is withheld."""
        plain = unquote(html.unescape(text))
        squeezed = _squeezed(plain)
        found = any(whole in squeezed for whole in self._wholes) or not self._words.isdisjoint(_words(plain))
        return WITHHELD if found else text

    def _hides(self, fact: Fact) -> bool:
        column = fact.detail.get("column") if fact.kind == "history" else fact.name
        return fact.kind == "entity" or (fact.kind, fact.name) == ("term", "id") or column in self._columns

    def _short(self, fact: Fact) -> bool:
        """Say whether a text is the owner's, a date, or one word: notes of a row stay here."""
        return fact.kind in ("term", "instant", "model") or units.name(str(fact.value)) == fact.value

    def _values(self, evidence: Evidence) -> Iterator[str]:
        for fact in evidence.facts:
            if self._hides(fact):
                for value in (fact.value, fact.detail.get("was")):
                    if isinstance(value, str | int | float) and not isinstance(value, bool):
                        yield str(value)
                        if not isinstance(value, str):
                            yield wording.write(value, fact.unit)


@cache
def _ordinary(language: str) -> frozenset[str]:
    """Return the words of the grammar's own sentences, which tell nothing of anybody."""
    rules = grammar(language)
    options = [option for part in (*rules.claims, *rules.phrases.values()) for option in part.alternatives]
    return frozenset(
        word
        for option in options
        for node in option.nodes
        if isinstance(node, Literal)
        for word in _words(node.text)
    )


def _words(text: str) -> set[str]:
    """Return the words of a text, those with marks in them (O'Neil) also in parts; ü as ue as well as u."""
    found = set()
    for form in {_plain(text), _plain(text.casefold().translate(_SPELLED))}:
        found |= {*re.findall(r"[^\W_]+", form), *map(_squeezed, form.split())}
    return found - {""}


def _squeezed(text: str) -> str:
    """Return the letters and digits of a text alone, whatever their case, width and accents."""
    return "".join(filter(str.isalnum, _plain(text)))


def _plain(text: str) -> str:
    """Return a text as a reader takes it, without accents: what looks alike is alike."""
    bare = "".join(mark for mark in unicodedata.normalize("NFKD", text) if not unicodedata.combining(mark))
    return folded(bare).text


_SPELLED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae", "œ": "oe"})


def _encoded(value: str) -> Iterator[str]:
    whole = _squeezed(value)
    yield whole
    yield whole[::-1]
    data = value.encode("utf-8", "surrogatepass")
    yield data.hex()
    for shift in range(3):  # where it begins in a longer text changes how base64 writes it
        inner = base64.b64encode(b"\0" * shift + data).decode()
        yield _squeezed(inner[(0, 2, 3)[shift] : len(inner) - 4])
