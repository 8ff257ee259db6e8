"""Binary classification: metrics, calibration, and the threshold that review capacity or costs set.

n: rows. Logits are natural log-odds; probabilities lie in [0, 1]; labels are 0 or 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from foretell.errors import DataError

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]
LARGEST_LOGIT = 12.0
LEAST_SLOPE = 1e-3
DAY_US = 86_400_000_000
NUM_BINS = 12
"""Bins of a reliability diagram."""
BLOCK = 1000
"""Rows of a review period where rows have no time."""


def sigmoid(logits: Floats) -> Floats:
    """Return 1 / (1 + exp(-logits)) without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * logits))


def logit(probabilities: Floats) -> Floats:
    """Return log(p / (1 - p)), held within +-LARGEST_LOGIT."""
    edge = sigmoid(np.array([-LARGEST_LOGIT]))[0]
    held = np.clip(probabilities, edge, 1 - edge)
    return np.log(held) - np.log1p(-held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A strictly increasing map from raw to calibrated logits: straight lines between knots.

    Beyond the outer knots it goes on with slope 1, so no score is flattened and no order is lost.
    """

    raw: tuple[float, ...]
    calibrated: tuple[float, ...]
    method: str

    def __call__(self, logits: Floats) -> Floats:
        """Return calibrated probabilities [n] of raw logits [n]."""
        raw, calibrated = np.array(self.raw), np.array(self.calibrated)
        inside = np.interp(logits, raw, calibrated)
        beyond = np.minimum(logits - raw[0], 0.0) + np.maximum(logits - raw[-1], 0.0)
        return sigmoid(np.clip(inside + beyond, -LARGEST_LOGIT, LARGEST_LOGIT))


def calibrate(logits: Floats, labels: Labels, *, num_folds: int = 5, seed: int = 0) -> Calibration:
    """Fit Platt scaling and a smoothed isotonic map; keep the one with the lower cross-fitted log-loss.

    Args:
        logits: raw log-odds [n] of rows that the model was not fitted on.
        labels: outcomes [n].
        num_folds: parts of the cross-fit.

    Raises:
        DataError: when one class is missing.

    Source: Platt (1999); Zadrozny and Elkan, KDD 2002 (isotonic regression).
    """
    positives = int(labels.sum())
    if positives == 0 or positives == len(labels):
        raise DataError(
            f"calibration needs both outcomes; {positives} of {len(labels)} validation rows are positive",
            "raise split.valid_share or give a longer period",
        )
    if min(positives, len(labels) - positives) < 2 * num_folds:
        return _platt(logits, labels)
    rng = np.random.default_rng(seed)
    fold = np.empty(len(labels), dtype=np.int64)
    for outcome in (0, 1):
        rows = rng.permutation(np.flatnonzero(labels == outcome))
        fold[rows] = np.arange(len(rows)) % num_folds
    losses = {}
    for fit in (_platt, _isotonic):
        crossed = np.empty(len(labels))
        for part in range(num_folds):
            crossed[fold == part] = fit(logits[fold != part], labels[fold != part])(logits[fold == part])
        losses[fit] = log_loss(labels, crossed)
    return min(losses, key=lambda fit: losses[fit])(logits, labels)


def _platt(logits: Floats, labels: Labels) -> Calibration:
    model = LogisticRegression(C=1e4).fit(logits[:, None], labels)
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope < LEAST_SLOPE:
        # Scores that do not rise with the outcome keep their order and tell the base rate.
        slope = LEAST_SLOPE
        intercept = float(logit(labels.mean()) - slope * logits.mean())
    raw = np.array([logits.min() - 1e-6, logits.max() + 1e-6])
    calibrated = slope * raw + intercept
    return Calibration(raw=tuple(raw.tolist()), calibrated=tuple(calibrated.tolist()), method="platt")


def _isotonic(logits: Floats, labels: Labels, *, num_knots: int = 40) -> Calibration:
    """Return isotonic block means joined by straight lines, each with half a pseudo-row of the base rate."""
    order = np.argsort(logits, kind="stable")
    x, y = logits[order], labels[order].astype(np.float64)
    fitted = IsotonicRegression(out_of_bounds="clip").fit(x, y).predict(x)
    _, block = np.unique(fitted, return_inverse=True)
    counts = np.bincount(block)
    centre = np.bincount(block, x) / counts
    rate = (np.bincount(block, y) + 0.5 * y.mean()) / (counts + 0.5)
    rate = np.maximum.accumulate(rate)
    keep = np.unique(np.linspace(0, len(centre) - 1, num_knots).round().astype(int))
    raw = centre[keep] + 1e-9 * np.arange(len(keep))
    calibrated = logit(rate[keep]) + 1e-6 * np.arange(len(keep))
    return Calibration(raw=tuple(raw.tolist()), calibrated=tuple(calibrated.tolist()), method="isotonic")


def wilson(positives: float, n: float, *, z: float = 1.96) -> tuple[float, float]:
    """Return the interval of a share of `positives` in `n` (95 % by default).

    Source: Wilson, JASA 22 (1927).

    >>> [round(end, 3) for end in wilson(83, 100)]
    [0.745, 0.891]
    """
    if n == 0:
        return 0.0, 1.0
    share = positives / n
    centre = share + z * z / (2 * n)
    spread = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # Rounding must not push an end past the share, nor past 0 or 1.
    low, high = float((centre - spread) / scale), float((centre + spread) / scale)
    return max(0.0, min(low, share)), min(1.0, max(high, share))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Rows of like probability: what was said, and what came."""

    predicted: float
    observed: float
    n: int
    low: float
    high: float


def reliability(
    probabilities: Floats, labels: Labels, *, num_bins: int = NUM_BINS
) -> tuple[ReliabilityBin, ...]:
    """Return bins of rising probability: half by rows, half by positives, so the rare top is resolved."""
    if len(labels) == 0:
        return ()
    order = np.argsort(probabilities, kind="stable")
    weight = np.cumsum(labels[order] + labels.mean())
    edges = np.searchsorted(weight, np.linspace(0, weight[-1], num_bins + 1)[1:-1])
    bins = []
    for rows in np.split(order, np.unique(edges)):
        if len(rows) == 0:
            continue
        positives = float(labels[rows].sum())
        low, high = wilson(positives, len(rows))
        bins.append(
            ReliabilityBin(
                predicted=float(probabilities[rows].mean()),
                observed=positives / len(rows),
                n=len(rows),
                low=low,
                high=high,
            )
        )
    return tuple(bins)


def expected_calibration_error(probabilities: Floats, labels: Labels) -> float:
    """Return the mean distance of predicted and observed rates over the reliability bins, weighted by rows.

    Source: Naeini et al., AAAI 2015.
    """
    bins = reliability(probabilities, labels)
    return float(sum(item.n * abs(item.predicted - item.observed) for item in bins) / len(labels))


def metrics(probabilities: Floats, labels: Labels) -> Mapping[str, float]:
    """Return threshold-free metrics; those that need both outcomes are left out when one is missing."""
    held = np.clip(probabilities, 1e-7, 1 - 1e-7)
    found = {
        "log_loss": float(log_loss(labels, held, labels=[0, 1])),
        "brier": float(brier_score_loss(labels, probabilities)),
        "ece": expected_calibration_error(probabilities, labels),
    }
    if 0 < labels.sum() < len(labels):
        found["average_precision"] = float(average_precision_score(labels, probabilities))
        found["auc"] = float(roc_auc_score(labels, probabilities))
    return found


def periods(at_us: NDArray[np.int64], *, timed: bool) -> NDArray[np.int64]:
    """Return each row's review period [n]: its UTC day, or its block of a thousand rows without time."""
    return at_us // DAY_US if timed else np.arange(len(at_us), dtype=np.int64) // BLOCK


def room(capacity: int, num_rows: int, *, timed: bool) -> int:
    """Return the reviews that a period of so many rows allows: a block that is cut short has its share.

    >>> room(100, 7, timed=True), room(100, 1000, timed=False), room(100, 120, timed=False)
    (100, 100, 12)
    """
    return capacity if timed else max(1, round(capacity * num_rows / BLOCK))


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Which rows a team reviews, period by period, and what it would find."""

    rows: NDArray[np.int64]
    """Rows under review, best first within a period."""
    cutoff: Floats
    """For every row [n], the score from which its period's rows are reviewed: the lowest in a full queue,
    else `least`; inf where the queue is empty."""
    precision: float
    """Reviewed entities that were positive in their period over the capacity, averaged over periods."""


def queue(
    scores: Floats,
    labels: Labels,
    period: NDArray[np.int64],
    entity: NDArray[np.int64],
    *,
    capacity: int,
    timed: bool = True,
    away_until: NDArray[np.int64] | None = None,
    least: float = -np.inf,
) -> Queue:
    """Fill each period's review queue with the entities that score highest, each by its highest row.

    Args:
        scores: any increasing score [n].
        labels: outcomes [n]; -1 where unknown. They tell what a review finds, never what is reviewed.
        period: review period of each row [n].
        entity: code of the thing that is reviewed (a card) [n].
        capacity: reviews per day, or per thousand rows without time.
        timed: whether periods are days; blocks of rows are reviewed by their size.
        away_until: last period without a row's entity once a review found the row positive [n]: its card is
            blocked. None: nobody leaves.
        least: lowest score worth a review.

    Source: card precision top-k of Le Borgne et al., Reproducible Machine Learning for Credit Card Fraud
    Detection (2022), ch. 4.
    """
    away: dict[int, int] = {}
    cutoff = np.full(len(scores), np.inf)
    queued: list[NDArray[np.int64]] = []
    shares: list[float] = []
    for rows in _by_period(period):
        best = rows[np.lexsort((rows, -scores[rows]))]
        best = best[np.sort(np.unique(entity[best], return_index=True)[1])]
        best = best[scores[best] >= least]
        if away:
            number = period[rows[0]]
            best = best[[away.get(code, number - 1) < number for code in entity[best].tolist()]]
        places = room(capacity, len(rows), timed=timed)
        best = best[:places]
        found = rows[(labels[rows] == 1) & np.isin(entity[rows], entity[best])]
        if away_until is not None:
            for code, last in zip(entity[found].tolist(), away_until[found].tolist(), strict=True):
                away[code] = max(last, away.get(code, last))
        if len(best):
            full = len(best) == places or least == -np.inf
            cutoff[rows] = scores[best[-1]] if full else least
        queued.append(best)
        shares.append(len(np.unique(entity[found])) / places)
    rows = np.concatenate(queued) if queued else np.empty(0, dtype=np.int64)
    return Queue(rows=rows, cutoff=cutoff, precision=float(np.mean(shares)) if shares else 0.0)


def _by_period(period: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    order = np.argsort(period, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(period[order])) + 1) if len(period) else []


def cost_threshold(*, cost_miss: float, cost_review: float) -> float:
    """Return the probability from which a review costs less than the misses it prevents.

    Source: Elkan, IJCAI 2001; a review that finds nothing costs `cost_review`, a miss `cost_miss`.

    >>> cost_threshold(cost_miss=200.0, cost_review=10.0)
    0.05
    """
    return cost_review / cost_miss
