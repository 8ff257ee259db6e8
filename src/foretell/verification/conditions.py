"""Conditions and derived numbers of the grammar text: read once into functions, never through `eval`.

    condition   a.rank == 1 and not (score.abstained or no line)
    derived     ratio(i.value, h.value), count(z: z.value > 0)

What is missing is None, and every comparison with None is false: evidence that lacks a
figure licenses nothing.
"""

import operator
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from typing import Any

from foretell.records import Evidence, Fact

Fields = Mapping[str, Any]
Bound = Mapping[str, Fields]
"""Variable -> the fields of the fact it stands for."""
ALIKE = ("term", "check", "glossary", "passage")
"""Kinds whose facts may share a text."""


@dataclass(frozen=True, slots=True)
class World:
    """The facts of one evidence, as the variables of a grammar see them."""

    one: dict[str, Fields]
    """Variables that stand for the only fact of their kind; absent where there is none, or more than one."""
    many: dict[str, list[Fields]]
    """Variables that stand for any fact of their kind."""
    counts: dict[str, int] = field(default_factory=dict)
    """What was counted without regard to any bound fact, as the grammar has it -> how many."""


def fields(fact: Fact) -> Fields:
    return {
        **fact.detail,
        "id": fact.id,
        "name": fact.name,
        "text": fact.text,
        "value": fact.value,
        "unit": fact.unit,
    }


def world(variables: Mapping[str, tuple[bool, str, str]], evidence: Evidence) -> World:
    """Return the facts by variable; facts of one kind that share a text cannot be told apart and drop out.

    Args:
        variables: name -> (stands for the only one, kind, name of the fact or "" for any).
    """
    kinds: dict[str, list[Fields]] = defaultdict(list)
    for fact in evidence.facts:
        kinds[fact.kind].append(fields(fact))
    for kind, facts in kinds.items():
        if len(facts) > 1 and kind not in ALIKE and len({fact["text"] for fact in facts}) < len(facts):
            texts = Counter([fact["text"] for fact in facts])
            kinds[kind] = [fact for fact in facts if texts[fact["text"]] == 1]
    one, many = {}, {}
    for variable, (single, kind, name) in variables.items():
        found = kinds.get(kind, [])
        if name:
            found = [fact for fact in found if fact["name"] == name]
        if not single:
            many[variable] = found
        elif len(found) == 1:
            one[variable] = found[0]
    return World(one, many)


@dataclass(frozen=True, slots=True)
class Expression:
    """A condition or a derived number, ready to be evaluated."""

    text: str
    evaluate: Callable[[Bound, World], Any]
    variables: tuple[str, ...]
    """The variables it reads, without those that `count` binds itself."""
    counted: tuple[str, ...] = ()
    """The variables all of whose facts it goes through."""
    reference: tuple[str, str] = ("", "")
    """(variable, field) when the expression is just one field."""


def solutions(variables: tuple[str, ...], bound: Bound, world: World) -> Iterable[Bound]:
    """Return `bound`, extended in every way by facts for those of `variables` that are not bound yet."""
    free = [name for name in dict.fromkeys(variables) if name not in bound]
    if not free:
        return (bound,)
    if len(free) == 1:
        return [{**bound, free[0]: fact} for fact in world.many.get(free[0], ())]
    ways = product(*(world.many.get(name, ()) for name in free))
    return ({**bound, **dict(zip(free, facts, strict=True))} for facts in ways)


def is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _ratio(x: Any, y: Any) -> float | None:
    return x / y if is_number(x) and is_number(y) and y else None


def _difference(x: Any, y: Any) -> float | None:
    return x - y if is_number(x) and is_number(y) else None


def _change(x: Any, y: Any) -> float | None:
    return (x - y) / abs(y) if is_number(x) and is_number(y) and y else None


