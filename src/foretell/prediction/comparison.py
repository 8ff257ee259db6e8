"""Champion against challenger on rows that neither saw, with the interval of their difference. n: rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foretell.errors import DataError
from foretell.tasks.classify import Floats, Labels

DRAWS = 500
"""Draws of the bootstrap."""
LOOKS = 200
"""Draws for the intervals of one model's figures."""
FEWEST, FEWEST_ROWS = 10, 30
"""Positive rows below which no difference counts as a win: the interval would be one of chance. Of classes
and numbers, rows."""
RISING = frozenset({"average_precision", "accuracy"})
"""Measures of which more is better."""
LEAST = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A metric of both models, and the 95 % interval of how much higher the challenger's is."""

    champion: float
    challenger: float
    low: float
    high: float

    @property
    def value(self) -> float:
        return self.challenger - self.champion


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What two models make of the same later rows, each of which counts by its weight."""

    num_rows: int
    num_positives: int | None = None
    """None where there are no two outcomes, as is `base_rate`."""
    base_rate: float | None = None
    """Weighted share of positives."""
    effective_rows: float
    """How many rows of equal weight tell as much."""
    average_precision: Difference | None = None
    log_loss: Difference | None = None
    accuracy: Difference | None = None
    rmse: Difference | None = None
    """In the target's unit, as is `mae`."""
    mae: Difference | None = None

    @property
    def measures(self) -> Mapping[str, Difference]:
        """Those that were taken, first the one in which the challenger must surely be better."""
        names = ("average_precision", "rmse", "log_loss", "accuracy", "mae")
        held = {name: getattr(self, name) for name in names}
        return {name: each for name, each in held.items() if each is not None}

    @property
    def enough(self) -> bool:
        """Whether there are rows enough for a difference to count as a win."""
        return self.num_rows >= FEWEST_ROWS if self.num_positives is None else self.num_positives >= FEWEST

    @property
    def won(self) -> bool:
        """Whether the challenger is surely better in the first measure and not surely worse in the second."""
        (first, lead), (second, guard) = self.measures.items()
        better = lead.low > 0 if first in RISING else lead.high < 0
        worse = guard.high < 0 if second in RISING else guard.low > 0
        return better and self.enough and not worse


def compare(
    labels: Labels,
    champion: Floats,
    challenger: Floats,
    weights: Floats,
    clusters: NDArray[np.int64],
    *,
    seed: int = 0,
) -> Comparison:
    """Compare two models' probabilities of the same rows, of two outcomes.

    Args:
        labels: outcomes of the rows, 0 or 1 [n].
        champion, challenger: calibrated probabilities [n].
        weights: how many rows each stands for [n].
        clusters: rows of one code (one card) vary together [n].

    Raises:
        DataError: when the rows have one outcome only.

    Source: Rubin, Annals of Statistics 9 (1981): the Bayesian bootstrap, here over clusters.
    """
    num_positives = int(labels.sum())
    if num_positives in (0, len(labels)):
        raise DataError(
            f"{num_positives} of {len(labels)} later rows are positive: models cannot be compared on them",
            "decide more cases, or let more rows be drawn (review.audit)",
        )
    measures = {
        "average_precision": (_average_precision(labels, champion), _average_precision(labels, challenger)),
        "log_loss": (_log_loss(labels, champion), _log_loss(labels, challenger)),
    }
    return Comparison(
        num_rows=len(labels),
        num_positives=num_positives,
        base_rate=float(np.average(labels, weights=weights)),
        effective_rows=_effective(weights),
        **_differences(measures, weights, clusters, seed),
    )


def compare_classes(
    codes: Labels,
    champion: Floats,
    challenger: Floats,
    weights: Floats,
    clusters: NDArray[np.int64],
    *,
    seed: int = 0,
) -> Comparison:
    """Compare two models' probabilities of several classes [n, C] on the same rows; see `compare`.

    Args:
        codes: the rows' classes [n].
    """
    _some(codes)
    own = np.arange(len(codes)), codes.astype(np.int64)
    measures = {
        "log_loss": tuple(_mean(-np.log(np.clip(told[own], LEAST, 1))) for told in (champion, challenger)),
        "accuracy": tuple(
            _mean((told.argmax(axis=1) == codes).astype(float)) for told in (champion, challenger)
        ),
    }
    found = _differences(measures, weights, clusters, seed)
    return Comparison(num_rows=len(codes), effective_rows=_effective(weights), **found)


