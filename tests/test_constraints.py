"""Rows under constraints: every one satisfies all of them, as it was decoded, and none is rejected."""

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.data.codecs.tables import TableCodec
from foretell.data.dataset import Column
from foretell.data.kinds.time import INSTANT
from foretell.errors import DataError, SpecError
from foretell.generation.steering import Steer
from foretell.generation.tables import drawn
from foretell.models.columns import ColumnNet

KINDS = {
    "status": "category",
    "other": "category",
    "kind": "category",
    "age": "number",
    "income": "number",
    "rate": "number",
    "start": "time",
    "end": "time",
}
DAY_US = 86_400_000_000


def table(count: int = 1500, seed: int = 0) -> pl.DataFrame:
    """Return rows that satisfy next to nothing: each column is by itself."""
    rng = np.random.default_rng(seed)
    status = rng.choice(["new", "open", "closed"], count)
    names = np.array([f"n{i}" for i in range(1100)])
    frame = pl.DataFrame(
        {
            "status": status,
            "other": rng.choice(["new", "open", "lost"], count),
            "kind": np.concatenate([names, rng.choice(names[:5], count - 1100)]),
            "age": rng.integers(0, 90, count).astype(float),
            "income": np.where(rng.random(count) < 0.3, 0, np.exp(rng.normal(7, 1, count))).round(2),
            "rate": rng.normal(0, 1, count),
            "start": pl.Series(rng.integers(19_000, 20_000, count) * DAY_US).cast(INSTANT),
            "end": pl.Series(rng.integers(19_000, 20_000, count) * DAY_US).cast(INSTANT),
        }
    )
    hidden = pl.Series(rng.random(count) < 0.1)
    return frame.with_columns(
        pl.when(~hidden).then("age"),
        pl.when(~hidden.shuffle(1)).then("other"),
        label=pl.col("status").str.to_uppercase(),
    )


COLUMNS = [
    Column(name=name, kind=kind, role="input", text=name, reason="")
    for name, kind in {**KINDS, "label": "category"}.items()
]
REAL = table()
CODEC = TableCodec.fit(REAL, COLUMNS)
with torch.random.fork_rng(devices=[]):
    torch.manual_seed(0)
    NET = ColumnNet(CODEC.sizes).eval()
NET.start_at(CODEC.encode(REAL))


def rows(steer: Steer, count: int = 400, seed: int = 0) -> pl.DataFrame:
    """Return what a net that never saw a constraint draws."""
    free = np.full((count, len(CODEC.sizes)), -1, np.int64)
    pool = drawn(NET, free, seed=seed, steer=steer)
    led = np.flatnonzero(np.isfinite(pool.kept))
    assert len(led) > 0.9 * count, "only what two constraints ask of a third column can lead to a dead end"
    return pool.rows(CODEC, led, np.random.default_rng(seed))


LAWS = {
    "age >= 18": pl.col("age") >= 18,
    "18 < age <= 30": pl.col("age").is_between(18, 30, closed="right"),
    "age in (20, 30, -1)": pl.col("age").is_in([20.0, 30.0]),
    "start <= end": pl.col("start") <= pl.col("end"),
    "end - start >= days(30)": pl.col("end") - pl.col("start") >= pl.duration(days=30),
    "start < '2022-06-01'": pl.col("start") < pl.datetime(2022, 6, 1, time_zone="UTC"),
    "income > 0 if status == 'open'": (pl.col("income") > 0) | (pl.col("status") != "open"),
    "income > 1000.005": pl.col("income") > 1000.005,
    "income <= 20.5 * age": pl.col("income") <= 20.5 * pl.col("age"),
    "rate < -0.5 or rate > 1.25": ~pl.col("rate").is_between(-0.5, 1.25),
    "rate * 3 + 1 <= age / 100": pl.col("rate") * 3 + 1 <= pl.col("age") / 100,
    "status != 'new'": pl.col("status") != "new",
    "status not in ('new', 'open')": pl.col("status") == "closed",
    "status == other": pl.col("status") == pl.col("other"),
    "other is None": pl.col("other").is_null(),
    "other is not None and not (age < 50)": pl.col("other").is_not_null()
    & ((pl.col("age") >= 50) | pl.col("age").is_null()),
    "label == 'OPEN' or age is None": (pl.col("label") == "OPEN") | pl.col("age").is_null(),
    "kind in ('n7', 'n1099', 'n1050')": pl.col("kind").is_in(["n7", "n1099", "n1050"]),
    "`age` < 40 if `label` == 'NEW' else age > 60": pl.when(pl.col("label") == "NEW")
    .then(pl.col("age") < 40)
    .otherwise(pl.col("age") > 60),
}


