"""Rows chosen by weight so that all pairs of their values come as often as expected.

N: rows, T: tokens of a row, P: pairs of tokens.
"""

import itertools

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int64]
MOST_PAIRS = 1_000
"""Pairs of columns that are watched; of more, so many at random."""
BUCKETS = 1 << 20
"""Counts that are kept: pairs of values share them at random where there are more."""
PULL = 3.0
"""Share of its room by which a row's chance falls where its pairs stand a row too often in the mean."""
AT_ONCE = 1 << 22


def evenly(tokens_NT: Tokens, weights: NDArray[np.float64], count: int, rng: np.random.Generator) -> Tokens:
    """Return the places of `count` rows, each chosen in proportion to its weight.

    Chosen one by one, rows of a value, or of a pair of values, would be as many as expected up to the square
    root of their number. Here each row's chance falls with what was chosen too often of its pairs, and rises
    with what was chosen too rarely: they come as often as expected, up to a few rows. A row of weight 0 is
    never chosen, one that weighs for several comes several times.

    Source: the balancing walk of Alweiss, Liu and Sawhney (STOC 2021), with unequal chances.
    """
    if not count:
        return np.empty(0, np.int64)
    expected = weights / weights.sum() * count
    chosen = np.floor(expected).astype(np.int64)
    chance, luck = expected - chosen, rng.random(len(weights))
    # As far up as down, so that each row keeps its chance.
    room = np.minimum(chance, 1 - chance)
    surplus = np.zeros(BUCKETS)
    places = rng.permutation(np.flatnonzero(chance > 0))
    for part in np.array_split(places, 1 + len(places) * MOST_PAIRS // AT_ONCE):
        for place, shared in zip(part, _pairs(tokens_NT[part], seed=count), strict=True):
            held = surplus[shared]
            pull = min(1.0, max(-1.0, PULL * held.mean()))
            taken = luck[place] < chance[place] - room[place] * pull
            chosen[place] += taken
            surplus[shared] = held + (taken - chance[place])
    kept = np.repeat(np.arange(len(weights)), chosen)
    if len(kept) < count:
        more = rng.choice(len(weights), count - len(kept), p=weights / weights.sum())
        return np.concatenate([kept, more])
    return rng.permutation(kept)[:count]


def _pairs(tokens_NT: Tokens, *, seed: int) -> Tokens:
    """Return the bucket of each pair of a row's tokens [N, P]."""
    rng = np.random.default_rng(seed)
    pairs = rng.permutation(list(itertools.combinations_with_replacement(range(tokens_NT.shape[1]), 2)))
    one, two = pairs[:MOST_PAIRS].T
    # Odd multipliers of its own for each pair spread its values over the buckets.
    own = rng.integers(0, 1 << 40, (2, len(one))) * 2 + 1
    mixed = (tokens_NT[:, one] + 1) * own[0] + (tokens_NT[:, two] + 1) * own[1]
    return (mixed >> 20) % BUCKETS
