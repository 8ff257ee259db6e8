"""Judging: how contestants did on rows that none of them saw, in the metrics of the task."""

from collections.abc import Callable, Mapping

from scipy.special import softmax

from foretell.data.dataset import Dataset
from foretell.models.family import Floats, Material, Rows
from foretell.models.several import named
from foretell.prediction.fitted import DELIVERED, Fitted, Scored, Standing
from foretell.prediction.rungs import Climbed
from foretell.tasks import classify, multiclass, regress

Judge = Callable[[Floats, Rows, Floats | None], Mapping[str, float]]
"""From the log-odds or scores of some rows, those rows, and what the same contestant made of the choosing
rows (None: it is what is delivered, which is calibrated) to metrics."""


def judge_of(fitted: Fitted, dataset: Dataset, choose: Rows) -> Judge:
    """Return what judges contestants on rows with known outcome.

    Args:
        choose: the choosing rows.
    """
    values, estimator, coupling = dataset.values, fitted.estimator, fitted.coupling

    def by_outcome(logits: Floats, rows: Rows, choosing: Floats | None) -> Mapping[str, float]:
        probabilities = fitted.calibration(logits) if choosing is None else classify.sigmoid(logits)
        return classify.metrics(probabilities, dataset.target[rows])

    def by_class(logits: Floats, rows: Rows, choosing: Floats | None) -> Mapping[str, float]:
        probabilities = coupling(logits) if coupling and choosing is None else softmax(logits, axis=1)
        return multiclass.metrics(probabilities, dataset.target[rows])

    if coupling is not None:
        return by_class
    if values is None or estimator is None:
        return by_outcome

    def by_number(scores: Floats, rows: Rows, choosing: Floats | None) -> Mapping[str, float]:
        if choosing is None:
            return {**regress.metrics(estimator, scores, values[rows]), **by_outcome(scores, rows, None)}
        own = regress.estimator(estimator.scale, choosing, values[choose], estimator.level)
        return regress.metrics(own, scores, values[rows])

    return by_number


def standings_of(climbed: Climbed, material: Material, judge: Judge, scored: Scored) -> tuple[Standing, ...]:
    """Judge every rung, and last what is delivered, once on the test rows with known outcome."""
    shares, measure = climbed.shares, climbed.measure
    choosing, known = material.aims[climbed.choose], material.labels[scored.rows] >= 0
    rows = scored.rows[known]
    standings = [
        Standing(
            name=rung.name,
            family=named(rung.members[0]),
            metrics=judge(rung.score(material, rows), rows, rung.choosing),
            choosing=measure(choosing, rung.choosing),
            measure=measure.name,
            fit_cpu_seconds=rung.fit_cpu_seconds,
            rows_per_cpu_second=rung.rows_per_cpu_second,
            weight=shares.get(rung.name, 0.0),
            floor=rung.floor,
        )
        for rung in climbed.rungs
    ]
    delivered = [rung for rung in climbed.rungs if rung.name in shares]
    standings.append(
        Standing(
            name=DELIVERED,
            family="+".join(sorted(shares)),
            metrics=judge(scored.logits[known], rows, None),
            choosing=measure(choosing, climbed.mixed),
            measure=measure.name,
            fit_cpu_seconds=sum(rung.fit_cpu_seconds for rung in delivered),
            rows_per_cpu_second=1 / sum(1 / rung.rows_per_cpu_second for rung in delivered),
            weight=1.0,
        )
    )
    return tuple(standings)
