"""A house style from approved texts: each is read by the grammar, and every choice in it counts.

What counts is which alternative was taken among those that the licences admitted at that place, for phrases
and for sentences alike, how often a sentence that could be told was told, and what came before what.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from foretell.narration.embedded import due
from foretell.narration.outline import Outline
from foretell.narration.style import Shares, Style
from foretell.records import Evidence
from foretell.verification.conditions import World, world
from foretell.verification.grammar import GRAMMARS, language_of
from foretell.verification.parse import Parser, Sentence
from foretell.verification.productions import (
    Alternative,
    Call,
    Choice,
    Grammar,
    Nodes,
)
from foretell.verification.verdict import spans
from foretell.verification.wordings import Wording, extended

PRIOR = 0.003
"""Approved choices that each unit of the grammar's own weights counts for: a house means what it does."""
FIRM = 4
"""The power of the estimated weights that is used: what a house seems to prefer it is taken to prefer, and
only between what it took about equally often is there a choice."""
ROUNDS = 10
LEAST = 1e-30
"""The least weight, so that what a house avoids is still written where nothing else is true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """A text that people approved, and what it is about."""

    evidence: Evidence
    text: str
    length: str = "medium"


@dataclass(slots=True)
class Habits:
    """What was counted in approved texts."""

    taken: list[tuple[str, set[str]]] = field(default_factory=list)
    """The alternative that was taken, and those that could be."""
    options: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    """A choice [a|b] -> how often each option was taken."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One approved text as the grammar reads it; what it does not read is left out."""

    approved: Approved
    rules: Grammar
    facts: World
    register: str
    sentences: tuple[Sentence, ...]
    outline: Outline

    def told(self, sentences: Iterable[Sentence]) -> set[tuple[str, str]]:
        return {point for sentence in sentences for point in sentence.tells}

    def could(self, group: str, told: set[tuple[str, str]], last: str) -> Iterator[Alternative]:
        """Yield the sentences of a group that could follow one of the group `last`, when this was told."""
        for production, option in self.rules.groups.get(group, ()):
            stands = option.register in ("", self.register) and (
                not production.after or last in production.after
            )
            if stands and not all(points & told for points in self.outline.ways(option)):
                yield option


def learn(texts: Iterable[Approved], language: str = "en", wordings: tuple[Wording, ...] = ()) -> Style:
    """Return the style of approved texts; texts of another language count for nothing.

    Args:
        wordings: sentences of the house's own that were released.
    """
    found = (read(approved, wordings) for approved in texts)
    readings = [reading for reading in found if reading is not None and reading.rules.language == language]
    habits = Habits()
    by_length: dict[str, list[Reading]] = defaultdict(list)
    for reading in readings:
        _count_wordings(reading, habits)
        by_length[reading.approved.length].append(reading)
    own = {
        option.key: option.weight
        for rules in {reading.rules for reading in readings}
        for production in (*rules.claims, *rules.phrases.values())
        for option in production.alternatives
    }
    return Style(
        language=language,
        num_texts=len(readings),
        weights=estimated(habits.taken, own),
        choices={
            text: _chances(counts, text.count("|") + 1) for text, counts in sorted(habits.options.items())
        },
        plans={length: _plan(alike, length) for length, alike in sorted(by_length.items())},
        wordings=wordings,
    )


def read(approved: Approved, wordings: tuple[Wording, ...] = ()) -> Reading | None:
    """Return a text as the grammar reads it; None where no grammar has its language, or a plan its length."""
    language = language_of(approved.evidence)
    rules = extended(language, wordings) if language in GRAMMARS else None
    if rules is None or approved.length not in rules.plans:
        return None
    facts = world(rules.variables, approved.evidence)
    parser = Parser(rules, facts, approved.text)
    found = tuple(
        span for span in spans(parser, approved.text) if isinstance(span, Sentence) and not span.fault
    )
    used = {pick.register for sentence in found for pick in sentence.picks if isinstance(pick, Alternative)}
    register = "plain" if "plain" in used else "expert"
    return Reading(approved, rules, facts, register, found, Outline(rules, facts, register))


def _befores(readings: list[Reading]) -> Counter[tuple[str, str]]:
    """Count in how many texts one group was told before another."""
    found: Counter[tuple[str, str]] = Counter()
    for reading in readings:
        groups = dict.fromkeys(sentence.production.group for sentence in reading.sentences)
        found.update(combinations(groups, 2))
    return found


def _count_wordings(reading: Reading, habits: Habits) -> None:
    """Count, sentence by sentence, what was taken among what could be."""
    for number, sentence in enumerate(reading.sentences):
        before = reading.sentences[:number]
        last = before[-1].production.group if before else ""
        picks = iter(sentence.picks)
        top: Any = next(picks)
        could = reading.could(sentence.production.group, reading.told(before), last)
        habits.taken.append((top.key, {top.key} | {each.key for each in could}))
        _count_phrases(top.nodes, picks, sentence, reading.outline, habits)


