"""The loader of the grammar text `claims.grammar`: all that the writer and the parser share.

    one NAME = KIND [FACT NAME]    a variable for the only fact of a kind
    any NAMES = KIND               variables for any fact of a kind
    phrase NAME                    a part of sentences, called by <NAME>, or <^NAME> with a capital letter
    claim GROUP.NAME               a sentence; `role` says which question it answers
    after GROUPS                   the sentence stands only after a sentence of one of these groups
    if CONDITION                   the licence of the whole production
    when CONDITION                 the licence of the alternatives that follow; `when always` ends it
    tells POINTS                   what the alternatives that follow make known: name or name(variable)
    WEIGHT | TEXT                  an alternative; {slot} [one|other] <phrase>
    demand POINT in LENGTHS [if CONDITION]   what a narrative of these lengths may not leave out
    plan LENGTH                    groups in the order in which they are told; GROUP*3 up to three sentences,
                                   GROUP? in half of the narratives

Slots: {a.text} {score.low:probability} {ratio(i.value, h.value):ratio} {difference(x, y):unit(i)}
{row:plural} {row:agree(record.n)} {was|were: record.value} {list(e)}; {^...} begins with a capital letter.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files

from foretell.verification.conditions import Bound, Expression, World, read


@dataclass(frozen=True, slots=True)
class Literal:
    text: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A value of a fact, or one computed from named facts."""

    expression: Expression
    form: str
    """How it is written: a unit, `unit`, `phrase`, `plural` or `agree`."""
    argument: Expression | None = None
    """For `unit`: a field of the fact whose unit it takes; for `agree`: the number that governs it."""
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
    variables: tuple[str, ...]
    """The variables that its slots and conditions read, phrases not included."""
    counted: tuple[str, ...]
    """The variables all of whose facts its conditions go through."""
    stages: tuple[tuple[str, tuple[Expression, ...]], ...]
    """("", conditions on unique facts alone), then (variable, conditions settled once it is bound)."""

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


@dataclass(slots=True)
class Production:
    name: str
    role: str = ""
    after: tuple[str, ...] = ()
    alternatives: list[Alternative] = field(default_factory=list)

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


@dataclass(slots=True)
class Grammar:
    variables: dict[str, tuple[bool, str, str]] = field(default_factory=dict)
    phrases: dict[str, Production] = field(default_factory=dict)
    claims: list[Production] = field(default_factory=list)
    groups: dict[str, list[tuple[Production, Alternative]]] = field(default_factory=dict)
    """Group -> its sentences, production by production."""
    openings: dict[str, list[tuple[str, Production, Alternative]]] = field(default_factory=dict)
    """First word -> (the words it begins with, production, alternative); "" for those that begin with a
    value, which stand last."""
    demands: list[Demand] = field(default_factory=list)
    plans: dict[str, list[Step]] = field(default_factory=dict)


@cache
def grammar() -> Grammar:
    """Return the grammar of the package; every caller shares it and none may change it."""
    return load(files("foretell.verification").joinpath("claims.grammar").read_text(encoding="utf-8"))


def load(text: str) -> Grammar:
    """Return the grammar that a text describes.

    Raises:
        ValueError: on the first line that cannot be understood, with its number.
    """
    reader = _Lines()
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            try:
                reader.line(stripped)
            except (ValueError, KeyError, IndexError) as error:
                raise ValueError(f"line {number} of the grammar, '{stripped}': {error}") from error
    return reader.finish()


