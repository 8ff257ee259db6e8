"""Rows that are drawn: they follow the table, keep what is given, and say how odd a row is."""

import numpy as np
import polars as pl
import pytest

from foretell.data.dataset import Column
from foretell.errors import DataError, SpecError
from foretell.generation.asking import rows_asked
from foretell.generation.steering import Steer
from foretell.generation.tables import TableGenerator, fit
from foretell.generation.telling import explained, predicted
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


def test_rows_that_are_asked_for_follow_what_is_given(generator):
    """A condition on the last columns draws the first ones as they are under it."""
    drawn = rows_asked(generator, 1500, given={"owns": "yes"}, constraints=["income > 2000", "age < 60"])
    assert len(drawn) == 1500 and drawn["owns"].unique().to_list() == ["yes"]
    assert drawn["income"].min() > 2000 and drawn["age"].max() < 60
    truth = people(60_000, 3).filter(
        (pl.col("income") > 2000) & (pl.col("age") < 60) & (pl.col("owns") == "yes")
    )
    assert drawn["age"].mean() == pytest.approx(truth["age"].mean(), abs=1.5)
    assert (drawn["city"] == "south").mean() == pytest.approx((truth["city"] == "south").mean(), abs=0.06)
    assert rows_asked(generator, 0, constraints=["income > 2000"]).is_empty()


def test_what_is_given_as_text_is_read_as_the_column_is(generator):
    """Specs and command lines hold texts."""
    given = {"age": {"from": "30", "to": "40"}, "income": "0", "owns": ["yes", "no"]}
    drawn = rows_asked(generator, 40, given=given)
    assert drawn["age"].is_between(30, 40).all() and drawn["income"].unique().to_list() == [0]
    assert drawn.equals(rows_asked(generator, 40, given={**given, "age": {"from": 30, "to": 40}}))
    for wrong in ("thirty", "inf", "nan"):
        with pytest.raises(SpecError, match="never a name"):
            rows_asked(generator, 4, given={"age": wrong})


def test_without_temperature_the_likeliest_row_alone_is_drawn(generator):
    assert rows_asked(generator, 30, temperature=0)["city"].n_unique() == 1


def test_each_value_of_a_balanced_column_is_drawn_equally_often(generator):
    drawn = rows_asked(generator, 900, balance="city", constraints=["age > 20"])
    assert drawn["city"].value_counts()["count"].to_list() == [300, 300, 300]
    south = drawn.filter(city="south")["age"].mean() - drawn.filter(city="north")["age"].mean()
    assert south == pytest.approx(17, abs=3)
    with pytest.raises(SpecError, match="city"):
        rows_asked(generator, 9, balance="age")


def test_rows_are_filled_within_constraints_or_the_one_that_cannot_be_is_told(generator):
    known = pl.DataFrame({"age": [20.0, 40.0, 60.0] * 50, "city": ["west"] * 150})
    steer = Steer.of(generator.codec, ["income <= 50 * age", "income > 0"])
    filled = generator.fill(known, steer=steer)
    assert filled["age"].equals(known["age"]) and filled["city"].equals(known["city"])
    assert steer.holds(filled).all()
    wrong = known.with_columns(age=pl.when(pl.int_range(pl.len()) == 7).then(-5.0).otherwise("age"))
    with pytest.raises(DataError, match="row 7"):
        generator.fill(wrong, steer=steer)


def test_a_column_is_predicted_from_all_others_as_well_as_the_rules_allow(generator):
    real = people(4000, 9)
    values, chance = predicted(generator, real.with_columns(owns=pl.lit(None, pl.String)), "owns")
    assert np.allclose(chance.sum(axis=1), 1) and set(values) == {"yes", "no"}
    yes = chance[:, values.index("yes")]
    assert yes[(real["income"] > 3000).to_numpy()].mean() == pytest.approx(0.8, abs=0.05)
    assert yes[(real["income"] < 1000).to_numpy()].mean() == pytest.approx(0.15, abs=0.05)
    values, chance = predicted(generator, real, "grade")
    sure = chance[np.arange(len(real)), [values.index(name) for name in real["city"]]]
    assert sure.mean() > 0.45, "a column that another tells is predicted as that one is"


def test_a_row_is_explained_by_its_oddest_value_and_what_is_usual_there(generator):
    odd = pl.DataFrame(
        {"city": ["north"], "age": [38.0], "income": [0.0], "owns": ["yes"], "grade": ["NORTH"]},
    )
    (row,) = explained(generator, odd)
    assert [each.surprise for each in row] == sorted((each.surprise for each in row), reverse=True)
    assert {each.column for each in row} == set(generator.codec.drawn)
    owns = next(each for each in row if each.column == "owns")
    assert owns.usual == "no" and owns.surprise > 1
