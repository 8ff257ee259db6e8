"""The scene: what every collector of facts looks at. R: rows explained, F: features."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from foretell.data.dataset import Dataset
from foretell.prediction.fitted import Fitted, Scored
from foretell.records import Fact, Prediction, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Rows to explain, the data they stand in, and the model that scored them."""

    fitted: Fitted
    dataset: Dataset
    scored: Scored
    rows: NDArray[np.int64]
    """Rows of the data set [R]."""
    predictions: tuple[Prediction, ...]
    facts: list[list[Fact]] = field(default_factory=list)
    """Facts gathered so far, per row."""

    def __post_init__(self) -> None:
        self.facts.extend([] for _ in self.rows)


def fact(
    kind: str,
    name: str,
    text: str,
    value: Value,
    unit: str = "",
    source: str = "",
    detail: Mapping[str, Value] | None = None,
) -> Fact:
    """Return a fact whose id is given once all are gathered; numbers lose what no reader could see."""
    return Fact(
        id="",
        kind=kind,
        name=name,
        text=text,
        value=_shorter(value),
        unit=unit,
        source=source,
        detail={key: _shorter(entry) for key, entry in (detail or {}).items()},
    )


def _shorter(value: Value) -> Value:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def iso(at_us: int) -> str:
    """Return an instant of microseconds since 1970 as ISO 8601 in UTC, to the second.

    >>> iso(0)
    '1970-01-01T00:00:00+00:00'
    """
    return datetime.fromtimestamp(int(at_us) // 1_000_000, tz=UTC).isoformat()
