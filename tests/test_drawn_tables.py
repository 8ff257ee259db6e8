"""Rows that are drawn: they follow the table, keep what is given, and say how odd a row is."""

import numpy as np
import polars as pl
import pytest

from foretell.data.dataset import Column
from foretell.generation.tables import TableGenerator, fit
from foretell.spec import TrainSpec

KINDS = {"city": "category", "age": "number", "income": "number", "owns": "category", "grade": "category"}


def people(count: int, seed: int) -> pl.DataFrame:
    """Return rows whose columns depend on each other by known rules."""
    rng = np.random.default_rng(seed)
    city = rng.choice(["north", "south", "west"], count, p=[0.5, 0.3, 0.2])
    age = np.clip(rng.normal(np.where(city == "south", 55, 38), 9), 18, 90).round()
    income = np.where(rng.random(count) < 0.2, 0.0, np.exp(rng.normal(7 + 0.02 * age, 0.3))).round(2)
    owns = np.where(rng.random(count) < np.where(income > 2000, 0.8, 0.15), "yes", "no")
    frame = pl.DataFrame({"city": city, "age": age, "income": income, "owns": owns, "grade": city})
    known = pl.Series(rng.random(count) > 0.1)
    return frame.with_columns(pl.when(known).then("age").alias("age"), pl.col("grade").str.to_uppercase())


@pytest.fixture(scope="module")
def real() -> pl.DataFrame:
    return people(3000, 0)


@pytest.fixture(scope="module")
def generator(real) -> TableGenerator:
    columns = [
        Column(name=name, kind=kind, role="input", text=name, reason="") for name, kind in KINDS.items()
    ]
    return fit(real, columns, TrainSpec(threads=1))


def test_drawn_rows_follow_the_rules_of_the_table(generator, real):
    drawn = generator.draw(3000, seed=1)
    assert drawn.schema == real.select(drawn.columns).schema
    assert drawn["grade"].to_list() == drawn["city"].str.to_uppercase().to_list()
    for frame in (drawn, people(3000, 1)):
        south = frame.filter(city="south")["age"].mean() - frame.filter(city="north")["age"].mean()
        assert south == pytest.approx(17, abs=2.5)
        rich = frame.filter(pl.col("income") > 2000)["owns"].eq("yes").mean()
        poor = frame.filter(pl.col("income") <= 2000)["owns"].eq("yes").mean()
        assert rich == pytest.approx(0.8, abs=0.06) and poor == pytest.approx(0.15, abs=0.05)
        assert frame["age"].null_count() / len(frame) == pytest.approx(0.1, abs=0.025)
        assert (frame["income"] == 0).mean() == pytest.approx(0.2, abs=0.03)


def test_the_seed_alone_decides_which_rows_are_drawn(generator):
    assert generator.draw(50, seed=3).equals(generator.draw(50, seed=3))
    assert not generator.draw(50, seed=3).equals(generator.draw(50, seed=4))
    assert len(generator.draw(0)) == 0


def test_what_is_known_of_a_row_stays_and_what_is_missing_follows_it(generator):
    known = pl.DataFrame({"owns": ["yes"] * 400 + ["no"] * 400, "city": ["south"] * 800})
    filled = generator.fill(known, seed=2)
    assert filled["owns"].to_list() == known["owns"].to_list()
    assert filled["grade"].unique().to_list() == ["SOUTH"]
    truth = people(20_000, 5).filter(city="south")
    told, wanted = (
        dict(frame.group_by("owns").agg((pl.col("income") > 2000).mean()).iter_rows())
        for frame in (filled, truth)
    )
    anyhow = (truth["income"] > 2000).mean()
    assert all(abs(told[owns] - wanted[owns]) < 0.6 * abs(anyhow - wanted[owns]) for owns in ("yes", "no"))


def test_a_row_is_odd_where_its_columns_contradict_each_other(generator):
    real = people(1000, 7)
    torn = real.with_columns(pl.col("income").shuffle(seed=0), pl.col("age").shuffle(seed=1))
    usual, odd = (generator.surprise(frame) for frame in (real, torn))
    assert usual.shape == (1000, 4)
    assert odd.sum(axis=1).mean() > usual.sum(axis=1).mean() + 0.2
    place = generator.codec.drawn.index("owns")
    wrong = real.with_columns(
        owns=pl.when(pl.col("owns") == "yes").then(pl.lit("no")).otherwise(pl.lit("yes"))
    )
    given = [generator.surprise(frame, given_all=True)[:, place].mean() for frame in (real, wrong)]
    assert given[1] > given[0] + 0.5
