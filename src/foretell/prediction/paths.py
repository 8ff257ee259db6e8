"""Paths: a second opinion on shares, by another road from a typical row to the row itself.

R: rows, M: background rows, F: features, G: factors asked about, T: steps.

Sampled orders change one factor after the other, each by its whole distance; here all go together, in small
steps along the straight line, and each factor is credited with what its own steps do. The two agree where the
score is a sum of its factors, and part where factors change what others mean.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foretell.tasks.classify import Floats

STEPS, PATHS = 6, 4
LEAST, STABLE = 0.05, 0.9
"""Size and stability of the sign from which a share is told, as in the claim grammar."""


def path_shares(
    score: Callable[[NDArray[np.float32]], Floats],
    x_RF: NDArray[np.float32],
    background_MF: NDArray[np.float32],
    factors: Sequence[NDArray[np.int64]],
    categorical_F: NDArray[np.bool_],
    *,
    seed: int = 0,
) -> Floats:
    """Return Aumann-Shapley shares [R, G] by finite steps, over a few background rows.

    Steps need no gradient, and so hold for trees as well: where a step crosses a split, the factor that
    crosses it is credited. A code has no way between: it jumps at a point of the path drawn for each path.
    The shares of all factors sum to the score to within what several factors do in one and the same step.

    Args:
        factors: columns of each factor asked about; those of others move too.

    Source: Sundararajan et al., ICML (2017), integrated gradients; Aumann and Shapley (1974).
    """
    rng = np.random.default_rng(seed)
    shares_RG = np.zeros((len(x_RF), len(factors)))
    codes = np.flatnonzero(categorical_F)
    for _ in range(PATHS):
        background_F = background_MF[rng.integers(len(background_MF))]
        jumps = rng.integers(STEPS, size=len(codes))
        points_TRF = np.stack([_at(background_F, x_RF, codes, jumps, t) for t in range(STEPS + 1)])
        for t in range(STEPS):
            before_RF, after_RF = points_TRF[t], points_TRF[t + 1]
            low_R, high_R = score(before_RF), score(after_RF)
            for g, columns in enumerate(factors):
                alone_RF, without_RF = before_RF.copy(), after_RF.copy()
                alone_RF[:, columns], without_RF[:, columns] = after_RF[:, columns], before_RF[:, columns]
                # First and last of the step: the mean of both, as in a game of two.
                shares_RG[:, g] += 0.5 * (score(alone_RF) - low_R + high_R - score(without_RF))
    return shares_RG / PATHS


def _at(
    background_F: NDArray[np.float32],
    x_RF: NDArray[np.float32],
    codes: NDArray[np.int64],
    jumps: NDArray[np.int64],
    t: int,
) -> NDArray[np.float32]:
    point_RF = background_F + np.float32(t / STEPS) * (x_RF - background_F)
    point_RF[:, codes] = np.where(t > jumps, x_RF[:, codes], background_F[codes])
    return point_RF if t < STEPS else x_RF.copy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How often two ways to share out a score agree, on rows that did not teach the model."""

    rows: int
    signs: float
    """Share of the rows in which both give the strongest factor the same sign."""
    told: float
    """The same of all factors whose sign and size would let them be told."""
    num_told: int
    ranks: float
    """Mean rank correlation of the strongest factors' shares."""


def agreement(
    shares_RG: Floats, signs_RG: Floats, again: Callable[[NDArray[np.int64]], Floats], *, most: int = 6
) -> Agreement:
    """Return how far a second way agrees on the factors that are strongest over all rows.

    Args:
        shares_RG: of all factors.
        signs_RG: how stable their signs are.
        again: returns the shares [R, most] of some factors by the second way.
    """
    asked = np.argsort(-np.abs(shares_RG).mean(0), kind="stable")[:most]
    second_RA, first_RA = again(asked), shares_RG[:, asked]
    same_RA = np.sign(first_RA) == np.sign(second_RA)
    strongest = np.abs(first_RA).argmax(1)
    told_RA = (np.abs(first_RA) >= LEAST) & (signs_RG[:, asked] >= STABLE)
    ranks = [_correlation(first, second) for first, second in zip(first_RA, second_RA, strict=True)]
    return Agreement(
        rows=len(shares_RG),
        signs=float(np.take_along_axis(same_RA, strongest[:, None], 1).mean()) if len(strongest) else 0.0,
        told=float(same_RA[told_RA].mean()) if told_RA.any() else 1.0,
        num_told=int(told_RA.sum()),
        ranks=float(np.mean(ranks)) if ranks else 0.0,
    )


def _correlation(first: Floats, second: Floats) -> float:
    """Return Spearman's rank correlation; 1 of a single factor, whose order cannot differ."""
    one, other = (np.argsort(np.argsort(values)) for values in (first, second))
    return float(np.corrcoef(one, other)[0, 1]) if len(first) > 1 else 1.0
