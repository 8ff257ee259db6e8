"""Simulated houses: an editor with firm tastes, who rewrites every draft and adds a sentence of their own."""

from collections.abc import Iterable
from random import Random

from foretell.narration.embedded import Telling, due, restored
from foretell.records import Claim, Evidence, Narrative
from foretell.spec import NarrateSpec
from foretell.verification.conditions import world
from foretell.verification.grammar import language_of
from foretell.verification.productions import Alternative, Choice, Nodes, Production
from foretell.verification.wordings import Wording, extended

OWN = (
    Wording(text="For our files: {i.text} {i}, {h.text} {h}.", licences=("figures.times",)),
    Wording(text="Compare {i} with {h}, which is {h.text}.", licences=("figures.times",)),
    Wording(
        text="Note the {i.text} of {i} beside the usual {i.low} to {i.high}.", licences=("figures.usual",)
    ),
    Wording(
        text="The desk keeps in mind that of {record.n:count} past {row:agree(record.n)} scored like this "
        "one, {record} {was a case|were cases: record.value} of {outcome}.",
        licences=("sure.plain", "<cases>"),
    ),
    Wording(text="In short, {score} against a threshold of {line}.", licences=("opening.alert",)),
)
"""Sentences that houses add, one a house."""
OWN_GERMAN = (
    Wording(text="Für unsere Akten: {i.text:label} {i}, {h.text:label} {h}.", licences=("figures.times",)),
    Wording(text="Vergleiche {i} mit {h}, {h.text:label}.", licences=("figures.times",)),
    Wording(
        text="Zum Vergleich: {i.text:label} {i} neben den üblichen {i.low} bis {i.high}.",
        licences=("figures.usual",),
    ),
    Wording(text="Kurz gesagt: {score} gegen eine Alarmschwelle von {line}.", licences=("opening.alert",)),
)
KEPT = ("opening", "sure", "brief", "why", "against")
"""Groups that no house moves: the grammar has them build on each other."""


class House(Telling):
    """An editor: of all true wordings always the same one, an order of telling, and what is never told."""

    seed: int

    def rank(self, key: str) -> float:
        return Random(f"{self.seed}/{key}").random()

    def shuffled(self, choices: list[tuple[Production, Alternative]]) -> list[tuple[Production, Alternative]]:
        mine = [choice for choice in choices if choice[1].register in ("", self.register)]
        return sorted(mine, key=lambda choice: self.rank(choice[1].key))

    def wordings(self, choice: Choice) -> Iterable[Nodes]:
        return (min(choice.options, key=lambda option: self.rank(str(option))),)


def steps(seed: int, rules, length: str, own: Wording | None) -> list[tuple[str, tuple[float, ...]]]:
    """Return what a house tells, in its order: two groups change places, one is never told."""
    random = Random(f"{seed}/{length}")
    plan = [(step.group, (1.0,) * step.most) for step in rules.plans[length]]
    free = [at for at, (group, _) in enumerate(plan) if group not in KEPT]
    one, other = random.sample(free, 2)
    plan[one], plan[other] = plan[other], plan[one]
    dropped = random.choice(free)
    plan[dropped] = (plan[dropped][0], ())
    for step in rules.plans[length]:
        if step.optional and random.random() < 0.5:
            plan = [(group, () if group == step.group else shares) for group, shares in plan]
    if own is not None:
        plan.insert(random.randrange(2, len(plan) + 1), (own.name, (1.0,)))
    return plan


def edited(seed: int, evidence: Evidence, spec: NarrateSpec, own: Wording | None = None) -> Narrative:
    """Return the text as the house wants it."""
    rules = extended(language_of(evidence), (own,) if own else ())
    plain = [(step.group, (1.0,) * step.most) for step in rules.plans[spec.length]]
    told = steps(seed, rules, spec.length, own)
    claims: tuple[Claim, ...] = ()
    for _ in range(3):
        house = House(rules, world(rules.variables, evidence), "", spec.register)
        house.seed = seed
        claims = tuple(house.tell(told))
        missing = due(rules, house.facts, spec.length) - house.told
        if not missing:
            break
        given = restored(rules, told, plain, missing)
        told = given if given != told else plain
    return Narrative(claims=claims, writer="house", length=spec.length)


def alike(one: Narrative, other: Narrative) -> tuple[int, int]:
    """Return how many sentences two texts share in the same order, and how many the longer one has."""
    a, b = [claim.text for claim in one.claims], [claim.text for claim in other.claims]
    row = [0] * (len(b) + 1)
    for sentence in a:
        held = 0
        for at, told in enumerate(b, start=1):
            held, row[at] = row[at], held + 1 if sentence == told else max(row[at], row[at - 1])
    return row[-1], max(len(a), len(b))
