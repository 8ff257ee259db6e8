"""The embedded writer: facts to text, by sampling licensed productions of the claim grammar.

It enters a number or a name into the text only by writing a fact's value, so it cannot invent one. Which
claims are made follows the plan of the length; which of several true wordings is used follows the weights.
"""

from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any

from foretell import units, wording
from foretell.errors import SpecError
from foretell.lookup import unknown
from foretell.records import OWN, Claim, Evidence, Narrative
from foretell.spec import NarrateSpec
from foretell.verification.conditions import Bound, Fields, World, world
from foretell.verification.grammar import GRAMMARS, grammar, language_of
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
    Step,
)
from foretell.verification.rules import refuses, tellable

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
    rules = grammar(language)
    if spec.length not in rules.plans:
        raise SpecError(*unknown("narrate.length", spec.length, rules.plans))
    facts = world(rules.variables, tellable(evidence, spec.length))
    refused = partial(refuses, evidence=evidence, length=spec.length) if evidence.of("rule") else never
    writer = _Writer(rules, facts, f"{spec.seed}/{attempt}/{evidence.id}", spec.register, refused)
    claims = tuple(writer.tell(rules.plans[spec.length]))
    return Narrative(claims=claims, writer=OWN, length=spec.length, seed=spec.seed)


class _Writer:
    """One narrative in the making: the facts, the dice, and what has been told."""

    def __init__(self, rules: Grammar, facts: World, seed: str, register: str, refused: Refused) -> None:
        self.rules, self.facts, self.random = rules, facts, Random(seed)
        self.language, self.register = rules.language, register
        for found in facts.many.values():
            found.sort(key=lambda fact: fact.get("rank") or 0)
        self.told: set[tuple[str, str]] = set()
        self.group = ""
        self.refused = refused

    def tell(self, plan: list[Step]) -> Iterator[Claim]:
        for step in plan:
            if step.optional and self.random.random() < 0.5:
                continue
            for _ in range(step.most):
                claim = self.claim(step.group)
                if claim is None:
                    break
                self.group = step.group
                yield claim

    def claim(self, group: str) -> Claim | None:
        """Return one sentence of a group that tells only what has not been told, or None."""
        for production, option in self.shuffled(self.rules.groups[group]):
            if production.after and self.group not in production.after:
                continue
            for facts in option.bindings(self.facts.one, self.facts):
                if self.points((option,), facts) & self.told:
                    continue
                for text, bound, used in self.render(option.nodes, 0, ("", facts, (option,))):
                    if self.refused(text):
                        continue
                    self.told |= self.points(used, bound)
                    cites = self.cited(used, bound)
                    return Claim(text=text, cites=cites, production=production.name)
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
        draw = self.random.random
        choices = [choice for choice in choices if choice[1].register in ("", self.register)]
        return sorted(choices, key=lambda choice: -(draw() ** (1 / choice[1].weight)))

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
                node = self.random.choice(node.options)
                for more, facts, parts in self.render(node, 0, ("", bound, ())):
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
