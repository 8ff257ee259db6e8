"""Sentences compiled into readers: functions, each of which reads one node and then calls what reads on.

A reader returns the reading that came of it, or None where the text goes another way: then the one before it
tries its next choice. It goes on with one fault more only where the reading may have as many.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from foretell.verification import readers
from foretell.verification.conditions import Bound, Fields, solutions
from foretell.verification.productions import (
    Agreement,
    Alternative,
    Call,
    Choice,
    Grammar,
    Listing,
    Literal,
    Node,
    Nodes,
    Production,
    Slot,
)
from foretell.verification.state import Found, Reading, Trail, Waiting

UNHEDGED_FIELDS = frozenset(("low", "high", "was", "goal"))
UNHEDGED_KINDS = frozenset(("counterfactual", "recourse", "whatif", "threshold"))
"""Values that no hedge may widen: ends of ranges, what was supposed, thresholds and goals. "Had it been less
than 60" would speak of all that is less, and "it takes less than 35%" of the other side."""

Reader = Callable[["Reading", int, Bound, Trail, int, Waiting], Found]
"""Reads on from a position, with the facts bound so far, what was met, the faults, and what waits."""
Way = tuple[str, Reader]
"""The words that something begins with, and what reads on behind them."""
Comparison = Callable[["Reading", int, Any, Fields, Bound], readers.MISMATCH]
"""Compares the text at a position with the truth, a field of this fact."""


@dataclass(frozen=True, slots=True, eq=False)
class Opening:
    """A sentence of the grammar as it begins."""

    words: str
    """What it always begins with; "" when it begins with a value."""
    landmarks: tuple[str, ...]
    """Words that it holds in this order behind its first ones."""
    production: Production
    read: Reader
    """Reads what follows `words`."""

    def may_stand(self, text: str, start: int) -> bool:
        """Say whether its words follow each other behind `start`: a cheap filter."""
        for words in self.landmarks:
            start = text.find(words, start) + 1
            if not start:
                return False
        return True


@lru_cache(64)
def openings(rules: Grammar) -> tuple[re.Pattern[str], Mapping[str, list[Opening]]]:
    """Return what finds a sentence's longest first words, and those -> the sentences that may begin so.

    Shorter ones may begin it too; those that begin with a value come last.
    """
    begun = sorted(_begun(rules), key=lambda opening: not opening.words)
    begins = sorted({opening.words for opening in begun} | {""}, key=len, reverse=True)
    longest = re.compile("|".join(map(re.escape, begins)))
    return longest, {begin: [one for one in begun if begin.startswith(one.words)] for begin in begins}


@lru_cache(64)
def _begun(rules: Grammar) -> list[Opening]:
    """Return how each sentence begins; those of the grammar that a house adds to are compiled once."""
    own = [_opening(claim, option, rules) for claim in rules.own for option in claim.alternatives]
    return [*_begun(rules.base), *own] if rules.base else own


def _opening(production: Production, option: Alternative, rules: Grammar) -> Opening:
    first, *rest = option.nodes
    words = first.text if isinstance(first, Literal) and " " in first.text else ""
    landmarks = tuple(node.text for node in rest if isinstance(node, Literal) and len(node.text) > 3)
    read = _licensed(option, _nodes(tuple(rest) if words else option.nodes, Reading.end, rules))
    return Opening(words, landmarks, production, read)


def _nodes(nodes: Nodes, then: Reader, rules: Grammar) -> Reader:
    """Return what reads the nodes one after the other, and then on."""
    for node in reversed(nodes):
        then = _node(node, then, rules)
    return then


def _node(node: Node, then: Reader, rules: Grammar) -> Reader:
    match node:
        case Literal():
            return _literal(node.text, then)
        case Slot():
            return _slot(node, then, rules) if node.expression.reference[0] else _derived(node, then)
        case Call():
            phrase = rules.phrases[node.phrase]
            return _any([_alternative(option, then, rules) for option in phrase.alternatives])
        case Choice():
            return _any([_picked(node, number, then, rules) for number in range(len(node.options))])
        case Listing():
            return _listing(node, then)
        case Agreement():
            return _agreement(node, then)


def _first(nodes: Nodes) -> tuple[str, Nodes]:
    """Return the words that nodes begin with, "" where they begin with something else, and what follows."""
    if nodes and isinstance(nodes[0], Literal):
        return nodes[0].text, nodes[1:]
    return "", nodes


