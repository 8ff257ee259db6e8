"""Categories: a small set of names. Code 0 is "other": a value that fitting did not see."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from foretell import units
from foretell.data.cells import Found, as_text, known
from foretell.data.dataset import Column

CATEGORICAL = True
FEW = 50
"""Distinct values that make a category whatever the number of rows."""
SHARE = 0.05
"""Distinct values, as a share of the rows, up to which a longer list is still a category."""
CODES = 1000
"""The most frequent values get codes of their own; the rest is "other"."""


def infer(series: pl.Series) -> str:
    text = as_text(series).drop_nulls()
    distinct = text.n_unique()
    if text.is_empty() or distinct > max(FEW, SHARE * len(text)):
        return ""
    return f"{distinct:,} different values in {len(text):,} rows, as in {units.quoted(_first(text))}"


def _first(text: pl.Series) -> str:
    return str(text[0])[:40]


def repair(series: pl.Series) -> tuple[pl.Series, Found]:
    """Return trimmed String; marks such as '?' and 'NA' become missing."""
    return known(series)


def fit(series: pl.Series) -> dict[str, Any]:
    """Return the values by frequency (ties by name); missing is a value like any other, ''."""
    counts = series.fill_null("").value_counts()
    ordered = counts.sort(["count", series.name], descending=[True, False])
    return {"values": ordered[series.name].head(CODES).to_list()}


def encode(series: pl.Series, state: Mapping[str, Any]) -> np.ndarray:
    codes = pl.Series(range(1, len(state["values"]) + 1), dtype=pl.Float32)
    coded = series.fill_null("").replace_strict(
        pl.Series(state["values"], dtype=pl.String), codes, default=0.0, return_dtype=pl.Float32
    )
    return coded.to_numpy()[:, None]


def names(column: Column, state: Mapping[str, Any]) -> tuple[str, ...]:
    return (column.name,)


def show(value: str | None, column: Column) -> str:
    return "unknown" if value is None else units.name(value)
