"""Sketches and monitors as plain values, for JSON, and back."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

from foretell.prediction.alarms import Alarm, Recent
from foretell.prediction.detector import Detectors
from foretell.prediction.monitor import Batch, Monitor, Sketch
from foretell.prediction.outcomes import Judged, Residuals
from foretell.prediction.pools import Pool, Variation
from foretell.prediction.sketch import Tally, Watched
from foretell.records import restore

T = TypeVar("T")
WHOLE = frozenset({"counts", "cells", "starts"})
"""Arrays of whole numbers; all others are of floats."""
PARTS = {"variation": Variation, "tally": Tally, "judged": Judged}


def plain_sketch(sketch: Sketch) -> Mapping[str, Any]:
    """Return a sketch as plain values."""
    return {
        "columns": sketch.columns,
        "pool": _plain(sketch.pool),
        "residuals": _plain(sketch.residuals),
    }


def read_sketch(held: Mapping[str, Any]) -> Sketch:
    """Return the sketch of `plain_sketch`."""
    return Sketch(
        columns=tuple(restore(Watched, column) for column in held["columns"]),
        pool=_read(Pool, held["pool"]),
        residuals=_read(Residuals, held["residuals"]),
    )


def plain_monitor(monitor: Monitor) -> Mapping[str, Any]:
    """Return a monitor as plain values; its columns stand in the model folder."""
    return {
        "model": monitor.model,
        "alarms": monitor.alarms,
        "batches": monitor.batches,
        "pool": _plain(monitor.pool),
        "residuals": _plain(monitor.residuals),
        "detectors": _plain(monitor.detectors),
        "outcome_detectors": _plain(monitor.outcome_detectors),
        "recent": [_plain(one) for one in monitor.recent],
    }


def read_monitor(held: Mapping[str, Any], sketch: Sketch) -> Monitor:
    """Return the monitor of `plain_monitor`.

    Args:
        sketch: of the model that it watches.
    """
    return Monitor(
        model=held["model"],
        layout=sketch.layout,
        pool=_read(Pool, held["pool"]),
        residuals=_read(Residuals, held["residuals"]),
        detectors=_read(Detectors, held["detectors"]),
        outcome_detectors=_read(Detectors, held["outcome_detectors"]),
        batches=tuple(restore(Batch, batch) for batch in held["batches"]),
        alarms=tuple(restore(Alarm, alarm) for alarm in held["alarms"]),
        recent=tuple(_read(Recent, one) for one in held["recent"]),
    )


def _plain(record: Any) -> Any:
    """Return a record of arrays, numbers and such records as lists and numbers."""
    if isinstance(record, np.ndarray):
        return record.tolist()
    if isinstance(record, int | float | None):
        return record
    return {item.name: _plain(getattr(record, item.name)) for item in fields(record)}


def _read(kind: type[T], held: Mapping[str, Any]) -> T:
    return kind(**{name: _part(name, value) for name, value in held.items()})


def _part(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return np.array(value, dtype=np.int64 if name in WHOLE else np.float64)
    return _read(PARTS[name], value) if isinstance(value, dict) else value
