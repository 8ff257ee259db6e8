"""Shares: Shapley values of the factors of a score, with the stability of their signs and ranks.

R: rows, M: background rows, F: features, G: factors, P: permutations.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BOOTSTRAPS = 200
AT_ONCE = 4_000_000
"""Values of rows that are mixed and scored in one call."""


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


Score = Callable[[NDArray[np.float32]], Floats]
"""Gives raw log-odds [B] of feature rows [B, F]."""


def shapley(
    score: Score | Sequence[Score],
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
        score: what is shared out; of several scores their mean, each asked for its part of the pairs, which
            is exact where their number divides that of the pairs.
        x_RF: rows to explain.
        background_MF: typical rows, drawn without regard to the outcome.
        factors: columns of each factor; together they cover every column once.
        num_permutations: P, rounded up to an even number.

    Source: Strumbelj and Kononenko, KAIS 41 (2014); antithetic pairs: Mitchell et al., JMLR 23 (2022).
    """
    rng = np.random.default_rng(seed)
    scores = score if isinstance(score, Sequence) else (score,)
    bases, shares = sampled(scores, x_RF, background_MF, factors, num_permutations, rng)
    return _with_stability(bases, shares, rng)


def sampled(
    scores: Sequence[Score],
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
    num_pairs, bases, shares = (num_permutations + 1) // 2, [], []
    for pair in range(num_pairs):
        order, ask = rng.permutation(len(factors)), scores[pair % len(scores)]
        background_F = background_MF[rng.integers(len(background_MF))]
        base = ask(background_F[None])
        for turn in (order, order[::-1]):
            gained_RG = _gained(ask, base, x_RF, background_F, [factors[factor] for factor in turn])
            bases.append(base[0])
            shares.append(gained_RG[:, np.argsort(turn)])
    return np.array(bases), np.array(shares)


def _gained(
    ask: Score,
    base: Floats,
    x_RF: NDArray[np.float32],
    background_F: NDArray[np.float32],
    turn: Sequence[NDArray[np.int64]],
) -> Floats:
    """Return what each factor changes when they change one by one, in this order [R, G] or [R, G, O]."""
    at_once = max(1, AT_ONCE // max(x_RF.size, 1))
    mixed_RF = np.repeat(background_F[None], len(x_RF), axis=0)
    told = [np.repeat(base, len(x_RF), axis=0)[None]]
    for start in range(0, len(turn), at_once):
        mixed = []
        for columns in turn[start : start + at_once]:
            mixed_RF[:, columns] = x_RF[:, columns]
            mixed.append(mixed_RF.copy())
        found = ask(np.concatenate(mixed))
        told.append(found.reshape(len(mixed), len(x_RF), *found.shape[1:]))
    return np.moveaxis(np.diff(np.concatenate(told), axis=0), 0, 1)


def _with_stability(bases: Floats, shares_PRG: Floats, rng: np.random.Generator) -> Shares:
    """Return the mean over permutations, and how often bootstraps over pairs agree with it."""
    num_pairs = len(bases) // 2
    values_RG = shares_PRG.mean(0)
    pairs_PRG = 0.5 * (shares_PRG[0::2] + shares_PRG[1::2])
    weights_BP = rng.multinomial(num_pairs, np.full(num_pairs, 1 / num_pairs), size=BOOTSTRAPS) / num_pairs
    sign_stability, rank_stability = kept(np.tensordot(weights_BP, pairs_PRG, axes=1), values_RG)
    return Shares(
        base=float(bases.mean()),
        values=values_RG,
        sign_stability=sign_stability,
        rank_stability=rank_stability,
    )


def kept(draws_DRG: Floats, values_RG: Floats) -> tuple[Floats, Floats]:
    """Return in which share of draws each factor keeps its sign [R, G], and its rank [R, G]."""
    at_once = max(1, AT_ONCE // max(values_RG.size, 1))
    signs_RG, ranks_RG = np.zeros(values_RG.shape), np.zeros(values_RG.shape)
    for start in range(0, len(draws_DRG), at_once):
        part_DRG = draws_DRG[start : start + at_once]
        signs_RG += (np.sign(part_DRG) == np.sign(values_RG)).sum(0)
        ranks_RG += (ranks(part_DRG) == ranks(values_RG)).sum(0)
    return signs_RG / len(draws_DRG), ranks_RG / len(draws_DRG)


def ranks(shares: Floats) -> NDArray[np.int64]:
    """Return each factor's place by the size of its share, the largest first [..., G]."""
    order = np.argsort(-np.abs(shares), axis=-1)
    found = np.empty_like(order)
    np.put_along_axis(found, order, np.broadcast_to(np.arange(shares.shape[-1]), order.shape), axis=-1)
    return found
