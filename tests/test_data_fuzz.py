"""Readers under arbitrary input: a dataset whose counts add up, or an error meant for users; nothing else."""

import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.data.audit import audit
from foretell.data.dataset import Dataset
from foretell.data.reading import read
from foretell.data.split import split
from foretell.data.table import encode, fit_schema
from foretell.errors import ForetellError
from foretell.spec import DataSpec, Spec

FUZZ = settings(max_examples=60, deadline=None)


def outcome(content: bytes, ending: str, **data: Any) -> Dataset | ForetellError:
    """Read a file of this content, then split, audit and encode it; return the dataset or the error."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows{ending}"
        path.write_bytes(content)
        try:
            dataset = read(Spec(data=DataSpec(source=str(path), **data)))
        except ForetellError as error:
            assert error.message and error.hint
            return error
    try:
        parts = split(dataset)
        assert audit(dataset, parts)
        rows = np.concatenate([parts.train, parts.valid, parts.test, parts.history])
        assert len(np.unique(rows)) == len(rows) <= len(dataset)
    except ForetellError as error:
        assert error.message and error.hint
    table = encode(dataset, fit_schema(dataset, np.arange(len(dataset))))
    assert table.values.shape == (len(dataset), len(table.names))
    return dataset


def left_out(dataset: Dataset) -> int:
    """Return the rows that were reported as dropped."""
    rules = ("ragged row", "no instant", "repeated row")
    return sum(repair.rows for repair in dataset.repairs if repair.rule in rules)


@FUZZ
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content):
    for ending in (".csv", ".parquet"):
        outcome(content, ending, target="y")


@FUZZ
@given(st.text(alphabet='y,;|\t\n\r" .01a-é٣\0', max_size=120))
def test_any_text_under_a_header_is_read_or_refused(body):
    outcome(f"y,a,at\n{body}".encode(), ".csv", target="y")


@FUZZ
@given(st.data())
def test_a_damaged_parquet_file_is_read_or_refused(data):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"y": ["a", "b"] * 10, "n": list(range(20))}), sink)
    content = bytearray(sink.getvalue().to_pybytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    outcome(bytes(content[: data.draw(st.integers(1, len(content)))]), ".parquet", target="y")


NUMBERS = st.none() | st.sampled_from([0.0, 1.0, -2.5, 1e300, 1e308, float("inf"), float("nan"), 1.7e9])
TEXTS = st.none() | st.sampled_from(
    [
        "",
        " ",
        "yes",
        "no",
        "NA",
        "1,200",
        "7",
        "-",
        "007",
        "2024-01-31",
        "0001-01-01",
        "9999-12-31T23:59:59+00:00",
        "a b c d e",
        "Ünïcode 🙂",
        'quote " and, comma',
        "line\nend",
        "1e999",
        "x" * 300,
    ]
)
CELLS = {
    pa.float64(): NUMBERS,
    pa.int64(): st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3),
    pa.uint64(): st.none() | st.integers(0, 2**64 - 1),
    pa.bool_(): st.none() | st.booleans(),
    pa.string(): TEXTS,
    pa.binary(): st.none() | st.sampled_from([b"a", b"b", b"\xff"]),
    pa.date32(): st.none() | st.dates(date(1, 1, 1)),
    pa.timestamp("ms"): st.none() | st.datetimes(datetime(1, 1, 1)).map(lambda at: at.replace(microsecond=0)),
    pa.timestamp("us", "Europe/Berlin"): st.none()
    | st.datetimes(datetime(1900, 1, 1), timezones=st.just(UTC)),
    pa.time64("us"): st.none() | st.times(),
    pa.dictionary(pa.int32(), pa.string()): TEXTS,
    pa.list_(pa.int64()): st.none() | st.lists(st.integers(0, 3), max_size=2),
    pa.null(): st.none(),
}
NAMES = st.sampled_from(["a", "b", "at", "customer_id", "id", "größe", "🙂", "", " ", "A B", "1"]) | st.text(
    max_size=4
)


@st.composite
def tables(draw) -> pa.Table:
    rows = draw(st.integers(0, 30))
    labels = draw(st.lists(st.sampled_from(["yes", "no"]), min_size=rows, max_size=rows))
    columns, names = [pa.array(labels, pa.string())], ["y"]
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(list(CELLS)))
        pool = draw(st.lists(CELLS[kind], min_size=1, max_size=6))
        cells = draw(st.lists(st.sampled_from(pool), min_size=rows, max_size=rows))
        columns.append(pa.array(cells, kind))
        names.append(draw(NAMES))
    return pa.Table.from_arrays(columns, names=names)


@FUZZ
@given(tables(), st.booleans())
def test_any_small_table_in_parquet_keeps_its_count_of_rows(table, twice):
    table = pa.concat_tables([table, table]) if twice else table
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    named = {"id": "id"} if "id" in table.column_names else {}
    found = outcome(sink.getvalue().to_pybytes(), ".parquet", target="y", **named)
    if isinstance(found, Dataset):
        assert len(found) + left_out(found) == table.num_rows
        assert len(found.ids) == len(found.target) == len(found.at_us) == len(found.known_at_us) == len(found)
        assert (np.diff(found.at_us) >= 0).all()


@FUZZ
@given(st.lists(st.tuples(TEXTS, TEXTS, st.sampled_from(["yes", "no"])), max_size=30), NAMES)
def test_any_small_table_in_csv_keeps_its_count_of_rows(rows, name):
    frame = pl.DataFrame(
        rows, schema={"customer_id": pl.String, name + "\u200b": pl.String, "y": pl.String}, orient="row"
    )
    found = outcome(frame.write_csv().encode(), ".csv", target="y")
    if isinstance(found, Dataset):
        assert len(found) + left_out(found) == len(rows)