def _count_phrases(
    nodes: Nodes, picks: Iterator[Any], sentence: Sentence, outline: Outline, habits: Habits
) -> None:
    """Count the phrases and choices of one sentence, in the order of reading."""
    for node in nodes:
        if isinstance(node, Call):
            taken = next(picks)
            could = {
                option.key
                for option in outline.rules.phrases[node.phrase].alternatives
                if option.register in ("", outline.register)
                and any(
                    outline.fits(outline.shapes[id(option)].needs, bound)
                    for bound in option.bindings(sentence.bound, outline.facts)
                )
            }
            habits.taken.append((taken.key, {taken.key} | could))
            _count_phrases(taken.nodes, picks, sentence, outline, habits)
        elif isinstance(node, Choice):
            choice, number = next(picks)
            habits.options[choice.text][number] += 1
            _count_phrases(choice.options[number], picks, sentence, outline, habits)


def estimated(taken: Iterable[tuple[str, Iterable[str]]], own: Mapping[str, float]) -> Mapping[str, float]:
    """Return the weight of each alternative.

    The chance of an alternative is its weight's share among those that could be taken with it; the weights
    are the most likely ones under a prior: `PRIOR` choices for each unit of the grammar's weights. The same
    choice made often counts once, by the shares: it teaches nothing of other choices. Where nothing else
    could be taken, nothing was chosen.

    Args:
        taken: the alternatives that were taken, each with those that could be.
        own: the grammar's weights.

    Source: Hunter, Annals of Statistics 32 (2004), MM algorithm; Caron and Doucet, JCGS 21 (2012), the prior.

    >>> found = estimated([("a", "ab")] * 9 + [("b", "ab")], {"a": 1.0, "b": 1.0})
    >>> found["a"] > 9 * found["b"]
    True
    """
    counts: dict[frozenset[str], Counter[str]] = defaultdict(Counter)
    for key, could in taken:
        several = frozenset(could)
        if len(several) > 1:
            counts[several][key] += 1
    wins: dict[str, float] = defaultdict(float)
    for several in counts.values():
        total = several.total()
        for key, times in several.items():
            wins[key] += times / total
    weights = dict(own)
    for _ in range(ROUNDS):
        pulls = dict.fromkeys(own, PRIOR)
        for could in counts:
            pull = 1 / sum(weights[key] for key in could)
            for key in could:
                pulls[key] += pull
        weights = {key: (wins[key] + PRIOR * own[key]) / pulls[key] for key in own}
    return {key: float(f"{max(weights[key] ** FIRM, LEAST):.6g}") for key in sorted(weights)}


def _chances(counts: Counter[int], num_options: int) -> tuple[float, ...]:
    """Return how probably each option of a choice [a|b] is taken."""
    total = counts.total() + PRIOR
    return tuple(round((counts[at] + PRIOR / num_options) / total, 6) for at in range(num_options))


def _plan(readings: list[Reading], length: str) -> tuple[Shares, ...]:
    """Return the groups in the house's order, with the shares in which their sentences are told."""
    rules = readings[0].rules
    own = [name for name in rules.groups if name.startswith("house-")]
    usual = dict(step.shares for step in rules.plans[length])
    usual |= dict.fromkeys(own, (0.5,))
    order = _ordered([*usual], _befores(readings))
    told: Counter[tuple[str, int, bool]] = Counter()
    for reading in readings:
        told.update(_told(reading, order, usual))
    return tuple(
        (group, tuple(_share(told, group, number, share) for number, share in enumerate(usual[group])))
        for group in order
    )


def _ordered(groups: list[str], befores: Counter[tuple[str, str]]) -> list[str]:
    """Return the groups so that few texts have a pair of them the other way, else as the plan has them."""
    order: list[str] = []
    left = [*groups]
    while left:
        free = [one for one in left if all(befores[one, other] >= befores[other, one] for other in left)]
        order.append((free or left)[0])
        left.remove(order[-1])
    return order


def _told(
    reading: Reading, order: list[str], usual: Mapping[str, tuple[float, ...]]
) -> Iterator[tuple[str, int, bool]]:
    """Yield (group, number, whether it was told) for each sentence that a text could tell at its place.

    A sentence that had to be told says nothing of taste.
    """
    before: list[Sentence] = []
    must = due(reading.rules, reading.facts, reading.approved.length)
    for group in order:
        mine = [sentence for sentence in reading.sentences if sentence.production.group == group]
        for number, sentence in enumerate(mine):
            if not sentence.tells & must:
                yield group, number, True
        last = before[-1].production.group if before else ""
        before += mine
        could = reading.could(group, reading.told(before), group if mine else last)
        if len(mine) < len(usual[group]) and next(could, None) is not None:
            yield group, len(mine), False


def _share(told: Counter[tuple[str, int, bool]], group: str, number: int, usual: float) -> float:
    """Return the share of texts in which a sentence is told when it may be, smoothed towards the plan's."""
    yes, no = told[group, number, True], told[group, number, False]
    return round((yes + PRIOR * usual) / (yes + no + PRIOR), 6)
