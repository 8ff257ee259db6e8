"""What could be told of an evidence: for each alternative of the grammar the facts that it could be about.

A house style is learned from what was taken among what could be; so this is asked of many alternatives at
many places of each text, and whatever was found of a licence, an alternative or a phrase is kept.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import tee

from foretell.narration.embedded import Telling
from foretell.verification.conditions import Bound, World
from foretell.verification.productions import (
    Agreement,
    Alternative,
    Call,
    Choice,
    Grammar,
    Listing,
    Literal,
    Nodes,
    Slot,
)


class Outline(Telling):
    """A writer that only looks whether a sentence could be written: no dice, no values."""

    def __init__(self, rules: Grammar, facts: World, register: str) -> None:
        super().__init__(rules, facts, "", register)
        self.shapes = _shapes(rules)
        self.spoken = _spoken(rules)
        self.phrases: dict[tuple[str, ...], list[Bound]] = {}
        self.licences: dict[tuple, Iterator[Bound]] = {}
        self.options: dict[int, Iterator[set[tuple[str, str]]]] = {}
        self.narrowed: dict[tuple, World] = {}

    def ways(self, option: Alternative) -> Iterator[set[tuple[str, str]]]:
        """Yield what an alternative tells, for each way to tell it."""
        several = self.options.get(id(option))
        if several is None:
            shape = self.shapes[id(option)]
            several = (
                self.points((option,), bound)
                for bound in self.solutions(option, shape)
                if self.fits(shape.needs, bound)
            )
        self.options[id(option)], given = tee(several)
        return given

    def solutions(self, option: Alternative, shape: "Shape") -> Iterator[Bound]:
        """Yield what an alternative can be about, its phrases included."""
        several = self.licences.get(shape.licence)
        if several is None:
            several = option.bindings(self.facts.one, self.about(shape) if shape.about else self.facts)
        self.licences[shape.licence], given = tee(several)
        return given

    def about(self, shape: "Shape") -> World:
        """Return the facts without those that the phrases of an alternative cannot be about."""
        if shape.about not in self.narrowed:
            many = {**self.facts.many}
            for name, phrase in shape.about:
                bound = [{**self.facts.one, name: fact} for fact in many[name]]
                many[name] = [each[name] for each in bound if self.calls(phrase, each)]
            self.narrowed[shape.about] = replace(self.facts, many=many)
        return self.narrowed[shape.about]

    def fits(self, needs: Nodes, bound: Bound) -> bool:
        """Return whether all values are there, with variables bound to these facts."""
        for at, node in enumerate(needs):
            if isinstance(node, Slot):
                if node.expression.evaluate(bound, self.facts) is None:
                    return False
            elif isinstance(node, Call):
                more = self.calls(node.phrase, bound)
                return any(self.fits(needs[at + 1 :], {**bound, **each}) for each in more)
            elif isinstance(node, Choice):
                return any(self.fits(option + needs[at + 1 :], bound) for option in node.options)
            elif isinstance(node, Listing) and not self.facts.many[node.variable]:
                return False
        return True

    def calls(self, phrase: str, bound: Bound) -> list[Bound]:
        """Return the facts that a phrase adds to those it is about, for each way to word it, once each."""
        options, names = self.spoken[phrase]
        key = (phrase, *[bound[name]["id"] if name in bound else "" for name in names])
        if key not in self.phrases:
            found = [
                {name: last[name] for name in names if name not in bound and name in last}
                for option in options
                if option.register in ("", self.register)
                for last in option.bindings(bound, self.facts)
                if self.fits(self.shapes[id(option)].needs, last)
            ]
            self.phrases[key] = [more for at, more in enumerate(found) if more not in found[:at]]
        return self.phrases[key]


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides whether an alternative can be written."""

    licence: tuple
    """The same for alternatives that can be about the same facts."""
    needs: Nodes
    """Its nodes whose values may be missing."""
    about: tuple[tuple[str, str], ...]
    """Its variables that a phrase has to be about, each with that phrase."""


@lru_cache(32)
def _spoken(rules: Grammar) -> Mapping[str, tuple[list[Alternative], tuple[str, ...]]]:
    """Return phrase -> its alternatives, and the variables that they name."""
    return {
        name: (
            phrase.alternatives,
            tuple(dict.fromkeys(each for option in phrase.alternatives for each in option.variables)),
        )
        for name, phrase in rules.phrases.items()
    }


@lru_cache(32)
def _shapes(rules: Grammar) -> Mapping[int, Shape]:
    """Return id of an alternative -> its shape."""
    many = {name for name, (single, _, _) in rules.variables.items() if not single}
    spoken = {name: [*many.intersection(names)] for name, (_, names) in _spoken(rules).items()}
    found = {**_shapes(rules.base)} if rules.base else {}
    for production in (*rules.own, *(() if rules.base else rules.phrases.values())):
        for option in production.alternatives:
            called = dict.fromkeys(node.phrase for node in option.nodes if isinstance(node, Call))
            about = tuple(
                (spoken[phrase][0], phrase)
                for phrase in called
                if len(spoken[phrase]) == 1 and spoken[phrase][0] not in option.counted
            )
            found[id(option)] = Shape(
                licence=(production.name, option.when, option.variables, about),
                needs=tuple(node for node in option.nodes if not isinstance(node, Literal | Agreement)),
                about=about,
            )
    return found
