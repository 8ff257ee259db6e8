"""Laws of conformal prediction: what is promised is kept, and nothing is promised of too few rows."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from foretell.tasks.conformal import disagreement, fewest, margin, margins, sets

misses = st.floats(0.01, 0.6)
seeds = st.integers(0, 2**31)


def kept(hits: np.ndarray, miss: float) -> bool:
    """Say whether so many hits are no evidence against a share of at least 1 - miss."""
    return binomtest(int(hits.sum()), hits.size, 1 - miss, alternative="less").pvalue > 1e-6


@given(st.integers(1, 60), misses, seeds)
def test_with_a_new_row_among_them_the_margin_is_exceeded_at_most_as_often_as_promised(n, miss, seed):
    # The law itself, without chance: of n + 1 rows, each is left out once and held against the others.
    scores = np.random.default_rng(seed).permutation(n + 1).astype(float)
    exceeded = sum(
        scores[left] > margin(np.delete(scores, left), miss=miss) for left in range(n + 1)
    )  # fmt: skip
    assert exceeded <= miss * (n + 1) + 1e-6
    if n >= fewest(miss):
        assert exceeded + 1 > miss * (n + 1) - 1e-6, "and no more is asked than is promised"


@given(st.lists(st.floats(0, 1), min_size=0, max_size=40), misses, misses)
def test_a_rarer_miss_needs_a_wider_margin_and_too_few_rows_promise_nothing(scores, one, other):
    held = np.array(scores)
    rarer, commoner = sorted((one, other))
    assert margin(held, miss=rarer) >= margin(held, miss=commoner)
    assert math.isinf(margin(held, miss=one)) == (len(held) < fewest(one))


@pytest.mark.parametrize("miss", [0.0, 1.0, -0.1, math.nan])
def test_no_miss_rate_is_refused(miss):
    with pytest.raises(ValueError, match="not between 0 and 1"):
        margin(np.zeros(5), miss=miss)


def world(seed: int, rows: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what a model says of rows [n, C], their classes, and their groups; it is worse in group 1."""
    rng = np.random.default_rng(seed)
    group = (rng.random(rows) < 0.3).astype(np.int64)
    truth = rng.choice(classes, size=rows, p=[0.9, *[0.1 / (classes - 1)] * (classes - 1)])
    logits = rng.normal(0, np.where(group, 2.0, 0.7)[:, None], (rows, classes))
    logits[np.arange(rows), truth] += 2.0
    said = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return said, truth, group


@settings(deadline=None, max_examples=20)
@given(st.floats(0.05, 0.3), seeds, st.sampled_from([2, 3, 5]))
def test_sets_hold_the_truth_as_often_as_promised_in_every_class_of_every_group(miss, seed, classes):
    # Trials draw new rows for the margin too: of one margin alone nothing is promised.
    hits: dict[tuple[Any, ...], list[bool]] = {}
    for trial in range(60):
        said, truth, group = world(seed + trial, 400, classes)
        teach, test = slice(0, 350), slice(350, 400)
        category = group * classes + truth
        scores = disagreement(said)[np.arange(400), truth]
        own = margins(scores[teach], category[teach], 2 * classes, miss=miss).reshape(2, classes)
        held = sets(said[test], own[group[test]])[np.arange(50), truth[test]]
        for number in np.unique(category[test]):
            hits.setdefault(number, []).extend(held[category[test] == number].tolist())
    assert all(kept(np.array(found), miss) for found in hits.values())


@settings(deadline=None, max_examples=30)
@given(misses, misses, seeds)
def test_sets_grow_as_misses_get_rarer_and_are_never_empty(one, other, seed):
    said, truth, _ = world(seed, 120)
    scores = disagreement(said)[np.arange(len(truth)), truth]
    rarer, commoner = sorted((one, other))
    wide, narrow = (sets(said, np.full(3, margin(scores, miss=miss))) for miss in (rarer, commoner))
    assert (wide >= narrow).all() and narrow.any(1).all()
    assert wide[np.arange(len(truth)), truth].mean() >= 1 - rarer - 1e-9, "on the very rows it is sure"


def test_a_class_of_too_few_rows_is_never_ruled_out():
    said, truth, _ = world(3, 60)
    category = np.where(truth == 2, 2, 0)
    category[np.flatnonzero(category == 2)[5:]] = 0
    own = margins(disagreement(said)[np.arange(60), truth], category, 3, miss=0.1)
    assert math.isinf(own[2]) and sets(said, own)[:, 2].all()
