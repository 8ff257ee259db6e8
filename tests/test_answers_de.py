"""Answers in German: what a case that is told in German is asked, by the same licences as in English."""

import re

import pytest

from evidences import evidence
from foretell.narration.answers import GERMAN, INTENTS, Step, numbered, questions, told, understood
from foretell.records import Claim, Evidence, Fact, Narrative
from foretell.verification.answers import answers
from foretell.verification.verdict import verify

SCORED = ({"probability": 0.01}, {"probability": 0.99})


def facts(seed: int) -> tuple[Evidence, Fact, float]:
    """Return evidence in German with a number among its inputs, and its score."""
    found = evidence(seed, language="de")
    number = next(fact for fact in found.of("input") if isinstance(fact.value, float))
    (score,) = found.of("score")
    assert isinstance(score.value, float)
    return found, number, score.value


def fact(kind: str, name: str, text: str, value: object, unit: str = "", **detail: object) -> Fact:
    return Fact(id="", kind=kind, name=name, text=text, value=value, unit=unit, source="test", detail=detail)


def brought(number: Fact, score: float, far: dict[str, float]) -> dict[str, list[Fact]]:
    """Return what each tool could bring."""
    name, text, unit = number.name, number.text, number.unit
    near = {"at": "2018-07-01T10:00:00+00:00", "rank": 1, "positive": 1, "known": "Betrug"}
    mate = fact("mate", "case", "case", "4712", "name", **far)
    apart = fact("apart", name, text, 12.5, unit, here=number.value, case="4712")
    handling = {"ruled": int(score > 0.5), "approver": "reviewer", "due_hours": 4}
    return {
        "whatif": [
            fact("whatif", name, text, 3.25, unit, known=1, was=number.value, low=5.0, high=9.0, **far)
        ],
        "compare": [mate, apart],
        "policy": [fact("handling", "policy", "Großbeträge", 2, "count", **handling)],
        "drift": [fact("drift", name, text, 0.72, "share", n=400, low=5.0, high=9.0, days=30)],
        "similar": [fact("nearest", "old", "Transaktion vom 1. Juli 2018", 0.1, "", **near)],
    }


@pytest.mark.parametrize("seed", [3, 4, 11])
@pytest.mark.parametrize("far", SCORED, ids=["below", "above"])
def test_what_a_tool_brings_is_told_in_german_and_no_other_figure_passes(seed, far):
    found, number, score = facts(seed)
    rules = answers("de")
    for tool, more in brought(number, score, far).items():
        with_it = numbered(found, more)
        answer = told("?", (Step(tool=tool, arguments={}),), with_it)
        cited = {name for finding in answer.verdict.findings for name in finding.facts}
        ids = {each.id for each in with_it.facts[len(found.facts) :]}
        assert answer.verdict.passed and ids & cited, (tool, answer.narrative.text)
        text = answer.narrative.text
        for digits in re.finditer(r"\d+,\d+", text):
            at = digits.end() - 1
            wrong = text[:at] + str((int(text[at]) + 5) % 10) + text[at + 1 :]
            lie = Narrative(claims=(Claim(text=wrong),), writer="test", length="answer")
            assert not verify(lie, with_it, rules).passed, wrong


def test_a_question_of_the_german_table_is_understood_and_so_is_an_english_one():
    found, number, _ = facts(3)
    for german, english in zip(GERMAN, INTENTS, strict=True):
        assert german.tools == english.tools
        for example in (german.example, english.example):
            assert [step.tool for step in understood(example, found)] == [*german.tools]
    (step,) = understood(f"Was wäre, wenn {number.text} = 20?", found)
    assert step.arguments == {"column": number.name, "value": "20"}
    assert all(each.example in questions("de") for each in GERMAN)
    assert not understood("Warum?", evidence(3))
