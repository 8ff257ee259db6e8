"""Constraints: short expressions that every drawn row must satisfy, such as `start <= end`.

They are read by Python's own parser, from which a few forms are let through, and never run. An expression is
judged where columns are known, and where only their range is: it then says whether it may be true and whether
it may be false. A missing value satisfies no comparison but `!=`, and `is None`.
"""

import ast
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise, product
from typing import Any

import numpy as np

from foretell.errors import SpecError
from foretell.generation.spans import (
    ANY,
    Floats,
    Name,
    Span,
    Truth,
    Value,
    calculated,
    missing,
    ordered,
    same_number,
)

UNITS_US = {"days": 86_400e6, "hours": 3_600e6, "minutes": 60e6, "seconds": 1e6}
FORMS = "comparisons of columns and constants, + - * /, and, or, not, in, is None, `this if that`"


@dataclass(frozen=True, slots=True, eq=False)
class Constraint:
    """One expression, checked against the kinds of the columns."""

    text: str
    columns: tuple[str, ...]
    names: Mapping[str, str]
    """Identifier in the tree -> column."""
    codes: Mapping[str, int]
    """Every name of the table and of the expressions -> its code."""
    tree: ast.expr

    def truth(self, values: Mapping[str, Value]) -> Truth:
        """Return whether it may be true and whether it may be false, in the values' shape."""
        return self._truth(self.tree, values)

    def turns(self, column: str, values: Mapping[str, Value]) -> Iterator[Floats]:
        """Yield the numbers of a column at which the truth may change, given the other columns."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Compare):
                for left, right in pairwise([node.left, *node.comparators]):
                    sides = [left, *_items(right)]
                    if any(self.names[each] == column for side in sides for each in _identifiers(side)):
                        for other in sides[1:]:
                            yield from self._turns(left, other, column, values)

    def _turns(
        self, left: ast.expr, right: ast.expr, column: str, values: Mapping[str, Value]
    ) -> Iterator[Floats]:
        lines = product(self._lines(left, column, values), self._lines(right, column, values))
        for (slope, at), (other, there) in lines:
            rise = slope - other
            if np.any(rise):
                with np.errstate(divide="ignore", invalid="ignore"):
                    yield np.where(rise == 0, np.nan, (there - at) / rise)

    def _lines(self, node: ast.expr, column: str, values: Mapping[str, Value]) -> list[tuple[Any, Any]]:
        """Return slope and height, as functions of the column, at the ends of what is known of the others."""
        match node:
            case ast.Constant(value=value):
                return [(0.0, 0.0 if value is None else value)]
            case ast.Name(id=identifier):
                if self.names[identifier] == column:
                    return [(1.0, 0.0)]
                value = values[self.names[identifier]]
                assert isinstance(value, Span), "names were told from numbers before"
                return [(0.0, value.low)] + [(0.0, value.high)] * bool(np.any(value.low != value.high))
            case ast.UnaryOp(operand=operand):
                return [(-slope, -at) for slope, at in self._lines(operand, column, values)]
            case ast.BinOp(left=left, op=op, right=right):
                pairs = product(self._lines(left, column, values), self._lines(right, column, values))
                return [_line(op, one, other) for one, other in pairs]
        raise AssertionError(ast.dump(node))

    def _truth(self, node: ast.expr, values: Mapping[str, Value]) -> Truth:
        match node:
            case ast.Constant(value=value):
                return np.array(bool(value)), np.array(not value)
            case ast.BoolOp(op=op, values=parts):
                told = [self._truth(part, values) for part in parts]
                true, false = told[0]
                for more, less in told[1:]:
                    both = isinstance(op, ast.And)
                    true = true & more if both else true | more
                    false = false | less if both else false & less
                return true, false
            case ast.UnaryOp(operand=operand):
                true, false = self._truth(operand, values)
                return false, true
            case ast.IfExp(test=test, body=body, orelse=orelse):
                (if_true, if_false), (true, false) = self._truth(test, values), self._truth(body, values)
                else_true, else_false = self._truth(orelse, values)
                return (if_true & true) | (if_false & else_true), (if_true & false) | (if_false & else_false)
            case ast.Compare():
                return self._compared(node, values)
        raise AssertionError(ast.dump(node))

    def _compared(self, node: ast.Compare, values: Mapping[str, Value]) -> Truth:
        true, false = np.array(True), np.array(False)
        for (left, right), op in zip(pairwise([node.left, *node.comparators]), node.ops, strict=True):
            one = self._value(left, values)
            if isinstance(op, ast.Is | ast.IsNot):
                told = missing(one)
            elif isinstance(op, ast.In | ast.NotIn):
                told = self._among(one, right)
            else:
                told = ordered(one, op, self._value(right, values))
            if isinstance(op, ast.IsNot | ast.NotIn | ast.NotEq):
                told = told[::-1]
            true, false = true & told[0], false | told[1]
        return true, false

    def _among(self, one: Value, right: ast.expr) -> Truth:
        constants = [item.value for item in _items(right) if isinstance(item, ast.Constant)]
        if isinstance(one, Span):
            told = [same_number(one, Span.of(value)) for value in constants]
            return np.any([true for true, _ in told], axis=0), np.all([false for _, false in told], axis=0)
        among = np.zeros(len(one.members), bool)
        among[[self.codes[str(value)] for value in constants]] = True
        unknown = one.codes == ANY
        true = np.where(unknown, (one.members & among).any(), among[one.codes])
        return true, np.where(unknown, (one.members & ~among).any(), ~among[one.codes])

    def _value(self, node: ast.expr, values: Mapping[str, Value]) -> Value:
        match node:
            case ast.Name(id=identifier):
                return values[self.names[identifier]]
            case ast.Constant(value=str(text)):
                return Name(np.array(self.codes[text]), np.zeros(len(self.codes) + 1, bool))
            case ast.Constant(value=value):
                return Span.of(value)
            case ast.UnaryOp(operand=operand):
                span = self._value(operand, values)
                assert isinstance(span, Span), "names were told from numbers before"
                return Span(-span.high, -span.low, span.absent, span.present)
            case ast.BinOp(left=left, op=op, right=right):
                return calculated(op, self._value(left, values), self._value(right, values))
        raise AssertionError(ast.dump(node))


def read_constraints(
    texts: Sequence[str], kinds: Mapping[str, str], names: Sequence[str]
) -> tuple[Constraint, ...]:
    """Return the constraints that the texts state.

    Args:
        texts: expressions; a column whose name is no identifier stands in backticks.
        kinds: column -> `number`, `time` or `name`.
        names: every name of the table.

    Raises:
        SpecError: for what is no such expression, for unknown columns, and for kinds that do not go together.
    """
    read = [(text, *_parsed(text, kinds)) for text in texts]
    constants = {n.value for _, tree, _ in read for n in ast.walk(tree) if isinstance(n, ast.Constant)}
    words = sorted({"", *names, *(each for each in constants if isinstance(each, str))})
    codes = {word: code for code, word in enumerate(words)}
    return tuple(
        Constraint(
            text=text,
            columns=tuple(dict.fromkeys(found[each] for each in _identifiers(tree))),
            names=found,
            codes=codes,
            tree=tree,
        )
        for text, tree, found in read
    )


def stated(name: str, value: Any, kind: str = "") -> str:
    """Return the expression of a column's given value: one, a list of them, ends, or None.

    Args:
        kind: of the column; a spec holds texts, which stand for numbers where the column is one of numbers.
    """
    if value is None:
        return f"`{name}` is None"
    if isinstance(value, Mapping):
        if not value or set(value) - {"from", "to"}:
            raise SpecError(f"`given.{name}` holds {sorted(value)}", "write {from: 18, to: 65}, or one end")
        low = f"{_plain(value['from'], kind)!r} <= " if "from" in value else ""
        return f"{low}`{name}`" + (f" <= {_plain(value['to'], kind)!r}" if "to" in value else "")
    if not isinstance(value, list | tuple):
        return f"`{name}` == {_plain(value, kind)!r}"
    if not value:
        raise SpecError(f"`given.{name}` is an empty list", "give a value, several, or {from: 18, to: 65}")
    return f"`{name}` in ({', '.join(repr(_plain(each, kind)) for each in value)},)"


def _plain(value: Any, kind: str) -> str | int | float:
    if kind == "name" and not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if kind == "number" and isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return value
        return number if math.isfinite(number) else value
    return value if isinstance(value, str | int | float) else str(value)


def _parsed(text: str, kinds: Mapping[str, str]) -> tuple[ast.expr, dict[str, str]]:
    quoted: dict[str, str] = {}

    def identifier(match: re.Match[str]) -> str:
        return next((each for each, name in quoted.items() if name == match[1]), "") or _added(
            quoted, match[1]
        )

    plain = re.sub(r"`([^`]+)`", identifier, text.strip())
    for source in (plain, f"{plain} else True"):
        try:
            tree = ast.parse(source, mode="eval").body
            break
        except (SyntaxError, ValueError, RecursionError):
            continue
    else:
        raise SpecError(f"`{text}` is no expression", f"a constraint is made of {FORMS}")
    found = {each: quoted.get(each, each) for each in _identifiers(tree)}
    for name in found.values():
        if name not in kinds:
            raise SpecError(
                f"`{text}` speaks of '{name}', which is no column", f"columns: {', '.join(kinds)}"
            )
    if not found:
        raise SpecError(f"`{text}` speaks of no column", f"columns: {', '.join(kinds)}")
    if _Check(text, {each: kinds[name] for each, name in found.items()}).kind(tree) != "truth":
        raise SpecError(f"`{text}` is neither true nor false", f"a constraint is made of {FORMS}")
    return tree, found


def _added(quoted: dict[str, str], name: str) -> str:
    quoted[f"_column_{len(quoted)}"] = name
    return f"_column_{len(quoted) - 1}"


class _Check:
    """Tells the kind of each part of an expression, and turns texts beside instants into microseconds."""

    def __init__(self, text: str, kinds: Mapping[str, str]) -> None:
        self.text, self.kinds = text, kinds

    def kind(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(value=bool()):
                return "truth"
            case ast.Constant(value=int() | float() as value) if math.isfinite(value):
                return "number"
            case ast.Constant(value=str()):
                return "name"
            case ast.Name(id=identifier):
                return self.kinds[identifier]
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                _become(node, -value)
                return "number"
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._all([operand], "number")
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._all([operand], "truth")
            case ast.BoolOp(values=parts):
                return self._all(parts, "truth")
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self._all([test, body, orelse], "truth")
            case ast.BinOp(left=left, op=op, right=right):
                return self._calculation(left, op, right)
            case ast.Call(func=ast.Name(id=unit), args=[ast.Constant(value=int() | float() as count)]):
                if unit in UNITS_US and not node.keywords:
                    _become(node, count * UNITS_US[unit])
                    return "number"
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                for (one, other), op in zip(pairwise([left, *comparators]), ops, strict=True):
                    self._comparison(one, op, other)
                return "truth"
        raise self._fault(f"`{ast.unparse(node)}` is not understood", f"a constraint is made of {FORMS}")

    def _all(self, nodes: Sequence[ast.expr], kind: str) -> str:
        for node in nodes:
            if self.kind(node) != kind:
                raise self._fault(f"`{ast.unparse(node)}` is no {kind}", f"a constraint is made of {FORMS}")
        return kind

    def _calculation(self, left: ast.expr, op: ast.operator, right: ast.expr) -> str:
        kinds = (self.kind(left), self.kind(right))
        if isinstance(op, ast.Mult | ast.Div):
            shared = set(_identifiers(left)) & set(_identifiers(right))
            if shared or (isinstance(op, ast.Div) and any(_identifiers(right))):
                hint = "compare products of different columns, as in `a > 2 * b`"
                raise self._fault(f"`{ast.unparse(left)}` and `{ast.unparse(right)}` make no line", hint)
        if kinds[1] == "number" and isinstance(op, ast.Div) and not _height(right):
            raise self._fault(f"`{ast.unparse(right)}` is 0, by which nothing is divided", "leave it out")
        if kinds == ("number", "number") and isinstance(op, ast.Add | ast.Sub | ast.Mult | ast.Div):
            return "number"
        if kinds == ("time", "time") and isinstance(op, ast.Sub):
            return "number"
        if kinds == ("time", "number") and isinstance(op, ast.Add | ast.Sub):
            return "time"
        raise self._fault(
            f"a {kinds[0]} and a {kinds[1]} cannot be calculated with", "use + - * / on numbers"
        )

    def _comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> None:
        if isinstance(op, ast.Is | ast.IsNot):
            if isinstance(right, ast.Constant) and right.value is None:
                self.kind(left)
                return
            raise self._fault("`is` asks for a missing value alone", "write `is None` or `is not None`")
        kind = self.kind(left)
        for other in _items(right) if isinstance(op, ast.In | ast.NotIn) else [right]:
            there = self.kind(other)
            if isinstance(op, ast.In | ast.NotIn) and not isinstance(other, ast.Constant):
                raise self._fault("`in` asks for a list of constants", "as in `status in ('a', 'b')`")
            for node, mine, its in ((left, kind, there), (other, there, kind)):
                if mine == "name" and its == "time" and isinstance(node, ast.Constant):
                    _become(node, self._instant(str(node.value)))
                    kind = there = "time"
            if kind != there or kind == "truth":
                raise self._fault(f"a {kind} is never a {there}", "compare what is of one kind")
            if kind == "name" and not isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn):
                raise self._fault("names have no order", "use ==, != or in")

    def _instant(self, text: str) -> float:
        try:
            at = datetime.fromisoformat(text)
        except ValueError as error:
            raise self._fault(
                f"'{text}' is no instant", "write it as 2024-05-31 or 2024-05-31 14:00"
            ) from error
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1e6

    def _fault(self, what: str, hint: str) -> SpecError:
        return SpecError(f"`{self.text}`: {what}", hint)


def _become(node: ast.expr, value: float) -> None:
    """Turn a node into a number in place."""
    node.__class__ = ast.Constant
    node.__dict__.clear()
    node.__dict__.update(value=float(value), kind=None)


def _items(node: ast.expr) -> list[ast.expr]:
    return list(node.elts) if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]


def _identifiers(node: ast.expr) -> Iterator[str]:
    calls = {id(each.func) for each in ast.walk(node) if isinstance(each, ast.Call)}
    return (each.id for each in ast.walk(node) if isinstance(each, ast.Name) and id(each) not in calls)


def _height(node: ast.expr) -> float:
    """Return what constants make."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.UnaryOp(operand=operand):
            return -_height(operand)
        case ast.BinOp(left=left, op=op, right=right):
            return _line(op, (0.0, _height(left)), (0.0, _height(right)))[1]
    raise AssertionError(ast.dump(node))


def _line(op: ast.operator, one: tuple[Any, Any], other: tuple[Any, Any]) -> tuple[Any, Any]:
    (slope, at), (rise, there) = one, other
    match op:
        case ast.Add():
            return slope + rise, at + there
        case ast.Sub():
            return slope - rise, at - there
        case ast.Mult():
            return slope * there + rise * at, at * there
    return slope / there, at / there
