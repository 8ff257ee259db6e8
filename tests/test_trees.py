"""Trees as arrays say exactly what LightGBM says."""

import lightgbm
import numpy as np
import pytest

from foretell.models.trees import by_output, sum_rows


@pytest.mark.parametrize("zero_as_missing", [False, True])
def test_trees_as_arrays_say_what_lightgbm_says(zero_as_missing):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 6))
    x[:, 2] = rng.integers(0, 30, 4000)
    x[rng.random(x.shape) < 0.05] = np.nan
    x[rng.random(x.shape) < 0.05] = 0.0
    y = (np.nan_to_num(x[:, 0]) + np.isin(x[:, 2], [3, 7, 9, 20]) + 0.3 * rng.normal(size=4000) > 0.8).astype(
        int
    )
    parameters = {"objective": "binary", "verbosity": -1, "seed": 1, "zero_as_missing": zero_as_missing}
    booster = lightgbm.train(parameters, lightgbm.Dataset(x, y, categorical_feature=[2]), 40)
    unseen = x.copy()
    unseen[:50, 2] = rng.integers(-2, 90, 50)
    trees = by_output(booster)[0]
    np.testing.assert_allclose(
        trees.logits(unseen), booster.predict(unseen, raw_score=True), rtol=0, atol=1e-12
    )
    np.testing.assert_array_equal(trees.logits(unseen[:1]), trees.logits(unseen)[:1])


def test_a_booster_without_splits_is_a_constant():
    x, y = np.zeros((100, 2)), np.tile([0, 1], 50)
    booster = lightgbm.train({"objective": "binary", "verbosity": -1}, lightgbm.Dataset(x, y), 2)
    np.testing.assert_allclose(
        by_output(booster)[0].logits(x), booster.predict(x, raw_score=True), atol=1e-12
    )


@pytest.mark.parametrize("num_trees", [1, 4, 7])
def test_trees_that_never_saw_a_missing_number_say_what_lightgbm_says_of_rows_that_miss_some(num_trees):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(1000, 5)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0.3).astype(int)
    booster = lightgbm.train({"objective": "binary", "verbosity": -1}, lightgbm.Dataset(x, y), num_trees)
    trees = by_output(booster)[0]
    assert trees.masked, "this is the fast way"
    np.testing.assert_allclose(trees.logits(x), booster.predict(x, raw_score=True), rtol=0, atol=1e-12)
    read = trees.reader(np.arange(5))
    np.testing.assert_array_equal([read(row) for row in x], trees.logits(x))
    x[:300][rng.random((300, 5)) < 0.2] = np.nan
    np.testing.assert_allclose(trees.logits(x), booster.predict(x, raw_score=True), rtol=0, atol=1e-12)


@pytest.mark.parametrize("num_leaves", [4, 33, 64])
def test_the_fast_way_takes_categories_and_large_trees(num_leaves):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(4000, 5)).astype(np.float32)
    x[:, 1], x[:, 3] = rng.integers(0, 30, 4000), rng.integers(0, 5, 4000)
    y = x[:, 0] + (x[:, 1] % 3 == 0) - (x[:, 3] == 2) * x[:, 2] + 0.1 * rng.normal(size=4000)
    parameters = {
        "objective": "regression",
        "verbosity": -1,
        "num_leaves": num_leaves,
        "max_cat_to_onehot": 4,
    }
    booster = lightgbm.train(parameters, lightgbm.Dataset(x, y, categorical_feature=[1, 3]), 30)
    trees = by_output(booster)[0]
    assert trees.masked and (trees.category >= 0).any()
    x[:500, 1], x[:500, 3] = rng.integers(-3, 60, 500), rng.integers(-3, 9, 500)
    np.testing.assert_allclose(trees.logits(x), booster.predict(x), rtol=0, atol=1e-12)
    walked = np.empty(len(x))
    sum_rows(x, np.arange(5), walked, *trees.kernel())
    np.testing.assert_array_equal(trees.logits(x), walked)
    read = trees.reader(np.arange(5))
    np.testing.assert_array_equal([read(row) for row in x[:200]], trees.logits(x)[:200])


def test_trees_of_several_classes_are_told_apart():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(600, 3)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0.5)
    booster = lightgbm.train(
        {"objective": "multiclass", "num_class": 3, "verbosity": -1}, lightgbm.Dataset(x, y), 10
    )
    told = np.stack([trees.logits(x) for trees in by_output(booster)], axis=1)
    np.testing.assert_allclose(told, booster.predict(x, raw_score=True), rtol=0, atol=1e-12)
