"""Large tables: which rows are drawn and what they stand for, and scores that do not depend on batches."""

import re
import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import foretell
from data_samples import csv_of, spec_of
from foretell import scoring
from foretell.border import load_spec
from foretell.cli import main
from foretell.data.audit import audit
from foretell.data.batches import files_of
from foretell.data.csvfile import batches_of, read_csv
from foretell.data.reading import read
from foretell.data.split import split
from foretell.errors import DataError
from foretell.prediction.fitted import Fitted
from foretell.spec import Spec
from foretell.tasks.classify import sigmoid
from table_samples import rare

NUM_ROWS, MOST = 40_000, 10_000


def stored(folder: Path, frame: pl.DataFrame) -> list[Spec]:
    """Write one table in four forms; return the spec of each."""
    (folder / "parts").mkdir(exist_ok=True)
    frame.write_parquet(folder / "rows.parquet", row_group_size=7_000)
    frame.write_csv(folder / "rows.csv")
    for number, part in enumerate(frame.iter_slices(9_000)):
        part.write_parquet(folder / "parts" / f"part{number}.parquet")
    with sqlite3.connect(folder / "rows.db") as database:
        database.execute(f"create table held ({', '.join(frame.columns)})")
        marks = ",".join("?" * frame.width)
        database.executemany(f"insert into held values ({marks})", frame.rows())
    database.close()
    places = (folder / "rows.parquet", folder / "rows.csv", folder / "parts")
    return [
        *(spec_of(place, rows=MOST) for place in places),
        spec_of(f"sqlite:///{folder / 'rows.db'}", rows=MOST, table="held"),
    ]


def test_a_table_is_drawn_alike_wherever_it_is_stored(tmp_path: Path) -> None:
    frame = rare()
    drawn = [read(spec) for spec in stored(tmp_path, frame)]
    assert len({dataset.fingerprint for dataset in drawn}) == 1
    dataset = drawn[0]
    assert len(dataset) == MOST
    rows = dataset.ids.astype(np.int64)
    assert (np.diff(rows) > 0).all()
    assert dataset.frame["amount"].equals(frame["amount"][rows])
    column = dataset.column("target")
    assert column is not None
    assert column.facts["positives"] == (frame["y"] == "yes").sum()
    other = replace(dataset.spec, train=replace(dataset.spec.train, seed=1))
    assert read(other).fingerprint != dataset.fingerprint


def test_a_table_that_fits_is_held_whole(tmp_path: Path) -> None:
    rare(3_000).write_parquet(tmp_path / "rows.parquet")
    spec = spec_of(tmp_path / "rows.parquet", rows=3_000)
    whole = read(replace(spec, data=replace(spec.data, rows=0)))
    assert read(spec).fingerprint == whole.fingerprint
    assert read(spec).drawn is None
    assert not len(split(whole).more)


@pytest.mark.parametrize("by", ["random", "time", "group"])
def test_rows_beyond_the_plain_draw_only_teach(tmp_path: Path, by: str) -> None:
    start = datetime(2024, 1, 1)
    frame = rare().with_columns(
        at=pl.Series([start + timedelta(minutes=7 * row % NUM_ROWS) for row in range(NUM_ROWS)]),
        team=pl.Series(np.arange(NUM_ROWS) % 900).cast(pl.String),
    )
    frame = frame.select(pl.all() if by == "time" else pl.exclude("at"))
    frame.write_parquet(tmp_path / "rows.parquet")
    roles = {"time": {"exclude": ("team",)}, "group": {"group": "team"}, "random": {"exclude": ("team",)}}[by]
    dataset = read(spec_of(tmp_path / "rows.parquet", rows=MOST, **roles))
    parts = split(dataset)
    assert parts.by == by
    assert len(parts.more) > 0
    assert (dataset.target[parts.more] == 1).all()
    judged = np.concatenate([parts.train, parts.valid, parts.test])
    assert not dataset.beyond[judged].any()
    assert not np.isin(parts.more, judged).any()
    usual = (frame["y"] == "yes").mean()
    assert (dataset.target[judged] == 1).mean() == pytest.approx(usual, abs=4 * np.sqrt(usual / len(judged)))
    held = np.concatenate([parts.valid, parts.test])
    if by == "time":
        assert dataset.at_us[parts.more].max() < dataset.at_us[held].min()
    if by == "group":
        assert not set(dataset.frame["team"][parts.more]) & set(dataset.frame["team"][held])
    assert all(finding.severity != "fault" for finding in audit(dataset, parts))


