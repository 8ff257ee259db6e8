"""Drawing: the rows of a large table that are held in memory, and how they stand for all of its rows.

The files are read batch by batch: first the target alone, then all columns of the rows that were drawn.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from foretell.data.batches import Files, Watch, files_of, unwatched
from foretell.data.cells import words
from foretell.data.dataset import Column, Drawn, Repair
from foretell.data.inference import infer, missing_column
from foretell.data.kinds import kind
from foretell.data.kinds.entity import ENTITIES, IDENTIFIERS
from foretell.data.sources import Raw, load, two_types
from foretell.data.target import coded, labels, numeric, outcome
from foretell.spec import Spec

ENOUGH = 50_000
"""Rows of the rare outcome that are held where a plain draw has fewer: further ones would teach little."""
MOST_BEYOND = 0.25
"""Share of the held rows that may be held only because their outcome is rare."""
LEAST_BYTES = 2
"""Bytes of the shortest cell of a CSV file, with what ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is held of a source: all of its rows, or those that were drawn."""

    raw: Raw
    schema: tuple[Column, ...]
    """What the columns are."""
    numbers: np.ndarray
    """int64 [N]: the number of each held row in the source."""
    drawn: Drawn | None = None
    """None where all rows are held."""
    beyond: np.ndarray
    """bool [N]: whether a row is held only because its outcome is rare."""
    outcomes: pl.Series | None = None
    """The target of all rows, where they were more than those that are held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Rows in files, which are read when they are asked for."""

    files: Files
    watch: Watch

    @property
    def names(self) -> list[str]:
        return self.files.names

    def column(self, name: str) -> pl.Series:
        """Return one column of all rows."""
        parts = []
        for _, raw in self.files.batches((name,), watch=self.watch):
            if name not in raw.frame.columns:
                raise missing_column(name, "data.target", raw.frame.columns, self.files.where)
            parts.append(raw.frame.select(name))
        return _joined(parts, self.files.where)[name]

    def take(self, numbers: np.ndarray) -> Raw:
        """Return the rows of these ascending numbers, with what was repaired in all batches."""
        frames: list[pl.DataFrame] = []
        repairs: dict[tuple[str, str], Repair] = {}
        for start, raw in self.files.batches(watch=self.watch):
            first, end = np.searchsorted(numbers, [start, start + len(raw.frame)])
            # Taken rows share the texts of their whole batch; copied, they hold their own alone.
            frames.append(pl.DataFrame(raw.frame[numbers[first:end] - start].to_arrow()))
            for repair in raw.repairs:
                before = repairs.get((repair.column, repair.rule))
                rows = repair.rows + (before.rows if before else 0)
                repairs[repair.column, repair.rule] = replace(before or repair, rows=rows)
        where = self.files.where
        return Raw(frame=_joined(frames, where), repairs=tuple(repairs.values()), where=where)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Rows in memory: of SQL tables, which come whole, and of what is small."""

    raw: Raw

    @property
    def names(self) -> list[str]:
        return self.raw.frame.columns

    def column(self, name: str) -> pl.Series:
        """Return one column of all rows."""
        if name not in self.raw.frame.columns:
            raise missing_column(name, "data.target", self.raw.frame.columns, self.raw.where)
        return self.raw.frame[name]

    def take(self, numbers: np.ndarray) -> Raw:
        """Return the rows of these numbers."""
        return replace(self.raw, frame=self.raw.frame[numbers])


def held(spec: Spec, *, watch: Watch = unwatched) -> Held:
    """Return all rows of the spec's source, or those of a large table that are drawn.

    Events of entities are all held: what happened before is part of their score.

    Raises:
        DataError: when the source cannot be read, or lacks the target.
    """
    most = 0 if _stated(spec) else spec.data.rows
    files = files_of(spec.data.source) if most and spec.data.source else None
    if files is None or not _may_exceed(files, most):
        raw = load(spec.data)
        return _drawn(Loaded(raw=raw), spec) if 0 < most < len(raw.frame) else _whole(raw, spec)
    return _drawn(Stored(files=files, watch=watch), spec)


