"""The pool of a stream: what its batches were like so far, and how much they vary beyond chance.

C: channels, M: cells of all columns, W: watched columns.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from foretell.prediction.chance import widened
from foretell.prediction.channels import Layout
from foretell.prediction.sketch import Counts, Floats, Tally

DAYS_A_WEEK = 7
DOUBTED = 10
"""Batches that are taken to vary as rows drawn at random do, before any has shown how much they vary."""
REMEMBERED = 365
"""Batches over which it is remembered how much they vary."""
FAR, FAR_MEAN = 3.0, 0.8582
"""Squared score beyond which a batch teaches no more of how batches vary: a change would else hide itself in
its first days. Then the mean of squares of standard normals that are held to it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Variation:
    """How much scores vary beyond chance: their variance is 1 + correlation of a batch's rows * its size."""

    excess: Floats
    """[C] squares of scores minus 1, weighted by size."""
    weights: Floats
    """[C] sum of squared sizes."""
    batches: Floats
    """[C] batches that told it."""

    @classmethod
    def unknown(cls, num_channels: int) -> "Variation":
        """Return what is known before the first batch."""
        none = np.zeros(num_channels)
        return cls(excess=none, weights=none, batches=none)

    def factor(self, sizes_C: Floats) -> Floats:
        """Return the variance [C] of the scores of a batch of these sizes."""
        trusted = self.batches / (self.batches + DOUBTED)
        correlation = np.maximum(self.excess, 0.0) / np.maximum(self.weights, 1e-300) * trusted
        return 1.0 + correlation * sizes_C

    def scores(self, z_C: Floats, sizes_C: Floats) -> Floats:
        """Return the scores of a batch as standard normals: what comes with batches is taken off."""
        return widened(z_C, self.factor(sizes_C), self.batches + DOUBTED)

    def after(self, z_C: Floats, sizes_C: Floats, seen: NDArray[np.bool_]) -> "Variation":
        """Return what is known after a batch, of the channels where something was seen."""
        factor = self.factor(sizes_C)
        square = np.minimum(z_C**2, FAR * factor) / FAR_MEAN
        seen = seen & (sizes_C > 0)
        kept = np.where(seen, np.minimum(1.0, REMEMBERED / (self.batches + 1)), 1.0)
        return Variation(
            excess=kept * self.excess + np.where(seen, sizes_C * (square - 1.0), 0.0),
            weights=kept * self.weights + np.where(seen, sizes_C**2, 0.0),
            batches=kept * self.batches + seen,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """A batch beside the pool."""

    scores: Floats
    """[C] standard normal while nothing changes; nan where there is nothing to compare."""
    raw: Floats
    """[C] the same if rows of a batch were drawn at random, as rows of all batches."""
    sizes: Floats
    """[C] 1 / (1 / rows of the batch + 1 / rows of the pool)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """What the batches were like so far, by weekday; all days in the first line where weekdays are not
    known."""

    counts: Counts
    """[7, M]"""
    sizes: Floats
    """[7, W, 4] as of a tally."""
    variation: Variation

    @classmethod
    def empty(cls, layout: Layout) -> "Pool":
        """Return the pool before the first batch."""
        return cls(
            counts=np.zeros((DAYS_A_WEEK, int(layout.starts[-1])), dtype=np.int64),
            sizes=np.zeros((DAYS_A_WEEK, len(layout.columns), 4)),
            variation=Variation.unknown(len(layout.channels)),
        )

    def compared(self, layout: Layout, cells_M: Counts, weekday: int) -> "Compared":
        """Compare a batch with the pool."""
        raw, sizes = layout.compared(cells_M, self.counts, weekday)
        scores = np.where(sizes > 0, self.variation.scores(raw, sizes), np.nan)
        return Compared(scores=scores, raw=raw, sizes=sizes)

    def after(
        self, layout: Layout, batch: Tally, compared: "Compared", weekday: int, seen: NDArray[np.bool_]
    ) -> "Pool":
        """Return the pool with a batch in it.

        Args:
            compared: the batch with this pool.
            seen: columns that take it in [W]; those that have changed do not.
        """
        counts, lines = self.counts.copy(), layout.lines(weekday)
        into = np.repeat(seen, np.diff(layout.starts))
        counts[lines, np.arange(len(lines))] += np.where(into, batch.cells, 0)
        return replace(
            self,
            counts=counts,
            sizes=_joined(self.sizes, batch.sizes, layout, weekday, seen),
            variation=self.variation.after(compared.raw, compared.sizes, seen[layout.owners]),
        )

    def without(self, layout: Layout, batch: Tally, weekday: int, column: int) -> "Pool":
        """Return the pool with a batch taken out of one column: first days of a change were pooled too."""
        counts, sizes = self.counts.copy(), self.sizes.copy()
        own = slice(layout.starts[column], layout.starts[column + 1])
        line = weekday if layout.columns[column].seasonal else 0
        counts[line, own] -= batch.cells[own]
        size, rows = sizes[line, column], batch.sizes[column, 0]
        if 0 < rows < size[0]:
            size[1:] = (size[1:] * size[0] - batch.sizes[column, 1:] * rows) / (size[0] - rows)
            size[0] -= rows
        return replace(self, counts=counts, sizes=sizes)


def _joined(sizes: Floats, batch: Floats, layout: Layout, weekday: int, seen: NDArray[np.bool_]) -> Floats:
    """Return the sizes with a batch's: means weighted by known values."""
    joined = sizes.copy()
    for index in np.flatnonzero(seen & (batch[:, 0] > 0)).tolist():
        line = joined[weekday if layout.columns[index].seasonal else 0, index]
        line[0] += batch[index, 0]
        line[1:] += (batch[index, 1:] - line[1:]) * batch[index, 0] / line[0]
    return joined
