"""Dataset: rows in the order of time, typed columns, and every repair counted. N: rows."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from foretell.spec import Spec

NEVER_US = 2**62
"""Later than any instant, in microseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What is known of one column."""

    name: str
    kind: str
    """A row of `KINDS`: number, category, time, text or entity."""
    role: str
    """input, target, id, time, group or excluded."""
    unit: str = ""
    text: str
    """What it is called in sentences."""
    reason: str
    """Why kind and role were chosen, in one sentence with values."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the rows showed: `missing`, `distinct`; of a target also `positive` and `negative`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """Missing or wrong values that one rule dealt with."""

    column: str
    """Empty when the rule is about whole rows."""
    rule: str
    rows: int
    example: str
    action: str
    """What was done, as in 'left missing', 'set to missing', 'left out'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """How the held rows of a large table were drawn."""

    rows: int
    """Rows of the source."""
    plain: int
    """Rows drawn at random from all alike: what is judged, told and compared is of these."""
    beyond: int
    """Rows of the rare outcome that are held besides, and only teach."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Rows sorted by time (ties keep their order), or in their original order when they have no time."""

    spec: Spec
    frame: pl.DataFrame
    """number: Float64; category, text, entity: String; time: Datetime in microseconds UTC."""
    columns: tuple[Column, ...]
    repairs: tuple[Repair, ...]
    fingerprint: str
    """SHA-256 over names, dtypes and values, in the order of the rows."""
    target: np.ndarray
    """int8 [N]: 1 positive, 0 negative, -1 unknown. Of a number, positive is what lies
    beyond the line. Of several classes, the code of each row's own."""
    at_us: np.ndarray
    """int64 [N]: microseconds UTC since 1970; the row's number when the rows have no time."""
    known_at_us: np.ndarray
    """int64 [N]: when the row's target became known, `at_us` + label delay. NEVER_US when the rows have
    no time: then no row comes after another."""
    ids: np.ndarray
    """object [N] of str: the id column, else the row's number in the source."""
    drawn: Drawn | None = None
    """None where all rows of the source are held."""
    beyond: np.ndarray
    """bool [N]: rows that are held only because their outcome is rare, and only teach."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of a target of several values, by their codes; empty for two outcomes and numbers."""
        column = self.column("target")
        return tuple(column.facts.get("classes", ())) if column is not None else ()

    @property
    def faces(self) -> Mapping[str, np.ndarray]:
        """Outcome -> int8 [N]: 1 where it holds, 0 where not, -1 unknown. One of two outcomes, each class."""
        column = self.column("target")
        if not self.classes:
            return {str(column.facts["positive"]) if column else "": self.target}
        known = self.target >= 0
        return {
            name: np.where(known, self.target == code, -1).astype(np.int8)
            for code, name in enumerate(self.classes)
        }

    @property
    def values(self) -> np.ndarray | None:
        """float64 [N]: the target where it is a number, NaN where unknown; None where it has outcomes."""
        column = self.column("target")
        if column is None or column.kind != "number":
            return None
        return self.frame[column.name].fill_null(np.nan).to_numpy()

    def __len__(self) -> int:
        return len(self.frame)

    def column(self, role: str) -> Column | None:
        """Return the column of a role that only one column has, or None."""
        return next((column for column in self.columns if column.role == role), None)

    def inputs(self, kind: str | None = None) -> tuple[Column, ...]:
        """Return the columns that the model may see, of one kind or of all."""
        return tuple(c for c in self.columns if c.role == "input" and kind in (None, c.kind))

    def take(self, rows: np.ndarray) -> "Dataset":
        """Return the rows of these numbers, in the order given; repairs stay those of the whole."""
        frame = self.frame[rows]
        return replace(
            self,
            frame=frame,
            fingerprint=fingerprint(frame),
            target=self.target[rows],
            at_us=self.at_us[rows],
            known_at_us=self.known_at_us[rows],
            ids=self.ids[rows],
            beyond=self.beyond[rows],
        )


def told(dataset: Dataset) -> str:
    """Return how many rows there are, and which of them are held."""
    drawn = dataset.drawn
    if drawn is None:
        whole = 0 < dataset.spec.data.rows < len(dataset)
        return f"{len(dataset):,} rows" + ", all held, as they are events of entities" * whole
    rare = f", and {drawn.beyond:,} more that are positive, which only teach" if drawn.beyond else ""
    seed = dataset.spec.train.seed
    return (
        f"{drawn.rows:,} rows: {drawn.plain:,} drawn at random (data.rows, seed {seed}){rare}; "
        "repairs, audit and figures are of the drawn rows"
    )


def fingerprint(frame: pl.DataFrame) -> str:
    """Return the SHA-256 over names, dtypes, missingness and values of a canonical frame."""
    summed = hashlib.sha256()
    for series in frame.get_columns():
        summed.update(f"{series.name}\0{series.dtype}\0{len(series)}\0".encode())
        summed.update(np.packbits(series.is_null().to_numpy()).data)
        if series.dtype == pl.String:
            text = series.fill_null("")
            summed.update(text.str.len_bytes().to_numpy().data)
            for chunk in pa.chunked_array([text.to_arrow()]).cast(pa.large_string()).chunks:
                summed.update(_characters(chunk))
        else:
            summed.update(np.ascontiguousarray(series.to_physical().fill_null(0).to_numpy()).data)
    return summed.hexdigest()


def _characters(chunk: pa.Array) -> memoryview:
    _, offsets, characters = chunk.buffers()
    if not len(chunk) or characters is None:
        return memoryview(b"")
    ends = np.frombuffer(offsets, np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
    return memoryview(characters)[ends[0] : ends[-1]]
