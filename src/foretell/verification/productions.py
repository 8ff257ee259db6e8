"""What a grammar is made of: claims, their alternatives, and the nodes of a sentence."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from foretell.verification.conditions import Bound, Expression, World


@dataclass(frozen=True, slots=True)
class Literal:
    text: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A value of a fact, or one computed from named facts."""

    expression: Expression
    form: str
    """How it is written: a unit, `unit`, `about`, `phrase`, `label`, `plural` or `agree`."""
    argument: Expression | None = None
    """For `unit` and `about`: the unit of the fact; for `agree`: the number that governs it."""
    capital: bool = False


@dataclass(frozen=True, slots=True)
class Agreement:
    """A word that follows a number: was, were."""

    one: str
    other: str
    number: Expression


@dataclass(frozen=True, slots=True)
class Listing:
    """All facts of a variable: customer 4711 and terminal 99."""

    variable: str
    capital: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """Wordings among which nothing but taste decides."""

    options: tuple["Nodes", ...]
    text: str = ""
    """The options as the grammar has them: a|b."""


@dataclass(frozen=True, slots=True)
class Call:
    phrase: str


Node = Literal | Slot | Agreement | Listing | Choice | Call
Nodes = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alternative:
    weight: float
    nodes: Nodes
    conditions: tuple[Expression, ...]
    tells: tuple[tuple[str, str], ...]
    """(point, variable or "")."""
    register: str
    """expert, plain, or "" for both."""
    variables: tuple[str, ...]
    """The variables that its slots and conditions read, phrases not included."""
    counted: tuple[str, ...]
    """The variables all of whose facts its conditions go through."""
    stages: tuple[tuple[str, tuple[Expression, ...]], ...]
    """("", conditions on unique facts alone), then (variable, conditions settled once it is bound)."""
    waiting: tuple[tuple[Expression, tuple[str, ...]], ...]
    """Conditions that wait until variables are bound, with those variables."""
    when: str = ""
    """The `when` line above it, by which a translation finds the same licence."""
    key: str = ""
    """Production and text, by which a house style names it; the same with and without a capital letter."""

    def bindings(self, bound: Bound, facts: World, stage: int = 0) -> Iterator[Bound]:
        """Yield `bound` extended by facts for the free variables, as the licence admits."""
        for index in range(stage, len(self.stages)):
            variable, conditions = self.stages[index]
            if variable and variable not in bound:
                for fact in facts.many[variable]:
                    extended = {**bound, variable: fact}
                    if _hold(conditions, extended, facts):
                        yield from self.bindings(extended, facts, index + 1)
                return
            if not _hold(conditions, bound, facts):
                return
        yield bound


def _hold(conditions: tuple[Expression, ...], bound: Bound, facts: World) -> bool:
    for condition in conditions:  # noqa: SIM110 - `all` over a generator takes thrice as long
        if not condition.evaluate(bound, facts):
            return False
    return True


Licence = tuple[tuple[Expression, ...], tuple[tuple[str, str], ...]]
"""Conditions, and the points that are told under them."""


@dataclass(slots=True)
class Production:
    name: str
    role: str = ""
    after: tuple[str, ...] = ()
    alternatives: list[Alternative] = field(default_factory=list)
    licences: dict[str, Licence] = field(default_factory=dict)
    """The text of a `when` line, or "" for none -> the licence of the alternatives under it."""

    @property
    def group(self) -> str:
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Demand:
    point: str
    variable: str
    lengths: tuple[str, ...]
    condition: Expression | None


@dataclass(frozen=True, slots=True)
class Step:
    group: str
    most: int
    optional: bool

    @property
    def shares(self) -> tuple[str, tuple[float, ...]]:
        """The group, and how probably its first, second, ... sentence is told."""
        return self.group, (0.5 if self.optional else 1.0, *(1.0,) * (self.most - 1))


@dataclass(slots=True, eq=False)
class Grammar:
    variables: dict[str, tuple[bool, str, str]] = field(default_factory=dict)
    phrases: dict[str, Production] = field(default_factory=dict)
    claims: list[Production] = field(default_factory=list)
    groups: dict[str, list[tuple[Production, Alternative]]] = field(default_factory=dict)
    """Group -> its sentences, production by production."""
    demands: list[Demand] = field(default_factory=list)
    plans: dict[str, list[Step]] = field(default_factory=dict)
    language: str = "en"
    base: "Grammar | None" = None
    """The grammar whose claims and phrases it has too; its claims behind those are a house's own."""

    @property
    def own(self) -> list[Production]:
        """The claims that its base lacks."""
        return self.claims[len(self.base.claims) :] if self.base else self.claims
