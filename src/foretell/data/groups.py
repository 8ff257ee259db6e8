"""Groups: rows that are alike in a column that the owner watches; numbers are cut. N: rows, K: groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from foretell import units
from foretell.data.dataset import Column, Dataset
from foretell.errors import DataError

FEW_VALUES = 6
"""Different numbers up to which each stands for itself: they are codes, or counts of few things."""
MOST = 12
"""Names of which each is a group; rarer ones are one together."""
OTHERS, UNKNOWN = "all others", "not known"
WATCHED = ("number", "category", "entity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """How a column's values fall into groups; the last two are rarer names, and what is not known."""

    column: str
    text: str
    """What the column is called in sentences."""
    names: tuple[str, ...]
    """What the groups are called [K]."""
    edges: tuple[float, ...] = ()
    """Where a number is cut, ascending: a value at an edge belongs above it. Empty for names."""

    def codes(self, frame: pl.DataFrame) -> np.ndarray:
        """Return the number of each row's group, int64 [N]; not known where the column is absent."""
        unknown = len(self.names) - 1
        if self.column not in frame.columns:
            return np.full(len(frame), unknown, dtype=np.int64)
        series = frame[self.column]
        if self.edges:
            values = series.to_numpy()
            codes = np.searchsorted(np.array(self.edges), values, side="right").astype(np.int64)
            return np.where(np.isfinite(values), codes, unknown)
        places = {name: place for place, name in enumerate(self.names[:-2])}
        held = series.replace_strict(places, default=unknown - 1, return_dtype=pl.Int64)
        return np.where(series.is_null().to_numpy(), unknown, held.to_numpy())


def groupings(dataset: Dataset, rows: np.ndarray) -> tuple[Grouping, ...]:
    """Return the groups of each column that `review.groups` names, as some rows show them.

    Args:
        rows: those that the cuts of numbers and the most frequent names are taken of: never test rows.

    Raises:
        DataError: when a column is of a kind that has no groups, or has no value in these rows.
    """
    by_name = {column.name: column for column in dataset.columns}
    found = []
    for name in dataset.spec.review.groups:
        column = by_name[name]
        stated = dataset.spec.review.edges.get(name, ())
        if column.kind not in WATCHED or (stated and column.kind != "number"):
            raise DataError(
                f"column '{name}' is of kind {column.kind}: "
                + ("only numbers are cut at edges" if stated else "its rows fall into no groups"),
                "take it off review.edges"
                if stated
                else "name a column of numbers or names in review.groups",
            )
        found.append(_grouping(column, dataset.frame[name][rows].drop_nulls(), stated))
    return tuple(found)


def _grouping(column: Column, values: pl.Series, stated: Sequence[float]) -> Grouping:
    if values.dtype == pl.Float64:
        values = values.filter(values.is_finite())
    if values.is_empty():
        raise DataError(
            f"column '{column.name}' has no known value where the model is fitted",
            "take it off review.groups",
        )
    edges: Sequence[float] = ()
    if column.kind == "number":
        distinct = np.unique(values.to_numpy())
        if stated:
            edges, names = stated, _between(stated)
        elif len(distinct) <= FEW_VALUES:
            # Cut half-way, so that a value that comes later falls to the nearest; one value alone is not cut.
            edges = ((distinct[:-1] + distinct[1:]) / 2).tolist() or [float(distinct[0])]
            names = [units.number(value) for value in distinct]
            names = names if len(distinct) > 1 else [f"under {names[0]}", f"{names[0]} or more"]
        else:
            cuts = np.unique(np.quantile(values.to_numpy(), [0.25, 0.5, 0.75], method="nearest"))
            # Where most rows have the least value, it is one group and all above it the other.
            edges = cuts[cuts > distinct[0]].tolist() or [float(distinct[1])]
            names = _between(edges)
    else:
        counted = values.value_counts(sort=False).sort(["count", values.name], descending=[True, False])
        names = counted[values.name].to_list()[:MOST]
        names = sorted(names) if counted.height <= MOST else names
    return Grouping(
        column=column.name,
        text=column.text,
        names=(*names, OTHERS, UNKNOWN),
        edges=tuple(float(edge) for edge in edges),
    )


def _between(edges: Sequence[float]) -> list[str]:
    """Return what the groups between edges are called, from the lowest to the highest.

    >>> _between([25, 45.5])
    ['under 25', '25 to under 45.50', '45.50 or more']
    """
    written = [units.number(edge) for edge in edges]
    middle = [f"{low} to under {high}" for low, high in pairwise(written)]
    return [f"under {written[0]}", *middle, f"{written[-1]} or more"]