def compare_numbers(
    values: Floats,
    champion: Floats,
    challenger: Floats,
    weights: Floats,
    clusters: NDArray[np.int64],
    *,
    seed: int = 0,
) -> Comparison:
    """Compare two models' estimates [n] of the same rows' numbers [n]; see `compare`."""
    _some(values)
    squares = [_mean((told - values) ** 2) for told in (champion, challenger)]
    measures = {
        "rmse": tuple(lambda held, each=each: float(np.sqrt(each(held))) for each in squares),
        "mae": tuple(_mean(np.abs(told - values)) for told in (champion, challenger)),
    }
    found = _differences(measures, weights, clusters, seed)
    return Comparison(num_rows=len(values), effective_rows=_effective(weights), **found)


def _some(rows: NDArray[Any]) -> None:
    if not len(rows):
        raise DataError(
            "no later row is known: models cannot be compared", "decide newer cases, or add newer rows"
        )


def _effective(weights: Floats) -> float:
    return float(weights.sum() ** 2 / (weights**2).sum())


def _differences(
    measures: Mapping[str, Sequence["Measure"]], weights: Floats, clusters: NDArray[np.int64], seed: int
) -> dict[str, Any]:
    """Return each measure of both models, with the interval of how much higher the challenger's is."""
    _, group = np.unique(clusters, return_inverse=True)
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(DRAWS):
        held = weights * rng.exponential(size=int(group.max()) + 1)[group]
        for name, (one, other) in measures.items():
            drawn[name].append(other(held) - one(held))
    return {
        name: Difference(
            champion=one(weights),
            challenger=other(weights),
            low=float(np.quantile(drawn[name], 0.025)),
            high=float(np.quantile(drawn[name], 0.975)),
        )
        for name, (one, other) in measures.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A metric and the ends of its 95 % interval."""

    name: str
    value: float
    low: float
    high: float


def intervals(
    labels: Labels, probabilities: Floats, clusters: NDArray[np.int64] | None, *, seed: int = 0
) -> tuple[Figure, ...]:
    """Return average precision, AUC, log-loss and Brier score, with intervals over other rows like these.

    Args:
        labels: outcomes, 0 or 1 [n]. With one outcome alone nothing is measured.
        probabilities: calibrated [n].
        clusters: rows of one code vary together [n]; every row by itself if None.

    Source: Rubin, Annals of Statistics 9 (1981).
    """
    if len(np.unique(labels)) < 2:
        return ()
    measures = {
        "average_precision": _average_precision(labels, probabilities),
        "auc": _auc(labels, probabilities),
        "log_loss": _log_loss(labels, probabilities),
        "brier": lambda held: float(np.average((probabilities - labels) ** 2, weights=held)),
    }
    rows = np.arange(len(labels)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(LOOKS):
        held = rng.exponential(size=int(rows.max()) + 1)[rows]
        for name, measure in measures.items():
            drawn[name].append(measure(held))
    return tuple(
        Figure(
            name=name,
            value=measure(np.ones(len(labels))),
            low=float(np.quantile(drawn[name], 0.025)),
            high=float(np.quantile(drawn[name], 0.975)),
        )
        for name, measure in measures.items()
    )


Measure = Callable[[Floats], float]


def _mean(values: Floats) -> Measure:
    return lambda weights: float(np.average(values, weights=weights))


def _average_precision(labels: Labels, scores: Floats) -> Measure:
    """Return what gives the average precision under any weights; equal scores are one step of the curve."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    positive = labels[order] == 1

    def measure(weights: Floats) -> float:
        held = weights[order]
        hits, looked = np.cumsum(held * positive)[ends], np.cumsum(held)[ends]
        return float((np.diff(hits, prepend=0.0) * hits / looked).sum() / hits[-1])

    return measure


def _auc(labels: Labels, scores: Floats) -> Measure:
    """Return what gives the chance that a positive row scores above a negative one; a tie counts half."""
    order = np.argsort(scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    positive = labels[order] == 1

    def measure(weights: Floats) -> float:
        held = weights[order]
        found = np.diff(np.cumsum(held * positive)[ends], prepend=0.0)
        passed = np.cumsum(held * ~positive)[ends]
        below = passed - np.diff(passed, prepend=0.0) / 2
        return float((found * below).sum() / (found.sum() * passed[-1]))

    return measure


def _log_loss(labels: Labels, probabilities: Floats) -> Measure:
    held = np.clip(probabilities, LEAST, 1 - LEAST)
    losses = -np.where(labels == 1, np.log(held), np.log1p(-held))
    return _mean(losses)
