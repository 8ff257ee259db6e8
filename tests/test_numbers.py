"""Laws of targets that are numbers: scales, intervals that keep their promise, the line, and the road."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import foretell
from foretell.data.dataset import Dataset
from foretell.data.reading import read
from foretell.data.split import split
from foretell.errors import DataError, SpecError
from foretell.prediction import ladder
from foretell.prediction.alerts import alerts_of
from foretell.prediction.folder import open_fitted, write_fitted
from foretell.spec import DataSpec, ModelSpec, Spec, TaskSpec, TrainSpec
from foretell.tasks.regress import LOG, PLAIN, Scale, estimator, metrics, smearing
from foretell.verification import verify
from foretell.workflow import explain, narrate, predict, predictions_of
from table_samples import costs


def dataset_of(folder, rows: pl.DataFrame, **task: object) -> Dataset:
    path = folder / "rows.parquet"
    rows.write_parquet(path)
    return read(
        Spec(
            data=DataSpec(source=str(path), target="cost"),
            model=ModelSpec(families=()),
            train=TrainSpec(threads=1),
            task=TaskSpec(**task),
        )
    )


def climbed(folder, dataset: Dataset):
    return ladder.fit(dataset.spec, dataset, split(dataset), folder=folder / "training", tell=lambda _: None)


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=30), st.sampled_from((PLAIN, LOG)))
def test_a_scale_is_undone_and_keeps_the_order(values, link):
    held = np.unique(values)
    scale = Scale.of(held, link)
    scores = scale.scores(held)
    np.testing.assert_allclose(scale.values(scores), held, rtol=1e-6, atol=1e-6 * max(held.max(), 1))
    assert (np.diff(scores) >= 0).all()


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("link", [PLAIN, LOG])
def test_intervals_hold_the_share_that_they_promise_where_noise_grows(level, link):
    rng = np.random.default_rng(1)
    held = []
    for _ in range(30):
        at = rng.uniform(1, 5, 1600)
        values = np.maximum(at * (1 + 0.3 * rng.normal(size=1600)), 0)
        scale = Scale.of(values[:800], link)
        fitted = estimator(scale, scale.scores(at[:800]), values[:800], level)
        held.append(metrics(fitted, scale.scores(at[800:]), values[800:])["coverage"])
    assert abs(np.mean(held) - level) < 0.015


def test_what_too_few_rows_could_not_promise_is_not_promised():
    scale = Scale.of(np.arange(9.0))
    fitted = estimator(scale, scale.scores(np.arange(9.0)), np.arange(9.0), 0.9)
    assert fitted.intervals(np.zeros(3)) is None
    assert estimator(scale, scale.scores(np.arange(9.0)), np.arange(9.0), 0.5).intervals(np.zeros(3))


def test_estimates_on_a_logarithm_have_the_mean_of_the_truth():
    rng = np.random.default_rng(2)
    values = np.exp(rng.normal(2, 1, 4000))
    scale = Scale.of(values, LOG)
    fitted = estimator(scale, np.zeros(4000), values, 0.9)
    assert fitted.values(np.zeros(1))[0] == pytest.approx(values.mean(), rel=1e-6)
    assert smearing(scale, np.zeros(4000), values) > 1.2


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(("above", "below")))
def test_positive_is_what_lies_beyond_the_line(tmp_path_factory, seed, side):
    rows = costs(seed)
    line = float(rows["cost"].median())
    dataset = dataset_of(tmp_path_factory.mktemp("rows"), rows, line=line, positive=side)
    beyond = rows["cost"].to_numpy() > line if side == "above" else rows["cost"].to_numpy() < line
    np.testing.assert_array_equal(dataset.target == 1, beyond)
    assert dataset.spec.task.positive_text == f"cost {side} {foretell.units.number(line)}"


def test_without_a_line_a_tenth_of_the_rows_lies_beyond_it(tmp_path):
    assert dataset_of(tmp_path, costs()).target.mean() == pytest.approx(0.1, abs=0.01)
    most = costs().with_columns(cost=pl.when(pl.col("age") > 25).then(9.0).otherwise(pl.col("cost")))
    assert 0 < dataset_of(tmp_path, most).target.mean() < 1


def test_a_line_that_nothing_passes_and_a_side_that_is_none_are_refused(tmp_path):
    with pytest.raises(DataError, match="no value of target 'cost' lies above 100"):
        dataset_of(tmp_path, costs(), line=100.0)
    with pytest.raises(SpecError, match=r"task\.positive is 'high'"):
        dataset_of(tmp_path, costs(), positive="high")
    with pytest.raises(DataError, match="only one value, 3"):
        dataset_of(tmp_path, costs().with_columns(cost=pl.lit(3.0)), name="regress")
    with pytest.raises(DataError, match="is no number"):
        dataset_of(tmp_path, costs().with_columns(cost=pl.col("kind")), name="regress")


@pytest.mark.parametrize("skewed", [False, True])
def test_a_number_is_learned_stored_and_told(tmp_path, skewed):
    dataset = dataset_of(tmp_path, costs(skewed=skewed))
    fitted, scored = climbed(tmp_path, dataset)
    found = fitted.standings[-1].metrics
    assert fitted.estimator is not None and fitted.estimator.scale.link == (LOG if skewed else PLAIN)
    assert found["r2"] > 0.4 and found["coverage"] > 0.8
    write_fitted(fitted, tmp_path / "model", fingerprint=dataset.fingerprint, card="")
    again = open_fitted(tmp_path / "model")
    np.testing.assert_array_equal(again.score(dataset, scored.rows).probabilities, scored.probabilities)
    alerts = alerts_of(fitted.spec, dataset, scored)
    predictions = predictions_of(again, dataset, scored, alerts)
    table = predict(again, dataset)
    order = np.argsort(table["estimate"])
    assert (np.diff(table["probability"].to_numpy()[order]) >= -1e-12).all()
    assert (table["low"] <= table["high"]).all()
    for evidence, prediction in zip(explain(again, dataset, scored, alerts), predictions, strict=True):
        (told,) = evidence.of("estimate")
        row = table.filter(pl.col("id") == prediction.id)
        assert told.value == pytest.approx(row["estimate"][0], rel=1e-5)
        narrative, verdict = narrate(evidence, replace(fitted.spec.narrate, length="short"))
        assert verdict.passed and "the model expects" in narrative.text
        lied = replace(told, value=told.value * 1.5)
        other = replace(evidence, facts=tuple(lied if f is told else f for f in evidence.facts))
        assert not verify(narrative, other).passed


def test_new_rows_need_no_target(tmp_path):
    dataset = dataset_of(tmp_path, costs())
    fitted, _ = climbed(tmp_path, dataset)
    new = tmp_path / "new.csv"
    costs(1).drop("cost").head(20).write_csv(new)
    table = predict(fitted, new)
    assert len(table) == 20 and table["estimate"].is_finite().all()


RNG = np.random.default_rng(5)
MEASURED = {
    "visits": RNG.poisson(1.2, 4000),
    "children": 1 + RNG.poisson(0.8, 4000),
    "years of schooling": np.clip(RNG.normal(12, 2.5, 4000), 4, 18).round(),
}
CODED = {
    "digits": RNG.integers(0, 10, 4000),
    "eleven balanced classes": np.arange(4400) % 11,
    "three kinds": RNG.choice(3, 4000, p=[0.7, 0.2, 0.1]),
    "ratings": 1 + RNG.choice(5, 4000, p=[0.1, 0.1, 0.2, 0.4, 0.2]),
    "soils": 1 + RNG.choice(7, 4000, p=[0.36, 0.49, 0.06, 0.005, 0.015, 0.035, 0.035]),
}


@pytest.mark.parametrize("name", [*MEASURED, *CODED])
def test_few_whole_numbers_are_amounts_where_they_look_counted_and_codes_elsewhere(tmp_path, name):
    values = {**MEASURED, **CODED}[name].astype(int)
    dataset = dataset_of(tmp_path, pl.DataFrame({"cost": values, "x": np.arange(len(values)) % 97}))
    assert (dataset.values is not None) == (name in MEASURED)
    target = dataset.column("target")
    assert target is not None
    other = "classify" if name in MEASURED else "regress"
    assert other in target.reason, "it is said how to have it otherwise"
    stated = dataset_of(
        tmp_path, pl.DataFrame({"cost": values, "x": np.arange(len(values)) % 97}), name=other
    )
    assert (stated.values is not None) == (name in CODED)
