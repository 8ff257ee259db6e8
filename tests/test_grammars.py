"""Texts under a grammar: whatever is drawn parses, by the languages' own parsers."""

import ast
import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.errors import SpecError
from foretell.generation.grammars import Grammar

sqlglot = pytest.importorskip("sqlglot", reason="SQL is judged by sqlglot")
LETTERS = frozenset(string.printable) - {"\r", "\x0b", "\x0c"}


def sql(text: str) -> object:
    return sqlglot.parse_one(text, error_level=sqlglot.ErrorLevel.RAISE)


PARSERS = {"python": ast.parse, "json": json.loads, "sql": sql}
GRAMMARS = {name: Grammar(name, LETTERS) for name in PARSERS}


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=60, deadline=None)
@given(dice=st.randoms(use_true_random=False), room=st.integers(13, 160))
def test_whatever_is_drawn_parses_and_fits(name, dice, room):
    rules = GRAMMARS[name]
    state, text = rules.begun("", room), ""
    for left in range(room, 0, -1):
        letters, ends = rules.follows(state, left)
        assert letters or ends
        if ends and (not letters or dice.random() < 0.05):
            break
        letter = dice.choice(sorted(letters))
        text, state = text + letter, rules.advance(state, letter)
    PARSERS[name](text)
    assert rules.accepts(text)


ORDINARY = {
    "python": (
        "import os\n",
        "def area(width, height=2):\n    # in metres\n    return width * height\n",
        'class Shop(Place):\n    """Sells."""\n    def open(self):\n        self.doors[0].wide = True\n',
        "for row in rows:\n    if row == 'a' and not row.done:\n        n += 1\n    else:\n        pass\n",
        "squares = [x * x for x in range(10)]\nprint(squares[1:], end='')\n",
    ),
    "json": ('{"a": [1, -2.5, "x\\n", null], "b": {"c": true}}', "[]", '{\n  "a": 1\n}'),
    "sql": (
        "SELECT name, count(*) AS n FROM people JOIN homes ON people.id = homes.owner WHERE age >= 18"
        " AND name LIKE 'A' GROUP BY name ORDER BY n DESC LIMIT 10;",
        "insert into people (id, name) values (1, 'Ada')",
        "update people set age = age + 1 where id in (1, 2)",
        "delete from people where age is null",
    ),
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, them in ORDINARY.items() for text in them])
def test_ordinary_texts_are_of_the_language(name, text):
    PARSERS[name](text)
    assert GRAMMARS[name].accepts(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("python", "if = 3\n"),
        ("python", "f(a=1, 2)\n"),
        ("python", "def f():\n"),
        ("python", "01\n"),
        ("json", "{'a': 1}"),
        ("json", "[1,]"),
        ("sql", "select select from people"),
    ],
)
def test_what_their_parsers_refuse_is_not_of_the_language(name, text):
    with pytest.raises(Exception):  # noqa: B017 - each parser has its own
        PARSERS[name](text)
    assert not GRAMMARS[name].accepts(text)


def test_a_prompt_that_begins_no_text_is_refused_before_drawing():
    with pytest.raises(SpecError, match=r"begins with '\{.a.='") as refused:
        GRAMMARS["json"].begun('{"a"= 1', 100)
    assert "after" in refused.value.hint


def test_too_short_a_length_is_refused_before_drawing():
    with pytest.raises(SpecError, match="does not end within 3 letters"):
        GRAMMARS["json"].begun('{"name": {"first', 3)


def test_letters_that_do_not_suffice_are_told():
    with pytest.raises(SpecError, match="make no text"):
        Grammar("sql", frozenset("abc")).begun("", 100)


def test_an_unknown_grammar_names_the_others():
    with pytest.raises(SpecError) as refused:
        Grammar("cobol", LETTERS)
    assert "json" in refused.value.hint
