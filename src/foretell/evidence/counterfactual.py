"""The least change of one number that ends an alert. R: rows, N: numbers, K: candidates, F: features."""

import numpy as np

from foretell.evidence.scene import Scene, fact
from foretell.prediction.fitted import OneClass
from foretell.records import Fact

CANDIDATES = 64


def collect(scene: Scene) -> list[list[Fact]]:
    """Return per row the single number whose smallest change ends the alert; nothing when no change does.

    Candidates are values that occur: quantiles of the reference rows from the 0.5th to the 99.5th percentile.
    A change is measured in ranks among those rows, so that numbers of any unit compare. The past is left as
    it was; what the new value means against it is computed anew.
    """
    fitted, dataset = scene.fitted, scene.dataset
    columns = {column.name: column for column in dataset.columns}
    collected = []
    states = scene.scored.states_of(scene.rows)
    for r, (row, prediction) in enumerate(zip(scene.rows.tolist(), scene.predictions, strict=True)):
        best: tuple[float, Fact] | None = None
        if prediction.probability >= prediction.threshold and not isinstance(fitted, OneClass):
            for name, grid_K in fitted.reference.grids.items():
                was = prediction.inputs[name]
                if not isinstance(was, float):
                    continue
                features_KF = fitted.features_if(scene.scored.features[row], states[r], name, grid_K)
                probability_K = fitted.calibration(fitted.logits_of(features_KF))
                under = np.flatnonzero(probability_K < prediction.threshold)
                if len(under) == 0:
                    continue
                place = np.searchsorted(grid_K, was)
                nearest = under[np.argmin(np.abs(under - place))]
                away = abs(nearest - place) / len(grid_K)
                if best is None or away < best[0]:
                    found = fact(
                        "counterfactual",
                        name,
                        columns[name].text,
                        float(grid_K[nearest]),
                        columns[name].unit,
                        f"model {prediction.model[:16]}",
                        {"was": was, "probability": float(probability_K[nearest])},
                    )
                    best = (away, found)
        collected.append([best[1]] if best else [])
    return collected
