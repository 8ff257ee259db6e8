"""Scoring: the lines that `predict` returns, and new rows of a table scored and written batch by batch."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from foretell.data.batches import ROWS, Watch, batches, unwatched
from foretell.data.dataset import Dataset
from foretell.data.reading import read, rows_of
from foretell.data.sources import paths_of
from foretell.errors import DataError
from foretell.evidence.reasons import reasons as reason_codes
from foretell.files import aside
from foretell.prediction.fitted import Fitted, Scored
from foretell.telling import Tell, quiet

ENDINGS = (".csv", ".parquet")
LEFT_OUT = ("no instant", "ragged row")
"""Rules by which rows are left out of what is scored."""


def lines_of(
    fitted: Fitted, dataset: Dataset, scored: Scored, alert: NDArray[np.bool_], *, reasons: bool
) -> pl.DataFrame:
    """Return one line per scored row; see `workflow.predict`."""
    columns: dict[str, Any] = {"id": pl.Series(dataset.ids[scored.rows], dtype=pl.String)}
    time_column = dataset.column("time")
    if time_column is not None:
        columns["at"] = dataset.frame[time_column.name][scored.rows]
    columns |= fitted.estimates(scored.logits)
    if reasons:
        codes = reason_codes(fitted, scored.features[scored.rows], alert)
        columns["reasons"] = pl.Series(codes, dtype=pl.String)
    if fitted.coupling is None:
        return pl.DataFrame({**columns, "probability": scored.probabilities, "alert": alert})
    told, names = fitted.coupling(scored.logits), np.array(fitted.coupling.names)
    columns |= {"class": names[told.argmax(axis=1)], "probability": told.max(axis=1), "alert": alert}
    if fitted.certainty is not None:
        left = fitted.certainty.sets(dataset.frame[scored.rows], told)
        columns["possible"] = pl.Series([" | ".join(names[row]) for row in left], dtype=pl.String)
    return pl.DataFrame({**columns, **{f"p_{name}": told[:, code] for code, name in enumerate(names)}})


def scores(
    fitted: Fitted,
    source: str,
    *,
    reasons: bool = False,
    rows: int = ROWS,
    watch: Watch = unwatched,
    tell: Tell = quiet,
) -> Iterator[pl.DataFrame]:
    """Yield the lines of new rows, batch by batch; the same lines whatever the size of a batch.

    Rows of a table come in the order of the source. Events of entities come as one batch in the order of
    time, and go on where the stream stood when the model was fitted.

    Args:
        source: a file, folder, glob or SQL URL.
        rows: most rows of a batch.
        watch: told how many rows were scored, and of how many.
        tell: told of rows that could not be scored.

    Raises:
        DataError: when the source cannot be read, or lacks a column of the model.
    """
    spec = replace(fitted.spec, data=replace(fitted.spec.data, source=source))
    columns = fitted.featurizer.schema.columns
    if fitted.featurizer.plan.entities:
        dataset = read(spec, columns=columns)
        yield _lines(fitted, dataset, reasons=reasons)
        return
    none, left_out = True, dict[str, tuple[int, str]]()
    for first, raw in batches(spec.data, rows=rows, watch=watch):
        dataset = rows_of(spec, raw, columns, first=first, as_stored=True)
        for repair in (each for each in dataset.repairs if each.rule in LEFT_OUT):
            rows_before, seen = left_out.get(repair.rule, (0, repair.example))
            left_out[repair.rule] = rows_before + repair.rows, seen
        none = none and not len(raw.frame)
        yield _lines(fitted, dataset, reasons=reasons)
    if none:
        raise DataError(f"{source} holds no rows", "name a file that has rows below its column names")
    for rule, (rows, seen) in left_out.items():
        tell(f"left out {rows:,} row{'s' * (rows != 1)}: {rule}, as in {seen}")


def _lines(fitted: Fitted, dataset: Dataset, *, reasons: bool) -> pl.DataFrame:
    scored = fitted.score(dataset, np.arange(len(dataset)), after=fitted.snapshot)
    alert = scored.probabilities >= fitted.thresholds(dataset.frame)
    return lines_of(fitted, dataset, scored, alert, reasons=reasons)


def write(frames: Iterable[pl.DataFrame], path: Path) -> None:
    """Write lines as they come into a CSV or Parquet file, which is there when all of them are.

    Raises:
        DataError: when the name of the file has another ending.
    """
    check(path)
    with aside(path) as new:
        if path.suffix == ".csv":
            with new.open("wb") as file:
                for number, frame in enumerate(frames):
                    frame.write_csv(file, include_header=not number)
            return
        writer: pq.ParquetWriter | None = None
        try:
            for frame in frames:
                table = frame.to_arrow()
                writer = writer or pq.ParquetWriter(new, table.schema, compression="zstd")
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()


def check(path: Path, source: str = "") -> None:
    """Raise DataError where a file's name tells no form that scores are written in, or it holds the data."""
    if path.suffix not in ENDINGS:
        raise DataError(
            f"'{path}' is neither .csv nor .parquet", "give --out a name with one of these endings"
        )
    if source and "://" not in source and path.exists() and any(map(path.samefile, paths_of(source))):
        raise DataError(f"'{path}' holds the rows that are to be scored", "give --out another name")
