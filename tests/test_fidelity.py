"""Measures of generated tables: each finds what it is for, and real rows sit at the floor."""

import json
import os
import subprocess
from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest

from foretell.data.kinds.time import INSTANT
from foretell.generation.fidelity import average, discriminator, facts, shapes, trends, utility
from foretell.generation.guard import membership, novelty
from foretell.generation.modality import modality
from foretell.generation.novelty import Nearness, auc
from foretell.records import Fact

PEER = os.environ.get("FORETELL_SDMETRICS", "")
"""Interpreter of an environment with `sdmetrics` and `pyarrow`; the former asks for an older pandas."""


def people(count: int, seed: int) -> pl.DataFrame:
    """Return rows whose columns hang together, with missing values and an instant."""
    rng = np.random.default_rng(seed)
    age = rng.normal(40, 12, count).round(1)
    income = (1000 + 40 * age + rng.uniform(-500, 500, count)).round(2)
    city = rng.choice(["north", "south", "west"], count, p=[0.5, 0.3, 0.2])
    owns = np.where(rng.random(count) < 1 / (1 + np.exp((40 - age) / 5)), "yes", "no")
    days = pl.Series(rng.integers(0, 700, count) * 86_400_000_000).cast(pl.Datetime("us", "UTC"))
    frame = pl.DataFrame({"age": age, "income": income, "city": city, "owns": owns, "since": days})
    known = [pl.Series(rng.random(count) > 0.1) for _ in range(2)]
    return frame.with_columns(
        pl.when(known[0]).then("income").alias("income"), pl.when(known[1]).then("city").alias("city")
    )


