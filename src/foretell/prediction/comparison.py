"""Champion against challenger on rows that neither saw, with the interval of their difference. n: rows."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foretell.errors import DataError
from foretell.tasks.classify import Floats, Labels

DRAWS = 500
"""Draws of the bootstrap."""
LOOKS = 200
"""Draws for the intervals of one model's figures."""
FEWEST = 10
"""Positive rows below which no difference counts as a win: the interval would be one of chance."""
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
    num_positives: int
    base_rate: float
    """Weighted share of positives."""
    effective_rows: float
    """How many rows of equal weight tell as much."""
    average_precision: Difference
    log_loss: Difference

    @property
    def won(self) -> bool:
        """Whether the challenger is surely better in order and not surely worse in probability."""
        better = self.average_precision.low > 0 and self.num_positives >= FEWEST
        return better and self.log_loss.low <= 0


def compare(
    labels: Labels,
    champion: Floats,
    challenger: Floats,
    weights: Floats,
    clusters: NDArray[np.int64],
    *,
    seed: int = 0,
) -> Comparison:
    """Compare two models' probabilities of the same rows.

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
    measures = [
        (_average_precision(labels, champion), _average_precision(labels, challenger)),
        (_log_loss(labels, champion), _log_loss(labels, challenger)),
    ]
    _, group = np.unique(clusters, return_inverse=True)
    rng = np.random.default_rng(seed)
    drawn: list[list[float]] = [[], []]
    for _ in range(DRAWS):
        held = weights * rng.exponential(size=int(group.max()) + 1)[group]
        for found, (one, other) in zip(drawn, measures, strict=True):
            found.append(other(held) - one(held))
    precision, loss = (
        Difference(
            champion=one(weights),
            challenger=other(weights),
            low=float(np.quantile(found, 0.025)),
            high=float(np.quantile(found, 0.975)),
        )
        for found, (one, other) in zip(drawn, measures, strict=True)
    )
    return Comparison(
        num_rows=len(labels),
        num_positives=num_positives,
        base_rate=float(np.average(labels, weights=weights)),
        effective_rows=float(weights.sum() ** 2 / (weights**2).sum()),
        average_precision=precision,
        log_loss=loss,
    )


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
    return lambda weights: float(np.average(losses, weights=weights))
