"""Batches: the raw rows of files, some at a time, so that a table need not fit into memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from foretell.data.csvfile import batches_of, columns_of
from foretell.data.dataset import Repair
from foretell.data.sources import Raw, is_parquet, load, paths_of, readable, same_columns, unreadable
from foretell.spec import DataSpec

ROWS = 1 << 16
"""Rows of a batch."""

PAGES = 1 << 20
"""Bytes of a column that are read at once; else a whole row group of each is."""

Watch = Callable[[int, int], None]
"""Told how many rows were read, and of how many; 0 where that is not known."""


def unwatched(done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Files of one form, read from their first row to their last as often as asked."""

    paths: tuple[Path, ...]
    parquet: bool
    where: str
    """The source in words, for messages."""

    @property
    def num_rows(self) -> int:
        """Rows of all Parquet files, as their footers have it; 0 of CSV files, where only reading tells."""
        return sum(_footer(path).num_rows for path in self.paths) if self.parquet else 0

    @property
    def names(self) -> list[str]:
        """Columns of the first file."""
        if self.parquet:
            return [name.strip() for name in _footer(self.paths[0]).schema.to_arrow_schema().names]
        return list(columns_of(self.paths[0]))

    @property
    def num_bytes(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.paths)

    def batches(
        self, columns: Sequence[str] = (), *, rows: int = ROWS, watch: Watch = unwatched
    ) -> Iterator[tuple[int, Raw]]:
        """Yield the number of a batch's first row, and the batch.

        Args:
            columns: those that are wanted; all if not given.
            rows: most rows of a batch.

        Raises:
            DataError: when a file is damaged, or differs from the first one in its columns.
        """
        start, total = 0, self.num_rows
        names: list[str] = []
        for path in self.paths:
            for frame, repairs in self._of(path, columns, rows):
                names = names or frame.columns
                same_columns(names, frame.columns, path, self.paths[0])
                yield start, Raw(frame=frame.select(names), repairs=repairs, where=self.where)
                start += len(frame)
                watch(start, total)

    def _of(
        self, path: Path, columns: Sequence[str], rows: int
    ) -> Iterator[tuple[pl.DataFrame, tuple[Repair, ...]]]:
        try:
            if not self.parquet:
                for frame, repairs in batches_of(path, rows):
                    wanted = [name for name in columns if name in frame.columns]
                    yield frame.select(wanted or pl.all()), repairs
                return
            with pq.ParquetFile(path, pre_buffer=False, buffer_size=PAGES) as file:
                stored = [name for name in file.schema_arrow.names if name.strip() in columns] or None
                for batch in file.iter_batches(rows, columns=stored, use_threads=False):
                    batch.validate(full=True)
                    frame, repairs = readable(pa.Table.from_batches([batch]), str(path))
                    # Bytes may read as text in one batch and not in the next: there they are missing.
                    held = [repair.column for repair in repairs if "binary" in repair.example]
                    yield frame.with_columns(pl.lit(None, pl.String).alias(name) for name in held), repairs
        except (pa.ArrowException, OSError) as error:
            raise unreadable(path, error) from error


def files_of(source: str) -> Files | None:
    """Return the files of a source; None of a SQL URL, and of files of different forms."""
    if "://" in source:
        return None
    paths = tuple(paths_of(source))
    forms = {is_parquet(path) for path in paths}
    return Files(paths=paths, parquet=forms.pop(), where=source) if len(forms) == 1 else None


def batches(spec: DataSpec, *, rows: int = ROWS, watch: Watch = unwatched) -> Iterator[tuple[int, Raw]]:
    """Yield the number of each batch's first row and the batch; a SQL table comes as one."""
    files = files_of(spec.source)
    if files is None:
        yield 0, load(spec)
    else:
        yield from files.batches(rows=rows, watch=watch)


def _footer(path: Path) -> pq.FileMetaData:
    try:
        return pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from error
