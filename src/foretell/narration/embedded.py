"""The embedded writer: facts to text, by sampling licensed productions of the claim grammar.

It enters a number or a name into the text only by writing a fact's value, so it cannot invent one. Which
claims are made follows the plan of the length; which of several true wordings is used follows the weights.
A house style puts its own weights, order and shares in their place; what may be told, it cannot change.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import log
from random import Random
from typing import Any

from foretell import units, wording
from foretell.errors import SpecError
from foretell.lookup import unknown
from foretell.narration.style import PLAIN, Shares, Style, opened
from foretell.records import OWN, Claim, Evidence, Narrative
from foretell.spec import NarrateSpec
from foretell.verification.conditions import Bound, Fields, World, world
from foretell.verification.grammar import GRAMMARS, language_of
from foretell.verification.productions import (
    Agreement,
    Alternative,
    Call,
    Choice,
    Grammar,
    Listing,
    Literal,
    Nodes,
    Production,
    Slot,
)
from foretell.verification.rules import refuses, tellable
from foretell.verification.verdict import demanded
from foretell.verification.wordings import grammar_of

LEAST = 1e-300
"""In place of a draw of 0, which has no logarithm."""
Draft = tuple[str, Bound, tuple[Alternative, ...]]
"""Text so far, the facts that the variables stand for, and the alternatives that were used."""
Refused = Callable[[str], bool]
"""Whether a sentence breaks a rule of the owner, so that another one is written."""


def never(sentence: str) -> bool:
    return False


def write(evidence: Evidence, spec: NarrateSpec, attempt: int) -> Narrative:
    """Return a narrative of `spec.length`; the same evidence, spec and attempt give the same text.

    Raises:
        SpecError: when there is no grammar of the evidence's language, or no plan for `spec.length`.
    """
    language = language_of(evidence)
    if language not in GRAMMARS:
        raise SpecError(*unknown("narrate.language", language, GRAMMARS))
    rules = grammar_of(evidence)
    if spec.length not in rules.plans:
        raise SpecError(*unknown("narrate.length", spec.length, rules.plans))
    facts = world(rules.variables, tellable(evidence, spec.length))
    refused = partial(refuses, evidence=evidence, length=spec.length) if evidence.of("rule") else never
    style = opened(spec.style) if spec.style else PLAIN
    style = style if style.language == language else PLAIN
    plain = [step.shares for step in rules.plans[spec.length]]
    steps = style.plans.get(spec.length, plain)
    while True:
        telling = Telling(rules, facts, f"{spec.seed}/{attempt}/{evidence.id}", spec.register, style, refused)
        claims = tuple(telling.tell(steps))
        missing = due(rules, facts, spec.length) - telling.told if steps is not plain else set()
        if not missing:
            break
        more = restored(rules, steps, plain, missing)
        steps = plain if more == [*steps] else more
    return Narrative(claims=claims, writer=OWN, length=spec.length, seed=spec.seed)


def due(rules: Grammar, facts: World, length: str) -> set[tuple[str, str]]:
    """Return (point, fact id or "") for all that a narrative of this length must tell."""
    demands = [demand for demand in rules.demands if length in demand.lengths]
    return {(demand.point, name) for demand in demands for name in demanded(demand, facts)}


def restored(
    rules: Grammar, steps: Iterable[Shares], plain: Iterable[Shares], missing: set[tuple[str, str]]
) -> list[Shares]:
    """Return the steps, with those told in full that can tell what is missing."""
    names = {name for name, _ in missing}
    able = {
        production.group
        for production in rules.claims
        for option in production.alternatives
        if names & {name for name, _ in option.tells}
    }
    usual = {group: (1.0,) * len(shares) for group, shares in plain if group in able}
    return [(group, usual.get(group, shares)) for group, shares in steps]


class Telling:
    """One narrative in the making: the facts, the dice, and what has been told."""

    def __init__(
        self,
        rules: Grammar,
        facts: World,
        seed: str,
        register: str,
        style: Style = PLAIN,
        refused: Refused = never,
    ) -> None:
        self.rules, self.facts, self.random = rules, facts, Random(seed)
        self.language, self.register, self.style = rules.language, register, style
        for found in facts.many.values():
            found.sort(key=lambda fact: fact.get("rank") or 0)
        self.told: set[tuple[str, str]] = set()
        self.group = ""
        self.refused = refused

    def tell(self, steps: Iterable[Shares]) -> Iterator[Claim]:
        for group, shares in steps:
            for share in shares:
                if share < 1 and self.random.random() < 1 - share:
                    break
                claim = self.claim(group)
                if claim is None:
                    break
                self.group = group
                yield claim

    def claim(self, group: str) -> Claim | None:
        """Return one sentence of a group that tells only what has not been told, or None."""
        for production, option in self.shuffled(self.rules.groups.get(group, [])):
            draft = self.draft(production, option)
            if draft is not None:
                text, bound, used = draft
                self.told |= self.points(used, bound)
                return Claim(text=text, cites=self.cited(used, bound), production=production.name)
        return None

    def draft(self, production: Production, option: Alternative) -> Draft | None:
        """Return how one alternative would tell what has not been told, or None."""
        if production.after and self.group not in production.after:
            return None
        for facts in option.bindings(self.facts.one, self.facts):
            if not self.points((option,), facts) & self.told:
                for draft in self.render(option.nodes, 0, ("", facts, (option,))):
                    if not self.refused(draft[0]):
                        return draft
        return None

    def cited(self, used: tuple[Alternative, ...], bound: Bound) -> tuple[str, ...]:
        """Return the facts that the claim names, or else those that its licence went through."""
        named = [bound[name]["id"] for part in used for name in part.variables if name in bound]
        counted = [
            fact["id"] for part in used for name in part.counted for fact in self.facts.many.get(name, ())
        ]
        return tuple(dict.fromkeys(named or counted))

    def points(self, used: tuple[Alternative, ...], bound: Bound) -> set[tuple[str, str]]:
        """Return what these alternatives tell."""
        return {
            (point, bound[name]["id"] if name in bound else "") for part in used for point, name in part.tells
        }

    def shuffled(self, choices: list[tuple[Production, Alternative]]) -> list[tuple[Production, Alternative]]:
        """Order those of the register: the heavier, the likelier it comes first (Efraimidis, 2006)."""
        draw, learned = self.random.random, self.style.weights
        choices = [choice for choice in choices if choice[1].register in ("", self.register)]
        if not learned:
            return sorted(choices, key=lambda choice: -(draw() ** (1 / choice[1].weight)))
        weights = [learned.get(option.key, option.weight) for _, option in choices]
        order = [log(draw() or LEAST) / weight for weight in weights]
        return [choices[at] for at in sorted(range(len(choices)), key=lambda at: -order[at])]

    def wordings(self, choice: Choice) -> Iterable[Nodes]:
        """Return the wordings to write, here a single one, by the dice."""
        weights = self.style.choices.get(choice.text)
        if weights is None:
            return (self.random.choice(choice.options),)
        return self.random.choices(choice.options, weights)

    def picked(self, choice: Choice, option: Nodes) -> tuple[Alternative, ...]:
        """Return what is noted of a choice that was made; nothing here, where only the text counts."""
        return ()

    def render(self, nodes: Nodes, index: int, draft: Draft) -> Iterator[Draft]:
        """Write the nodes from `index` on; nothing is yielded when a value is missing."""
        text, bound, used = draft
        for here in range(index, len(nodes)):
            node = nodes[here]
            if isinstance(node, Call):
                phrase = self.rules.phrases[node.phrase]
                for _, option in self.shuffled([(phrase, option) for option in phrase.alternatives]):
                    for facts in option.bindings(bound, self.facts):
                        for more, last, parts in self.render(option.nodes, 0, ("", facts, (option,))):
                            yield from self.render(nodes, here + 1, (text + more, last, used + parts))
                return
            if isinstance(node, Choice):
                for option in self.wordings(node):
                    for more, facts, parts in self.render(option, 0, ("", bound, self.picked(node, option))):
                        yield from self.render(nodes, here + 1, (text + more, facts, used + parts))
                return
            written = self.written(node, bound)
            if not written:
                return
            text += written
        yield text, bound, used

    def written(self, node: Literal | Slot | Agreement | Listing, bound: Bound) -> str:
        """Return the text of one node; empty when its value is missing."""
        if isinstance(node, Literal):
            return node.text
        if isinstance(node, Agreement):
            return node.one if node.number.evaluate(bound, self.facts) == 1 else node.other
        if isinstance(node, Listing):
            text = self.listed(self.facts.many[node.variable])
        else:
            text = self.value(node, node.expression.evaluate(bound, self.facts), bound)
        return text[0].upper() + text[1:] if node.capital and text else text

    def listed(self, facts: list[Fields]) -> str:
        parts = [
            f"{wording.phrase(fact['text'], self.language)} {wording.name(str(fact['value']), self.language)}"
            for fact in facts
        ]
        joint = wording.JOINT[self.language]
        return joint.join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)

    def value(self, node: Slot, value: Any, bound: Bound) -> str:
        argument = node.argument.evaluate(bound, self.facts) if node.argument else ""
        match node.form:
            case _ if value is None:
                return ""
            case "phrase":
                return wording.phrase(str(value), self.language)
            case "label":
                return wording.quoted(str(value), self.language)
            case "plural":
                return self.plural(node, str(value), bound)
            case "agree":
                return units.phrase(str(value)) if argument == 1 else self.plural(node, str(value), bound)
            case "unit" | "about":
                derived = not node.expression.reference[0]
                unit = "points" if derived and argument in ("probability", "share") else argument or ""
                about = node.form == "about"
                return (wording.about if about else wording.write)(value, unit, self.language)
            case "number":
                return wording.write(value, "", self.language)
        return wording.write(value, node.form, self.language)

    def plural(self, node: Slot, noun: str, bound: Bound) -> str:
        """Return the owner's plural where the term has one, else the regular one."""
        return units.phrase(str(bound[node.expression.reference[0]].get("plural") or units.plural(noun)))
