"""CSV files: separator and encoding found, ragged rows counted, every column read as text."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
MANY_RAGGED = 10_000
"""Ragged rows from which it is asked, before the end of a file, whether they are too many."""
LARGE = 10**18
"""More rows than any file has: parts of a file are not judged by their share of ragged rows."""


def read_csv(path: Path) -> tuple[pl.DataFrame, tuple[Repair, ...]]:
    """Return the rows as text columns, and what was repaired.

    Raises:
        DataError: when the file is empty, binary, has no rows, or too many rows are ragged.
        pyarrow.ArrowException: when a quoted cell never ends.
    """
    data, broken = _decoded(path)
    names, body, lines = _head(data, path)
    if not body.strip():
        raise _rowless(path)
    ragged: list[pacsv.InvalidRow] = []

    def leave_out(row: pacsv.InvalidRow) -> str:
        ragged.append(row)
        return "skip"

    options = _options(names, _separator(data), leave_out)
    frame = _frame(names, pacsv.read_csv(pa.BufferReader(body), **options))
    repairs = []
    if ragged:
        before = (b"\n" + body).find(b"\n" + ragged[0].text.encode())
        line = lines + 1 + body[: max(before, 0)].count(b"\n")
        repairs.append(_ragged(ragged[0], len(ragged), len(frame), f"line {line}", path))
    if broken:
        repairs.append(_undecoded(frame))
    return frame, tuple(repair for repair in repairs if repair.rows)


def columns_of(path: Path) -> list[str]:
    """Return the names in a file's first line.

    Raises:
        DataError: as `read_csv`.
    """
    with _text(path) as text:
        return _head(text.read(HEAD).encode(), path)[0]


def batches_of(path: Path, rows: int) -> Iterator[tuple[pl.DataFrame, tuple[Repair, ...]]]:
    """Yield at most so many rows at a time, each time with what was repaired in them; see `read_csv`."""
    with _text(path) as text:
        data = text.read(HEAD).encode()
        names, body, _ = _head(data, path)
        separator = _separator(data)
        stream = _Utf8(body, text)
        found: list[pacsv.InvalidRow] = []

        def leave_out(row: pacsv.InvalidRow) -> str:
            found.append(row._replace(text=""))  # a large file may have many
            return "skip"

        kept = told = 0
        if not stream.peek():
            raise _rowless(path)
        with pacsv.open_csv(pa.PythonFile(stream, mode="r"), **_options(names, separator, leave_out)) as csvs:
            for batch in csvs:
                block = _frame(names, batch)
                for frame in block.iter_slices(rows):
                    kept += len(frame)
                    repairs = [_undecoded(frame)] if stream.broken else []
                    if found[told:]:  # reading runs ahead: they are counted with the rows that come next
                        what = f"data row {found[told].number}" if found[told].number else "a row"
                        repairs.append(_ragged(found[told], len(found) - told, LARGE, what, path))
                        told = len(found)
                    yield frame, tuple(repair for repair in repairs if repair.rows)
                if len(found) > MANY_RAGGED:
                    _ragged(found[0], len(found), kept, "a row", path)
        if found:
            _ragged(found[0], len(found), kept, "a row", path)
        if found[told:]:
            last = _ragged(found[told], len(found) - told, LARGE, "a row", path)
            yield pl.DataFrame(schema=dict.fromkeys(names, pl.String)), (last,)


def _text(path: Path) -> io.TextIOBase:
    """Open a file as text, whatever its encoding."""
    with path.open("rb") as file:
        begin = file.read(HEAD)
    wide = begin[:2] in (b"\xff\xfe", b"\xfe\xff")
    if b"\0" in begin and not wide:
        raise _binary(path)
    return path.open(encoding="utf-16" if wide else "utf-8-sig", errors="replace", newline="")


class _Utf8(io.RawIOBase):
    """A text file as bytes in UTF-8, whatever its encoding."""

    def __init__(self, begin: bytes, text: io.TextIOBase) -> None:
        super().__init__()
        self.begin, self.text = begin, text
        self.broken = UNDECODED.encode() in begin

    def readable(self) -> bool:
        return True

    def peek(self) -> bytes:
        """Return what comes next; nothing where only white space is left."""
        while not self.begin.strip() and (more := self.text.read(HEAD)):
            self.begin += more.encode()
        return self.begin.strip()

    def read(self, size: int = -1) -> bytes:
        if self.begin:
            data, self.begin = self.begin[:size], self.begin[size:]
            return data
        read = self.text.read(max(size // 4, 1))  # a character has at most four bytes
        self.broken = self.broken or UNDECODED in read
        return read.encode()


def _options(names: list[str], separator: str, leave_out: Any) -> dict[str, Any]:
    keys = [str(number) for number in range(len(names))]
    return {
        "read_options": pacsv.ReadOptions(column_names=keys, use_threads=False, block_size=1 << 24),
        "parse_options": pacsv.ParseOptions(
            delimiter=separator, newlines_in_values=True, invalid_row_handler=leave_out
        ),
        "convert_options": pacsv.ConvertOptions(column_types=dict.fromkeys(keys, pa.large_string())),
    }


def _frame(names: list[str], table: pa.Table | pa.RecordBatch) -> pl.DataFrame:
    return pl.DataFrame(
        {name: pl.Series(name, column) for name, column in zip(names, table.columns, strict=True)}
    )


def _decoded(path: Path) -> tuple[bytes, bool]:
    """Return the file as UTF-8 and whether bytes had to be replaced."""
    data = path.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", "replace")
        return text.encode(), UNDECODED in text
    if b"\0" in data[:HEAD]:
        raise _binary(path)
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


def _ragged(first: pacsv.InvalidRow, count: int, kept: int, where: str, path: Path) -> Repair:
    fault = f"{where} has {first.actual_columns} fields instead of {first.expected_columns}"
    if count > RAGGED * (kept + count):
        raise DataError(
            f"{path}: {fault}, and so have {count - 1:,} more of {kept + count:,} rows",
            "check its separator and its quotes",
        )
    return Repair(column="", rule="ragged row", rows=count, example=fault, action="left out")


def _binary(path: Path) -> DataError:
    return DataError(f"{path} is not text: it holds zero bytes", "name a CSV or a Parquet file")


def _rowless(path: Path) -> DataError:
    return DataError(f"{path} has column names but no rows", "write the rows below the names")


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
