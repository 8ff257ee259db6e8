"""Curves: each feature as inputs whose weighted sum bends where its knots are.

A number becomes the shares of the intervals between its knots that lie below it: a weighted sum of those is a
piecewise linear function. A category becomes which of its values it is, so that each value weighs by itself.
B: rows, F: features, K: knots, I: inputs, W: units that the inputs are summed into.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

MOST_VALUES = 64
"""Values of a category that weigh by themselves, the most frequent first; the last stands for the rest."""
FURTHEST, RANKS, HIGHEST = 8.0, 32, 3.0
"""Of lines: standard deviations from the mean beyond which numbers are held, knots of their ranks, and the
normal scores within which these are held."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curves:
    """Where the features bend."""

    knots: NDArray[np.float32]
    """[F, K], ascending, padded with inf. Those of a category are its codes, the first is 0: other values."""
    categorical: NDArray[np.bool_]
    """[F]"""

    @classmethod
    def of(
        cls,
        x_BF: NDArray[np.float32],
        categorical: NDArray[np.bool_],
        bends: Sequence[NDArray[np.float32]],
        *,
        gaps: bool = False,
    ) -> "Curves":
        """Return the curves of numbers that bend where `bends` says, and of the categories' values in `x_BF`.

        Args:
            bends: the knots of each feature, ascending; those of a category and infinite ones are left out.
            gaps: whether a code that no row has is a knot where higher ones are: for sums that are penalised,
                where it adds nothing, as code 0 does. Else it lies between its neighbours.
        """
        codes = [
            np.arange(x_BF[:, f].max(initial=0) + 1) if gaps else np.unique(np.append(0.0, x_BF[:, f]))
            for f in np.flatnonzero(categorical)
        ]
        found = [bend[np.isfinite(bend)] for bend in bends]
        for f, values in zip(np.flatnonzero(categorical), codes, strict=True):
            found[f] = values[:MOST_VALUES]
        knots_FK = np.full((len(found), max(2, *map(len, found), 2)), np.inf, dtype=np.float32)
        for f, places in enumerate(found):
            knots_FK[f, : len(places)] = places
        return cls(knots=knots_FK, categorical=categorical)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where the inputs of each feature begin [F + 1]: one less than it has knots."""
        sizes = np.maximum(np.isfinite(self.knots).sum(1) - 1, 0)
        return np.append(0, np.cumsum(sizes)).astype(np.int64)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which inputs each feature has, where all had as many as the one that has most [F, K - 1]."""
        sizes = np.diff(self.starts)
        return np.arange(sizes.max(initial=1)) < sizes[:, None]

    def inputs(self, x_BF: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the inputs [B, I] of feature rows."""
        starts = self.starts
        out_BI = np.empty((len(x_BF), starts[-1]), dtype=np.float32)
        spread(x_BF, self.knots, self.categorical, starts, out_BI)
        return out_BI

    def table(self, weights_IW: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the weighted sum of each feature's inputs at each of its knots [F, K, W]."""
        starts = self.starts
        table_FKW = np.zeros((*self.knots.shape, weights_IW.shape[1]), dtype=np.float32)
        for f, flag in enumerate(self.categorical.tolist()):
            mine = weights_IW[starts[f] : starts[f + 1]]
            table_FKW[f, 1 : 1 + len(mine)] = mine if flag else np.cumsum(mine, axis=0)
        return table_FKW


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lines:
    """Each number on two scales, its own and that of its ranks; each value of a category by itself.

    Their weighted sum bends at knots too, but a number has two weights for all of them. S: inputs.
    """

    knots: NDArray[np.float32]
    """[F, K], as in `Curves`."""
    features: NDArray[np.int64]
    """[S] the feature of each input."""
    values: NDArray[np.float32]
    """[S, K] each input at its feature's knots."""

    @classmethod
    def of(cls, x_BF: NDArray[np.float32], categorical: NDArray[np.bool_]) -> "Lines":
        """Return the lines of the numbers, and of the categories' values, in `x_BF`.

        Numbers are held within `FURTHEST` standard deviations, ranks as normal scores within `HIGHEST`.
        """
        bends = [_held(x_BF[:, f]) for f in range(x_BF.shape[1])]
        knots_FK = Curves.of(x_BF, categorical, bends, gaps=True).knots
        features, values = [], []
        for f, flag in enumerate(categorical.tolist()):
            size = int(np.isfinite(knots_FK[f]).sum())
            found = np.eye(size)[1:] if flag else _scales(x_BF[:, f], knots_FK[f, :size])
            features += [f] * len(found)
            values.append(np.pad(found, ((0, 0), (0, knots_FK.shape[1] - size))))
        return cls(
            knots=knots_FK,
            features=np.array(features, dtype=np.int64),
            values=np.concatenate(values).astype(np.float32),
        )

    def inputs(self, x_BF: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the inputs [B, S] of feature rows."""
        out_BS = np.empty((len(x_BF), len(self.features)), dtype=np.float32)
        for s, f in enumerate(self.features.tolist()):
            size = int(np.isfinite(self.knots[f]).sum())
            out_BS[:, s] = np.interp(x_BF[:, f], self.knots[f, :size], self.values[s, :size])
        return out_BS

    def table(self, weights_SW: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the weighted sum of each feature's inputs at each of its knots [F, K, W]."""
        table_FKW = np.zeros((*self.knots.shape, weights_SW.shape[1]), dtype=np.float32)
        np.add.at(table_FKW, self.features, self.values[:, :, None] * weights_SW[:, None, :])
        return table_FKW


def _held(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return quantiles of a number, and how far it may lie from its mean."""
    x = x.astype(np.float64)  # the square of a large one is no float32
    reach = FURTHEST * (float(x.std()) or 1.0)
    low, high = float(x.mean()) - reach, float(x.mean()) + reach
    return np.unique(np.concatenate([[low], np.clip(spaced(x, RANKS), low, high), [high]])).astype(np.float32)


def _scales(x: NDArray[np.float32], knots: NDArray[np.float32]) -> Floats:
    """Return a number's knots in its standard deviations, and as normal scores of their ranks [2, K]."""
    x = x.astype(np.float64)
    ordered = np.sort(x)
    ranks = sum(np.searchsorted(ordered, knots, side=side) for side in ("left", "right")) / (2 * len(x))
    scores = np.clip(ndtri(ranks), -HIGHEST, HIGHEST)
    return np.stack([(knots - x.mean()) / (float(x.std()) or 1.0), scores])


def spaced(x: NDArray[np.float32], num_knots: int) -> NDArray[np.float32]:
    """Return quantiles of the values, and of the values that differ: one that is frequent takes few knots."""
    finite = x[np.isfinite(x)]
    distinct = np.unique(finite)
    if len(distinct) <= num_knots:
        return distinct
    levels = np.linspace(0, 1, num_knots // 2)
    return np.unique(np.concatenate([np.quantile(finite, levels), np.quantile(distinct, levels)]))


@numba.njit(cache=True)
def spread(x_BF, knots_FK, categorical_F, starts, out_BI):
    """Write the inputs: the cumulative form of numbers trains well."""
    for b in range(x_BF.shape[0]):
        for f in range(x_BF.shape[1]):
            x, size = x_BF[b, f], starts[f + 1] - starts[f]
            for k in range(size):
                low, high = knots_FK[f, k], knots_FK[f, k + 1]
                if categorical_F[f]:
                    value = 1.0 if x == high or (x > high and k == size - 1) else 0.0
                elif x >= high:
                    value = 1.0
                else:
                    value = 0.0 if x <= low else (x - low) / (high - low)
                out_BI[b, starts[f] + k] = value
