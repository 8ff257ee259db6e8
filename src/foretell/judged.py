"""From standings and test rows to the report's leaderboard, curves and estimates."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from foretell import report
from foretell.data.dataset import Dataset
from foretell.prediction.fitted import DELIVERED, Fitted, Scored
from foretell.tasks import regress
from foretell.tasks.classify import Floats

POINTS = 200
"""Points of a curve."""
SHOWN = 400
"""Rows of which expected and true value are drawn."""


def leaderboard(fitted: Fitted, found: Mapping[str, float]) -> tuple[report.LeaderboardRow, ...]:
    """Return a row for each standing.

    Args:
        found: metrics of what is delivered, with its alerts.
    """
    rows = []
    floors = {standing.name for standing in fitted.standings if standing.floor}
    for standing in fitted.standings:
        delivered = standing.name == DELIVERED
        rows.append(
            report.LeaderboardRow(
                name=standing.family if delivered else standing.name,
                family="calibrated" if delivered else standing.family,
                average_precision=standing.metrics.get("average_precision"),
                auc=standing.metrics.get("auc"),
                precision=found["precision_at_capacity"] if delivered else None,
                log_loss=standing.metrics.get("log_loss"),
                ece=standing.metrics.get("ece"),
                accuracy=standing.metrics.get("accuracy"),
                macro_f1=standing.metrics.get("macro_f1"),
                rmse=standing.metrics.get("rmse"),
                mae=standing.metrics.get("mae"),
                r2=standing.metrics.get("r2"),
                coverage=standing.metrics.get("coverage"),
                fit_cpu_seconds=standing.fit_cpu_seconds or None,
                rows_per_cpu_second=standing.rows_per_cpu_second or None,
                weight=standing.weight,
                floor=standing.floor or (delivered and {*fitted.name.split("+")} <= floors),
                delivered=delivered,
            )
        )
    return tuple(rows)


def curves(
    fitted: Fitted, scored: Scored, known: NDArray[np.int64], labels: NDArray[np.int8], threshold: float
) -> tuple[report.Curve, ...]:
    """Return the curve of what is delivered, and behind it those of the families that it is made of.

    Args:
        known: places among the scored rows whose outcome is known and which are reviewed.
        labels: their outcomes.
        threshold: the probability from which a row typically became an alert.
    """
    curve = _curve(fitted.name, labels, scored.probabilities[known], threshold)
    drawn = [replace(curve, delivered=True)]
    if fitted.coupling is not None:
        return tuple(drawn)
    by_family = fitted.logits_by_family(scored.features[scored.rows[known]])
    if len(by_family) > 1:
        floors = [s.name for s in fitted.standings if s.floor and s.name in by_family]
        for name, logits in by_family.items():
            drawn.append(replace(_curve(name, labels, logits), floor=name in floors[-1:]))
    return tuple(drawn)


def estimates(fitted: Fitted, dataset: Dataset, scored: Scored) -> tuple[report.Estimates, ...]:
    """Return what was expected of the test rows and what came; nothing where no number is learned."""
    values, target, estimator = dataset.values, dataset.column("target"), fitted.estimator
    if values is None or target is None or estimator is None:
        return ()
    known = np.flatnonzero(np.isfinite(values[scored.rows]))
    scores, came = scored.logits[known], values[scored.rows[known]]
    found = regress.metrics(estimator, scores, came)
    picked = np.unique(np.linspace(0, len(known) - 1, SHOWN).round().astype(int)) if len(known) else known
    ends = estimator.intervals(np.sort(scores[picked]))
    told = report.Estimates(
        text=target.text,
        unit=target.unit,
        level=estimator.level,
        expected=tuple(estimator.values(np.sort(scores[picked])).tolist()),
        came=tuple(came[picked][np.argsort(scores[picked])].tolist()),
        low=tuple(ends[0].tolist()) if ends else (),
        high=tuple(ends[1].tolist()) if ends else (),
        **found,
    )
    return (told,)


def _curve(
    name: str, labels: NDArray[np.int8], scores: Floats, threshold: float | None = None
) -> report.Curve:
    """Return precision against recall at evenly spread levels of recall, and exactly at the threshold."""
    precision, recall, thresholds = precision_recall_curve(labels, scores)
    order = np.argsort(recall, kind="stable")
    levels = np.searchsorted(recall[order], np.linspace(0, 1, POINTS)).clip(0, len(order) - 1)
    picked = set(order[levels].tolist())
    chosen = None if threshold is None else int(np.searchsorted(thresholds, threshold))
    if chosen is not None:  # alone at its recall, so that the mark says the precision of this threshold
        picked = {index for index in picked if recall[index] != recall[chosen]} | {chosen}
    kept = [index for index in order.tolist() if index in picked]
    return report.Curve(
        name=name,
        recall=tuple(recall[kept].tolist()),
        precision=tuple(precision[kept].tolist()),
        chosen=None if chosen is None else float(recall[chosen]),
    )
