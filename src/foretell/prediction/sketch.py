"""The sketch of a reference: for each watched column, in which cells its values fell.

K: cells of a column, M: cells of all columns, W: watched columns.
A number's cells: below its range, its lowest value, bins of equal share, above its range, missing. A
category's: its frequent values, all other known ones, unseen ones, missing. Of other kinds: present, missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foretell.data.dataset import Column, Dataset

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
BINS, FREQUENT, KNOWN = 20, 20, 1000
"""Bins of a number; values of a category that are counted one by one; values of it that are remembered."""
NUMBER, CATEGORY, OTHER = "number", "category", "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One column, and the cells that its values are counted in."""

    name: str
    """As in the data; empty for the score."""
    kind: str
    text: str
    """What it is called in sentences."""
    unit: str = ""
    edges: tuple[float, ...] = ()
    """Of a number: its lowest value, the bounds between bins, its highest value."""
    values: tuple[str, ...] = ()
    """Of a category: the values of the reference, the most frequent first; KNOWN of them at most."""
    rare: int = 0
    """Of a category: values that the reference holds once. They tell how often to expect unseen ones."""
    shares: tuple[float, ...] = ()
    """Of a number: share of the reference's known values in each cell but the last [K - 1]."""
    seasonal: bool = False
    """Whether each weekday is compared with its own past."""
    told: bool = False
    """Whether it is the class that the model tells, under the target's name."""

    @property
    def of_model(self) -> bool:
        """Whether the model says it, rather than the rows."""
        return not self.name or self.told

    @property
    def num_cells(self) -> int:
        """K."""
        if self.kind == NUMBER:
            return len(self.edges) + 3
        return min(len(self.values), FREQUENT) + 3 if self.kind == CATEGORY else 2

    @property
    def frequent(self) -> tuple[str, ...]:
        """Values that have a cell of their own."""
        return self.values[:FREQUENT]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tally:
    """A batch of rows, counted."""

    cells: Counts
    """[M]"""
    sizes: Floats
    """[W, 4]: known values, their mean, and the values that a tenth and nine tenths of them do not exceed; of
    the score in probabilities; 0 for what is no number."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placed:
    """Rows as they are counted."""

    cells: tuple[Counts, ...]
    """The cell of each row, for each column [n]."""
    shown: tuple[Floats, ...]
    """Values in the column's unit [n], the score's as probabilities; empty for what is no number."""


def number(name: str, values: Floats, *, text: str, unit: str = "", seasonal: bool = False) -> Watched:
    """Return a watched number; its bins hold equal shares of the reference, as far as ties let them.

    Args:
        values: of the reference; nan where missing.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return Watched(name=name, kind=OTHER, text=text, unit=unit, seasonal=seasonal)
    bounds = np.quantile(known, np.linspace(0, 1, BINS + 1), method="inverted_cdf")
    edges = np.unique(bounds)
    counts = np.bincount(_bins(edges, known), minlength=len(edges) + 2)
    shares = tuple((counts / counts.sum()).tolist())
    return Watched(
        name=name, kind=NUMBER, text=text, unit=unit, edges=tuple(edges.tolist()), shares=shares,
        seasonal=seasonal,
    )  # fmt: skip


def category(name: str, values: pl.Series, *, text: str, seasonal: bool = False) -> Watched:
    """Return a watched category."""
    counted = values.drop_nulls().value_counts().sort(["count", values.name], descending=[True, False])
    names, counts = counted[values.name].to_list(), counted["count"].to_numpy()
    return Watched(
        name=name, kind=CATEGORY, text=text, values=tuple(names[:KNOWN]),
        rare=int((counts[:KNOWN] == 1).sum()),
        seasonal=seasonal,
    )  # fmt: skip


def watched(column: Column, series: pl.Series, *, seasonal: bool) -> Watched:
    """Return how a column of a data set is watched."""
    if column.kind == NUMBER:
        values = series.to_numpy().astype(np.float64)
        return number(column.name, values, text=column.text, unit=column.unit, seasonal=seasonal)
    if column.kind == CATEGORY:
        return category(column.name, series, text=column.text, seasonal=seasonal)
    return Watched(name=column.name, kind=OTHER, text=column.text, seasonal=seasonal)


def placed(
    columns: Sequence[Watched],
    dataset: Dataset,
    logits: Floats,
    probabilities: Floats,
    told: pl.Series | None = None,
) -> Placed:
    """Return the rows of a data set, placed in cells.

    Args:
        logits: raw log-odds of the rows; nan where the score is not watched.
        probabilities: of the rows; nan likewise.
        told: the classes that the model tells of them, where there are several; null likewise.
    """
    cells, shown = [], []
    for column in columns:
        series = pl.Series(logits) if not column.name else None
        if series is None:
            series = told if column.told and told is not None else dataset.frame[column.name]
        cells.append(_cells(column, series))
        numbers = series.to_numpy().astype(np.float64) if column.kind == NUMBER else np.zeros(0)
        shown.append(numbers if column.name else probabilities)
    return Placed(cells=tuple(cells), shown=tuple(shown))


def tallied(columns: Sequence[Watched], rows: Placed, chosen: Counts) -> Tally:
    """Count some of the rows as one batch."""
    cells = [
        np.bincount(placed_in[chosen], minlength=column.num_cells)
        for column, placed_in in zip(columns, rows.cells, strict=True)
    ]
    for column, counts in zip(columns, cells, strict=True):
        if column.of_model:
            counts[-1] = 0  # no score is missing: where there is none, it is not watched
    sizes = [_size(shown[chosen]) if len(shown) else (0.0, 0.0, 0.0, 0.0) for shown in rows.shown]
    return Tally(cells=np.concatenate(cells).astype(np.int64), sizes=np.array(sizes))


def _cells(column: Watched, series: pl.Series) -> Counts:
    """Return the cell of each value [n]."""
    missing = column.num_cells - 1
    if column.kind == NUMBER:
        numbers = series.to_numpy().astype(np.float64)
        inside = _bins(np.array(column.edges), np.nan_to_num(numbers))
        return np.where(np.isfinite(numbers), inside, missing)
    if column.kind == OTHER:
        return series.is_null().to_numpy().astype(np.int64)
    frequent = len(column.frequent)
    codes = np.minimum(np.arange(len(column.values)), frequent)
    coded = series.replace_strict(
        pl.Series(column.values, dtype=pl.String), pl.Series(codes, dtype=pl.Int64),
        default=frequent + 1, return_dtype=pl.Int64,
    )  # fmt: skip
    return np.where(series.is_null().to_numpy(), missing, coded.to_numpy())


def _bins(edges: Floats, numbers: Floats) -> Counts:
    """Return 0 below the lowest edge, 1 at it, one more up to each further edge, and the last above all [n].

    The lowest value has a bin of its own, since it is often a frequent one, as 0 is.
    """
    return np.searchsorted(edges, numbers, side="left") + (numbers >= edges[0])


def _size(shown: Floats) -> tuple[float, float, float, float]:
    known = np.sort(shown[np.isfinite(shown)])
    if not len(known):
        return 0.0, 0.0, 0.0, 0.0
    low, high = known[round(0.1 * (len(known) - 1))], known[round(0.9 * (len(known) - 1))]
    return float(len(known)), float(known.mean()), float(low), float(high)