def test_events_of_entities_are_all_held(tmp_path: Path) -> None:
    """A draw of one row in four would leave each customer hardly one event."""
    start = datetime(2024, 1, 1)
    frame = rare(8_000).with_columns(
        at=pl.Series([start + timedelta(minutes=row) for row in range(8_000)]),
        customer_id=pl.Series(np.arange(8_000) % 3_000),
    )
    frame.write_parquet(tmp_path / "rows.parquet")
    dataset = read(spec_of(tmp_path / "rows.parquet", rows=2_000, exclude=("place",)))
    assert [column.name for column in dataset.inputs("entity")] == ["customer_id"]
    assert len(dataset) == 8_000


def test_the_columns_of_every_file_are_the_same(tmp_path: Path) -> None:
    rare(3_000).write_parquet(tmp_path / "a.parquet")
    rare(3_000).rename({"kind": "sort"}).write_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match="differ in columns: kind, sort"):
        read(spec_of(tmp_path, rows=1_000))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    folder = tmp_path_factory.mktemp("scale")
    rare().write_parquet(folder / "rows.parquet")
    overrides = (f"out={folder / 'run'}", "model.families=[]", f"data.rows={MOST}", 'data.exclude=["place"]')
    return foretell.fit(load_spec({"source": str(folder / "rows.parquet"), "target": "y"}, overrides))


def test_odds_are_those_of_all_rows(fitted: Fitted) -> None:
    """Before any calibration: what teaches is far richer in positives than the table is."""
    dataset = foretell.read(fitted.spec)
    rows, usual = split(dataset).test, (rare()["y"] == "yes").mean()
    teaching = split(dataset)
    assert (dataset.target[np.concatenate([teaching.train, teaching.more])] == 1).mean() > 2 * usual
    raw = sigmoid(fitted.score(dataset, rows).logits)
    assert raw.mean() == pytest.approx(usual, rel=0.3)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_scores_do_not_depend_on_batches(fitted: Fitted, tmp_path: Path, ending: str) -> None:
    new = rare(600).drop("y").with_columns(pl.col("kind").replace("k3", "never seen"))
    source = tmp_path / f"new.{ending}"
    new.write_parquet(source) if ending == "parquet" else new.write_csv(source)
    whole = foretell.predict(fitted, source, reasons=True)
    assert whole["id"].to_list() == [str(row) for row in range(600)]
    for rows in (1, 50, 599) if ending == "parquet" else (599,):
        frames = scoring.scores(fitted, str(source), reasons=True, rows=rows)
        taken = [next(frames) for _ in range(3)] if rows == 1 else list(frames)
        assert all(len(frame) <= rows for frame in taken)
        assert pl.concat(taken).equals(whole[: sum(map(len, taken))])


def test_scores_are_written_as_they_are_returned(fitted: Fitted, tmp_path: Path) -> None:
    rare(500).drop("y").write_parquet(tmp_path / "new.parquet")
    told = foretell.predict(fitted, tmp_path / "new.parquet")
    command = ["predict", str(tmp_path / "new.parquet"), "--run", fitted.spec.out]
    for ending, opened in (("csv", pl.read_csv), ("parquet", pl.read_parquet)):
        out = tmp_path / f"scores.{ending}"
        done = CliRunner().invoke(main, [*command, "--out", str(out)])
        assert done.exit_code == 0, done.output
        assert opened(out)["probability"].equals(told["probability"])
    assert CliRunner().invoke(main, command).stdout == told.write_csv()


def test_scores_are_never_written_over_the_rows_that_are_scored(fitted: Fitted, tmp_path: Path) -> None:
    rows = tmp_path / "new.csv"
    rows.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="holds the rows that are to be scored"):
        scoring.check(rows, str(rows))
    scoring.check(tmp_path / "scores.csv", str(rows))


def test_a_table_that_grows_keeps_most_of_the_rows_that_were_drawn(tmp_path: Path) -> None:
    whole = rare(5_000)
    drawn = []
    for size in (4_800, 5_000):
        whole.head(size).write_parquet(tmp_path / "rows.parquet")
        spec = spec_of(tmp_path / "rows.parquet", rows=1_000)
        drawn.append(set(read(spec).ids.tolist()))
    assert len(drawn[0] & drawn[1]) > 900