def shuffled(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows of the same values whose columns know nothing of each other."""
    return frame.select(pl.col(name).shuffle(seed=place) for place, name in enumerate(frame.columns))


def measured(drawn: pl.DataFrame, teach: pl.DataFrame, holdout: pl.DataFrame) -> Mapping[str, Fact]:
    near = novelty(modality("table"), drawn, teach, holdout)
    return {fact.name: fact for fact in (*facts(drawn, teach, holdout, target="owns"), near)}


@pytest.fixture(scope="module")
def parts() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Rows that taught, rows that did not, and rows of a perfect generator."""
    return people(1200, 0), people(1200, 1), people(1200, 2)


def test_a_table_is_like_itself(parts):
    teach = parts[0]
    assert set(shapes(teach, teach).values()) == {1.0}
    assert all(value == pytest.approx(1) for value in trends(teach, teach).values())
    assert len(trends(teach, teach)) == 10
    assert np.array_equal(Nearness.fit(teach).distances(teach, teach), np.zeros(len(teach)))


def test_real_rows_reach_every_goal(parts):
    teach, holdout, fresh = parts
    found = measured(fresh, teach, holdout)
    assert set(found) == {"shapes", "trends", "discriminator", "utility", "nearer"}
    for name in ("shapes", "trends", "utility"):
        assert found[name].value >= found[name].detail["goal"]
    assert found["discriminator"].value <= found["discriminator"].detail["goal"]
    for name in ("discriminator", "nearer"):
        assert found[name].detail["low"] <= 0.5 <= found[name].detail["high"]
    assert {fact.detail["n"] for fact in found.values()} == {1200}


def test_a_copy_of_the_training_rows_is_like_them_but_not_new(parts):
    teach, holdout, _ = parts
    found = measured(teach.sample(1200, shuffle=True, seed=9), teach, holdout)
    assert found["shapes"].value == 1
    assert found["nearer"].value > 0.99
    # What only the training rows tell does not tell copies.
    assert found["discriminator"].detail["against_training"] < 0.5


def test_who_surprises_less_is_found_to_have_taught(parts):
    rng = np.random.default_rng(0)
    teach, holdout = rng.normal(9, 1, 4000), rng.normal(10, 1, 3000)
    told = membership(teach, holdout, by="likelihood")
    # Two normals one deviation apart: the AUC is that of a normal at 1 over the root of 2.
    assert told.detail["low"] < 0.7602 < told.detail["high"]
    assert told.value == pytest.approx(auc(-teach, -holdout).value)
    assert membership(teach, teach, by="likelihood").value == 0.5


def test_columns_that_know_nothing_of_each_other_are_found_out(parts):
    teach, holdout, fresh = parts
    torn = measured(shuffled(fresh), teach, holdout)
    assert torn["shapes"].value >= torn["shapes"].detail["goal"]
    for name in ("trends", "utility"):
        assert torn[name].value < torn[name].detail["goal"]
    assert torn["discriminator"].value > torn["discriminator"].detail["goal"] + 0.1
    assert torn["utility"].value == pytest.approx(0.5, abs=0.07)


def test_a_shifted_column_is_found_by_its_shape_alone(parts):
    teach, _, fresh = parts
    found = shapes(teach, fresh.with_columns(pl.col("age") + 12))
    # A normal that is moved by its own deviation: 1 less the Kolmogorov-Smirnov distance is .617.
    assert found["age"] == pytest.approx(0.617, abs=0.04)
    assert min(value for name, value in found.items() if name != "age") > 0.94


def test_utility_is_that_of_the_rows_that_teach(parts):
    teach, holdout, _ = parts
    assert utility(teach, holdout, "owns") > 0.85
    assert utility(teach, holdout, "income") > 0.3
    assert utility(teach, holdout, "city") == pytest.approx(0.5, abs=0.05)
    turned = teach.with_columns(
        owns=pl.when(pl.col("owns") == "yes").then(pl.lit("no")).otherwise(pl.lit("yes"))
    )
    assert utility(turned, holdout, "owns") < 0.15
    assert np.isnan(utility(teach.with_columns(owns=pl.lit("yes")), holdout, "owns"))


def test_the_nearest_row_is_the_one_that_all_pairs_show():
    rng = np.random.default_rng(3)
    frame = people(300, 4).with_columns(code=pl.Series([f"n{c}" for c in rng.integers(0, 200, 300)]))
    items, reference = frame[:40], frame[40:100]
    # Of more names than have places of their own, directions nearly at right angles stand.
    for held, near in ((frame.drop("code"), 1e-6), (frame, 0.06)):
        metric = Nearness.fit(held)
        every = np.array([metric.distances(items, reference[place : place + 1]) for place in range(60)])
        places, found = metric.nearest(items, reference)
        assert np.allclose(found, every[places, np.arange(40)])
        assert np.allclose(found, every.min(axis=0), atol=near)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    found = [auc(rng.normal(0.5, 1, 200), rng.normal(0, 1, 300)) for _ in range(400)]
    held = np.mean([each.low < 0.6382 < each.high for each in found])
    assert held == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("count", [0, 1, 2, 59])
def test_few_rows_are_measured_as_far_as_they_go(count):
    found = facts(people(count, 0), people(100, 1), people(100, 2), target="owns")
    assert all(fact.detail["n"] == count for fact in found)
    assert {fact.name for fact in found} == (set() if count == 0 else {"shapes", "trends"})


def test_single_instants_and_huge_numbers_are_measured_too():
    huge = np.random.default_rng(0).choice([1e300, -1e300, 5.0], 90)
    at = pl.Series(range(90)).cast(pl.Int64) * 60_000_000 + 1_700_000_000_000_000
    frame = pl.DataFrame({"huge": huge, "at": at.cast(INSTANT), "other": huge / 1e299})
    one = frame.head(1)
    assert set(trends(one, one)) == {("huge", "at"), ("huge", "other"), ("at", "other")}
    assert trends(frame, frame)["huge", "other"] == pytest.approx(1)


def test_missing_and_constant_columns_are_left_out_of_the_average():
    frame = people(200, 0).with_columns(
        none=pl.lit(None, pl.Float64), same=pl.lit(1.0), void=pl.lit(None, pl.String)
    )
    found = shapes(frame, frame)
    assert np.isnan(found["none"]) and np.isnan(found["void"]) and found["same"] == 1
    assert average(found) == 1
    pairs = trends(frame, frame)
    assert np.isnan(pairs["age", "same"]) and np.isnan(pairs["none", "same"])
    assert average(pairs) == pytest.approx(1)
    assert np.isfinite(Nearness.fit(frame).distances(frame, frame)).all()
    assert 0 < discriminator(frame, frame.reverse()).value < 1


@pytest.mark.slow
@pytest.mark.skipif(not PEER, reason="FORETELL_SDMETRICS names no interpreter that has sdmetrics")
def test_shapes_and_trends_are_those_of_sdmetrics(parts, tmp_path):
    teach, _, fresh = parts
    other = shuffled(fresh)
    for name, frame in (("real", teach), ("other", other)):
        frame.write_parquet(tmp_path / f"{name}.parquet")
    script = f"""
import json, pandas as pd
from sdmetrics.reports.single_table import QualityReport
real, other = (pd.read_parquet("{tmp_path}/" + name + ".parquet") for name in ("real", "other"))
kinds = dict(age="numerical", income="numerical", city="categorical", owns="categorical", since="datetime")
report = QualityReport()
report.real_correlation_threshold = report.real_association_threshold = 0
report.generate(real, other, dict(columns={{k: dict(sdtype=v) for k, v in kinds.items()}}), verbose=False)
one, two = (report.get_details(name) for name in ("Column Shapes", "Column Pair Trends"))
print(json.dumps([one.Score.tolist(), two.Score.tolist()]))
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    told = subprocess.run(
        [PEER, "-W", "ignore", "-c", script], capture_output=True, text=True, env=environment, check=True
    )
    ones, pairs = json.loads(told.stdout.splitlines()[-1])
    assert list(shapes(teach, other).values()) == pytest.approx(ones, abs=1e-8)
    assert list(trends(teach, other).values()) == pytest.approx(pairs, abs=1e-8)
