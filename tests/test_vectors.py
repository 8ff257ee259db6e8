"""Rows as vectors: what comes back, and which families draw rows by them."""

import numpy as np
import polars as pl
import pytest

from foretell.data.codecs.arrays import ArrayCodec
from foretell.data.dataset import Column
from foretell.data.kinds.time import INSTANT
from foretell.errors import SpecError
from foretell.generation.vectors import FAMILIES, fit_vectors, opened_vectors
from foretell.records import plain, restore
from foretell.spec import GenerateSpec, TrainSpec

KINDS = {
    "few": "category",
    "many": "category",
    "age": "number",
    "gain": "number",
    "income": "number",
    "at": "time",
    "none": "number",
}
COLUMNS = [Column(name=name, kind=kind, role="input", text=name, reason="") for name, kind in KINDS.items()]


def table(count: int = 2000, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    few = rng.choice(["a", "b", "c"], count, p=[0.6, 0.3, 0.1])
    frame = pl.DataFrame(
        {
            "few": few,
            "many": [f"n{k}" for k in rng.integers(0, 60, count)],
            "age": np.clip(rng.normal(np.where(few == "a", 60, 35), 8), 18, 90).round(),
            "gain": np.where(rng.random(count) < 0.9, 0.0, rng.integers(100, 9000, count)),
            "income": np.exp(rng.normal(7, 1, count)),
            "at": pl.Series(rng.integers(19_000, 20_000, count) * 86_400_000_000).cast(INSTANT),
            "none": pl.Series([None] * count, dtype=pl.Float64),
        }
    )
    hidden = pl.Series(rng.random(count) < 0.2)
    return frame.with_columns(pl.when(~hidden).then("age"), pl.when(~hidden.shuffle(0)).then("few"))


def test_rows_come_back_from_vectors():
    real, rng = table(), np.random.default_rng(0)
    codec = ArrayCodec.fit(real, COLUMNS)
    x = codec.encode(real, rng)
    assert x.shape == (len(real), codec.size) and np.isfinite(x).all()
    spread = x.std(axis=0)
    assert np.abs(x.mean(axis=0)).max() < 0.25 and np.abs(spread[spread > 0] - 1).max() < 0.4
    told = codec.decode(x, rng)
    assert told.schema == real.schema
    for name in ("few", "many", "none"):
        assert told[name].equals(real[name], check_names=False)
    assert told["age"].is_null().equals(real["age"].is_null())
    assert (told["gain"] == real["gain"]).mean() > 0.9
    ends = real["income"].quantile(0.01), real["income"].quantile(0.99)
    inner = real["income"].is_between(*ends)
    assert np.abs(np.log(told["income"] / real["income"]).filter(inner)).max() < 0.02
    assert (told["age"] - real["age"]).abs().mean() < 1.5
    assert not (told["at"].to_physical() % 86_400_000_000).any()
    assert restore(ArrayCodec, plain(codec)) == codec


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_draws_rows_that_follow_the_table(family):
    real = table()
    generator = fit_vectors(real, COLUMNS, TrainSpec(threads=1), family=family)
    drawn = generator.draw(1500, GenerateSpec(), seed=1)
    assert drawn.schema == real.schema and len(generator.draw(0, GenerateSpec(), seed=1)) == 0
    assert drawn["age"].null_count() / 1500 == pytest.approx(0.2, abs=0.1)
    assert (drawn["gain"] == 0).mean() == pytest.approx(0.9, abs=0.07)
    told, wanted = (
        frame.filter(few="a")["age"].mean() - frame.filter(few="b")["age"].mean() for frame in (drawn, real)
    )
    assert told > 0.5 * wanted
    again = opened_vectors(generator.files())
    assert again.draw(50, GenerateSpec(), seed=2).equals(generator.draw(50, GenerateSpec(), seed=2))
    with pytest.raises(SpecError, match="balance"):
        generator.draw(5, GenerateSpec(balance="few"), seed=0)
