"""Columns as tokens: what comes back, and what does not."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.data.codecs.arrays import ArrayCodec
from foretell.data.codecs.tables import FREQUENT, NAMED, Names, Numbers, TableCodec
from foretell.data.dataset import Column
from foretell.data.kinds.time import INSTANT

RNG = np.random.default_rng(0)


def columns(**kinds: str) -> list[Column]:
    return [Column(name=name, kind=kind, role="input", text=name, reason="") for name, kind in kinds.items()]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([None, "", "a", "b", "é", "a b"]), min_size=1, max_size=60))
def test_names_come_back_as_they_were(values):
    series = pl.Series("name", values, dtype=pl.String)
    coder = Names.fit(series)
    tokens = coder.encode(series)
    assert coder.decode(tokens, RNG).to_list() == values
    assert tokens.max() < coder.sizes[0]


def test_names_beyond_the_frequent_share_a_token_and_come_back_as_often_as_they_were():
    series = pl.Series("name", [f"n{i}" for i in range(NAMED)] * 2 + ["x"] + [f"r{i}" for i in range(9)])
    coder = Names.fit(series)
    assert coder.sizes == (NAMED + 1,) and len(coder.rare) == 10
    drawn = coder.decode(np.full((5000, 1), NAMED), RNG)
    assert set(drawn.to_list()) == set(coder.rare)
    assert coder.encode(pl.Series(["never seen"]))[0, 0] == NAMED


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 3), st.booleans())
def test_frequent_numbers_come_back_exactly_and_others_keep_their_place(seed, decimals, missing):
    rng = np.random.default_rng(seed)
    values = np.concatenate([np.zeros(40), np.full(9, 7.5), rng.normal(0, 100, 300).round(decimals)])
    values = np.where(rng.random(len(values)) < 0.1 * missing, np.nan, values)
    series = pl.Series("x", values).fill_nan(None)
    coder = Numbers.fit(series)
    assert {0.0, 7.5} <= set(coder.atoms)
    told = coder.decode(coder.encode(series), rng)
    known = series.is_not_null()
    assert told.is_null().to_list() == series.is_null().to_list()
    atoms = series.is_in(coder.atoms) & known
    assert told.filter(atoms).to_list() == series.filter(atoms).to_list()
    assert told.min() >= series.min() and told.max() <= series.max()
    rest, back = (each.filter(known & ~atoms).to_numpy() for each in (series, told))
    assert np.all(np.round(back, coder.decimals) == back)
    steps = np.diff(np.array(coder.edges))
    assert np.abs(rest - back).max() <= steps.max() + 10.0**-coder.decimals


def test_a_number_that_few_rows_hold_is_no_token_of_its_own():
    series = pl.Series("x", [1.0] * 50 + [2.0] * (FREQUENT - 1) + list(np.linspace(10, 20, 80)))
    assert Numbers.fit(series).atoms == (1.0,)


@pytest.mark.parametrize("codec", [TableCodec, ArrayCodec])
@pytest.mark.parametrize("many", [[0.0] * 400, [0.0] * 200 + [1.0] * 200, [None] * 400])
@pytest.mark.parametrize("few", [[123456.78], [98765.4] * (FREQUENT - 1)])
def test_a_number_of_a_row_alone_is_never_drawn(codec, many, few):
    frame = pl.DataFrame({"x": [*many, *few]}, schema={"x": pl.Float64})
    held = codec.fit(frame, columns(x="number"))
    if isinstance(held, ArrayCodec):
        told = held.decode(held.encode(frame, RNG), RNG)
        wild = held.decode(RNG.normal(0, 9, (500, held.size)).astype(np.float32), RNG)
    else:
        told = held.decode(held.encode(frame), RNG)
        wild = held.decode(RNG.integers(0, held.sizes, (500, len(held.sizes))), RNG)
    for drawn in (told, wild):
        assert {*drawn["x"].to_list()} <= {*many}


@pytest.mark.parametrize("grain", [86_400_000_000, 60_000_000])
def test_instants_come_back_in_the_grain_in_which_they_were_told(grain):
    at = pl.Series("at", RNG.integers(0, 10_000, 400) * grain).cast(INSTANT)
    coder = Numbers.fit(at)
    told = coder.decode(coder.encode(at), RNG)
    assert told.dtype == INSTANT and not (told.to_physical().to_numpy() % grain).any()
    assert coder.grain_us == grain


def test_what_one_column_tells_of_another_is_not_learned_but_kept():
    grade = RNG.integers(0, 5, 300)
    frame = pl.DataFrame(
        {
            "grade": pl.Series(grade).cast(pl.Float64),
            "word": np.array(["none", "poor", "fair", "good", "best"])[grade],
            "other": RNG.choice(["u", "v"], 300),
        }
    )
    codec = TableCodec.fit(frame, columns(grade="number", word="category", other="category"))
    assert codec.drawn == ("grade", "other") and len(codec.sizes) == 2
    assert codec.decode(codec.encode(frame), RNG).equals(frame)


def test_columns_of_one_value_or_none_are_coded_too():
    frame = pl.DataFrame(
        {"one": [3.5] * 20, "none": pl.Series([None] * 20, dtype=pl.Float64), "void": [None] * 20},
        schema={"one": pl.Float64, "none": pl.Float64, "void": pl.String},
    )
    codec = TableCodec.fit(frame, columns(one="number", none="number", void="category"))
    assert codec.decode(codec.encode(frame), RNG).equals(frame)
