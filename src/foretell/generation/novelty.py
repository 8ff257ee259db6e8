"""How far rows are from each other, and how well a score tells rows of two kinds.

N: rows, M: rows of a reference, D: places of a row in the space of distances.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
APART = 128
"""Names of a column that have a place each in the space of distances; of more, each has a direction."""
AT_ONCE = 1 << 25
"""Distances that are held in memory at once."""


class Share(NamedTuple):
    """A share or an AUC, and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nearness:
    """Distances between rows: numbers by the quantile at which they lie, names 0 or 1.

    The squares of a row's differences are averaged over its columns, and the root is taken: rows that have
    nothing in common are about 1 apart. A missing number lies in the middle, and 1 from every known one.
    """

    ranks: Mapping[str, Floats]
    """Number -> its known values, ascending."""
    names: Mapping[str, tuple[str, ...]]

    @classmethod
    def fit(cls, frame: pl.DataFrame) -> Self:
        """Learn the quantiles and the names of a frame."""
        measured = [name for name in frame.columns if is_number(frame[name])]
        return cls(
            ranks={name: np.sort(numbers(frame[name].drop_nulls())) for name in measured},
            names={
                name: tuple(frame[name].drop_nulls().unique().sort().to_list())
                for name in frame.columns
                if name not in measured
            },
        )

    def distances(self, items: pl.DataFrame, reference: pl.DataFrame) -> Floats:
        """Return each row's distance to the nearest row of the reference [N]."""
        return self.nearest(items, reference)[1]

    def nearest(self, items: pl.DataFrame, reference: pl.DataFrame) -> tuple[Codes, Floats]:
        """Return the place of each row's nearest one in the reference, and its distance [N].

        Raises:
            ValueError: when the reference has no row.
        """
        if not len(reference):
            raise ValueError("there is no row to be near to")
        own_ND, other_MD = self._placed(items), self._placed(reference)
        # One product gives |b|^2 - 2ab, which is as far as |a - b|^2 from the other b.
        length_M = (other_MD**2).sum(axis=1, keepdims=True)
        other_MD = np.hstack([-2 * other_MD, length_M]).T.copy()
        own_ND = np.hstack([own_ND, np.ones((len(own_ND), 1), np.float32)])
        size = max(1, AT_ONCE // len(reference))
        found = [(own_ND[at : at + size] @ other_MD).argmin(axis=1) for at in range(0, len(own_ND), size)]
        places = np.concatenate(found) if found else np.empty(0, np.int64)
        return places, self._between(items, reference[places])

    def _placed(self, frame: pl.DataFrame) -> NDArray[np.float32]:
        rng, blocks = np.random.default_rng(0), []
        for name in (*self.ranks, *self.names):
            absent = frame[name].is_null().to_numpy()
            if name in self.ranks:
                blocks += [self._quantiles(frame[name])[:, None], absent[:, None]]
                continue
            count = len(self.names[name]) + 1
            directions = np.eye(count) if count <= APART else rng.standard_normal((count, APART))
            directions *= np.sqrt(0.5 / (directions**2).sum(axis=1, keepdims=True))
            blocks.append(directions[self._places(frame[name])])
        return np.hstack(blocks).astype(np.float32)

    def _quantiles(self, series: pl.Series) -> Floats:
        """Return at which share of the known values each lies [N]; a missing one lies in the middle."""
        ranks, values = self.ranks[str(series.name)], numbers(series)
        below = [np.searchsorted(ranks, values, side=side) for side in ("left", "right")]
        shares = np.mean(np.array(below, np.float64), axis=0) / max(1, len(ranks))
        return np.where(np.isnan(values), 0.5, shares)

    def _places(self, series: pl.Series) -> Codes:
        """Return the place of each name; a missing one, like one never seen, is the last."""
        places = {name: place for place, name in enumerate(self.names[str(series.name)])}
        return np.array([places.get(value, len(places)) for value in series.to_list()], np.int64)

    def _between(self, one: pl.DataFrame, other: pl.DataFrame) -> Floats:
        """Return the distance of each row to the other's at its place [N]; copies are at 0."""
        total = np.zeros(len(one))
        for name in (*self.ranks, *self.names):
            if name in self.ranks:
                total += (self._quantiles(one[name]) - self._quantiles(other[name])) ** 2
                total += (one[name].is_null() ^ other[name].is_null()).to_numpy()
            else:
                total += one[name].ne_missing(other[name]).to_numpy()
        return np.sqrt(total / max(1, len(self.ranks) + len(self.names)))


def auc(positive: Floats, negative: Floats) -> Share:
    """Return the chance that a positive row's score is above a negative one's, ties half.

    Source: DeLong et al., Biometrics 44 (1988), for the interval.

    >>> auc(np.array([2.0, 3.0]), np.array([1.0, 2.0])).value
    0.875
    """

    def above(scores: Floats, others: Floats) -> Floats:
        ordered = np.sort(others)
        places = [np.searchsorted(ordered, scores, side=side) for side in ("left", "right")]
        return (places[0] + places[1]) / (2 * len(others))

    won, lost = above(positive, negative), above(negative, positive)
    value = float(won.mean())
    spread = 1.96 * float(np.sqrt(won.var() / len(won) + lost.var() / len(lost)))
    return Share(value, max(0.0, value - spread), min(1.0, value + spread))


def is_number(series: pl.Series) -> bool:
    return series.dtype != pl.String


def numbers(series: pl.Series) -> Floats:
    """Return numbers, or instants in microseconds; nan where missing."""
    return series.to_physical().cast(pl.Float64).fill_null(np.nan).to_numpy()
