"""Numbers as targets: on which scale they are learned, and what is said of them. n: rows, F: features."""

import numpy as np
from numpy.typing import NDArray

from foretell.data.dataset import Dataset
from foretell.models.boosting import fit_boosting
from foretell.models.family import Floats, Rows
from foretell.prediction.folds import Fold
from foretell.prediction.rungs import Measure
from foretell.spec import Spec
from foretell.tasks.regress import LOG, PLAIN, Estimator, Scale, estimator, rmse

TRIAL_TREES, TRIAL_RATE = 100, 0.08
"""Trees of the first look that chooses between the scales, and their learning rate."""
MOST_TRIED = 20_000
"""Rows that it is fitted on at most."""


def scale_of(
    dataset: Dataset, x_nF: NDArray[np.float32], categorical: NDArray[np.bool_], fold: Fold, spec: Spec
) -> Scale | None:
    """Return the scale on which the target is learned; None where it is no number.

    A logarithm suits amounts with a long tail and misleads on others: trees fitted on both scales are
    compared on the rows that choose, in the target's own unit.
    """
    if dataset.values is None:
        return None
    teach, choose = fold
    values = dataset.values
    plain = Scale.of(values[teach], PLAIN)
    if np.nanmin(values) < 0:
        return plain
    rng = np.random.default_rng(spec.train.seed)
    rows = np.sort(rng.permutation(teach)[:MOST_TRIED])
    errors = {}
    for scale in (plain, Scale.of(values[teach], LOG)):
        (trees,) = fit_boosting(
            x_nF[rows],
            scale.scores(values[rows]),
            np.ones(len(rows)),
            categorical,
            num_trees=TRIAL_TREES,
            learning_rate=TRIAL_RATE,
            threads=spec.train.threads,
            seed=spec.train.seed,
            objective="regression",
        ).outputs
        errors[scale] = rmse(scale, trees.logits(x_nF[choose]), values[choose])
    return min(errors, key=lambda scale: errors[scale])


def scores_of(dataset: Dataset, scale: Scale | None) -> Floats | None:
    """Return the scores of all rows [n], NaN where unknown; None where the target is no number."""
    if dataset.values is None or scale is None:
        return None
    return scale.scores(dataset.values)


def numbers(scale: Scale) -> Measure:
    """Return what contestants are chosen by where a number is learned."""
    return Measure(name="rmse", text="RMSE", scale=scale)


def estimator_of(
    dataset: Dataset, scale: Scale | None, scores: Floats, choose: Rows, spec: Spec
) -> Estimator | None:
    """Return what turns scores into estimates with intervals.

    Args:
        scores: of the choosing rows, by models that they did not teach.
        choose: the choosing rows.
    """
    if dataset.values is None or scale is None:
        return None
    return estimator(scale, scores, dataset.values[choose], spec.task.interval)
