"""Kinds and tables: what each kind promises, and what a schema keeps."""

import json
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_samples import payments, rules, spec_of
from foretell.data.cells import as_text
from foretell.data.dataset import Column
from foretell.data.kinds import KINDS, kind
from foretell.data.reading import read
from foretell.data.table import Schema, encode, fit_schema
from foretell.errors import CheckpointError, DataError

KIND_NAMES = tuple(KINDS)


@pytest.mark.parametrize("name", KIND_NAMES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_kind_keeps_its_promises(name, data):
    module = kind(name)
    cells = st.none() | st.sampled_from(
        ["7", "-1.5", "inf", "2024-01-31", "a b c", "a b", "x y z", "", "٣", "1e400"]
    )
    series = pl.Series("c", data.draw(st.lists(cells, max_size=30)), dtype=pl.String)
    repaired, found = module.repair(series)
    lost = repaired.null_count() - series.null_count()
    assert len(repaired) == len(series)
    assert sum(rows for _, rows, _ in found) == lost + series.null_count()
    again, nothing = module.repair(repaired)
    assert again.equals(repaired)
    assert sum(rows for rule, rows, _ in nothing if rule != "missing") == 0
    state = json.loads(json.dumps(module.fit(repaired), allow_nan=False))
    values = module.encode(repaired, state)
    column = Column(name="c", kind=name, role="input", text="c", reason="")
    assert values.dtype == np.float32
    assert values.shape == (len(series), len(module.names(column, state)))
    assert not np.isinf(values).any()
    assert all(isinstance(module.show(value, column), str) for value in repaired.to_list())


def test_a_schema_survives_json_and_nothing_else_passes_for_one(tmp_path):
    notes = [f"call number {row} was about {'rain' if row % 2 else 'snow'} again" for row in range(60)]
    frame = payments().with_columns(note=pl.Series(notes), opened=pl.col("paid_at").dt.offset_by("-3d"))
    frame.write_parquet(tmp_path / "rows.parquet")
    dataset = read(spec_of(tmp_path / "rows.parquet"))
    schema = fit_schema(dataset, np.arange(30))
    restored = Schema.from_plain(json.loads(json.dumps(schema.to_plain())))
    assert restored == schema
    table = encode(dataset, restored)
    np.testing.assert_array_equal(table.values, encode(dataset, schema).values)
    assert len(table.names) == len(set(table.names)) == table.values.shape[1] == len(table.columns)
    assert [name for name, coded in zip(table.names, table.categorical, strict=True) if coded] == ["channel"]
    assert "opened.days" in table.names
    assert "paid_at.days" not in table.names
    for wrong in ({}, {"columns": [{"name": 1}], "states": {}}, {"columns": []}):
        with pytest.raises(CheckpointError, match="not a schema"):
            Schema.from_plain(wrong)


def test_states_are_fitted_on_the_teaching_rows_alone(tmp_path):
    frame = payments().with_columns(channel=pl.Series(["web"] * 30 + ["shop"] * 20 + ["fax"] * 10))
    frame.write_parquet(tmp_path / "rows.parquet")
    dataset = read(spec_of(tmp_path / "rows.parquet"))
    schema = fit_schema(dataset, np.arange(40))
    codes = encode(dataset, schema).values[:, list(schema.states).index("channel") - len(schema.states)]
    assert schema.states["channel"] == {"values": ["web", "shop"]}
    assert list(np.unique(codes[:30])) == [1]
    assert list(np.unique(codes[50:])) == [0]


def test_hours_and_weekdays_are_those_of_the_calendar():
    series = pl.Series(
        "t", [datetime(2024, 2, 29, 18, 30, tzinfo=UTC), datetime(1969, 12, 29, tzinfo=UTC), None]
    )
    hour, weekday, *_ = kind("time").encode(series, {}).T
    np.testing.assert_array_equal(hour, [18.5, 0, np.nan])
    np.testing.assert_array_equal(weekday, [3, 0, np.nan])


def test_whole_floats_and_integers_are_one_name():
    assert as_text(pl.Series([7.0, 7.5, None])).to_list() == ["7", "7.5", None]
    assert as_text(pl.Series([7])).to_list() == ["7"]


# prediction


def test_a_stored_schema_reads_new_rows_the_same_way(tmp_path):
    payments().write_parquet(tmp_path / "rows.parquet")
    taught = read(spec_of(tmp_path / "rows.parquet"))
    schema = fit_schema(taught, np.arange(40))
    new = payments(3).drop("y").with_columns(channel=pl.lit("fax"), extra=pl.lit(1), amount=pl.lit("7"))
    new.write_csv(tmp_path / "new.csv")
    dataset = read(spec_of(tmp_path / "new.csv"), columns=schema.columns)
    assert list(dataset.target) == [-1, -1, -1]
    assert rules(dataset) == {("extra", "unknown column"): 3}
    table = encode(dataset, schema)
    assert table.names == encode(taught, schema).names
    assert list(table.values[:, table.names.index("channel")]) == [0, 0, 0]
    assert list(table.values[:, table.names.index("amount")]) == [7, 7, 7]
    new.rename({"amount": "amont"}).write_csv(tmp_path / "new.csv")
    with pytest.raises(DataError, match="did you mean 'amont'"):
        read(spec_of(tmp_path / "new.csv"), columns=schema.columns)


def test_a_label_the_schema_does_not_know_is_unknown_and_counted(tmp_path):
    payments().write_parquet(tmp_path / "rows.parquet")
    columns = read(spec_of(tmp_path / "rows.parquet")).columns
    payments(4).with_columns(y=pl.Series([1, 0, 5, None])).write_parquet(tmp_path / "new.parquet")
    dataset = read(spec_of(tmp_path / "new.parquet"), columns=columns)
    assert list(dataset.target) == [1, 0, -1, -1]
    assert rules(dataset)["y", "unknown outcome"] == 1


def test_one_row_is_encoded_as_it_is_among_many(tmp_path):
    payments().write_parquet(tmp_path / "rows.parquet")
    dataset = read(spec_of(tmp_path / "rows.parquet"))
    schema = fit_schema(dataset, np.arange(len(dataset)))
    whole = encode(dataset, schema).values
    for row in (0, 17, 59):
        np.testing.assert_array_equal(encode(dataset.take(np.array([row])), schema).values[0], whole[row])


def test_a_date_is_read_alike_beside_instants_of_any_offset():
    found, _ = kind("time").repair(
        pl.Series("at", ["2018-08-10", "2018-08-10 12:00:00+02", "2018-08-10 12:00:00-05"])
    )
    assert [at.isoformat() for at in found] == [
        "2018-08-10T00:00:00+00:00", "2018-08-10T10:00:00+00:00", "2018-08-10T17:00:00+00:00",
    ]  # fmt: skip
