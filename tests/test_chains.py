"""Linked tables and events through the whole road: keys fit, files are there, the generator opens again."""

import numpy as np
import polars as pl
import pytest

from foretell import provenance, studio
from foretell.border import load_spec
from foretell.generation import chains
from foretell.training.checkpoint import open_checkpoint

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("chains"), np.random.default_rng(0)
    region = rng.choice(["north", "south"], 150)
    people = pl.DataFrame({"person_id": [f"p{k}" for k in range(150)], "region": region, "land": "CH"})
    people = people.with_columns(name=pl.Series([f"Ann {k % 120}" for k in range(150)]))
    counts = rng.poisson(1 + 2 * (region == "south"))
    owner = np.repeat(np.arange(150), counts)
    price = rng.normal(np.where(region[owner] == "south", 50, 20), 3).round(1)
    orders = pl.DataFrame({"buyer": [f"p{k}" for k in owner], "price": price})
    people.write_csv(folder / "people.csv")
    orders.write_csv(folder / "orders.csv")
    days = rng.integers(0, 300, len(owner))
    at = [f"2026-{1 + day // 28 % 12:02d}-{1 + day % 28:02d}" for day in days.tolist()]
    orders.with_columns(at=pl.Series(at), region=pl.Series(region[owner])).write_csv(folder / "events.csv")
    return folder


def settled(folder, source, out, *overrides):
    start = {"source": str(folder / source), "task": {"name": "generate"}, "out": str(folder / out)}
    common = ("data.licence=own", "generate.count=60", "train.budget=4s")
    return load_spec(start, (*common, *overrides))


def test_children_name_parents_that_are_there(folder):
    spec = settled(folder, "people.csv", "linked", "data.id=person_id")
    spec = load_spec(spec, (f"generate.children={{'{folder / 'orders.csv'}': buyer}}",))
    done = studio.generate(spec)
    people = pl.read_csv(done.path / "parents.csv", schema_overrides={"person_id": pl.String})
    orders = pl.read_csv(done.path / "orders.csv", schema_overrides={"buyer": pl.String})
    assert len(people) == len(done.items) == 60 and people["person_id"].n_unique() == 60
    assert orders["buyer"].is_in(people["person_id"].to_list()).all()
    assert people["land"].unique().to_list() == ["CH"], "what is the same in all rows stays"
    assert people["name"].null_count() == 60, "names of persons do not"
    assert orders.columns == ["buyer", "price"] and done.case.verdict.passed
    assert provenance.read(done.path, folder=done.path.parent).state == provenance.UNALTERED


def test_events_of_groups_come_in_the_order_of_time_and_open_again(folder):
    done = studio.generate(settled(folder, "events.csv", "events", "data.group=buyer", "data.time=at"))
    frame = pl.read_csv(done.path / "events.csv", try_parse_dates=True)
    assert {*frame.columns} == {"buyer", "price", "at", "region"}
    for (_,), rows in frame.group_by("buyer"):
        assert rows["at"].is_sorted() and rows["region"].n_unique() == 1
    opened = chains.opened(open_checkpoint(done.path.parent / "model").files)
    again = opened.draw(20, done.studio.spec.generate, seed=3)
    first = done.studio.generator.draw(20, done.studio.spec.generate, seed=3)
    assert all(again.tables[name].equals(frame) for name, frame in first.tables.items())