class _Lines:
    """The state between the lines of a grammar text: which production, licence and points hold."""

    def __init__(self) -> None:
        self.grammar = Grammar()
        self.production = Production("")
        self.licence: list[Expression] = []
        self.when: tuple[Expression, ...] = ()
        self.tells: tuple[tuple[str, str], ...] = ()
        self.plan: list[Step] = []
        self.capitals: set[str] = set()

    def line(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        match word:
            case "one" | "any":
                names, _, kind = rest.partition("=")
                kind, _, name = kind.strip().partition(" ")
                self.grammar.variables |= dict.fromkeys(names.split(), (word == "one", kind, name))
            case "phrase" | "claim":
                self.begin(word, rest)
            case "role":
                self.production.role = rest
            case "after":
                self.production.after = tuple(rest.split())
            case "if":
                self.licence.append(read(rest))
            case "when":
                self.when = () if rest == "always" else (read(rest),)
            case "tells":
                self.tells = tuple(_point(part) for part in rest.split())
            case "demand":
                self.demand(rest)
            case "plan":
                self.plan = self.grammar.plans.setdefault(rest, [])
            case "tell":
                self.plan.extend(_step(part) for part in rest.split())
            case _:
                self.alternative(line)

    def begin(self, word: str, name: str) -> None:
        self.production = Production(name)
        self.licence, self.when, self.tells = [], (), ()
        if word == "phrase":
            self.grammar.phrases[name] = self.production
        else:
            self.grammar.claims.append(self.production)

    def alternative(self, line: str) -> None:
        weight, bar, text = line.partition(" | ")
        if not bar:
            weight, text = line.removesuffix(" |"), ""
        nodes = self.nodes(text)
        conditions = (*self.licence, *self.when)
        variables = dict.fromkeys(name for part in conditions for name in part.variables)
        variables |= dict.fromkeys(_variables(nodes))
        counted = tuple(dict.fromkeys(name for part in conditions for name in part.counted))
        stages = self.stages(tuple(variables), conditions)
        self.production.alternatives.append(
            Alternative(float(weight), nodes, conditions, self.tells, tuple(variables), counted, stages)
        )

    def stages(
        self, variables: tuple[str, ...], conditions: tuple[Expression, ...]
    ) -> tuple[tuple[str, tuple[Expression, ...]], ...]:
        """Sort conditions by the variable whose binding settles them, so that a search fails early."""
        free = [name for name in variables if not self.grammar.variables.get(name, (True,))[0]]
        order = ["", *free]
        settled: dict[str, list[Expression]] = {name: [] for name in order}
        for condition in conditions:
            last = max((order.index(name) for name in condition.variables if name in order), default=0)
            settled[order[last]].append(condition)
        return tuple((name, tuple(settled[name])) for name in order)

    def nodes(self, text: str) -> Nodes:
        found: list[Node] = []
        for part in re.findall(r"\{[^}]*\}|<[^>]*>|\[[^\]]*\]|[^{<\[]+", text):
            if part[0] == "{":
                found.append(_slot(part[1:-1], self.grammar.variables))
            elif part[0] == "<":
                found.append(Call(part[1:-1]))
                if part[1] == "^":
                    self.capitals.add(part[2:-1])
            elif part[0] == "[":
                found.append(Choice(tuple(self.nodes(option) for option in part[1:-1].split("|"))))
            else:
                found.append(Literal(part))
        return tuple(found)

    def demand(self, text: str) -> None:
        head, _, condition = text.partition(" if ")
        point, _, lengths = head.partition(" in ")
        name, variable = _point(point)
        self.grammar.demands.append(
            Demand(name, variable, tuple(lengths.split()), read(condition) if condition else None)
        )

    def finish(self) -> Grammar:
        """Add the phrases with a capital letter, and check that every name is known."""
        grammar = self.grammar
        for name in self.capitals:
            phrase = grammar.phrases[name]
            capital = [replace(option, nodes=_capital(option.nodes)) for option in phrase.alternatives]
            grammar.phrases["^" + name] = Production("^" + name, alternatives=capital)
        for production in (*grammar.claims, *grammar.phrases.values()):
            for option in production.alternatives:
                unknown = [name for name in option.variables if name not in grammar.variables]
                called = [node.phrase for node in _calls(option.nodes)]
                unknown += [name for name in called if name not in grammar.phrases]
                if unknown:
                    raise ValueError(f"'{production.name}' uses '{unknown[0]}', which the grammar lacks")
        sentences = [(claim, option) for claim in grammar.claims for option in claim.alternatives]
        for production, option in sentences:
            grammar.groups.setdefault(production.group, []).append((production, option))
        begun = [(_first_words(option), claim, option) for claim, option in sentences]
        begun.sort(key=lambda sentence: not sentence[0])
        for word in {words.partition(" ")[0] for words, _, _ in begun} | {""}:
            grammar.openings[word] = [one for one in begun if one[0].partition(" ")[0] in (word, "")]
        return grammar


def _first_words(option: Alternative) -> str:
    """Return the words that a sentence always begins with, or an empty string."""
    first = option.nodes[0]
    return first.text if isinstance(first, Literal) and " " in first.text else ""


def _point(text: str) -> tuple[str, str]:
    name, _, variable = text.strip().rstrip(")").partition("(")
    return name, variable


def _step(text: str) -> Step:
    group, _, most = text.rstrip("?").partition("*")
    return Step(group, int(most or 1), text.endswith("?"))


def _slot(text: str, variables: Mapping[str, tuple[bool, str, str]]) -> Slot | Agreement | Listing:
    capital = text.startswith("^")
    text = text.removeprefix("^")
    if "|" in text:
        words, _, number = text.partition(":")
        one, _, other = words.partition("|")
        return Agreement(one, other, read(number))
    if listed := re.fullmatch(r"list\((\w+)\)", text):
        return Listing(listed[1], capital)
    match = re.fullmatch(r"(.*?)(?::([\w-]+)(?:\(([\w.]+)\))?)?", text)
    if match is None or text.startswith("count("):
        return Slot(read(text), "count", None, capital)
    expression, form, argument = read(match[1]), match[2] or "", match[3]
    if not form:
        variable, name = expression.reference
        noun = name == "text" or (name == "value" and variables[variable][1] == "term")
        form = "phrase" if noun else "unit"
        return Slot(expression, form, read(variable + ".unit"), capital)
    if form == "unit":
        return Slot(expression, form, read(argument + ".unit"), capital)
    return Slot(expression, form, read(argument) if argument else None, capital)


def _capital(nodes: Nodes) -> Nodes:
    first, *rest = nodes
    if isinstance(first, Literal):
        return (Literal(first.text[0].upper() + first.text[1:]), *rest)
    if isinstance(first, Slot | Listing):
        return (replace(first, capital=True), *rest)
    raise ValueError("a phrase with a capital letter begins with words or a slot")


def _variables(nodes: Nodes) -> list[str]:
    names: list[str] = []
    for node in nodes:
        if isinstance(node, Slot):
            names += node.expression.variables + (node.argument.variables if node.argument else ())
        elif isinstance(node, Agreement):
            names += node.number.variables
        elif isinstance(node, Choice):
            names += [name for option in node.options for name in _variables(option)]
    return names


def _calls(nodes: Nodes) -> list[Call]:
    calls = [node for node in nodes if isinstance(node, Call)]
    for node in nodes:
        if isinstance(node, Choice):
            calls += [call for option in node.options for call in _calls(option)]
    return calls
