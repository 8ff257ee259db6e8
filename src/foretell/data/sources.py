"""Sources: CSV and Parquet files, globs of them, and SQL URLs, as one frame of raw columns."""

from dataclasses import dataclass
from glob import glob, has_magic
from itertools import islice
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from foretell.data.cells import column_names
from foretell.data.csvfile import read_csv
from foretell.data.dataset import Repair
from foretell.errors import DataError
from foretell.lookup import nearest
from foretell.spec import DataSpec

ENDINGS = (".csv", ".tsv", ".txt", ".parquet", ".pq")


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """What a source held, before any value was looked at."""

    frame: pl.DataFrame
    repairs: tuple[Repair, ...]
    where: str
    """The source in words, for messages."""


def load(spec: DataSpec) -> Raw:
    """Return the raw rows of `spec.source`; CSV columns are all text.

    Raises:
        DataError: when the source is missing, empty, damaged, or not of a known form.
    """
    if not spec.source:
        raise DataError("the spec names no data", "set `data.source` to a CSV or Parquet file or a SQL URL")
    if "://" in spec.source:
        from foretell.data.sql import read_sql  # SQLAlchemy is loaded by those who use it

        table, where = read_sql(spec)
        frame, repairs = readable(table, where)
        return Raw(frame=frame, repairs=repairs, where=where)
    parts = [(path, *_file(path)) for path in paths_of(spec.source)]
    first_path, first, _ = parts[0]
    for path, frame, _ in parts[1:]:
        same_columns(first.columns, frame.columns, path, first_path)
    try:
        frame = pl.concat([frame.select(first.columns) for _, frame, _ in parts], how="vertical_relaxed")
    except pl.exceptions.PolarsError as error:
        raise two_types(spec.source, error) from error
    if frame.is_empty():
        raise DataError(f"{spec.source} holds no rows", "name a file that has rows below its column names")
    found = tuple(repair for _, _, repairs in parts for repair in repairs)
    return Raw(frame=frame, repairs=found, where=spec.source)


def same_columns(first: list[str], columns: list[str], path: Path, first_path: Path) -> None:
    """Raise DataError where a file has other columns than the first one."""
    odd = set(first) ^ set(columns)
    if odd:
        raise DataError(
            f"{path} and {first_path} differ in columns: {', '.join(sorted(odd)[:5])}",
            "name only files of one form in `data.source`",
        )


def two_types(where: str, error: Exception) -> DataError:
    """Return the error for files whose columns cannot be joined."""
    return DataError(
        f"the files of {where} hold one column in two types: {error}", "write the files with the same types"
    )


def paths_of(source: str) -> list[Path]:
    """Return the files of a path, a glob, or a folder whose data files are of one ending.

    Raises:
        DataError: when there are none.
    """
    path = Path(source)
    if path.is_file():
        return [path]
    if path.is_dir():
        found = sorted(each for each in path.iterdir() if each.suffix in ENDINGS and each.is_file())
        if len({each.suffix for each in found}) == 1:
            return found
        what = "holds files of several endings" if found else "holds no data files"
        raise DataError(
            f"the folder {source} {what}", f"name its files: {path / '*.csv'} or {path / '*.parquet'}"
        )
    found = [Path(name) for name in sorted(glob(source, recursive=True)) if Path(name).is_file()]  # noqa: PTH207 - takes any pattern
    if found:
        return found
    what = "no file matches" if has_magic(source) else "there is no file"
    raise DataError(f"{what} {source}", _missing_hint(path))


def _missing_hint(path: Path) -> str:
    if not path.parent.is_dir():
        return f"the folder {path.parent} does not exist"
    files = sorted(entry.name for entry in islice(path.parent.iterdir(), 1000) if entry.suffix in ENDINGS)
    near = nearest(path.name, files)
    if near:
        return f"did you mean {path.parent / near}?"
    return f"the folder holds {', '.join(files[:5])}" if files else f"{path.parent} holds no data files"


def is_parquet(path: Path) -> bool:
    """Say whether a file is Parquet, by its first bytes or its ending."""
    with path.open("rb") as file:
        return file.read(4) == b"PAR1" or path.suffix in (".parquet", ".pq")


def unreadable(path: Path, error: Exception) -> DataError:
    """Return the error for a damaged file."""
    return DataError(f"{path} cannot be read: {error}", "check that the file was written to its end")


def _file(path: Path) -> tuple[pl.DataFrame, tuple[Repair, ...]]:
    try:
        if not is_parquet(path):
            return read_csv(path)
        with pq.ParquetFile(path) as file:
            table = file.read()
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from error
    return readable(table, str(path))


def readable(table: pa.Table, where: str) -> tuple[pl.DataFrame, tuple[Repair, ...]]:
    """Return the columns that hold one plain value per row; others are left out and reported."""
    columns: dict[str, pl.Series] = {}
    repairs: list[Repair] = []
    for name, column in zip(column_names(table.column_names, where), table.columns, strict=True):
        try:
            columns[name] = pl.Series(name, _plain(column))
        except pa.ArrowException:
            repairs.append(
                Repair(
                    column=name,
                    rule="unreadable type",
                    rows=len(column),
                    example=str(column.type)[:40],
                    action="left out",
                )
            )
    return pl.DataFrame(columns), tuple(repairs)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.cast(kind.value_type))
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        return column.cast(pa.float64())
    if pa.types.is_duration(kind):
        return column.cast(pa.int64()).cast(pa.float64(), safe=False)
    if pa.types.is_time(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return column.cast(pa.large_string())
    if pa.types.is_timestamp(kind):  # the unit "s" and named zones are brought to UTC microseconds later
        return column.cast(pa.timestamp("ms" if kind.unit == "s" else kind.unit, "UTC"))
    flat = pa.types.is_primitive(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if flat or pa.types.is_null(kind) or pa.types.is_boolean(kind):
        return column
    raise pa.ArrowTypeError(f"{kind} holds no plain values")
