"""Performance without labels: what metrics to expect if the probabilities hold. n: rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foretell.prediction.outcomes import Residuals
from foretell.prediction.sketch import Floats
from foretell.tasks.classify import logit, queue, sigmoid

DRAWS = 100
MISS = 0.1
"""Share of draws outside an interval, half on each side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A metric that the rows' outcomes would give, were they known."""

    value: float
    low: float
    high: float
    """Nine draws in ten lie between: chance of the outcomes and doubt about the calibration together."""


def expected(
    probabilities: Floats,
    past: Residuals,
    *,
    period: NDArray[np.int64],
    entity: NDArray[np.int64],
    capacity: int,
    timed: bool,
    seed: int = 0,
) -> Mapping[str, Expected]:
    """Return positives, log_loss, average_precision, auc and precision_at_capacity to expect.

    Outcomes are drawn from the probabilities, after these were moved as far as the rows that calibrated them
    leave open. So it holds as long as the calibration does: a change of what leads to the outcome is not seen
    here, but only when outcomes come.

    Args:
        probabilities: calibrated [n].
        past: how well calibration is known.
        period: review period of each row [n].
        entity: code of what is reviewed [n].
        capacity: reviews per period.
        timed: whether periods are days.

    Source: confidence-based performance estimation; Kivimäki et al., arXiv:2505.05295 (2025).
    """
    rng = np.random.default_rng(seed)
    logits, held = logit(probabilities), np.clip(probabilities, 1e-7, 1 - 1e-7)
    losses = -np.log1p(-held), -np.log(held)
    doubt = 1 / np.sqrt(np.maximum(past.information, 1e-12))
    order = np.argsort(-probabilities, kind="stable")
    ends = np.flatnonzero(np.diff(-probabilities[order], append=np.inf))
    drawn: dict[str, list[float]] = {}
    for _ in range(DRAWS):
        shift, turn = np.clip(doubt * rng.standard_normal(2), -2, 2)
        chances = sigmoid(logits + shift + turn * (logits - past.centre))
        labels = (rng.random(len(chances)) < chances).astype(np.int8)
        reviewed = queue(probabilities, labels, period, entity, capacity=capacity, timed=timed)
        found = {
            "positives": float(labels.sum()),
            "log_loss": float(np.where(labels == 1, losses[1], losses[0]).mean()),
            "precision_at_capacity": reviewed.precision,
        }
        if 0 < labels.sum() < len(labels):
            found |= _ranked(labels[order], ends)
        for name, value in found.items():
            drawn.setdefault(name, []).append(value)
    return {name: _interval(np.array(values)) for name, values in drawn.items()}


def _ranked(labels: NDArray[np.int8], ends: NDArray[np.int64]) -> dict[str, float]:
    """Return average precision and AUC of labels [n] in the order of falling probability.

    Args:
        ends: last row of each run of equal probabilities.
    """
    hits = np.cumsum(labels, dtype=np.float64)[ends]
    misses = ends + 1 - hits
    gained, passed = np.diff(hits, prepend=0), np.diff(misses, prepend=0)
    precision = (gained * hits / (ends + 1)).sum() / hits[-1]
    area = (gained * (misses[-1] - misses + passed / 2)).sum() / (hits[-1] * misses[-1])
    return {"average_precision": float(precision), "auc": float(area)}


def _interval(values: Floats) -> Expected:
    low, high = np.quantile(values, [MISS / 2, 1 - MISS / 2])
    return Expected(value=float(values.mean()), low=float(low), high=float(high))
