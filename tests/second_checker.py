"""A second checker of narratives, written from the grammar's text and its description alone.

It asks what can stand at each place of a text: a wording is a sequence of parts, each part turns a set of
states (place, facts bound so far) into the set of states that may follow, and conditions are Python
expressions. A narrative is accepted when some way through its whole text tells all that is demanded. It says
nothing of faults, and shares no code with the verifier.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import second_reader as read
from foretell.records import Evidence, Fact, Narrative
from second_grammar import (
    FUNCTIONS,
    NOTHING,
    TRUE,
    Call,
    Either,
    Formula,
    Number,
    Part,
    Point,
    Sentence,
    Slot,
    Word,
    Wording,
    language,
)
from second_words import TONGUES

Told = frozenset[tuple[str, str]]
"""Points that were made known: a name, and the id of the fact or nothing."""


ALIKE = ("term", "check", "glossary", "passage")
"""Kinds whose facts may share a text; others that do cannot be told apart, and say nothing."""


class Seen:
    """A fact as conditions see it: its fields, then its details."""

    def __init__(self, fact: Fact) -> None:
        self.fact = fact

    def __getattr__(self, name: str) -> Any:
        name = name.rstrip("_")
        field = name in ("id", "kind", "name", "text", "value", "unit")
        found = getattr(self.fact, name) if field else self.fact.detail.get(name)
        return NOTHING if found is None or found is False else TRUE if found is True else found


class State(NamedTuple):
    """How far a reading came, and what it took for what."""

    at: int
    bound: tuple[tuple[str, Seen], ...] = ()
    open: frozenset[Formula] = frozenset()
    """Conditions on facts that are not bound yet."""
    tells: frozenset[Point] = frozenset()


class World:
    """One evidence: the facts that each variable may stand for, and what is settled by them alone."""

    def __init__(self, evidence: Evidence) -> None:
        named = [str(fact.value) for fact in evidence.facts if (fact.kind, fact.name) == ("term", "language")]
        self.tongue = named[0] if named else "en"
        self.language = language(self.tongue)
        shared = Counter((fact.kind, fact.text) for fact in evidence.facts if fact.kind not in ALIKE)
        told = [fact for fact in evidence.facts if shared[fact.kind, fact.text] < 2]
        self.facts: dict[str, list[Seen]] = {}
        for name, (_, kind, only) in self.language.variables.items():
            self.facts[name] = [Seen(fact) for fact in told if fact.kind == kind and only in ("", fact.name)]
        self.any = {name for name, (number, _, _) in self.language.variables.items() if number == "any"}
        for name in self.facts.keys() - self.any:
            self.facts[name] = self.facts[name] if len(self.facts[name]) == 1 else []
        ones = {name: (self.facts[name] or [NOTHING])[0] for name in self.facts.keys() - self.any}
        self.base: dict[str, Any] = {
            **FUNCTIONS, **ones, "has": lambda name: bool(self.facts[name]),
            "no": lambda name: not self.facts[name], "count": self.count, "__builtins__": {},
        }  # fmt: skip
        self.settled: dict[Formula, bool] = {}
        self.possible = {
            name: [wording for wording in sentence.wordings if self.licensed(wording)]
            for name, sentence in self.language.sentences.items()
        }

    def value(self, formula: Formula, bound: Iterable[tuple[str, Any]]) -> Any:
        try:
            if formula.counts:  # what is counted sees the facts that are bound
                return eval(formula.code, {**self.base, **dict(bound)})
            return eval(formula.code, self.base, dict(bound))
        except TypeError:  # text compared with a number
            return NOTHING

    def count(self, name: str, condition: Any) -> int:
        def holds(fact: Seen) -> bool:
            try:
                return bool(condition(fact))
            except TypeError:
                return False

        return sum(map(holds, self.facts[name]))

    def licensed(self, wording: Wording) -> bool:
        """Say whether the conditions hold that ask nothing of facts yet to be bound."""
        for formula in wording.licence:
            if formula not in self.settled and not formula.names & self.any:
                self.settled[formula] = bool(self.value(formula, ()))
        return all(self.settled.get(formula, True) for formula in wording.licence)

    def choices(self, names: Iterable[str], bound: Iterable[tuple[str, Seen]]) -> Iterator[tuple]:
        """Yield every way to bind the names that are not bound."""
        known = dict(bound)
        free = [name for name in sorted(names) if name in self.any and name not in known]
        for facts in product(*(self.facts[name] for name in free)):
            yield (*known.items(), *zip(free, facts, strict=True))


class Text:
    """One text in one world, with what can stand at each of its places."""

    def __init__(self, text: str, world: World) -> None:
        self.text, self.world = text, world
        self.calls: dict[tuple, set[State]] = {}
        self.slots: dict[tuple, list[tuple[int, tuple]]] = {}
        self.possible = {
            name: [wording for wording in wordings if all(word in text for word in wording.words)]
            for name, wordings in world.possible.items()
        }
        """The wordings whose words stand in the text at all."""

    def sentence(self, sentence: Sentence, at: int) -> Iterator[tuple[int, Told]]:
        """Yield (end, what it tells) of every reading of a sentence at this place."""
        for wording in self.possible[sentence.name]:
            first = wording.parts[0]
            if isinstance(first, Word) and not self.text.startswith(first.text, at):
                continue
            for state in self.wording(wording, State(at)):
                names = {name for formula in state.open for name in formula.names}
                for bound in self.world.choices(names, state.bound):
                    if all(self.world.value(formula, bound) for formula in state.open):
                        facts = dict(bound)
                        yield state.at, frozenset((n, facts[v].id if v else "") for n, v in state.tells)

    def wording(self, wording: Wording, start: State) -> set[State]:
        states = {start}
        for part in wording.parts:
            states = {after for state in states for after in self.part(part, state)}
        unsettled = frozenset(f for f in wording.licence if f.names & self.world.any)
        done = set()
        for state in states:
            open_, known = state.open | unsettled, {name for name, _ in state.bound}
            ready = {f for f in open_ if f.names & self.world.any <= known}
            if all(self.world.value(formula, state.bound) for formula in ready):
                done.add(state._replace(open=open_ - ready, tells=state.tells | {*wording.tells}))
        return done

    def part(self, part: Part, state: State) -> Iterable[State]:
        if isinstance(part, Word):
            return self.words((part.text,), state)
        if isinstance(part, Either):
            return self.words(part.words, state)
        if isinstance(part, Call):
            key = (part, state)
            if key not in self.calls:
                wordings = self.world.possible[part.phrase]
                self.calls[key] = {
                    after for wording in wordings for after in self.wording(_capital(wording, part), state)
                }
            return self.calls[key]
        key = (part, state.at, tuple(pair for pair in state.bound if pair[0] in part.names))
        if key not in self.slots:
            self.slots[key] = [
                (end, bound)
                for bound in self.world.choices(part.names, key[2])
                for end in self.ends(part, state.at, bound)
            ]
        return [
            state._replace(at=end, bound=tuple(sorted({*state.bound, *bound}, key=lambda pair: pair[0])))
            for end, bound in self.slots[key]
        ]

    def words(self, words: Iterable[str], state: State) -> list[State]:
        found = [word for word in words if self.text.startswith(word, state.at)]
        return [state._replace(at=state.at + len(word)) for word in found]

    def ends(self, part: Slot | Number, at: int, bound: tuple) -> Iterable[int]:
        if part.formula.text == "list(e)":
            return [at + len(listed) for listed in [self.listed()] if self.text.startswith(listed, at)]
        value = self.world.value(part.formula, bound)
        if isinstance(part, Number):
            word = part.one if value == 1 else part.other
            return [at + len(word)] if read.is_number(value) and self.text.startswith(word, at) else []
        name, _, attribute = part.formula.text.partition(".")
        fact = dict(bound).get(name) or self.world.base.get(name, NOTHING)
        value = fact.value if value is fact else value
        if value is NOTHING or value is TRUE:
            return []
        range_end = attribute in ("low", "high", "was", "goal")
        kind = fact.kind if isinstance(fact, Seen) and attribute != "text" else ""
        supposed = kind in ("counterfactual", "recourse", "whatif", "threshold")
        if (range_end or supposed) and read.hedged(self.world.tongue, self.text, at):
            return []
        if part.capital and isinstance(value, str) and read.harmless(value):
            value = value[:1].upper() + value[1:]
        of = self.world.value(part.of, bound) if part.of else NOTHING
        return read.ends(self.world.tongue, self.text, at, value, _form(part.form, fact, attribute, of))

    def listed(self) -> str:
        tongue = TONGUES[self.world.tongue]
        named = [
            f"{read.called(e.text, tongue)} {read.named(str(e.value), tongue)}" for e in self.world.facts["e"]
        ]
        return tongue.joint.join([", ".join(named[:-1]), named[-1]]) if len(named) > 1 else "".join(named)


def _form(form: str, fact: Any, attribute: str, of: Any) -> str:
    """Return how a slot is written: as it says, or else by the unit of its fact."""
    if form == "unit":
        return str(of.unit)
    if form == "agree":
        return "phrase" if of == 1 else "plural"
    if attribute == "text":
        return form or "phrase"
    if form and form != "about":
        return {"roughly": "ratio", "duration": "days"}.get(form, form)
    if not isinstance(fact, Seen):
        return "count"
    return "phrase" if fact.kind == "term" and fact.unit != "name" else str(fact.unit)


def _capital(wording: Wording, call: Call) -> Wording:
    """Return the wording as it begins a sentence, if the call asks for it."""
    if not call.capital:
        return wording
    first = wording.parts[0]
    if isinstance(first, Slot):
        first = replace(first, capital=True)
    elif isinstance(first, Word):
        first = Word(first.text[:1].upper() + first.text[1:])
    return Wording((first, *wording.parts[1:]), wording.licence, wording.when, wording.tells)


def accepts(narrative: Narrative, world: World) -> bool:
    """Say whether the whole text can be read as true, and leaves out nothing that is demanded."""
    text = Text(narrative.text, world)
    readings: dict[int, set[tuple[str, Told]]] = {0: {("", frozenset())}}
    last: set[Told] = set()
    while readings:
        at = min(readings)
        before = readings.pop(at)
        for sentence in world.language.sentences.values():
            if "." not in sentence.name:
                continue
            ways = [(g, told) for g, told in before if not sentence.after or g in sentence.after]
            for end, tells in text.sentence(sentence, at) if ways else ():
                after = {(sentence.name.partition(".")[0], told | tells) for _, told in ways}
                if end == len(text.text):
                    last |= {told for _, told in after}
                elif text.text.startswith(" ", end):
                    readings.setdefault(end + 1, set()).update(after)
    demanded = demands(world, narrative.length)
    return any(demanded <= told for told in last)


def demands(world: World, length: str) -> Told:
    """Return the points that a narrative of this length may not leave out."""
    asked = set()
    for (name, variable), lengths, condition in world.language.demands:
        if length in lengths:
            names = condition.names | ({variable} if variable else set())
            for bound in world.choices(names, ()):
                if world.value(condition, bound):
                    asked.add((name, dict(bound)[variable].id if variable else ""))
    return frozenset(asked)
