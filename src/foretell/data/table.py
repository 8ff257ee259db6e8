"""Tables: a dataset's columns as one matrix of numbers, by a schema fitted on the training rows.

N: rows, F: features.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from foretell.data.dataset import Column, Dataset
from foretell.data.kinds import kind
from foretell.errors import CheckpointError
from foretell.records import plain, restore


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What a model must know of its columns to read, encode and show new rows."""

    columns: tuple[Column, ...]
    """Every column of the dataset; given to `read`, it reads new rows the same way."""
    states: Mapping[str, Mapping[str, Any]]
    """Column -> what its kind learned, for each column that is encoded, in the order of the features."""

    def to_plain(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return plain(self)

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> "Schema":
        """Return the schema that `to_plain` wrote.

        Raises:
            CheckpointError: when it is not one.
        """
        if set(data) != {"columns", "states"}:
            raise CheckpointError(
                f"not a schema: it holds {', '.join(map(str, data))[:80]}", "fit the model again"
            )
        try:
            columns = tuple(restore(Column, column) for column in data["columns"])
        except ValueError as error:
            raise CheckpointError(f"not a schema: {error}", "fit the model again") from error
        # Features stand in the order of the columns; JSON may have sorted the names.
        states = {c.name: dict(data["states"][c.name]) for c in columns if c.name in data["states"]}
        return cls(columns=columns, states=states)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """The features of a dataset's rows."""

    values: np.ndarray
    """float32 [N, F]; NaN where a number or an instant is missing."""
    names: tuple[str, ...]
    """[F] names of the features, each its own."""
    columns: tuple[str, ...]
    """[F] the column each feature was made of."""
    categorical: np.ndarray
    """bool [F]: whether the feature is a code (0: a value that fitting did not see)."""


def fit_schema(dataset: Dataset, rows: np.ndarray) -> Schema:
    """Return the schema of `dataset`, its states fitted on the rows of these numbers alone.

    The rows' own time is encoded too, but without a count of days: a model must not know which day it is.
    """
    frame = dataset.frame[rows]
    states = {
        column.name: {} if column.role == "time" else kind(column.kind).fit(frame[column.name])
        for column in dataset.columns
        if column.role in ("input", "time")
    }
    return Schema(columns=dataset.columns, states=states)


def encode(dataset: Dataset, schema: Schema) -> Table:
    """Return the features of all rows of `dataset`, in the order of `schema.states`."""
    by_name = {column.name: column for column in schema.columns}
    blocks, names, columns, flags = [np.empty((len(dataset), 0), np.float32)], [], [], []
    for name, state in schema.states.items():
        module = kind(by_name[name].kind)
        block = module.encode(dataset.frame[name], state)
        blocks.append(block)
        names += module.names(by_name[name], state)
        columns += [name] * block.shape[1]
        flags += [module.CATEGORICAL] * block.shape[1]
    return Table(
        values=np.concatenate(blocks, axis=1),
        names=tuple(names),
        columns=tuple(columns),
        categorical=np.array(flags, dtype=bool),
    )
