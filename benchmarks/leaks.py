"""Does anything look ahead? When labels that arrive later are turned, nothing before may move."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

import handbook
from foretell.data.dataset import Dataset
from foretell.data.split import split
from foretell.prediction import ladder
from handbook import Stream


def leaks(dataset: Dataset, stream: Stream, week: str) -> dict[str, Any]:
    """Return what turned and shuffled labels do to the product's features and scores.

    Args:
        dataset: rows up to the end of the test week, with a spec that judges it.
        stream: the same rows, and maybe later ones.
    """
    parts, rows = split(dataset), handbook.test_rows(stream, week)
    parts = replace(parts, test=rows)
    with tempfile.TemporaryDirectory() as folder:
        fitted, scored = ladder.fit(
            dataset.spec, dataset, parts, folder=Path(folder), tell=lambda message: None
        )
    found: dict[str, Any] = {}
    begins, ends = dataset.at_us[rows[0]], dataset.at_us[rows[-1]]
    for name, at in (("test_start", begins), ("mid_week", (begins + ends) // 2), ("test_end", ends)):
        turned = replace(
            dataset, target=np.where(dataset.known_at_us > at, 1 - dataset.target, dataset.target)
        )
        again = fitted.score(turned, rows).features
        before = dataset.at_us <= at
        found[f"labels_after_{name}"] = {
            "turned": int((turned.target != dataset.target).sum()),
            "features_moved_before": int((again[before] != scored.features[before]).any(axis=1).sum()),
            "features_moved_after": int((again[~before] != scored.features[~before]).any(axis=1).sum()),
        }
    shuffled = replace(dataset, target=np.random.default_rng(0).permutation(dataset.target))
    with tempfile.TemporaryDirectory() as folder:
        _, chance = ladder.fit(shuffled.spec, shuffled, parts, folder=Path(folder), tell=lambda message: None)
    truth = shuffled.target[rows]
    found["labels_shuffled"] = {
        "base_rate": round(float(truth.mean()), 5),
        "ap": round(float(average_precision_score(truth, chance.probabilities)), 5),
        "auc": round(float(roc_auc_score(truth, chance.probabilities)), 4),
    }
    return found
