"""Nearness: how far a row lies from real ones. M: kept rows, K: columns (numbers, then categories), C: rows.

Numbers are compared by their ranks among the kept rows, so that those of any unit compare; two categories
are the same or lie as far apart as two numbers drawn at random do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from foretell.tasks.classify import Floats

APART = 1 / 3
"""Mean distance of the ranks of two rows drawn at random."""
USUAL = 0.95
"""Share of the real rows that have another as near as what counts as plausible."""
ASKED = 500
"""Kept rows that are asked how near their nearest neighbour is."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Nearness:
    """Distances to the kept rows: the mean over the columns of how far apart two rows are in each."""

    rows: Floats
    """[M, K] numbers as they are (NaN where missing), categories as codes."""
    num_numbers: int

    def rank(self, k: int, values: Floats) -> Floats:
        """Return the ranks of values of a number among the kept rows, from 0 to 1; NaN where missing."""
        known = self._sorted[k]
        ends = np.searchsorted(known, values, side="left"), np.searchsorted(known, values, side="right")
        return np.where(np.isnan(values), np.nan, (ends[0] + ends[1]) / (2 * max(len(known), 1)))

    def moved(self, k: int, was: float, values: Floats) -> Floats:
        """Return how far values of a column lie from one: what a change costs."""
        if k >= self.num_numbers:
            return APART * (values != was)
        return np.abs(self.rank(k, values) - self.rank(k, np.array([was])))

    def apart(self, k: int, value: float) -> NDArray[np.float32]:
        """Return how far a value of a column lies from those of the kept rows [M]."""
        if k >= self.num_numbers:
            return APART * (self.rows[:, k] != value).astype(np.float32)
        missing = np.isnan(self.rows[:, k])
        if np.isnan(value):
            return APART * (~missing).astype(np.float32)
        away = np.abs(self._ranks[k] - np.float32(self.rank(k, np.array([value]))[0]))
        return np.where(missing, np.float32(APART), away)

    def profile(self, row_K: Floats) -> NDArray[np.float32]:
        """Return how far a row lies from the kept rows in each column [K, M]."""
        return np.stack([self.apart(k, value) for k, value in enumerate(row_K.tolist())])

    def nearest(self, profile_KM: NDArray[np.float32], row_K: Floats, changed: Sequence[int]) -> float:
        """Return the distance of the nearest kept row to a row that differs in some columns.

        Args:
            profile_KM: of the row before it was changed.
            row_K: the row after that.
            changed: the columns that differ.
        """
        total_M = profile_KM.sum(0)
        for k in changed:
            total_M = total_M + self.apart(k, float(row_K[k])) - profile_KM[k]
        return float(total_M.min()) / len(row_K)

    @cached_property
    def usual(self) -> float:
        """The distance within which 95 % of real rows have another: their 95th percentile, each left out."""
        step = max(1, len(self.rows) // ASKED)
        found = []
        for row in range(0, len(self.rows), step):
            total_M = self.profile(self.rows[row]).sum(0)
            total_M[row] = np.inf
            found.append(float(total_M.min()) / self.rows.shape[1])
        return float(np.quantile(found, USUAL)) if len(self.rows) > 1 else 0.0

    @cached_property
    def _sorted(self) -> list[Floats]:
        columns = (self.rows[:, k] for k in range(self.num_numbers))
        return [np.sort(values[np.isfinite(values)]) for values in columns]

    @cached_property
    def _ranks(self) -> NDArray[np.float32]:
        ranks = [self.rank(k, self.rows[:, k]) for k in range(self.num_numbers)]
        return np.array(ranks, np.float32).reshape(self.num_numbers, -1)