@pytest.mark.parametrize("text", LAWS)
def test_every_row_satisfies_the_constraint_as_another_reader_understands_it(text):
    steer = Steer.of(CODEC, [text])
    told = rows(steer)
    assert told.select(LAWS[text].fill_null(False).all()).item()
    assert steer.holds(told).all()
    real = REAL.filter(LAWS[text].fill_null(False))
    assert steer.holds(REAL).sum() == len(real), "real rows are judged alike"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(list(LAWS)), min_size=2, max_size=4, unique=True), st.integers(0, 99))
def test_several_constraints_hold_at_once_or_are_refused_beforehand(texts, seed):
    try:
        steer = Steer.of(CODEC, texts)
    except DataError as error:
        named = [text for text in texts if f"`{text}`" in error.message]
        assert named and not holding(named).any()
        return
    told = rows(steer, 100, seed)
    for text in texts:
        assert told.select(LAWS[text].fill_null(False).all()).item(), text


def holding(texts: list[str]) -> np.ndarray:
    return (
        REAL.select(pl.all_horizontal(LAWS[text].fill_null(False) for text in texts)).to_series().to_numpy()
    )


def test_what_is_given_is_there_to_the_last_digit():
    asked = {
        "age": 33,
        "income": 123.45,
        "status": ["new", "closed"],
        "rate": {"from": -0.25, "to": 0.25},
        "other": None,
    }
    told = rows(Steer.of(CODEC, given={**asked, "start": {"from": "2022-05-01", "to": "2022-05-31"}}))
    assert told["age"].unique().to_list() == [33.0] and told["income"].unique().to_list() == [123.45]
    assert set(told["status"]) == {"new", "closed"} == {name.lower() for name in told["label"]}
    assert told["rate"].is_between(-0.25, 0.25).all() and told["rate"].n_unique() > 300
    assert told["other"].null_count() == len(told)
    assert {(each.year, each.month) for each in told["start"]} == {(2022, 5)}


def test_rows_weigh_what_the_masks_took_from_them():
    """Weighed rows are those that drawing and rejecting gives."""
    steer = Steer.of(CODEC, ["start + days(300) <= end", "age > 40"])
    free = np.full((6000, len(CODEC.sizes)), -1, np.int64)
    pool, plain = drawn(NET, free, seed=1, steer=steer), drawn(NET, free, seed=2)
    told = plain.rows(CODEC, np.arange(6000), np.random.default_rng(0))
    told = told.filter(steer.holds(told))
    steered = pool.rows(CODEC, np.arange(6000), np.random.default_rng(0))
    weights = np.exp(pool.kept)
    middle = np.average(steered["start"].to_physical().to_numpy(), weights=weights)
    spread = told["start"].to_physical().std() / len(told) ** 0.5
    assert abs(middle - told["start"].to_physical().mean()) < 4 * spread
    assert weights.mean() == pytest.approx(len(told) / 6000, rel=0.1)


@pytest.mark.parametrize(
    ("texts", "named"),
    [
        (["age > 60", "income > 0", "age < 50"], {"age > 60", "age < 50"}),
        (["age > 90"], {"age > 90"}),
        (["start < end", "status != 'new'", "end < start"], {"start < end", "end < start"}),
        (["status == 'lost'"], {"status == 'lost'"}),
        (["label == 'NEW'", "status == 'open'"], {"label == 'NEW'", "status == 'open'"}),
        (
            ["start > '2022-09-01'", "end - start >= days(900)", "age > 3"],
            {"start > '2022-09-01'", "end - start >= days(900)"},
        ),
    ],
)
def test_constraints_that_contradict_each_other_are_named_before_anything_is_drawn(texts, named):
    with pytest.raises(DataError) as caught:
        Steer.of(CODEC, texts)
    assert {text for text in texts if f"`{text}`" in caught.value.message} == named


@pytest.mark.parametrize(
    "text",
    [
        "",
        "age",
        "1 < 2",
        "age >",
        "size > 3",
        "age > 'x'",
        "status > 'a'",
        "start > 3",
        "start > 'May'",
        "age * age > 3",
        "1 / age > 3",
        "age == (1, 2)",
        "age in income",
        "age is 3",
        "__import__('os').system('true')",
        "age.real > 1",
        "[age for age in (1,)]",
        "days(age) > 3",
        "(lambda: age)() > 3",
        "age ** 9 > 3",
        "age > 1e999",
        "age / 0 > 1",
        "age / (2 - 2.0) > 1",
        "f'{age}' == 'x'",
        "(" * 3000 + "age",
    ],
)
def test_what_is_no_constraint_is_refused_with_the_reason(text):
    with pytest.raises(SpecError) as caught:
        Steer.of(CODEC, [text])
    assert caught.value.hint
