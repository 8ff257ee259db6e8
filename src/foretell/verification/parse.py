"""The parser: text to claims. A sentence is read by the grammar, and read against the evidence as it goes.

Every reading carries what it cost: each value that differs from its fact and each licence that does not hold
is one fault. A sentence is supported when some reading of it costs nothing; else the cheapest reading within
a small bound tells what is wrong; without one the sentence does not belong to the language.
"""

from dataclasses import dataclass

from foretell.verification.conditions import Bound, Expression, Fields, World
from foretell.verification.productions import Alternative, Choice, Grammar, Production
from foretell.verification.reading import Opening, openings
from foretell.verification.state import Found, Reading, Trail, Whole

MOST_FAULTS = 3
_PICKS = ("licence", "choice")


@dataclass(slots=True)
class Sentence:
    """One parsed claim."""

    start: int
    end: int
    production: Production
    facts: tuple[str, ...]
    derivation: str
    fault: str
    tells: set[tuple[str, str]]
    """(point, fact id or "")."""
    items: list[tuple]
    """What its reading met, in order: see `reading.Trail`."""
    bound: Bound

    @property
    def picks(self) -> tuple[Alternative | tuple[Choice, int], ...]:
        """The alternatives it was read by, and which option of each choice, in the order of reading."""
        return tuple(
            item[2] if item[1] == "licence" else item[2:] for item in self.items if item[1] in _PICKS
        )


class Parser:
    """Cuts one text into sentences."""

    def __init__(self, rules: Grammar, world: World, text: str) -> None:
        self.language = rules.language
        self.reading = Reading(rules.language, world, text)
        self.longest, self.openings = openings(rules)

    def sentence(self, start: int, group: str) -> Sentence | None:
        """Return the best reading of the sentence at `start` that follows one of `group`, or None."""
        reading, text = self.reading, self.reading.text
        first = self.longest.match(text, start)
        assert first is not None  # some sentences begin with a value
        possible = self.openings[first[0]]
        for reading.most in range(MOST_FAULTS + 1):
            reading.steps = 0
            for opening in possible:
                if opening.may_stand(text, start):
                    found = self.begin(opening, start, group)
                    if found is not None:
                        return self.gather(opening.production, start, found)
        return None

    def begin(self, opening: Opening, start: int, group: str) -> Found:
        """Return what comes of reading one sentence of the grammar at `start`."""
        reading, after = self.reading, opening.production.after
        trail: Trail = None
        if after and group not in after:
            if not reading.most:
                return None
            trail = (None, "order", " or ".join(after))
        pos = start + len(opening.words)
        return opening.read(reading, pos, reading.world.one, trail, int(bool(trail)), ())

    def gather(self, production: Production, start: int, found: Whole) -> Sentence:
        """Say what a reading says: its facts, how it follows from them, and what is wrong with it."""
        end, bound, trail, cost, still = found
        items = []
        while trail is not None:
            items.append(trail)
            trail = trail[0]
        items.reverse()
        ids: dict[str, None] = {}
        steps: list[str] = []
        faults: list[str] = []
        tells: set[tuple[str, str]] = set()
        for item in items:
            kind = item[1]
            if kind == "slot":
                _, _, node, truth, fault = item
                variable, field = node.expression.reference
                if variable:
                    named = bound[variable]["id"]
                    ids[named] = None
                    steps.append(f"{named}.{field} = {truth}")
                else:
                    facts = [bound[name]["id"] for name in node.expression.variables if name in bound]
                    ids.update(dict.fromkeys(facts))
                    named = "+".join(facts)
                    where = _located(node.expression.text, node.expression.variables, bound)
                    steps.append(f"{where} = {truth}")
                if fault:
                    faults.append(f"{named}: {fault}")
            elif kind == "listed":
                fact: Fields = item[2]
                ids[fact["id"]] = None
                steps.append(f"{fact['id']}.value = {fact['value']}")
                if item[3]:
                    faults.append(f"{fact['id']}: {item[3]}")
            elif kind == "licence":
                for point, name in item[2].tells:
                    tells.add((point, bound[name]["id"] if name in bound else ""))
            elif kind == "order":
                faults.append(f"stands only after a sentence on {item[2]}")
        if not ids:
            # "No factor speaks against it" rests on every factor that its licence went through.
            counted = [name for item in items if item[1] == "licence" for name in item[2].counted]
            ids = {fact["id"]: None for name in counted for fact in self.reading.world.many[name]}
        for condition in self.unheld(items, bound) + still if cost or still else ():
            facts = [bound[name]["id"] for name in condition.variables if name in bound]
            ids.update(dict.fromkeys(facts))
            faults.append(
                f"not licensed: expected {_located(condition.text, condition.variables, bound)}, "
                f"found {_found(condition.variables, condition.text, bound)}"
            )
        derivation, fault = "; ".join(steps), "; ".join(faults)
        return Sentence(start, end, production, tuple(ids), derivation, fault, tells, items, bound)

    def unheld(self, items: list, bound: Bound) -> list[Expression]:
        """Return the conditions that a reading found broken."""
        broken = [item[2] for item in items if item[1] == "broken"]
        for item in items:
            if item[1] == "licence" and self.reading.unlicensed(item[2].stages[0][1]):
                broken += [
                    part for part in item[2].stages[0][1] if not part.evaluate(bound, self.reading.world)
                ]
        return broken


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
