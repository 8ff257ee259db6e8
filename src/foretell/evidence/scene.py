"""The scene: what every collector of facts looks at. R: rows explained, F: features."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from foretell import wording
from foretell.data.dataset import Dataset
from foretell.prediction.fitted import Fitted, Scored
from foretell.records import Fact, Prediction, Value

DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Rows to explain, the data they stand in, and the model that scored them."""

    fitted: Fitted
    dataset: Dataset
    scored: Scored
    rows: NDArray[np.int64]
    """Rows of the data set [R]."""
    predictions: tuple[Prediction, ...]
    shares: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """For each row, the share with which it was drawn at random; 0, or empty for all: it was not [R]."""
    places: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """For each row, its number in the whole data, which seeds its draws; empty where the data are whole."""
    pool: int = 0
    """Rows from which those were drawn."""
    facts: list[list[Fact]] = field(default_factory=list)
    """Facts gathered so far, per row."""

    @property
    def share_unit(self) -> str:
        """The unit of shares in a score: log-odds, or where a number is learned its standard deviations."""
        return share_unit(self.fitted)

    def __post_init__(self) -> None:
        self.facts.extend([] for _ in self.rows)


def share_unit(fitted: Fitted) -> str:
    """Return the unit of shares in a model's score, in the language of its narratives."""
    if fitted.estimator is None:
        return "log-odds"
    return wording.text("deviations", fitted.spec.narrate.language)


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
        value=_told(value),
        unit=unit,
        source=source,
        detail={key: _told(entry) for key, entry in (detail or {}).items()},
    )


def _told(value: Value) -> Value:
    return shorter(value) if isinstance(value, float) else value


def shorter(value: float) -> float:
    """Return a number as facts hold it, with six digits."""
    return float(f"{value:.6g}")


def stamps(at_us: NDArray[np.int64]) -> Callable[[int], str]:
    """Return what writes a column's instants as ISO 8601: dates where all are midnights, else to the second.

    >>> stamps(np.array([0, 86_400_000_000]))(0), stamps(np.array([0, 1_000_000]))(0)
    ('1970-01-01', '1970-01-01T00:00:00+00:00')
    """
    return iso if (at_us % DAY_US).any() else lambda at: iso(at)[:10]


def iso(at_us: int) -> str:
    """Return an instant of microseconds since 1970 as ISO 8601 in UTC, to the second.

    >>> iso(0)
    '1970-01-01T00:00:00+00:00'
    """
    return datetime.fromtimestamp(int(at_us) // 1_000_000, tz=UTC).isoformat()
