"""Linked tables and events: keys fit, time runs forwards, what ends a sequence ends it."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from foretell.data.dataset import Column
from foretell.data.kinds.time import INSTANT
from foretell.errors import DataError
from foretell.generation.linked import EVENTS, PARENTS, Link, events_of, fit_linked
from foretell.spec import TrainSpec

DAY_US = 86_400_000_000
CDNOW = Path(__file__).parents[2] / "shared/data/series/events/CDNOW_master.txt"
LINKS = [
    Link(child="items", parent="visits", key="visit", to="id"),
    Link(child="visits", parent="patients", key="patient", to="id", time="at"),
]


def columns(**kinds: str) -> list[Column]:
    return [Column(name=name, kind=kind, role="input", text=name, reason="") for name, kind in kinds.items()]


COLUMNS = {
    "patients": columns(region="category", age="number"),
    "visits": columns(at="time", state="category", cost="number"),
    "items": columns(drug="category"),
}


def world(count: int, seed: int) -> dict[str, pl.DataFrame]:
    """Return patients, their visits, of which a death is the last, and the drugs of each visit."""
    rng = np.random.default_rng(seed)
    region = rng.choice(["north", "south"], count)
    age = rng.integers(20, 90, count)
    visits, items = [], []
    for patient in range(count):
        num = rng.poisson(1.0 + 2.0 * (region[patient] == "south"))
        day = 18_000 + int(rng.integers(0, 300))
        dies = num and rng.random() < 0.4
        for place in range(num):
            state = "dead" if dies and place == num - 1 else str(rng.choice(["well", "ill"]))
            cost = float(np.round(rng.normal(100 if state == "well" else 400, 30), 1))
            visits.append((f"p{patient}", day, state, cost))
            for _ in range(int(rng.poisson(0.3 if state == "well" else 1.5))):
                items.append((f"v{len(visits) - 1}", str(rng.choice(["a", "b"], p=[0.8, 0.2]))))
            day += int(rng.integers(1, 15 if state == "ill" else 60))
    held = pl.DataFrame(visits, schema=["patient", "at", "state", "cost"], orient="row")
    return {
        "patients": pl.DataFrame(
            {"id": [f"p{k}" for k in range(count)], "region": region, "age": age.astype(float)}
        ),
        "visits": held.with_columns(
            pl.format("v{}", pl.int_range(pl.len())).alias("id"), (pl.col("at") * DAY_US).cast(INSTANT)
        ),
        "items": pl.DataFrame(items, schema=["visit", "drug"], orient="row"),
    }


@pytest.fixture(scope="module")
def few() -> dict[str, pl.DataFrame]:
    return world(150, 0)


@pytest.fixture(scope="module")
def rough(few) -> dict[str, pl.DataFrame]:
    """What is drawn after hardly any learning: some things must hold all the same."""
    return fit_linked(few, COLUMNS, LINKS, TrainSpec(threads=1, budget="1s")).draw({"patients": 150}, seed=1)


@pytest.fixture(scope="module")
def real() -> dict[str, pl.DataFrame]:
    return world(700, 0)


@pytest.fixture(scope="module")
def drawn(real) -> dict[str, pl.DataFrame]:
    return fit_linked(real, COLUMNS, LINKS, TrainSpec(threads=1)).draw({"patients": 700}, seed=1)


def test_every_key_names_a_row_and_every_column_is_there(rough, few):
    for link in LINKS:
        keys = rough[link.parent][link.to]
        assert keys.n_unique() == len(keys) and keys.null_count() == 0
        assert rough[link.child][link.key].is_in(keys.to_list()).all()
    for name, frame in rough.items():
        assert set(frame.columns) == set(few[name].columns)
        assert frame.select(few[name].columns).schema == few[name].schema


@pytest.mark.slow
def test_parents_have_as_many_children_as_they_had(drawn, real):
    for link in LINKS:
        (made, had) = (
            np.bincount(
                frames[link.parent]
                .join(frames[link.child], left_on=link.to, right_on=link.key, how="left", coalesce=False)
                .group_by(link.to)
                .agg(pl.col(link.key).count())[link.key]
                .to_numpy(),
                minlength=12,
            )[:12]
            / len(frames[link.parent])
            for frames in (drawn, real)
        )
        assert np.abs(made - had).sum() / 2 < 0.1, "total variation of the counts"


@pytest.mark.slow
def test_children_follow_their_parents(drawn, real):
    for frames in (drawn, real):
        visits = frames["visits"].join(frames["patients"], left_on="patient", right_on="id")
        share = len(visits.filter(region="south")) / len(visits)
        assert share == pytest.approx(0.75, abs=0.06)
        cost = dict(visits.group_by("state").agg(pl.col("cost").mean()).iter_rows())
        assert cost["ill"] - cost["well"] == pytest.approx(300, abs=40)
        items = frames["items"].join(frames["visits"], left_on="visit", right_on="id")
        assert (items["state"] == "well").mean() < 0.3


def test_time_runs_forwards_and_nobody_comes_after_death(rough, few):
    visits = rough["visits"]
    gaps = visits.select(pl.col("at").diff().over("patient"))["at"].drop_nulls()
    assert gaps.min() >= few["visits"].sort("at").select(pl.col("at").diff().over("patient"))["at"].min()
    assert (visits["at"].to_physical() % DAY_US == 0).all()
    assert visits["at"].is_between(few["visits"]["at"].min(), few["visits"]["at"].max()).all()
    ends = visits.with_columns(last=pl.int_range(pl.len()).over("patient") == pl.len().over("patient") - 1)
    assert ends.filter(state="dead")["last"].all()


@pytest.mark.slow
def test_as_many_die_as_did(drawn):
    last = drawn["visits"].group_by("patient", maintain_order=True).last()
    assert (last["state"] == "dead").mean() == pytest.approx(0.4, abs=0.08)


def test_links_that_do_not_fit_are_told(few):
    orphan = few["items"].with_columns(visit=pl.lit("v-1"))
    with pytest.raises(DataError, match="no parent, as visit 'v-1'"):
        fit_linked({**few, "items": orphan}, COLUMNS, LINKS, TrainSpec())
    with pytest.raises(DataError, match="two parents"):
        fit_linked(few, COLUMNS, [*LINKS, LINKS[0]], TrainSpec())
    circle = Link(child="patients", parent="items", key="id", to="visit")
    with pytest.raises(DataError, match="its own child"):
        fit_linked(few, COLUMNS, [*LINKS, circle], TrainSpec())


@pytest.mark.slow
@pytest.mark.skipif(not CDNOW.exists(), reason="no purchases at ../shared/data")
def test_purchases_of_customers_are_drawn_as_events():
    rows = [line.split() for line in CDNOW.read_text().splitlines()[1:] if line.strip()]
    frame = pl.DataFrame(
        {
            "customer": [row[0] for row in rows],
            "at": pl.Series([row[1] for row in rows])
            .str.to_datetime("%Y%m%d", time_zone="UTC")
            .cast(INSTANT),
            "discs": [float(row[2]) for row in rows],
            "dollars": [float(row[3]) for row in rows],
        }
    )
    some = frame["customer"].unique(maintain_order=True)[:3000]
    frame = frame.filter(pl.col("customer").is_in(some.to_list()))
    own = columns(at="time", discs="number", dollars="number")
    frames, kinds, link = events_of(frame, own, entity="customer", time="at")
    drawn = fit_linked(frames, kinds, [link], TrainSpec(threads=1)).draw({PARENTS: 3000}, seed=0)[EVENTS]
    assert (
        drawn.select(pl.col("at").diff().over("customer")).to_series().drop_nulls().dt.total_days().min() >= 0
    )
    assert drawn["at"].is_between(frame["at"].min(), frame["at"].max()).all()
    told, had = (each.group_by("customer").len()["len"].to_numpy() for each in (drawn, frame))
    assert told.mean() == pytest.approx(had.mean(), rel=0.12)
    told, had = (each["dollars"].log1p().mean() for each in (drawn, frame))
    assert told == pytest.approx(had, abs=0.1)
