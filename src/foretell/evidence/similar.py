"""Nearest past rows with known outcomes. S: stored rows, F: features compared."""

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from foretell import units, wording
from foretell.evidence.scene import Scene, fact
from foretell.records import Fact

REACH = 2.0
"""A row is similar up to so many times the distance at which a typical row has its neighbours."""
TYPICAL = 500


def collect(scene: Scene) -> list[list[Fact]]:
    """Return per row how many of its nearest past rows turned out positive.

    Rows are compared by the ranks of their features among the stored rows, each weighted by what the feature
    gained the floor. The stored rows are a plain sample of the past, so the share of positives among them is
    honest; in a thin corner of the data few or none are near enough, and nothing is said.
    """
    reference, spec = scene.fitted.reference, scene.fitted.spec
    wanted = min(spec.explain.similar, len(reference.similar_labels))
    if wanted < 1 or len(scene.rows) == 0:
        return [[] for _ in scene.rows]
    weights = reference.weights[reference.similar_columns]
    stored = _ranked(reference.similar, reference.similar, weights)
    asked = _ranked(
        scene.scored.features[scene.rows][:, reference.similar_columns], reference.similar, weights
    )
    index = NearestNeighbors(n_neighbors=wanted).fit(stored)
    reach = REACH * float(np.median(index.kneighbors(stored[:: max(1, len(stored) // TYPICAL)])[0][:, -1]))
    collected = []
    for away, near in zip(*index.kneighbors(asked), strict=True):
        like = near[away <= reach]
        collected.append(
            [
                fact(
                    "similar",
                    "nearest",
                    wording.text("similar", spec.narrate.language, rows=units.plural(spec.data.row_text)),
                    int(reference.similar_labels[like].sum()),
                    "count",
                    f"a sample of {len(stored):,} training and validation rows",
                    {"n": len(like), "distance": float(away[: len(like)].mean()) if len(like) else 0.0},
                )
            ]
        )
    return collected


def _ranked(
    rows: NDArray[np.float32], stored: NDArray[np.float32], weights: NDArray[np.float64]
) -> NDArray[np.float32]:
    columns = [
        np.searchsorted(np.sort(stored[:, f]), rows[:, f]) / len(stored) * np.sqrt(weight)
        for f, weight in enumerate(weights)
    ]
    return np.stack(columns, axis=1).astype(np.float32)