def _days(x: Any, y: Any) -> float | None:
    """Return the days from the instant y to the instant x; None when y is not the earlier one."""
    try:
        later, earlier = (
            at if at.tzinfo else at.replace(tzinfo=UTC) for at in map(datetime.fromisoformat, (x, y))
        )
    except (TypeError, ValueError):
        return None
    days = (later - earlier).total_seconds() / 86400
    return days if days > 0 else None


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "ratio": _ratio,
    "share": _ratio,
    "difference": _difference,
    "change": _change,
    "days": _days,
    "column": lambda name: name.partition("@")[0] if isinstance(name, str) else None,
    "pair": lambda column, entity: f"{column}@{entity}",
}
ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
SIGNS = (*ORDER, "==", "!=")
_CONSTANT = '"-.0123456789'
"""What a number or a text in a condition begins with."""
TOKENS = re.compile(r'\s*(?:("[^"]*")|(-?\d*\.?\d+)|([a-z_]+(?:\.[a-z_]+)?)|(<=|>=|==|!=|<|>|\(|\)|,|:))')


def read(text: str) -> Expression:
    """Return the expression a text stands for.

    Raises:
        ValueError: when the text is not an expression.
    """
    tokens: list[str] = []
    at = 0
    while at < len(text.rstrip()):
        match = TOKENS.match(text, at)
        if match is None:
            raise ValueError(f"'{text[at:]}' is not part of a condition")
        tokens.append(match[0].strip())
        at = match.end()
    reader = _Reader(text, tokens)
    evaluate = reader.either()
    if reader.tokens:
        raise ValueError(f"'{' '.join(reader.tokens)}' is left over in the condition '{text}'")
    variables = tuple(dict.fromkeys(reader.variables))
    reference = ("", "")
    if len(tokens) == 1 and variables:
        variable, _, field = tokens[0].partition(".")
        reference = (variable, field or "value")
    return Expression(text.strip(), evaluate, variables, tuple(dict.fromkeys(reader.over)), reference)


