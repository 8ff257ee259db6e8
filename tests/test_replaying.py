"""A case made again from its model and data has the bytes that were opened; other data are noticed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from case_material import decision
from foretell.cases import Store
from foretell.errors import CheckpointError, DataError
from foretell.replaying import replay
from shared_runs import paid


@pytest.fixture(scope="module")
def folder() -> Path:
    return paid().folder.parent


def test_every_byte_comes_out_the_same_whatever_people_did_since(folder):
    with Store(f"sqlite:///{folder / 'run' / 'cases.db'}") as store:
        cases = store.cases()
        first = cases[0]
        text = first.narrative.claims[0].text
        store.decide(first.id, decision(first, "edit", text=text, detail={"unsupported": "keep"}))
    for case in (cases[0], cases[len(cases) // 2], cases[-1]):
        done = replay(folder / "run", case.id)
        assert [part.difference for part in done.parts] == ["", "", ""]
        assert all(part.num_bytes > 100 for part in done.parts)


def test_another_past_or_another_model_is_noticed(folder):
    source = folder / "transactions.parquet"
    kept = source.read_bytes()
    with Store(f"sqlite:///{folder / 'run' / 'cases.db'}") as store:
        case = store.cases(limit=3)[-1]
    rows = pl.read_parquet(source)
    later = pl.int_range(pl.len()) > np.flatnonzero(rows["transaction_id"].cast(str) == case.id)[0]
    customer = case.prediction.entities["customer"]
    mine = (pl.col("customer").cast(str) == customer) & ~later
    rows.with_columns(
        pl.when(mine).then(pl.col("amount") * 1.5).otherwise("amount").alias("amount")
    ).write_parquet(source)
    try:
        done = replay(folder / "run", case.id)
        assert not done.passed
    except DataError as error:
        assert "no alert" in error.message
    source.write_bytes(kept)
    assert replay(folder / "run", case.id).passed
    path = folder / "run" / "cases.db"
    with Store(f"sqlite:///{path}") as store:
        other = replace(case, id="x1", prediction=replace(case.prediction, id="x1", model="f" * 64))
        other = replace(other, evidence=replace(case.evidence, id="x1"))
        store.open_cases([other])
    with pytest.raises(CheckpointError, match="was scored by model ffffffffffff"):
        replay(folder / "run", "x1")
