"""Rows that are chosen evenly: each with its chance, pairs of values as often as expected."""

import numpy as np
import pytest

from foretell.generation.evenly import evenly


def rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return tokens of four columns [N, 4], and weights that depend on one of them [N]."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, [3, 5, 8, 2], (count, 4))
    return tokens, np.exp(0.4 * tokens[:, 0]) * rng.uniform(0.5, 1.5, count)


def apart(tokens: np.ndarray, weights: np.ndarray, kept: np.ndarray) -> float:
    """Return by how many rows the pairs of the second and third column miss what is expected, in the mean."""
    places = tokens[:, 1] * 8 + tokens[:, 2]
    wanted = np.bincount(places, weights / weights.sum() * len(kept), minlength=40)
    return float(np.abs(np.bincount(places[kept], minlength=40) - wanted).mean())


def test_pairs_of_values_come_as_often_as_expected_up_to_a_few_rows():
    tokens, weights = rows(6000, 0)
    rng = np.random.default_rng(1)
    kept = evenly(tokens, weights, 2000, rng)
    alone = rng.choice(6000, 2000, replace=False, p=weights / weights.sum())
    assert len(kept) == 2000
    assert apart(tokens, weights, kept) < 1.5 < 3 < apart(tokens, weights, alone)


def test_each_row_keeps_its_chance():
    tokens, weights = rows(60, 2)
    times = np.zeros(60)
    for seed in range(300):
        times += np.bincount(evenly(tokens, weights, 20, np.random.default_rng(seed)), minlength=60)
    wanted = 300 * 20 * weights / weights.sum()
    # Four standard deviations of independent draws.
    assert (np.abs(times - wanted) < 4 * np.sqrt(wanted) + 6).all()
    assert np.corrcoef(times, wanted)[0, 1] > 0.97


@pytest.mark.parametrize("count", [0, 1, 7, 60, 150])
def test_as_many_as_are_asked_for_and_none_that_weighs_nothing(count):
    tokens, weights = rows(60, 3)
    weights[:50] = 0
    kept = evenly(tokens, weights, count, np.random.default_rng(0))
    assert len(kept) == count and (kept >= 50).all()


def test_a_wide_table_takes_as_many_pairs_as_can_be_held():
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 300, (500, 120))
    kept = evenly(tokens, np.ones(500), 100, rng)
    assert len(np.unique(kept)) == 100
