"""What is known of a value, exactly or by its range, and what comparisons then say.

Numbers are spans and names are codes, in arrays of any shape that go together. A missing value satisfies no
comparison but `!=`, and `is None`.
"""

import ast
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Truth = tuple[Bools, Bools]
"""Whether an expression may be true, and whether it may be false."""
ABSENT, ANY = -1, -2
"""Codes of a missing name, and of one that is not known."""
NEAR = 1e-9
"""Numbers are equal when they differ by less than this share of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """Numbers, or microseconds, of which the least and the largest are known."""

    low: Floats
    high: Floats
    absent: Bools
    """Whether it may be missing."""
    present: Bools
    """Whether it may be there."""

    @classmethod
    def of(cls, values: Any) -> "Span":
        """Return what is known exactly; NaN is missing."""
        values = np.asarray(values, np.float64)
        absent = np.isnan(values)
        held = np.where(absent, 0.0, values)
        return cls(held, held, absent, ~absent)


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """Names by their codes; ABSENT is missing, ANY one of the members."""

    codes: NDArray[np.int64]
    members: Bools
    """Of each code, whether ANY may be it; the last one is a missing value."""


Value = Span | Name


def calculated(op: ast.operator, one: Value, other: Value) -> Span:
    """Return the numbers that + - * / makes of two."""
    assert isinstance(one, Span), "names were told from numbers before"
    assert isinstance(other, Span), "names were told from numbers before"
    with np.errstate(divide="ignore", invalid="ignore"):
        match op:
            case ast.Add():
                low, high = one.low + other.low, one.high + other.high
            case ast.Sub():
                low, high = one.low - other.high, one.high - other.low
            case _:
                act = np.multiply if isinstance(op, ast.Mult) else np.divide
                ends = [act(a, b) for a, b in product((one.low, one.high), (other.low, other.high))]
                low, high = np.minimum.reduce(ends), np.maximum.reduce(ends)
    return Span(low, high, one.absent | other.absent, one.present & other.present)


def missing(one: Value) -> Truth:
    """Return whether a value is missing."""
    if isinstance(one, Span):
        return one.absent, one.present
    unknown = one.codes == ANY
    true = np.where(unknown, one.members[-1], one.codes == ABSENT)
    return true, np.where(unknown, one.members[:-1].any(), one.codes != ABSENT)


def ordered(one: Value, op: ast.cmpop, other: Value) -> Truth:
    """Return what ==, != (as ==), <, <=, > or >= says of two values."""
    if isinstance(one, Name) and isinstance(other, Name):
        return _same(one, other)
    assert isinstance(one, Span), "names were told from numbers before"
    assert isinstance(other, Span), "names were told from numbers before"
    if isinstance(op, ast.Eq | ast.NotEq):
        return same_number(one, other)
    if isinstance(op, ast.Gt | ast.GtE):
        one, other = other, one
    strict = isinstance(op, ast.Lt | ast.Gt)
    true = one.low < other.high if strict else one.low <= other.high
    false = one.high >= other.low if strict else one.high > other.low
    both = one.present & other.present
    return both & true, one.absent | other.absent | (both & false)


def same_number(one: Span, other: Span) -> Truth:
    """Return whether two numbers are equal, to nine digits."""
    both = one.present & other.present
    slack = NEAR * np.maximum(np.abs(one.low), np.abs(other.low))
    true = (one.low <= other.high + slack) & (other.low <= one.high + slack)
    exact = (one.low == one.high) & (other.low == other.high)
    return both & true, one.absent | other.absent | (both & ~(exact & true))


def _same(one: Name, other: Name) -> Truth:
    any_one, any_other = one.codes == ANY, other.codes == ANY
    common = one.members[:-1] & other.members[:-1]
    true = np.where(
        any_one,
        np.where(any_other, common.any(), one.members[other.codes] & (other.codes != ABSENT)),
        np.where(
            any_other,
            other.members[one.codes] & (one.codes != ABSENT),
            (one.codes == other.codes) & (one.codes != ABSENT),
        ),
    )
    return true, any_one | any_other | ~true
