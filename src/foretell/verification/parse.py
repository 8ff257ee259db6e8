"""The parser: text to claims. A sentence is read by the grammar, and read against the evidence as it goes.

Every reading carries what it cost: each value that differs from its fact and each licence that does not hold
is one fault. A sentence is supported when some reading of it costs nothing; else the cheapest reading within
a small bound tells what is wrong; without one the sentence does not belong to the language.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from foretell.verification import readers
from foretell.verification.conditions import Bound, Fields, World, solutions
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

_PICKS = ("licence", "choice")
MOST_FAULTS = 3
MOST_STEPS = 40_000
"""Nodes tried per sentence and bound, so that no text can hold the verifier for long."""

Trail = tuple | None
"""What a reading met, last first: (before, kind, ...)."""
State = tuple[int, Bound, Trail, int]
"""Position, bound facts, trail, faults."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One parsed claim."""

    start: int
    end: int
    production: Production
    facts: tuple[str, ...]
    derivation: str
    fault: str
    tells: frozenset[tuple[str, str]]
    """(point, fact id or "")."""
    picks: tuple[Alternative | tuple[Choice, int], ...]
    """The alternatives it was read by, and which option of each choice, in the order of reading."""
    bound: Bound


class Parser:
    """Reads one text against one world."""

    def __init__(self, grammar: Grammar, world: World, text: str) -> None:
        self.grammar, self.world, self.text = grammar, world, text
        self.readers = readers.readers(grammar.language)
        self.bound = 0
        self.steps = 0
        self.static: dict[int, int] = {}

    def sentence(self, start: int, group: str) -> Sentence | None:
        """Return the best reading of the sentence at `start` that follows one of `group`, or None."""
        openings = self.grammar.openings
        word = self.text[start : self.text.find(" ", start)]
        sentences = openings.get(word, openings[""])
        for self.bound in range(MOST_FAULTS + 1):
            self.steps = 0
            for words, production, option in sentences:
                if words and not self.text.startswith(words, start):
                    continue
                cost = int(bool(production.after) and group not in production.after)
                if cost <= self.bound:
                    for found in self.readings(production, option, start, cost):
                        return found
        return None

    def readings(
        self, production: Production, option: Alternative, start: int, cost: int
    ) -> Iterator[Sentence]:
        size = len(self.text)
        begin: Trail = (None, "order", " or ".join(production.after)) if cost else None
        for end, bound, trail, faults in self.enter(option, start, self.world.one, begin, cost):
            if end == size or self.text[end] == " ":
                found = self.finish(production, start, end, bound, trail, faults)
                if found is not None:
                    yield found

    def enter(self, option: Alternative, pos: int, bound: Bound, trail: Trail, cost: int) -> Iterator[State]:
        """Read one alternative. Conditions on unique facts are settled at once, others when all is bound."""
        first = option.nodes[0] if option.nodes else None
        if type(first) is Literal and not self.text.startswith(first.text, pos):
            return
        key = id(option)
        broken = self.static.get(key)
        if broken is None:
            settled = option.stages[0][1]
            broken = sum(not part.evaluate(self.world.one, self.world) for part in settled)
            self.static[key] = broken
        cost += broken
        if cost > self.bound:
            return
        trail = (trail, "licence", option)
        for point in option.tells:
            trail = (trail, "tell", *point)
        yield from self.run(option.nodes, 0, pos, bound, trail, cost)

    def run(
        self, nodes: Nodes, index: int, pos: int, bound: Bound, trail: Trail, cost: int
    ) -> Iterator[State]:
        """Read the nodes from `index` on at `pos`; yield every way to read them all."""
        text = self.text
        for here in range(index, len(nodes)):
            node = nodes[here]
            if type(node) is Literal:
                if not text.startswith(node.text, pos):
                    return
                pos += len(node.text)
                continue
            if type(node) is Slot and node.expression.reference[0] in bound:
                # The common case, without the cost of a generator: nothing to choose.
                variable, field = node.expression.reference
                truth = bound[variable].get(field)
                pos, fault = self.compare(node, pos, truth, bound)
                if fault:
                    cost += 1
                if pos < 0 or cost > self.bound:
                    return
                trail = (trail, "slot", node, truth, fault)
                continue
            self.steps += 1
            if self.steps > MOST_STEPS:
                return
            if here == len(nodes) - 1:
                yield from self.read(node, pos, bound, trail, cost)
            else:
                for state in self.read(node, pos, bound, trail, cost):
                    yield from self.run(nodes, here + 1, *state)
            return
        yield pos, bound, trail, cost

    def read(self, node: Node, pos: int, bound: Bound, trail: Trail, cost: int) -> Iterator[State]:
        if type(node) is Slot:
            yield from self.slot(node, pos, bound, trail, cost)
        elif type(node) is Call:
            for option in self.grammar.phrases[node.phrase].alternatives:
                yield from self.enter(option, pos, bound, trail, cost)
        elif type(node) is Choice:
            for number, nodes in enumerate(node.options):
                yield from self.run(nodes, 0, pos, bound, (trail, "choice", node, number), cost)
        elif type(node) is Listing:
            yield from self.listing(node, pos, bound, trail, cost)
        elif type(node) is Agreement:
            for facts in solutions(node.number.variables, bound, self.world):
                number = node.number.evaluate(facts, self.world)
                word = node.one if number == 1 else node.other
                if self.text.startswith(word, pos):
                    yield pos + len(word), facts, trail, cost

    def slot(self, node: Slot, pos: int, bound: Bound, trail: Trail, cost: int) -> Iterator[State]:
        """Read a derived number, or a value whose variable may still stand for any fact of its kind."""
        variable, field = node.expression.reference
        if variable:
            tries: Iterator[tuple[Any, Bound]] = (
                (fact.get(field), {**bound, variable: fact})
                for fact in self.world.many.get(variable, ())
                if node.form not in ("phrase", "label") or self.begins(fact[field], pos)
            )
        else:
            tries = (
                (node.expression.evaluate(facts, self.world), facts)
                for facts in solutions(node.expression.variables, bound, self.world)
            )
        for truth, facts in tries:
            end, fault = self.compare(node, pos, truth, facts)
            if end >= 0 and cost + bool(fault) <= self.bound:
                yield end, facts, (trail, "slot", node, truth, fault), cost + bool(fault)

    def begins(self, phrase: Any, pos: int) -> bool:
        """Say whether a noun phrase may stand at `pos`: its second letter on, or a quotation.

        Letters that become two as capitals are left to the full comparison.
        """
        text = self.text
        return (
            text.startswith(phrase[1:], pos + 1)
            or text.startswith(self.readers.language.quotes[0], pos)
            or not phrase[0].isascii()
        )

    def compare(self, node: Slot, pos: int, truth: Any, facts: Bound) -> readers.MISMATCH:
        form, text = node.form, self.text
        if truth is None:
            return readers.NOTHING
        if form == "phrase":
            return self.readers.phrase(text, pos, str(truth), capital=node.capital)
        if form == "label":
            return self.readers.label(text, pos, str(truth))
        if form in ("plural", "agree"):
            one = node.argument is not None and node.argument.evaluate(facts, self.world) == 1
            return self.readers.phrase(
                text, pos, str(truth) if one else self.plural(node, truth, facts), capital=node.capital
            )
        if form in ("unit", "about"):
            unit = node.argument.evaluate(facts, self.world) if node.argument else ""
            if unit in ("probability", "share") and not node.expression.reference[0]:
                unit = "points"
            return self.readers.value(text, pos, truth, unit or "")
        return self.readers.value(text, pos, truth, "days" if form == "duration" else form)

    def plural(self, node: Slot, noun: str, facts: Bound) -> str:
        """Return the owner's plural where the term has one, else the regular one."""
        return str(facts[node.expression.reference[0]].get("plural") or readers.plural(noun))

    def listing(self, node: Listing, pos: int, bound: Bound, trail: Trail, cost: int) -> Iterator[State]:
        """Read every fact of the variable, in the evidence's order: a 1, b 2 and c 3."""
        facts = self.world.many.get(node.variable, [])
        for index, fact in enumerate(facts):
            if index:
                joint = self.readers.language.joint if index == len(facts) - 1 else ", "
                if not self.text.startswith(joint, pos):
                    return
                pos += len(joint)
            end, _ = self.readers.phrase(self.text, pos, fact["text"], capital=node.capital and not index)
            if end < 0 or not self.text.startswith(" ", end):
                return
            pos, fault = self.readers.value(self.text, end + 1, fact["value"], "name")
            cost += bool(fault)
            if pos < 0 or cost > self.bound:
                return
            trail = (trail, "listed", fact, fault)
        if facts:
            yield pos, bound, trail, cost

    def finish(
        self, production: Production, start: int, end: int, bound: Bound, trail: Trail, cost: int
    ) -> Sentence | None:
        """Judge the licences that waited, and gather what the reading says; None above the bound."""
        items = []
        while trail is not None:
            items.append(trail)
            trail = trail[0]
        items.reverse()
        options = [item[2] for item in items if item[1] == "licence"]
        waiting = [part for option in options for _, parts in option.stages[1:] for part in parts]
        free = [name for part in waiting for name in part.variables if not self.grammar.variables[name][0]]
        best: list[Any] | None = None
        bound_best = bound
        for facts in solutions(tuple(free), bound, self.world):
            broken = [part for part in waiting if not part.evaluate(facts, self.world)]
            if best is None or len(broken) < len(best):
                best, bound_best = broken, facts
        if best is None or cost + len(best) > self.bound:
            return None
        settled = [part for option in options if self.static[id(option)] for part in option.stages[0][1]]
        broken = best + [part for part in settled if not part.evaluate(bound_best, self.world)]
        return self.gather(production, start, end, items, bound_best, broken)

    def gather(
        self, production: Production, start: int, end: int, items: list, bound: Bound, broken: list
    ) -> Sentence:
        ids: dict[str, None] = {}
        steps: list[str] = []
        faults: list[str] = []
        tells: set[tuple[str, str]] = set()
        for item in items:
            kind = item[1]
            if kind == "slot":
                _, _, node, truth, fault = item
                expression = node.expression
                facts = [bound[name]["id"] for name in expression.variables if name in bound]
                ids.update(dict.fromkeys(facts))
                where = f"{facts[0]}.{expression.reference[1]}" if expression.reference[0] else ""
                where = where or _located(expression.text, expression.variables, bound)
                steps.append(f"{where} = {truth}")
                if fault:
                    faults.append(f"{'+'.join(facts)}: {fault}")
            elif kind == "listed":
                fact: Fields = item[2]
                ids[fact["id"]] = None
                steps.append(f"{fact['id']}.value = {fact['value']}")
                if item[3]:
                    faults.append(f"{fact['id']}: {item[3]}")
            elif kind == "tell":
                tells.add((item[2], bound[item[3]]["id"] if item[3] in bound else ""))
            elif kind == "order":
                faults.append(f"stands only after a sentence on {item[2]}")
        if not ids:
            # "No factor speaks against it" rests on every factor that its licence went through.
            counted = [name for item in items if item[1] == "licence" for name in item[2].counted]
            ids = {fact["id"]: None for name in counted for fact in self.world.many[name]}
        for condition in broken:
            facts = [bound[name]["id"] for name in condition.variables if name in bound]
            ids.update(dict.fromkeys(facts))
            faults.append(
                f"not licensed: expected {_located(condition.text, condition.variables, bound)}, "
                f"found {_found(condition.variables, condition.text, bound)}"
            )
        return Sentence(
            start,
            end,
            production,
            tuple(ids),
            "; ".join(steps),
            "; ".join(faults),
            frozenset(tells),
            tuple(item[2] if item[1] == "licence" else item[2:] for item in items if item[1] in _PICKS),
            bound,
        )


def _located(text: str, variables: tuple[str, ...], bound: Bound) -> str:
    """Return an expression with its variables replaced by the ids of the facts they stand for."""
    for name in variables:
        if name in bound:
            fact = bound[name]["id"]
            text = fact + ".value" if text == name else text.replace(f"{name}.", f"{fact}.")
    return text


def _found(variables: tuple[str, ...], text: str, bound: Bound) -> str:
    """Return the fields that a broken licence read, with their values."""
    seen = [
        f"{bound[name]['id']}.{field}={value}"
        for name in variables
        if name in bound
        for field, value in bound[name].items()
        if f"{name}.{field}" in text
    ]
    return ", ".join(seen) or "none"
