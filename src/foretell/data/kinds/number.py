"""Numbers: amounts, counts, measures. Missing stays missing (null, NaN when encoded)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from foretell import units
from foretell.data.cells import Found, example, known
from foretell.data.dataset import Column

CATEGORICAL = False
MOSTLY = 0.9
"""Share of the known values that must read as numbers."""
MARKS = ("none", "-", "--", ".")
"""Further texts that stand for a missing number."""
THOUSANDS = r"^[+-]?\d{1,3}([,  '’]\d{3})+(\.\d+)?$"


def infer(series: pl.Series) -> str:
    if series.dtype.is_numeric():
        values = series.cast(pl.Float64)
    elif series.dtype == pl.String:
        text = known(series)[0]
        text = text.set(text.str.to_lowercase().is_in(MARKS).fill_null(False), None).drop_nulls()
        if text.is_empty() or text.str.contains(r"^0\d").any():
            return ""
        values = _parsed(text)
        if values.count() < MOSTLY * len(text):
            return ""
    else:
        return ""
    finite = values.filter(values.is_finite())
    if finite.is_empty():
        return ""
    low, high = (units.number(float(end)) for end in np.percentile(finite.to_numpy(), [0, 100]))
    return f"{finite.len():,} of {len(series):,} values are numbers, from {low} to {high}"


def repair(series: pl.Series) -> tuple[pl.Series, Found]:
    """Return Float64 without NaN and infinities; every cell set to missing is counted by rule."""
    found: Found = []
    if series.dtype.is_numeric() or series.dtype == pl.Boolean:
        values = series.cast(pl.Float64)
        absent = values.is_null() | values.is_nan().fill_null(False)
    else:
        text, _ = known(series)
        absent = text.is_null() | text.str.to_lowercase().is_in(MARKS).fill_null(False)
        values = _parsed(text)
        absent |= values.is_nan().fill_null(False)
        wrong = values.is_null() & ~absent
        if wrong.any():
            found.append(("not a number", int(wrong.sum()), example(series, wrong)))
    infinite = values.is_infinite().fill_null(False)
    if absent.any():
        found.insert(0, ("missing", int(absent.sum()), example(series, absent)))
    if infinite.any():
        found.append(("infinite", int(infinite.sum()), example(series, infinite)))
    return values.set(absent | infinite, None), found


def _parsed(text: pl.Series) -> pl.Series:
    """Return Float64, null where the text is no number; separators of thousands are read over."""
    values = text.cast(pl.Float64, strict=False)
    unread = values.is_null() & text.is_not_null()
    if not unread.any():
        return values
    plain = text.filter(unread)
    grouped = plain.str.contains(THOUSANDS)
    bare = plain.str.replace_all(r"[,  '’]", "").cast(pl.Float64, strict=False)
    return values.scatter(unread.arg_true(), bare.set(~grouped, None))


def fit(series: pl.Series) -> dict[str, Any]:
    return {}


def encode(series: pl.Series, state: Mapping[str, Any]) -> np.ndarray:
    """Return the numbers; those beyond the range of float32 become its largest ones."""
    limit = np.finfo(np.float32).max
    return np.clip(series.to_numpy(), -limit, limit).astype(np.float32)[:, None]


def names(column: Column, state: Mapping[str, Any]) -> tuple[str, ...]:
    return (column.name,)


def show(value: float | None, column: Column) -> str:
    return units.write(value, column.unit)
