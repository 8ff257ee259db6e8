"""CSV files: separator and encoding found, ragged rows counted, every column read as text."""

import csv
import io
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv

from foretell.data.cells import NAMELESS, clipped, column_names, is_number
from foretell.data.dataset import Repair
from foretell.errors import DataError

SEPARATORS = ",;\t|"
HEAD = 1 << 20
"""Bytes in which the line of column names must end."""
RAGGED = 0.05
"""Share of rows with too few or too many fields from which the file is refused."""
UNDECODED = "�"


def read_csv(path: Path) -> tuple[pl.DataFrame, tuple[Repair, ...]]:
    """Return the rows as text columns, and what was repaired.

    Raises:
        DataError: when the file is empty, binary, has no rows, or too many rows are ragged.
        pyarrow.ArrowException: when a quoted cell never ends.
    """
    data, broken = _decoded(path)
    names, body, lines = _head(data, path)
    if not body.strip():
        raise DataError(f"{path} has column names but no rows", "write the rows below the names")
    ragged: list[pacsv.InvalidRow] = []

    def leave_out(row: pacsv.InvalidRow) -> str:
        ragged.append(row)
        return "skip"

    keys = [str(number) for number in range(len(names))]
    table = pacsv.read_csv(
        pa.BufferReader(body),
        read_options=pacsv.ReadOptions(column_names=keys, use_threads=False, block_size=1 << 24),
        parse_options=pacsv.ParseOptions(
            delimiter=_separator(data), newlines_in_values=True, invalid_row_handler=leave_out
        ),
        convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(keys, pa.large_string())),
    )
    frame = pl.DataFrame(
        {name: pl.Series(name, column) for name, column in zip(names, table.columns, strict=True)}
    )
    repairs = [_ragged(ragged, len(frame), body, lines, path)] if ragged else []
    if broken:
        repairs.append(_undecoded(frame))
    return frame, tuple(repair for repair in repairs if repair.rows)


def _decoded(path: Path) -> tuple[bytes, bool]:
    """Return the file as UTF-8 and whether bytes had to be replaced."""
    data = path.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", "replace")
        return text.encode(), UNDECODED in text
    if b"\0" in data[:HEAD]:
        raise DataError(f"{path} is not text: it holds zero bytes", "name a CSV or a Parquet file")
    try:
        data.decode()
        broken = False
    except UnicodeDecodeError:
        data, broken = data.decode("utf-8", "replace").encode(), True
    return data.removeprefix(b"\xef\xbb\xbf"), broken


def _separator(data: bytes) -> str:
    line = data.lstrip()[:HEAD].splitlines()[0].decode("utf-8", "replace")
    return max(SEPARATORS, key=line.count)


def _head(data: bytes, path: Path) -> tuple[list[str], bytes, int]:
    """Return the column names, the bytes below them, and the number of lines above those."""
    if not data.strip():
        raise DataError(f"{path} is empty", "name a file that has a line of column names and rows")
    head = io.StringIO(data[:HEAD].decode("utf-8", "replace"), newline="")
    reader = csv.reader(head, delimiter=_separator(data))
    try:
        cells = next((row for row in reader if any(cell.strip() for cell in row)), [])
    except csv.Error as error:
        raise DataError(
            f"{path} has no readable line of column names: {error}", "look at its first line"
        ) from error
    if not cells:
        raise DataError(f"{path} has no column names", "write them into its first line")
    names = [cell.strip() for cell in cells]
    if len(set(names)) < len(names) and any(is_number(name) for name in names):
        shown = clipped(", ".join(names), 60)
        raise DataError(f"the first line of {path} looks like data: {shown}", NAMELESS)
    return (
        column_names(names, str(path)),
        data[len(head.getvalue()[: head.tell()].encode()) :],
        reader.line_num,
    )


def _ragged(rows: list[pacsv.InvalidRow], kept: int, body: bytes, lines: int, path: Path) -> Repair:
    first = rows[0]
    before = (b"\n" + body).find(b"\n" + first.text.encode())
    line = lines + 1 + body[: max(before, 0)].count(b"\n")
    fault = f"line {line} has {first.actual_columns} fields instead of {first.expected_columns}"
    if len(rows) > RAGGED * (kept + len(rows)):
        raise DataError(
            f"{path}: {fault}, and so have {len(rows) - 1:,} more of {kept + len(rows):,} rows",
            "check its separator and its quotes",
        )
    return Repair(column="", rule="ragged row", rows=len(rows), example=fault, action="left out")


def _undecoded(frame: pl.DataFrame) -> Repair:
    held = frame.select(pl.any_horizontal(pl.all().str.contains(UNDECODED, literal=True))).to_series()
    rows = int(held.sum())
    cells = frame.filter(held).head(1).row(0) if rows else ()
    example = next((cell for cell in cells if UNDECODED in cell), "")
    return Repair(
        column="",
        rule="undecodable bytes",
        rows=rows,
        example=clipped(example),
        action=f"set to {UNDECODED}",
    )
