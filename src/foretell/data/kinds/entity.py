"""Entities: who or what a row is about; each row is an event in that entity's stream, not a feature."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from foretell import units
from foretell.data.cells import Found, known, words
from foretell.data.dataset import Column

CATEGORICAL = False
IDENTIFIERS = frozenset({"id", "uuid", "guid", "key", "nr", "no", "iban", "pan"})
ENTITIES = frozenset(
    {"account", "card", "client", "customer", "device", "driver", "employee", "machine", "member"}
    | {"merchant", "patient", "sensor", "shop", "speaker", "store", "terminal", "user", "vehicle"}
)
REPEATS = 2
"""Rows per name, on average, from which names form streams."""


def infer(series: pl.Series) -> str:
    parts = words(series.name)
    if not parts or parts[-1] not in IDENTIFIERS | ENTITIES or series.dtype.is_float():
        return ""
    distinct = series.drop_nulls().n_unique()
    if distinct < 2 or distinct * REPEATS > len(series):
        return ""
    return f"its name ends in '{parts[-1]}' and its {distinct:,} values return over {len(series):,} rows"


def repair(series: pl.Series) -> tuple[pl.Series, Found]:
    """Return trimmed String; a missing entity stays missing."""
    return known(series)


def fit(series: pl.Series) -> dict[str, Any]:
    return {}


def encode(series: pl.Series, state: Mapping[str, Any]) -> np.ndarray:
    """Return no features: float32 [rows, 0]. Streams use the names themselves."""
    return np.empty((len(series), 0), np.float32)


def names(column: Column, state: Mapping[str, Any]) -> tuple[str, ...]:
    return ()


def show(value: str | None, column: Column) -> str:
    return "unknown" if value is None else units.name(value)
