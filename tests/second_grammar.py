"""The grammar files as tables, read anew for the second checker by their description alone."""

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from types import CodeType
from typing import Any

import second_reader as read

FOLDER = Path(__file__).parents[1] / "src" / "foretell" / "verification"
FILES = {"en": "claims.grammar", "de": "claims_de.grammar"}
PART = re.compile(r"\{([^}]*)\}|\[([^\]]*)\]|<(\^?\w+)>|([^{\[<]+)")
Point = tuple[str, str]
"""What a sentence makes known: a name, and the variable it speaks of or nothing."""


class Nothing:
    """What is not known: false by itself and in every comparison."""

    def __bool__(self) -> bool:
        return False

    def __getattr__(self, name: str) -> "Nothing":
        return self

    def _false(self, other: object) -> bool:
        return False

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _false  # type: ignore[assignment]
    __hash__ = object.__hash__


class Truth(Nothing):
    """A truth is no number: it is true by itself, and compares with nothing."""

    def __bool__(self) -> bool:
        return True


NOTHING, TRUE = Nothing(), Truth()


def ratio(x: Any, y: Any) -> Any:
    return x / y if read.is_number(x) and read.is_number(y) and y else NOTHING


def change(x: Any, y: Any) -> Any:
    return ratio(x - y, abs(y)) if read.is_number(x) and read.is_number(y) else NOTHING


def difference(x: Any, y: Any) -> Any:
    return x - y if read.is_number(x) and read.is_number(y) else NOTHING


def days(x: Any, y: Any) -> Any:
    return read.days(x, y) if isinstance(x, str) and isinstance(y, str) else NOTHING


def pair(x: Any, y: Any) -> Any:
    return f"{x}@{y}" if isinstance(x, str) and isinstance(y, str) else NOTHING


def column(x: Any) -> Any:
    return x.split("@")[0] if isinstance(x, str) else NOTHING


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ratio": ratio, "share": ratio, "change": change, "difference": difference, "days": days, "pair": pair,
    "column": column,
}  # fmt: skip
ASKED = ("has", "no", "count", "list")
"""Functions that look at all the evidence."""


@cache
def formula(text: str) -> "Formula":
    """Return the formula, one and the same for one text."""
    return Formula(text)


class Formula:
    """An expression of the grammar as Python, and the variables it speaks of."""

    def __init__(self, text: str) -> None:
        python = re.sub(r"\b(has|no) (\w+)", r"\1('\2')", text).replace(".from", ".from_")
        python = re.sub(r"\bcount\((\w+):", r"count('\1', lambda \1:", python)
        tree = ast.parse(python, mode="eval")
        inner = {arg.arg for node in ast.walk(tree) if isinstance(node, ast.Lambda) for arg in node.args.args}
        loaded = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        self.text = text
        self.counts = bool(inner)
        self.names = frozenset(loaded - inner - {*FUNCTIONS, *ASKED})
        self.code: CodeType = compile(tree, text, "eval")


@dataclass(frozen=True)
class Word:
    text: str


@dataclass(frozen=True)
class Slot:
    formula: Formula
    form: str
    of: Formula | None
    """What the form asks for besides, as in agree(record.n) or unit(i)."""
    capital: bool

    @property
    def names(self) -> frozenset[str]:
        return self.formula.names | (self.of.names if self.of else frozenset())


@dataclass(frozen=True)
class Number:
    """One of two words, by whether the value is one."""

    one: str
    other: str
    formula: Formula

    @property
    def names(self) -> frozenset[str]:
        return self.formula.names


@dataclass(frozen=True)
class Either:
    words: tuple[str, ...]


@dataclass(frozen=True)
class Call:
    phrase: str
    capital: bool


Part = Word | Slot | Number | Either | Call


@dataclass(frozen=True)
class Wording:
    parts: tuple[Part, ...]
    licence: tuple[Formula, ...]
    when: str
    tells: tuple[Point, ...]

    @cached_property
    def words(self) -> list[str]:
        return [part.text for part in self.parts if isinstance(part, Word)]


@dataclass
class Sentence:
    name: str
    after: list[str] = field(default_factory=list)
    wordings: list[Wording] = field(default_factory=list)


@dataclass
class Language:
    """One grammar file."""

    variables: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Name -> (one or any, kind, the name of the fact or nothing)."""
    sentences: dict[str, Sentence] = field(default_factory=dict)
    """Claims, whose names have a dot, and phrases, whose names have none."""
    demands: list[tuple[Point, list[str], Formula]] = field(default_factory=list)


@cache
def language(name: str) -> Language:
    """Read a grammar file; a translation takes licences and points from what it translates."""
    lines = (FOLDER / FILES[name]).read_text(encoding="utf-8").splitlines()
    lines = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    original = language(lines[0].split()[1]) if lines[0].startswith("translates") else None
    result = Language(original.variables, {}, original.demands) if original else Language()
    reading = _Reading(result, original)
    for line in lines:
        reading.line(line)
    return result


class _Reading:
    """What holds at one line of a grammar file."""

    def __init__(self, result: Language, original: Language | None) -> None:
        self.result, self.original = result, original
        self.sentence = Sentence("")
        self.licence: list[Formula] = []
        self.when = "always"
        self.tells: tuple[Point, ...] = ()

    def line(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word.isdigit():
            self.wording(line.split("| ", 1)[1])
        elif word in ("one", "any"):
            names, _, fact = rest.partition(" = ")
            kind, _, name = fact.partition(" ")
            self.result.variables |= dict.fromkeys(names.split(), (word, kind, name))
        elif word in ("phrase", "claim"):
            self.sentence, self.licence, self.when, self.tells = Sentence(rest), [], "always", ()
            self.result.sentences[rest] = self.sentence
        elif word == "after":
            self.sentence.after = rest.split()
        elif word == "if":
            self.licence.append(formula(rest))
        elif word == "when":
            self.when = rest
        elif word == "tells":
            self.tells = tuple(map(_point, rest.split()))
        elif word == "demand" and (found := re.fullmatch(r"(\S+) in (.*?)(?: if (.*))?", rest)):
            self.result.demands.append((_point(found[1]), found[2].split(), formula(found[3] or "True")))

    def wording(self, text: str) -> None:
        licence, tells = [*self.licence], self.tells
        if self.when != "always":
            licence.append(formula(self.when))
        if self.original:
            same = self.original.sentences[self.sentence.name]
            self.sentence.after = same.after
            first = next(wording for wording in same.wordings if wording.when == self.when)
            licence, tells = list(first.licence), first.tells
        parts = tuple(_part(*found) for found in PART.findall(text))
        self.sentence.wordings.append(Wording(parts, tuple(licence), self.when, tells))


def _point(text: str) -> Point:
    name, _, variable = text.partition("(")
    return name, variable.rstrip(")")


def _part(slot: str, either: str, phrase: str, word: str) -> Part:
    if phrase:
        return Call(phrase.lstrip("^"), phrase.startswith("^"))
    if either:
        return Either(tuple(either.split("|")))
    if not slot:
        return Word(word)
    if found := re.fullmatch(r"([^|:]*)\|([^|:]*): (.*)", slot):
        return Number(found[1], found[2], formula(found[3]))
    found = re.fullmatch(r"(\^?)(.*?)(?::([a-z]+)(?:\(([\w.]+)\))?)?", slot)
    assert found
    return Slot(formula(found[2]), found[3] or "", formula(found[4]) if found[4] else None, bool(found[1]))
