"""Shares: Shapley values of the factors of a score, with the stability of their signs and ranks.

R: rows, M: background rows, F: features, G: factors, P: permutations.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foretell.models.walks import AT_ONCE, Walk

Floats = NDArray[np.float64]
BOOTSTRAPS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Factors' shares in scores: `base + values[r].sum()` is the score, to rounding."""

    base: float
    values: Floats
    """[R, G], log-odds."""
    sign_stability: Floats
    """Share of the bootstraps in which the factor's sign is that of its value."""
    rank_stability: Floats
    """Share of the bootstraps in which the factor's rank by size is that of its value."""


def shapley(
    walk: Walk | Sequence[Walk],
    x_RF: NDArray[np.float32],
    background_MF: NDArray[np.float32],
    factors: Sequence[NDArray[np.int64]],
    *,
    num_permutations: int,
    seed: int = 0,
) -> Shares:
    """Return interventional Shapley values by sampled permutations, each with its own background row.

    In a permutation the factors change one by one from a background row's values to the row's own, and each
    is credited with the change of the score; so the shares add up exactly, however few the permutations.
    Permutations come in pairs, one the reverse of the other, which cancels most of the sampling noise.

    Args:
        walk: of the score that is shared out; of several their mean, each asked for its part of the pairs,
            which is exact where their number divides that of the pairs.
        x_RF: rows to explain.
        background_MF: typical rows, drawn without regard to the outcome.
        factors: columns of each factor; together they cover every column once.
        num_permutations: P, rounded up to an even number.

    Source: Strumbelj and Kononenko, KAIS 41 (2014); antithetic pairs: Mitchell et al., JMLR 23 (2022).
    """
    rng = np.random.default_rng(seed)
    walks = walk if isinstance(walk, Sequence) else (walk,)
    bases, shares = sampled(walks, x_RF, background_MF, factors, num_permutations, rng)
    values, draws = shares.mean(0), resampled(shares, rng)
    return Shares(
        base=float(bases.mean()),
        values=values,
        sign_stability=signs_kept(draws, values),
        rank_stability=ranks_kept(draws, values),
    )


def sampled(
    walks: Sequence[Walk],
    x_RF: NDArray[np.float32],
    background_MF: NDArray[np.float32],
    factors: Sequence[NDArray[np.int64]],
    num_permutations: int,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Return the background's score and the factors' shares in each permutation, as `shapley` averages them.

    Scores may have several outputs O.

    Returns:
        Bases [P] or [P, O], and shares [P, R, G] or [P, R, G, O].
    """
    num_pairs, orders, starts = (num_permutations + 1) // 2, [], []
    for _ in range(num_pairs):
        order = rng.permutation(len(factors))
        orders += [order, order[::-1]]
        starts += 2 * [background_MF[rng.integers(len(background_MF))]]
    factor_F = np.empty(x_RF.shape[1], dtype=np.int64)
    for factor, columns in enumerate(factors):
        factor_F[columns] = factor
    steps_PG, starts_PF = np.argsort(orders, axis=1), np.array(starts)
    # Where a walk starts is scored with the rows; without any, a typical row has to stand for them.
    asked_RF = x_RF if len(x_RF) else background_MF[:1]
    at_once = max(1, AT_ONCE // steps_PG.size)
    parts = [
        _walked(walks, asked_RF[start : start + at_once], starts_PF, steps_PG, factor_F)
        for start in range(0, len(asked_RF), at_once)
    ]
    return parts[0][0], np.concatenate([shares for _, shares in parts], axis=1)[:, : len(x_RF)]


def _walked(
    walks: Sequence[Walk],
    x_RF: NDArray[np.float32],
    starts_PF: NDArray[np.float32],
    steps_PG: NDArray[np.int64],
    factor_F: NDArray[np.int64],
) -> tuple[Floats, Floats]:
    """Return bases and shares as `sampled` does; each score walks its part of the pairs."""
    asked = np.arange(len(steps_PG)) // 2 % len(walks)
    bases, shares = [], []
    for number, walk in enumerate(walks):
        mine_PG = steps_PG[asked == number]
        told = walk(x_RF, starts_PF[asked == number], mine_PG[:, factor_F])
        gained = np.diff(told, axis=1)
        bases.append(told[:, 0, 0])
        shares.append(np.moveaxis(gained[np.arange(len(mine_PG))[:, None], mine_PG], 1, 2))
    back = np.argsort(np.argsort(asked, kind="stable"))
    return np.concatenate(bases)[back], np.concatenate(shares)[back]


def resampled(shares_PRG: Floats, rng: np.random.Generator) -> Floats:
    """Return the mean shares of bootstraps over pairs of permutations [BOOTSTRAPS, R, G]."""
    num_pairs = len(shares_PRG) // 2
    pairs_PRG = 0.5 * (shares_PRG[0::2] + shares_PRG[1::2])
    weights_BP = rng.multinomial(num_pairs, np.full(num_pairs, 1 / num_pairs), size=BOOTSTRAPS) / num_pairs
    return np.tensordot(weights_BP, pairs_PRG, axes=1)


def signs_kept(draws_DRG: Floats, values_RG: Floats) -> Floats:
    """Return in which share of draws each factor keeps its sign [R, G]."""
    return (np.sign(draws_DRG) == np.sign(values_RG)).mean(0)


def ranks_kept(draws_DRG: Floats, values_RG: Floats) -> Floats:
    """Return in which share of draws each factor keeps its rank [R, G]."""
    at_once = max(1, AT_ONCE // max(values_RG.size, 1))
    kept_RG, ranks_RG = np.zeros(values_RG.shape), ranks(values_RG)
    for start in range(0, len(draws_DRG), at_once):
        kept_RG += (ranks(draws_DRG[start : start + at_once]) == ranks_RG).sum(0)
    return kept_RG / len(draws_DRG)


def ranks(shares: Floats) -> NDArray[np.int64]:
    """Return each factor's place by the size of its share, the largest first [..., G]."""
    order = np.argsort(-np.abs(shares), axis=-1)
    found = np.empty_like(order)
    np.put_along_axis(found, order, np.broadcast_to(np.arange(shares.shape[-1]), order.shape), axis=-1)
    return found
