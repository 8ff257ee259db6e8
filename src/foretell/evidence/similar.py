"""Nearest past rows with known outcomes. S: stored rows, F: features."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from foretell.evidence.scene import Scene, fact
from foretell.records import Fact


def collect(scene: Scene) -> list[list[Fact]]:
    """Return per row how many of its nearest past rows turned out positive.

    Rows are compared by the ranks of their features among the stored rows, each weighted by what the feature
    gained the floor; the stored rows are a plain sample, so the share of positives among them is honest.
    """
    reference, spec = scene.fitted.reference, scene.fitted.spec
    wanted = min(spec.explain.similar, len(reference.similar_labels))
    if wanted < 1:
        return [[] for _ in scene.rows]
    stored = _ranked(reference.similar, reference.similar, reference.weights)
    asked = _ranked(scene.scored.features[scene.rows], reference.similar, reference.weights)
    distances, nearest = NearestNeighbors(n_neighbors=wanted).fit(stored).kneighbors(asked)
    return [
        [
            fact(
                "similar",
                "nearest",
                f"the most similar past {spec.data.row_text}s with known outcome",
                int(reference.similar_labels[near].sum()),
                "count",
                f"a sample of {len(stored):,} rows that taught or chose the model",
                {"n": wanted, "distance": float(away.mean())},
            )
        ]
        for away, near in zip(distances, nearest, strict=True)
    ]


def _ranked(rows: np.ndarray, stored: np.ndarray, weights: np.ndarray) -> np.ndarray:
    kept = np.flatnonzero(weights > 0)
    columns = [
        np.searchsorted(np.sort(stored[:, f]), rows[:, f]) / len(stored) * np.sqrt(weights[f]) for f in kept
    ]
    return np.stack(columns, axis=1).astype(np.float32) if columns else np.zeros((len(rows), 1), np.float32)
