"""A bundle holds what a case rests on: from its rows alone, and no more, each case comes out byte by byte."""

import json
import zipfile
from pathlib import Path

import polars as pl
import pytest

from foretell.bundling import replay_bundle, replayable
from foretell.cases import Store, bundle_check
from foretell.cases.bundle import Choice, write_bundle
from foretell.errors import StoreError
from shared_runs import paid


@pytest.fixture(scope="module")
def run() -> Path:
    return paid().folder


def bundle(run: Path, target: Path, choice: Choice) -> Path:
    with Store(f"sqlite:///{run / 'cases.db'}") as store:
        model = store.cases(limit=1)[0].prediction.model
        shared, rows = replayable({model: run / "model"})
        write_bundle(store, target, choice, extra=rows, shared=shared)
    return target


def test_every_case_of_a_bundle_comes_out_the_same_where_neither_data_nor_store_are(run, tmp_path):
    with Store(f"sqlite:///{run / 'cases.db'}") as store:
        kinds = {case.id: {fact.kind for fact in case.evidence.facts} for case in store.all_cases()}
    wanted = "past_event", "history", "attribution", "similar", "counterfactual", "sample"
    ids = {next(name for name, found in kinds.items() if kind in found) for kind in wanted} | {*[*kinds][-3:]}
    file = bundle(run, tmp_path / "b.zip", Choice(ids=tuple(ids)))
    source, away = run.parent / "transactions.parquet", run.parent / "away.parquet"
    source.rename(away)
    try:
        done = [*replay_bundle(file)]
    finally:
        away.rename(source)
    assert {each.case for each in done} == ids
    assert [part.difference for each in done for part in each.parts] == [""] * (3 * len(ids))


def test_a_bundle_of_one_case_holds_the_rows_of_its_entities_alone(run, tmp_path):
    with Store(f"sqlite:///{run / 'cases.db'}") as store:
        case, *others = store.cases()
    file = bundle(run, tmp_path / "b.zip", Choice(ids=(case.id,)))
    with zipfile.ZipFile(file) as packed:
        [name] = [name for name in packed.namelist() if name.endswith("rows.json")]
        held = json.loads(packed.read(name))
        whole = b"".join(packed.read(name) for name in packed.namelist())
    columns, mine = held["columns"], case.prediction.entities
    for customer, terminal in zip(columns["customer"], columns["terminal"], strict=True):
        assert customer == mine["customer"] or terminal == mine["terminal"]
    rows = pl.read_parquet(run.parent / "transactions.parquet")
    assert 0 < len(held["ids"]) < len(rows) / 20
    for other in others:
        if other.prediction.entities["customer"] != mine["customer"]:
            assert other.narrative.text.encode() not in whole
    assert max(held["at_us"]) == held["at_us"][held["ids"].index(case.id)]


def test_a_changed_row_is_found_and_a_row_too_few_changes_the_case(run, tmp_path):
    with Store(f"sqlite:///{run / 'cases.db'}") as store:
        case = store.cases(limit=1)[0]
        model = case.prediction.model
        shared, rows = replayable({model: run / "model"})

        def other(case):
            held = json.loads(rows(case)["rows.json"])
            held["columns"]["amount"][0] *= 3
            return {"rows.json": json.dumps(held).encode()}

        write_bundle(store, tmp_path / "b.zip", Choice(ids=(case.id,)), extra=other, shared=shared)
    (done,) = replay_bundle(tmp_path / "b.zip")
    assert not done.passed
    with zipfile.ZipFile(tmp_path / "b.zip", "a") as packed:
        packed.writestr("more.txt", "more")
    with pytest.raises(StoreError, match="does not hold"):
        list(replay_bundle(tmp_path / "b.zip"))


def test_a_bundle_without_rows_says_so(run, tmp_path):
    with Store(f"sqlite:///{run / 'cases.db'}") as store:
        write_bundle(store, tmp_path / "b.zip", Choice(ids=(store.cases(limit=1)[0].id,)))
    assert bundle_check.checked(str(tmp_path / "b.zip"))[0].faults == []
    with pytest.raises(StoreError, match="no case of the bundle has its rows"):
        list(replay_bundle(tmp_path / "b.zip"))
    with pytest.raises(StoreError, match="cannot be read"):
        list(replay_bundle(tmp_path / "none.zip"))