def _stated(spec: Spec) -> bool:
    """Say whether the spec itself states that rows are events of entities."""
    others = {spec.data.id, spec.data.group, *spec.data.exclude}
    stated = {name for name, column in spec.columns.items() if column.kind == "entity"}
    return bool(spec.review.entity or stated - others)


def _drawn(source: Stored | Loaded, spec: Spec) -> Held:
    outcomes = source.column(spec.data.target or source.names[0])
    if len(outcomes) > spec.data.rows:
        plain, beyond = _chosen(outcomes, spec)
        numbers = np.sort(np.concatenate([plain, beyond]))
        raw = source.take(numbers)
        schema = infer(raw.frame, spec, raw.where)
        if not _streamed(schema, source):
            return Held(
                raw=raw,
                schema=schema,
                numbers=numbers,
                drawn=Drawn(rows=len(outcomes), plain=len(plain), beyond=len(beyond)),
                beyond=np.isin(numbers, beyond, assume_unique=True),
                outcomes=outcomes,
            )
    return _whole(source.raw if isinstance(source, Loaded) else load(spec.data), spec)


def _whole(raw: Raw, spec: Spec) -> Held:
    return Held(
        raw=raw,
        schema=infer(raw.frame, spec, raw.where),
        numbers=np.arange(len(raw.frame)),
        beyond=np.zeros(len(raw.frame), np.bool_),
    )


def _may_exceed(files: Files, rows: int) -> bool:
    """Say whether files may hold more than so many rows: Parquet tells, CSV is judged by its size."""
    if files.parquet:
        return files.num_rows > rows
    return files.num_bytes > LEAST_BYTES * rows * len(files.names)


def _joined(frames: list[pl.DataFrame], where: str) -> pl.DataFrame:
    try:
        return pl.concat(frames, how="vertical_relaxed", rechunk=True)
    except pl.exceptions.PolarsError as error:
        raise two_types(where, error) from error


def _chosen(outcomes: pl.Series, spec: Spec) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of rows that are drawn from all alike, and of rare ones that are held besides."""
    most, keys = spec.data.rows, _keys(len(outcomes), spec.train.seed)
    rare = _rare(outcomes, spec)
    usual = round(most / len(outcomes) * len(rare))
    more = min(max(min(ENOUGH, len(rare)) - usual, 0), int(MOST_BEYOND * most))
    plain = _least(np.arange(len(outcomes)), keys, most - more)
    return plain, _least(np.setdiff1d(rare, plain, assume_unique=True), keys, more)


def _least(rows: np.ndarray, keys: np.ndarray, count: int) -> np.ndarray:
    """Return the rows of the least keys, so many at most."""
    if count >= len(rows):
        return rows
    return rows[np.argpartition(keys[rows], count)[:count]]


def _keys(count: int, seed: int) -> np.ndarray:
    """Return what each row is drawn by: a hash of its number, so that most rows stay when a table grows.

    Source: Steele, Lea and Flood, Fast splittable pseudorandom number generators (OOPSLA 2014).
    """
    start = np.random.default_rng(seed).integers(0, 2**64, dtype=np.uint64)
    keys = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + start
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))


def _rare(outcomes: pl.Series, spec: Spec) -> np.ndarray:
    """Return the rows of the positive outcome where it is the rarer of two; else none."""
    if spec.review.mitigate != "reweigh" and not numeric(outcomes, spec):
        text = labels(outcomes)[0]
        facts, _ = outcome(text, spec)
        if "classes" not in facts and int(str(facts["positives"])) < int(str(facts["negatives"])):
            return np.flatnonzero(coded(text, facts) == 1)
    return np.zeros(0, np.int64)


def _streamed(schema: tuple[Column, ...], source: Stored | Loaded) -> bool:
    """Say whether the rows are events of entities: names return in all rows that hardly do in a few."""
    if any(column.kind == "entity" and column.role == "input" for column in schema):
        return True
    if not any(column.role == "time" for column in schema):
        return False
    called = [c.name for c in schema if c.role == "input" and not c.reason.startswith("stated")]
    maybe = [name for name in called if {*words(name)[-1:]} & (IDENTIFIERS | ENTITIES)]
    return any(kind("entity").infer(source.column(name)) for name in maybe)
