"""What a row turned out to be, as a decision may say it: one of several classes, or a number.

Of two outcomes the decision itself says which it was. What may be said stands in the case's evidence, so that
every store can check it without the model or the data.
"""

import math
from dataclasses import dataclass

from foretell.errors import DecisionError, ForetellError
from foretell.lookup import nearest
from foretell.records import Case, Decision, Evidence, Fact

POSITIVE, NEGATIVE = "positive", "negative"
SHOWN = 10
"""Classes that an error names."""
TOLD = frozenset({"outcome", "told"})
"""Terms that give away which class the model told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was to be predicted of a row, where it is no outcome."""

    text: str
    """What the target is called in sentences."""
    classes: tuple[str, ...] = ()
    """By their codes; empty where the target is a number."""
    told: str = ""
    """The class that the model told."""
    unit: str = ""
    """Of the number."""
    line: float | None = None
    """The number beyond which people look; None in evidence that does not say."""
    above: bool = True
    """On which side of it."""
    alert: bool
    """Whether the row came up: its class is in doubt, or the number was said to lie beyond the line."""

    def fault(self, truth: str) -> ForetellError | None:
        """Return why this cannot be what the row was, or None."""
        if self.classes:
            if truth in self.classes:
                return None
            near = nearest(truth, self.classes)
            names = ", ".join(self.classes[:SHOWN]) + (", ..." if len(self.classes) > SHOWN else "")
            return DecisionError(
                f"'{truth}' is no class of {self.text}",
                f"did you mean '{near}'?" if near else f"use one of: {names}",
            )
        if math.isfinite(number_of(truth)):
            return None
        return DecisionError(f"'{truth}' is no number, and {self.text} is one", "write it like 12.5")

    def as_told(self, truth: str) -> bool | None:
        """Return whether the model told it; None where that cannot be known."""
        if self.classes:
            return truth == self.told
        if self.line is None:
            return None
        beyond = number_of(truth) > self.line if self.above else number_of(truth) < self.line
        return beyond is self.alert


def number_of(text: str) -> float:
    """Return the number that a text writes; nan for none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def question_of(case: Case) -> Question | None:
    """Return what may be said of a case's row; None where there are two outcomes."""
    terms = {fact.name: fact for fact in case.evidence.of("term")}
    if "classes" in terms and "told" in terms:
        held = terms["classes"]
        told = str(terms["told"].value)
        return Question(text=held.text, classes=_names(held), told=told, alert=case.prediction.alert)
    number = next(iter(case.evidence.of("estimate")), None)
    if number is None:
        return None
    line = number.detail.get("line")
    return Question(
        text=number.text,
        unit=number.unit,
        line=float(line) if isinstance(line, int | float) else None,
        above=number.detail.get("side") != "below",
        alert=case.prediction.alert,
    )


def _names(fact: Fact) -> tuple[str, ...]:
    """Return the classes in the order of their codes, which the fact's detail numbers from 1 on."""
    held = {int(key): str(name) for key, name in fact.detail.items() if key.isdigit()}
    return tuple(held[place] for place in sorted(held))


def untold(evidence: Evidence) -> tuple[Fact, ...]:
    """Return the facts of an evidence without those by which a class's name gives the answer away."""
    if all(fact.name != "told" for fact in evidence.of("term")):
        return evidence.facts
    return tuple(fact for fact in evidence.facts if fact.kind != "term" or fact.name not in TOLD)


def truthful(case: Case, decision: Decision) -> ForetellError | None:
    """Return why a decision cannot say what the row was as it does, or None."""
    truth = decision.detail.get("truth")
    if truth is None:
        return None
    question = question_of(case)
    if question is None:
        return DecisionError(
            f"'truth' names a class or a number, and case '{case.id}' is about neither",
            "leave it out: the decision itself says what came",
        )
    if (error := question.fault(truth)) is not None:
        return error
    right = question.as_told(truth)
    if decision.verb == "approve" and right is False:
        return DecisionError(f"who approves case '{case.id}' says what it says, and not {truth}", "reject it")
    if decision.verb == "reject" and right is True:
        return DecisionError(f"case '{case.id}' says {truth} itself", "approve it, or edit its text")
    if decision.verb == "judge" and right is not None and "judgement" in decision.detail:
        return DecisionError(
            f"'{truth}' is a judgement by itself", "leave 'judgement' out, or give it without 'truth'"
        )
    return None


def completed(case: Case, decision: Decision) -> dict[str, str]:
    """Return what a decision brings besides; who judges what a row was agrees with the model or not."""
    detail, question = dict(decision.detail), question_of(case)
    if decision.verb != "judge" or question is None or "truth" not in detail or "judgement" in detail:
        return detail
    right = question.as_told(detail["truth"])
    # As decisions count: who agrees with the model says of an alert that it is one, and of others not.
    said = {} if right is None else {"judgement": POSITIVE if right is question.alert else NEGATIVE}
    return {**detail, **said}