def _picked(node: Choice, number: int, then: Reader, rules: Grammar) -> Way:
    """Return how one option of a choice is read, which tells that it was taken."""
    words, rest = _first(node.options[number])
    body = _nodes(rest, then, rules)

    def read(reading: Reading, pos: int, bound: Bound, trail: Trail, cost: int, waiting: Waiting) -> Found:
        return body(reading, pos, bound, (trail, "choice", node, number), cost, waiting)

    return words, read


def _any(ways: list[Way]) -> Reader:
    def read(reading: Reading, pos: int, bound: Bound, trail: Trail, cost: int, waiting: Waiting) -> Found:
        if reading.spent():
            return None
        for words, way in ways:
            if reading.text.startswith(words, pos):
                found = way(reading, pos + len(words), bound, trail, cost, waiting)
                if found is not None:
                    return found
        return None

    return read


def _alternative(option: Alternative, then: Reader, rules: Grammar) -> Way:
    """Return how one wording of a phrase is read: its licence is judged where its first words stand."""
    words, rest = _first(option.nodes)
    return words, _licensed(option, _nodes(rest, then, rules))


def _licensed(option: Alternative, body: Reader) -> Reader:
    """Judge a licence before `body`, each of its conditions as soon as all that it names is bound."""
    settled, waits = option.stages[0][1], option.waiting

    def read(reading: Reading, pos: int, bound: Bound, trail: Trail, cost: int, waiting: Waiting) -> Found:
        if settled:
            cost += reading.unlicensed(settled)
        trail = (trail, "licence", option)
        if waits:
            trail, cost, left = reading.settle(waits, bound, trail, cost)
            waiting += left
        return body(reading, pos, bound, trail, cost, waiting) if cost <= reading.most else None

    return read


def _literal(words: str, then: Reader) -> Reader:
    size = len(words)

    def read(reading: Reading, pos: int, bound: Bound, trail: Trail, cost: int, waiting: Waiting) -> Found:
        if reading.text.startswith(words, pos):
            return then(reading, pos + size, bound, trail, cost, waiting)
        return None

    return read


def _slot(node: Slot, then: Reader, rules: Grammar) -> Reader:
    """Return the reader of a field of a fact, whose variable may still stand for any fact of its kind."""
    variable, field = node.expression.reference
    compare = comparison(node)
    kind = rules.variables[variable][1]
    plain = field in UNHEDGED_FIELDS or (kind in UNHEDGED_KINDS and field != "text")

    def read(reading: Reading, pos: int, bound: Bound, trail: Trail, cost: int, waiting: Waiting) -> Found:
        if plain and reading.readers.hedged(reading.text, pos):
            return None
        if variable in bound:
            fact = bound[variable]
            truth = fact.get(field)
            if truth is None:
                return None
            end, fault = compare(reading, pos, truth, fact, bound)
            if fault:
                cost += 1
            if end < 0 or cost > reading.most:
                return None
            return then(reading, end, bound, (trail, "slot", node, truth, fault), cost, waiting)
        if reading.spent():
            return None
        for fact in _named(reading, node, variable, field, pos):
            truth = fact.get(field)
            if truth is None:
                continue
            end, fault = compare(reading, pos, truth, fact, bound)
            if end >= 0 and (not fault or cost < reading.most):
                facts = {**bound, variable: fact}
                seen, faults, left = (trail, "slot", node, truth, fault), cost + bool(fault), waiting
                if waiting:
                    seen, faults, left = reading.settle(waiting, facts, seen, faults)
                    if faults > reading.most:
                        continue
                found = then(reading, end, facts, seen, faults, left)
                if found is not None:
                    return found
        return None

    return read


def _derived(node: Slot, then: Reader) -> Reader:
    """Return the reader of a number computed from facts, some of which may not be bound yet."""
    expression, compare = node.expression, comparison(node)

    def read(reading: Reading, pos: int, bound: Bound, trail: Trail, cost: int, waiting: Waiting) -> Found:
        if reading.spent():
            return None
        for facts in solutions(expression.variables, bound, reading.world):
            truth = expression.evaluate(facts, reading.world)
            if truth is None:
                continue
            seen, faults, left = trail, cost, waiting
            if waiting:
                seen, faults, left = reading.settle(waiting, facts, trail, cost)
                if faults > reading.most:
                    continue
            end, fault = compare(reading, pos, truth, {}, facts)
            if end < 0 or (fault and faults >= reading.most):
                continue
            seen = (seen, "slot", node, truth, fault)
            found = then(reading, end, facts, seen, faults + bool(fault), left)
            if found is not None:
                return found
        return None

    return read


