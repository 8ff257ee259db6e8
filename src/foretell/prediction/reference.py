"""What later facts are compared with, and the threshold: from rows that taught or chose, never test rows."""

from collections.abc import Mapping

import numpy as np

from foretell.data.dataset import Dataset
from foretell.data.split import Split
from foretell.models.family import Floats, Material, Rows
from foretell.prediction.fitted import Reference
from foretell.spec import Spec
from foretell.tasks.classify import cost_threshold, periods, queue

BACKGROUND = 64
STORED, COMPARED = 60_000, 24
"""Past rows that are stored for comparison, and the features of theirs that are."""
GRID = 200


def reference_of(
    dataset: Dataset,
    parts: Split,
    material: Material,
    logits: Floats,
    gains: Floats,
    numbers: tuple[str, ...],
    seed: int,
) -> Reference:
    """Return the reference; `logits` are the raw log-odds of the choosing rows."""
    rng = np.random.default_rng(seed)
    order = np.argsort(logits, kind="stable")
    past = np.concatenate([parts.train, parts.valid])
    stored = np.sort(rng.choice(past, size=min(STORED, len(past)), replace=False))
    typical = rng.choice(parts.train, size=min(BACKGROUND, len(parts.train)), replace=False)
    compared = np.sort(np.argsort(-gains, kind="stable")[:COMPARED])
    quartiles, grids = {}, {}
    for name in numbers:
        values = dataset.frame[name].to_numpy()[past]
        values = values[np.isfinite(values)]
        if len(values):
            low, high = np.quantile(values, [0.25, 0.75])
            quartiles[name] = (float(low), float(high))
            grids[name] = np.unique(np.quantile(values, np.linspace(0.005, 0.995, GRID), method="nearest"))
    return Reference(
        logits=logits[order],
        labels=dataset.target[parts.valid][order],
        base_rate=float(dataset.target[past].mean()),
        choose_from=parts.bounds.get("valid_from", "")[:10],
        choose_until=parts.bounds.get("valid_until", "")[:10],
        num_rows=len(past),
        quartiles=quartiles,
        grids=grids,
        background=material.features[typical],
        similar=material.features[stored][:, compared],
        similar_columns=compared,
        similar_labels=dataset.target[stored],
        weights=gains / max(gains.sum(), 1e-12),
    )


def usual_positives(dataset: Dataset, parts: Split) -> int:
    """Return how many positives a review period of the choosing rows holds on average, at least one."""
    timed = dataset.column("time") is not None
    num_positives = int((dataset.target[parts.valid] == 1).sum())
    if timed:
        num_periods = len(np.unique(periods(dataset.at_us[parts.valid], timed=True)))
        return max(1, round(num_positives / num_periods))
    return max(1, round(1000 * num_positives / len(parts.valid)))


def threshold_of(
    spec: Spec, dataset: Dataset, choose: Rows, probabilities: Floats, codes: Mapping[str, Rows]
) -> float:
    """Return the probability that fills the review capacity on the choosing rows, and is worth the cost."""
    review, timed = spec.review, dataset.column("time") is not None
    worth = (
        cost_threshold(cost_miss=review.cost_miss, cost_review=review.cost_review)
        if review.cost_miss
        else 0.0
    )
    filled = queue(
        probabilities,
        dataset.target[choose],
        periods(dataset.at_us[choose], timed=timed),
        reviewed(spec, dataset, codes)[choose],
        capacity=review.capacity,
        timed=timed,
        retire=review.retire_known,
    )
    # A period in which every entity was retired has no cut-off.
    cutoffs = filled.cutoff[np.isfinite(filled.cutoff)]
    return max(float(np.median(cutoffs)), worth) if len(cutoffs) else 1.0


def reviewed(spec: Spec, dataset: Dataset, codes: Mapping[str, Rows]) -> Rows:
    """Return the code of what is reviewed for each row: its `review.entity`, else the row itself.

    Args:
        codes: entity column -> code of each row's entity [n], 0 or more.
    """
    rows = np.arange(len(dataset), dtype=np.int64)
    if not spec.review.entity:
        return rows
    # Rows whose card nobody knows are not one card.
    unknown = dataset.frame[spec.review.entity].is_null().to_numpy()
    return np.where(unknown, -1 - rows, codes[spec.review.entity])