class _Reader:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str, tokens: list[str]) -> None:
        self.text, self.tokens = text, list(tokens)
        self.variables: list[str] = []
        self.over: list[str] = []

    def take(self, *wanted: str) -> str:
        """Return and drop the next token when it is one of `wanted`, else return an empty string."""
        return self.tokens.pop(0) if self.tokens and self.tokens[0] in wanted else ""

    def need(self, token: str) -> None:
        if not self.take(token):
            raise ValueError(f"'{token}' is missing in the condition '{self.text}'")

    def either(self) -> Callable[[Bound, World], Any]:
        parts = [self.both()]
        while self.take("or"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else _any(parts)

    def both(self) -> Callable[[Bound, World], Any]:
        parts = [self.negated()]
        while self.take("and"):
            parts.append(self.negated())
        return parts[0] if len(parts) == 1 else _all(parts)

    def negated(self) -> Callable[[Bound, World], Any]:
        if self.take("not"):
            inner = self.negated()
            return lambda bound, world: not inner(bound, world)
        if word := self.take("has", "no"):
            name, wanted = self.tokens.pop(0), word == "has"
            return lambda bound, world: (name in world.one or bool(world.many.get(name))) == wanted
        return self.compared()

    def compared(self) -> Callable[[Bound, World], Any]:
        match self.tokens:
            case [name, sign, constant, *_] if (
                name[0].isalpha() and sign in SIGNS and constant[0] in _CONSTANT
            ):
                return self.held_against(constant)
        left = self.operand()
        sign = self.take(*SIGNS)
        if not sign:
            return left
        right = self.operand()
        if sign in ORDER:
            return _ordered(ORDER[sign], left, right)
        same = sign == "=="

        def equal(bound: Bound, world: World) -> bool:
            x, y = left(bound, world), right(bound, world)
            return x is not None and y is not None and (x == y) == same and _sort(x) is _sort(y)

        return equal

    def held_against(self, constant: str) -> Callable[[Bound, World], bool]:
        """Compare a field with a number or a text: what most conditions do, so it is one function."""
        name, sign, _ = self.tokens[:3]
        del self.tokens[:3]
        variable, _, field = name.partition(".")
        field = field or "value"
        self.variables.append(variable)
        wanted, same = constant[1:-1] if constant[0] == '"' else float(constant), sign == "=="
        sort = type(wanted)
        if sign not in ORDER:

            def equal(bound: Bound, world: World) -> bool:
                x = bound[variable].get(field) if variable in bound else None
                return x is not None and (x == wanted) == same and _sort(x) is sort

            return equal
        holds = ORDER[sign] if constant[0] != '"' else lambda x, y: False

        def compare(bound: Bound, world: World) -> bool:
            x = bound[variable].get(field) if variable in bound else None
            return (type(x) is float or type(x) is int) and holds(x, wanted)

        return compare

    def operand(self) -> Callable[[Bound, World], Any]:
        if not self.tokens:
            raise ValueError(f"the condition '{self.text}' ends too early")
        token = self.tokens.pop(0)
        if token == "(":
            inner = self.either()
            self.need(")")
            return inner
        if token[0] == '"':
            return lambda bound, world: token[1:-1]
        if token[0] in _CONSTANT:
            constant = float(token)
            return lambda bound, world: constant
        if self.take("("):
            return self.counted() if token == "count" else self.called(token)
        variable, _, field = token.partition(".")
        self.variables.append(variable)
        return _field(variable, field or "value")

    def called(self, name: str) -> Callable[[Bound, World], Any]:
        if name not in FUNCTIONS:
            raise ValueError(f"'{name}' is not a function of conditions: {', '.join(FUNCTIONS)}, count")
        arguments = [self.operand()]
        while self.take(","):
            arguments.append(self.operand())
        self.need(")")
        function = FUNCTIONS[name]
        if len(arguments) == 2:
            left, right = arguments
            return lambda bound, world: function(left(bound, world), right(bound, world))
        return lambda bound, world: function(*(argument(bound, world) for argument in arguments))

    def counted(self) -> Callable[[Bound, World], int]:
        variable = self.tokens.pop(0)
        self.over.append(variable)
        self.need(":")
        outside, before = list(self.variables), self.tokens.copy()
        inner = self.either()
        told = f"{variable}: {' '.join(before[: len(before) - len(self.tokens)])}"
        self.need(")")
        bound_outside = [name for name in self.variables[len(outside) :] if name != variable]
        self.variables = outside + bound_outside

        def count(bound: Bound, world: World) -> int:
            number, inside = 0, dict(bound)
            for fact in world.many.get(variable, ()):
                inside[variable] = fact
                number += bool(inner(inside, world))
            return number

        def once(bound: Bound, world: World) -> int:
            if told not in world.counts:
                world.counts[told] = count({}, world)
            return world.counts[told]

        return count if bound_outside else once


def _sort(value: Any) -> type:
    """Return whether a value is a number, a text or a truth: values of two sorts are never compared."""
    return float if type(value) is int else type(value)


def _field(variable: str, field: str) -> Callable[[Bound, World], Any]:
    return lambda bound, world: bound[variable].get(field) if variable in bound else None


def _any(parts: list[Callable]) -> Callable[[Bound, World], bool]:
    def holds(bound: Bound, world: World) -> bool:
        for part in parts:  # noqa: SIM110 - `any` over a generator takes thrice as long
            if part(bound, world):
                return True
        return False

    return holds


def _all(parts: list[Callable]) -> Callable[[Bound, World], bool]:
    def hold(bound: Bound, world: World) -> bool:
        for part in parts:  # noqa: SIM110 - as above
            if not part(bound, world):
                return False
        return True

    return hold


def _ordered(sign: Callable[[Any, Any], bool], left: Callable, right: Callable) -> Callable[..., bool]:
    def compare(bound: Bound, world: World) -> bool:
        x, y = left(bound, world), right(bound, world)
        alike = type(x) in (int, float) and type(y) in (int, float)
        return alike and sign(x, y)

    return compare