def _named(reading: Reading, node: Slot, variable: str, field: str, pos: int) -> list[Fields]:
    """Return the facts that a variable may stand for, where a name is due: those whose name is at `pos`.

    A bare name may begin with a capital letter; letters that become two as capitals are left to the full
    comparison.
    """
    facts, text = reading.world.many.get(variable, []), reading.text
    if node.form not in ("label", "phrase"):
        return facts
    opening, closing = reading.readers.language.quotes
    if text.startswith(opening, pos):
        close = text.find(closing, pos)
        shown, inside = reading.readers.shown, text[pos + 1 : close]
        return [fact for fact in facts if shown(fact[field]) == inside] if close >= 0 else []
    if node.form == "label":
        return []
    second = pos + 1
    return [fact for fact in facts if text.startswith((name := fact[field])[1:], second) or name >= "\x80"]


def comparison(node: Slot) -> Comparison:
    """Return what compares the text at a place with the truth, as the slot's form has it written."""
    form, capital, argument = node.form, node.capital, node.argument
    variable = node.expression.reference[0]
    if form == "phrase":
        return lambda reading, pos, truth, fact, bound: reading.readers.phrase(
            reading.text, pos, str(truth), capital=capital
        )
    if form == "label":
        return lambda reading, pos, truth, fact, bound: reading.readers.label(reading.text, pos, str(truth))
    if form in ("plural", "agree"):

        def noun(reading: Reading, pos: int, truth: Any, fact: Fields, bound: Bound) -> readers.MISMATCH:
            one = argument and argument.evaluate({**bound, variable: fact}, reading.world) == 1
            # The owner's plural where the term has one, else the regular one.
            plural = fact.get("plural") or readers.plural(str(truth))
            return reading.readers.phrase(reading.text, pos, str(truth if one else plural), capital=capital)

        return noun
    if form in ("unit", "about"):
        if argument is None or argument.reference == (variable, "unit"):
            return lambda reading, pos, truth, fact, bound: reading.readers.value(
                reading.text, pos, truth, fact["unit"]
            )

        def measure(reading: Reading, pos: int, truth: Any, fact: Fields, bound: Bound) -> readers.MISMATCH:
            unit = argument.evaluate(bound, reading.world)
            unit = "points" if unit in ("probability", "share") else unit
            return reading.readers.value(reading.text, pos, truth, unit or "")

        return measure
    unit = "days" if form == "duration" else form
    return lambda reading, pos, truth, fact, bound: reading.readers.value(reading.text, pos, truth, unit)


def _agreement(node: Agreement, then: Reader) -> Reader:
    number, one, other = node.number, node.one, node.other

    def read(reading: Reading, pos: int, bound: Bound, trail: Trail, cost: int, waiting: Waiting) -> Found:
        if reading.spent():
            return None
        for facts in solutions(number.variables, bound, reading.world):
            word = one if number.evaluate(facts, reading.world) == 1 else other
            if reading.text.startswith(word, pos):
                found = then(reading, pos + len(word), facts, trail, cost, waiting)
                if found is not None:
                    return found
        return None

    return read


def _listing(node: Listing, then: Reader) -> Reader:
    """Return the reader of every fact of a variable, in the evidence's order: a 1, b 2 and c 3."""

    def read(reading: Reading, pos: int, bound: Bound, trail: Trail, cost: int, waiting: Waiting) -> Found:
        facts = reading.world.many.get(node.variable, [])
        if reading.spent() or not facts:
            return None
        for index, fact in enumerate(facts):
            if index:
                joint = reading.readers.language.joint if index == len(facts) - 1 else ", "
                if not reading.text.startswith(joint, pos):
                    return None
                pos += len(joint)
            end, _ = reading.readers.phrase(
                reading.text, pos, fact["text"], capital=node.capital and not index
            )
            if end < 0 or not reading.text.startswith(" ", end):
                return None
            pos, fault = reading.readers.value(reading.text, end + 1, fact["value"], "name")
            cost += bool(fault)
            if pos < 0 or cost > reading.most:
                return None
            trail = (trail, "listed", fact, fault)
        return then(reading, pos, bound, trail, cost, waiting)

    return read
