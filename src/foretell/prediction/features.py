"""From a data set to features: the row's own columns beside the states of its entities.

n: rows in order of time, E: entities, N: numbers, F: features, R: rows whose states are kept, D: state,
p: labels still to arrive, S: slots.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foretell.data.dataset import NEVER_US, Dataset
from foretell.data.table import Schema, encode
from foretell.models import stream
from foretell.models.suspicion import Suspicion
from foretell.prediction.memory import Remembered

MICRO = 1e-6
REGISTER = {"column": pl.String, "name": pl.String, "slot": pl.Int64}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """A stream at rest: every entity's state, and the labels that are still to arrive."""

    register: pl.DataFrame
    """One row per entity: column, name, slot."""
    state: NDArray[np.float32]
    """[S, D]"""
    touched: NDArray[np.float64]
    """[S] seconds since 1970; -inf for a slot that was never touched."""
    slots: NDArray[np.int64]
    """[p, E] of the events whose labels are still to arrive, as are the next four."""
    happened_at: NDArray[np.float64]
    arrives_at: NDArray[np.float64]
    labels: NDArray[np.float64]
    excused: NDArray[np.float32]
    remembered: Remembered = field(default_factory=Remembered.nothing)
    """Events that were read one at a time, and whose labels may still come or be revised."""

    @classmethod
    def empty(cls, plan: stream.StreamPlan) -> "Snapshot":
        """Return a stream that saw nothing."""
        state, touched = stream.empty_state(plan, 0)
        none = np.zeros(0)
        num_entities = len(plan.entities)
        return cls(
            register=pl.DataFrame(schema=REGISTER),
            state=state,
            touched=touched,
            slots=np.zeros((0, num_entities), dtype=np.int64),
            happened_at=none,
            arrives_at=none,
            labels=none,
            excused=np.zeros((0, num_entities), dtype=np.float32),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Events:
    """Rows as the kernel takes them."""

    register: pl.DataFrame
    slots: NDArray[np.int64]
    """[n, E] state slot of each entity of each row."""
    numbers: NDArray[np.float64]
    """[n, N]; NaN where missing."""
    at_seconds: NDArray[np.float64]
    known_at_seconds: NDArray[np.float64]
    labels: NDArray[np.float64]
    """1, 0, or -1 where unknown."""
    own: NDArray[np.float32]
    """[n, F - stream's] features of the row's other columns; finite."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replayed:
    """What one pass over the events gives."""

    features: NDArray[np.float32]
    """[n, F]"""
    excused: NDArray[np.float32]
    """[n, E] how far each entity is excused by the event's others."""
    kept: NDArray[np.float32]
    """[R, E, D] states read for the rows that were asked for."""
    after: Snapshot


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Featurizer:
    """How rows become features; all that was learned of them stands in `schema` and `suspicion`."""

    schema: Schema
    plan: stream.StreamPlan
    suspicion: Suspicion
    own_names: tuple[str, ...]
    """Features of the columns that are no numbers (and `missing` flags of those that are)."""
    own_columns: tuple[str, ...]
    """The column each of them was made of."""
    own_categorical: NDArray[np.bool_]

    @property
    def names(self) -> tuple[str, ...]:
        """[F] names of the features."""
        return (*(name for name, _ in self.plan.features), *self.own_names)

    @property
    def factors(self) -> tuple[str, ...]:
        """[F] the factor each feature belongs to."""
        return (*(factor for _, factor in self.plan.features), *self.own_columns)

    @property
    def categorical(self) -> NDArray[np.bool_]:
        """[F] whether a feature is a code."""
        return np.concatenate([np.zeros(self.plan.num_features, dtype=np.bool_), self.own_categorical])

    @property
    def own(self) -> NDArray[np.int64]:
        """Features that are the row's own columns: what a model without states would see."""
        return np.append(
            np.arange(len(self.plan.numbers)), self.plan.num_features + np.arange(len(self.own_names))
        ).astype(np.int64)

    def with_suspicion(self, suspicion: Suspicion) -> "Featurizer":
        """Return the same with another suspicion."""
        return replace(self, suspicion=suspicion)

    def events(self, dataset: Dataset, register: pl.DataFrame) -> Events:
        """Return the rows as arrays; entities that are not in the register get the next slots."""
        register, slots = _registered(dataset.frame, self.plan.entities, register)
        numbers = [dataset.frame[name].to_numpy() for name in self.plan.numbers]
        return Events(
            register=register,
            slots=slots,
            numbers=np.stack(numbers, axis=1).astype(np.float64) if numbers else np.zeros((len(dataset), 0)),
            at_seconds=dataset.at_us * MICRO,
            known_at_seconds=dataset.known_at_us * MICRO,
            # What never becomes known in the order of the rows must not enter a state, nor wait for it.
            labels=np.where(dataset.known_at_us < NEVER_US, dataset.target, -1).astype(np.float64),
            own=own_features(dataset, self.schema)[0],
        )

    def replay(
        self,
        events: Events,
        before: Snapshot,
        *,
        keep: NDArray[np.int64],
        excused: NDArray[np.float32] | None = None,
    ) -> Replayed:
        """Step through the events from a snapshot on; O(1) an event.

        Args:
            events: in order of time, with slots that agree with `before.register`.
            before: where the stream stood.
            keep: rows whose states, as they were read, are returned.
            excused: how far each entity is excused by its event's others [n, E], where the others' past is
                not among the events; worked out if None.
        """
        num_pending, n = len(before.slots), len(events.at_seconds)
        num_slots = len(events.register)
        state, touched = stream.empty_state(self.plan, num_slots)
        state[: len(before.state)], touched[: len(before.touched)] = before.state, before.touched
        slots = np.concatenate([before.slots, events.slots])
        at = np.concatenate([before.happened_at, events.at_seconds])
        arrives_at = np.concatenate([before.arrives_at, events.known_at_seconds])
        labels = np.concatenate([before.labels, events.labels])
        excuses = np.zeros((n, len(self.plan.entities)), dtype=np.float32) if excused is None else excused
        excused_nE = np.concatenate([before.excused, excuses])
        known = np.flatnonzero(labels >= 0)
        arrivals = known[np.argsort(arrives_at[known], kind="stable")]
        kept_of = np.full(num_pending + n, -1, dtype=np.int64)
        kept_of[num_pending + keep] = np.arange(len(keep))
        kept = np.zeros((len(keep), len(self.plan.entities), self.plan.state_size), dtype=np.float32)
        width = self.plan.num_features
        out = np.empty((num_pending + n, width + events.own.shape[1]), dtype=np.float32)
        out[num_pending:, width:] = events.own
        numbers = np.concatenate([np.zeros((num_pending, events.numbers.shape[1])), events.numbers])
        num_arrived = stream.replay(
            state, touched, slots, numbers, at, labels, arrives_at, arrivals,
            *self.plan.arrays(), *self.suspicion.arrays(), out, width, excused_nE, kept_of, kept, num_pending,
            excused is None,
        )  # fmt: skip
        late = arrivals[num_arrived:]
        return Replayed(
            features=out[num_pending:],
            excused=excused_nE[num_pending:],
            kept=kept,
            after=Snapshot(
                register=events.register,
                state=state,
                touched=touched,
                slots=slots[late],
                happened_at=at[late],
                arrives_at=arrives_at[late],
                labels=labels[late],
                excused=excused_nE[late],
                remembered=before.remembered,
            ),
        )


def featurizer(
    schema: Schema, dataset: Dataset, teach: NDArray[np.int64], half_lives_seconds: tuple[float, ...]
) -> Featurizer:
    """Return a featurizer that suspects nothing yet; scales are the medians of the teaching rows' numbers."""
    entities = tuple(column.name for column in dataset.inputs("entity"))
    numbers = tuple(column.name for column in dataset.inputs("number"))
    scales = []
    for name in numbers:
        sizes = dataset.frame[name][teach].abs().drop_nulls().drop_nans()
        middle = sizes.median() if len(sizes) else 0.0
        scales.append(float(middle) if isinstance(middle, float) and middle > 0 else 1.0)
    plan = stream.StreamPlan(
        entities=entities, numbers=numbers, half_lives_seconds=half_lives_seconds, scales=tuple(scales)
    )
    _, names, columns, categorical = own_features(dataset, schema)
    return Featurizer(
        schema=schema,
        plan=plan,
        suspicion=stream.silent(plan),
        own_names=names,
        own_columns=columns,
        own_categorical=categorical,
    )


def own_features(
    dataset: Dataset, schema: Schema
) -> tuple[NDArray[np.float32], tuple[str, ...], tuple[str, ...], NDArray[np.bool_]]:
    """Return features, names, columns and flags of the columns that are no numbers.

    A number is read by the stream; here only a flag says where it was missing, if the schema saw that happen.
    """
    table = encode(dataset, schema)
    kinds = {column.name: column for column in schema.columns}
    blocks, names, columns, flags = [], [], [], []
    for index, (name, column) in enumerate(zip(table.names, table.columns, strict=True)):
        values = table.values[:, index]
        if kinds[column].kind == "number":
            if not kinds[column].facts.get("missing"):
                continue
            values, name = np.isnan(values).astype(np.float32), f"{column}.missing"
        blocks.append(np.nan_to_num(values, nan=0.0))
        names.append(name)
        columns.append(column)
        flags.append(bool(table.categorical[index]))
    own = np.stack(blocks, axis=1) if blocks else np.zeros((len(dataset), 0), dtype=np.float32)
    return own.astype(np.float32), tuple(names), tuple(columns), np.array(flags, dtype=np.bool_)


def _registered(
    frame: pl.DataFrame, entities: tuple[str, ...], register: pl.DataFrame
) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Return the register with new entities added, and the slots [n, E] of the frame's rows."""
    slots = []
    for column in entities:
        named = frame.select(pl.lit(column).alias("column"), pl.col(column).fill_null("").alias("name"))
        fresh = named.unique(maintain_order=True).join(register, on=["column", "name"], how="anti")
        added = fresh.with_columns((pl.int_range(pl.len()) + len(register)).cast(pl.Int64).alias("slot"))
        register = pl.concat([register, added.select(list(REGISTER))])
        joined = named.join(register, on=["column", "name"], how="left", maintain_order="left")
        slots.append(joined["slot"].to_numpy())
    if not slots:
        return register, np.zeros((len(frame), 0), dtype=np.int64)
    return register, np.ascontiguousarray(np.stack(slots, axis=1).astype(np.int64))