@pytest.mark.parametrize("seed", range(4))
def test_a_class_of_which_hardly_a_row_is_drawn_is_none_of_the_classes(tmp_path: Path, seed: int) -> None:
    frame = rare(20_000).with_columns(y=pl.Series(["d"] * 8 + ["a", "b", "c"] * 6664))
    frame.write_parquet(tmp_path / "rows.parquet")
    spec = spec_of(tmp_path / "rows.parquet", rows=2_000)
    dataset = read(replace(spec, train=replace(spec.train, seed=seed)))
    assert sorted(dataset.classes) == ["a", "b", "c"]
    assert len(split(dataset).train)


def test_bytes_that_are_no_text_in_one_batch_are_missing_there(tmp_path: Path) -> None:
    table = pa.table({"note": pa.array([b"fine"] * 6 + [b"\xff"] * 2, pa.binary()), "x": range(8)})
    pq.write_table(table, tmp_path / "rows.parquet")
    files = files_of(str(tmp_path / "rows.parquet"))
    assert files is not None
    told = pl.concat([raw.frame for _, raw in files.batches(rows=3)])
    assert told["note"].to_list() == ["fine"] * 6 + [None] * 2 and told["x"].to_list() == list(range(8))


def test_what_is_interrupted_leaves_the_old_file(fitted: Fitted, tmp_path: Path) -> None:
    rare(400).drop("y").write_parquet(tmp_path / "new.parquet")
    out = tmp_path / "scores.parquet"
    scoring.write(scoring.scores(fitted, str(tmp_path / "new.parquet")), out)
    before = out.read_bytes()

    def interrupted():
        yield from list(scoring.scores(fitted, str(tmp_path / "new.parquet"), rows=100))[:2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scoring.write(interrupted(), out)
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.parquet", "scores.parquet"]


def test_rows_that_cannot_be_scored_are_told(tmp_path: Path) -> None:
    start = datetime(2024, 1, 1)
    frame = rare(4_000).with_columns(at=pl.Series([start + timedelta(minutes=row) for row in range(4_000)]))
    frame.write_parquet(tmp_path / "rows.parquet")
    source = {"source": str(tmp_path / "rows.parquet"), "target": "y"}
    overrides = (f"out={tmp_path / 'run'}", "model.families=[]", 'data.exclude=["place"]')
    model = foretell.fit(load_spec(source, overrides))
    gaps = pl.Series(np.arange(4_000) % 1_000 == 7)
    new = frame.with_columns(pl.when(gaps).then(None).otherwise(pl.col("at")).alias("at"))
    new.reverse().write_parquet(tmp_path / "new.parquet")
    told: list[str] = []
    scores = pl.concat(scoring.scores(model, str(tmp_path / "new.parquet"), rows=500, tell=told.append))
    assert told == ["left out 4 rows: no instant, as in row 993"]
    assert scores["at"].is_sorted(descending=True), "a table stays in the order of its file"
    assert len(scores) == 3_996


def test_a_target_that_no_file_holds_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    for spec in stored(tmp_path, rare()):
        with pytest.raises(DataError, match="unknown column 'kimd'") as told:
            read(replace(spec, data=replace(spec.data, target="kimd")))
        assert "kind" in told.value.hint


@pytest.mark.parametrize(
    "content",
    [
        b"a;b\r\n1;x\r\n;\r\n",
        b'\xef\xbb\xbfa,b\n1,"x\ny, z"\n2,\xff\n',
        "a\tb\n1\tü\n".encode("utf-16"),
        b"a,b\n" + b"1,x\n" * 50 + b"1\n",
        b"a,b\n",
        b"",
        b"a,b\n1\n2,x,y\n",
    ],
)
def test_a_csv_file_is_read_alike_whole_and_in_batches(tmp_path: Path, content: bytes) -> None:
    path = csv_of(tmp_path, content)
    try:
        whole, repairs = read_csv(path)
    except DataError as fault:
        with pytest.raises(DataError, match=re.escape(fault.message.split(":")[0])):
            list(batches_of(path, 7))
        return
    parts = list(batches_of(path, 7))
    assert all(len(frame) <= 7 for frame, _ in parts)
    assert pl.concat([frame for frame, _ in parts]).equals(whole)
    counted = [(repair.rule, repair.rows) for _, found in parts for repair in found]
    assert counted == [(repair.rule, repair.rows) for repair in repairs]
