"""What a model promises, from the choosing rows: probabilities, intervals, and from where people look.

C: choosing rows, K: classes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from foretell.data.dataset import Dataset
from foretell.data.split import Split
from foretell.models.family import Floats, Rows
from foretell.prediction.alerts import threshold_of, usual_positives
from foretell.prediction.faces import AS_IT_IS, doubted
from foretell.prediction.numbers import estimator_of
from foretell.spec import Spec
from foretell.tasks.classify import Calibration, calibrate
from foretell.tasks.multiclass import Coupling, couple, doubts
from foretell.tasks.regress import Estimator, Scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What makes the raw scores of a model honest."""

    spec: Spec
    """With a capacity."""
    calibration: Calibration
    threshold: float
    coupling: Coupling | None
    estimator: Estimator | None


def promised(
    spec: Spec,
    dataset: Dataset,
    parts: Split,
    choose: Rows,
    mixed: Floats,
    scale: Scale | None,
    codes: Mapping[str, Rows],
    tell: Callable[[str], None],
) -> Promise:
    """Fit what makes raw scores honest.

    Args:
        choose: the choosing rows.
        mixed: their raw log-odds or scores [C], of several classes [C, K], by models that they did not teach.
        scale: of a number.
        codes: entity column -> code of each row's entity.
    """
    if not dataset.classes:
        calibration, coupling = calibrate(mixed, dataset.target[choose], seed=spec.train.seed), None
        seen, doubt = dataset, mixed
    else:
        past = dataset.target[np.concatenate([parts.train, parts.valid])]
        rates = np.bincount(past, minlength=len(dataset.classes)) / len(past)
        coupling = couple(mixed, dataset.target[choose], dataset.classes, rates)
        calibration, doubt = AS_IT_IS, doubts(coupling(mixed))
        seen = doubted(dataset, choose, coupling(mixed))
        spec = with_capacity(spec, seen, choose, tell)
    return Promise(
        spec=spec,
        calibration=calibration,
        threshold=threshold_of(spec, seen, choose, calibration(doubt), codes),
        coupling=coupling,
        estimator=estimator_of(dataset, scale, mixed, choose, spec),
    )


def with_capacity(spec: Spec, dataset: Dataset, rows: Rows, tell: Callable[[str], None]) -> Spec:
    """Return the spec with a capacity: the usual number of positives among some rows, if it states none."""
    if spec.review.capacity:
        return spec
    capacity = usual_positives(dataset, rows)
    what = "rows whose class is wrong" if dataset.classes else "positives"
    tell(f"  review.capacity is not stated: taking {capacity:,}, the usual number of {what}")
    return replace(spec, review=replace(spec.review, capacity=capacity))
