"""Nearest past rows with known outcomes. S: stored rows, F: features compared."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from foretell import units, wording
from foretell.evidence.scene import Scene, fact, stamps
from foretell.prediction.faces import outcome_text
from foretell.prediction.fitted import OneClass
from foretell.records import Fact, Value

REACH = 2.0
"""A row is similar up to so many times the distance at which a typical row has its neighbours."""
TYPICAL = 500
NAMED = 5
"""Nearest rows that are shown one by one."""


def collect(scene: Scene) -> list[list[Fact]]:
    """Return per row how many of its nearest past rows turned out positive, then the very nearest.

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
    source = f"a sample of {len(stored):,} training and validation rows"
    collected = []
    for row, away, near in zip(scene.rows.tolist(), *index.kneighbors(asked), strict=True):
        alike = (away <= reach) & _before(scene, row, near)
        like, apart = near[alike], away[alike]
        found = fact(
            "similar",
            "nearest",
            wording.text("similar", spec.narrate.language, rows=units.plural(spec.data.row_text)),
            int(reference.similar_labels[like].sum()),
            "count",
            source,
            {"n": len(like), "distance": float(apart.mean()) if len(like) else 0.0},
        )
        collected.append([found, *_named(scene, like[:NAMED], apart[:NAMED], source)])
    return collected


def _before(scene: Scene, row: int, near: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which stored rows are not the row itself, nor later: a row of the past can be asked about too."""
    past, dataset = scene.fitted.reference.past, scene.dataset
    if past.is_empty():
        return np.ones(len(near), np.bool_)
    other = past["id"].gather(near).to_numpy() != dataset.ids[row]
    if dataset.column("time") is None:
        return other
    return other & (past["at_us"].gather(near).to_numpy() <= dataset.at_us[row])


def _named(scene: Scene, near: NDArray[np.int64], away: NDArray[np.float64], source: str) -> Iterator[Fact]:
    """Yield the nearest rows one by one: which, when, how far, and what became of them."""
    spec, reference = scene.fitted.spec, scene.fitted.reference
    language, row, positive_text = spec.narrate.language, spec.data.row_text, spec.task.positive_text
    outcomes = wording.text("negative", language, outcome=positive_text), positive_text
    past, timed = reference.past, scene.dataset.column("time") is not None
    if past.is_empty():
        return
    stamp, classes = stamps(past["at_us"].to_numpy()), _classes(scene, near)
    for rank, (place, distance) in enumerate(zip(near.tolist(), away.tolist(), strict=True), 1):
        name, at_us, *values = past.row(place)
        positive, known = bool(reference.similar_labels[place]), classes.get(place, "")
        text = wording.text("past_row", language, row=row)
        detail: dict[str, Value] = {"rank": rank, "known": known or outcomes[positive], "positive": positive}
        if timed:
            detail["at"] = at = stamp(at_us)
            when = wording.instant(at, language)
            text = wording.text("past_event", language, row=row, at=when, where="")
        for column, value in zip(scene.dataset.inputs("number")[:1], values, strict=True):
            detail |= {"column": column.name, "what": column.text, "value": value, "unit": column.unit}
        yield fact("nearest", name, text, distance, "", source, detail)


def _classes(scene: Scene, near: NDArray[np.int64]) -> dict[int, str]:
    """Return what stored rows turned out to be, where there are several classes."""
    fitted = scene.fitted
    if not isinstance(fitted, OneClass) or fitted.whole.coupling is None:
        return {}
    codes, names = fitted.whole.reference.similar_labels, fitted.whole.coupling.names
    return {place: outcome_text(fitted.whole, names[codes[place]]) for place in near.tolist()}


def _ranked(
    rows: NDArray[np.float32], stored: NDArray[np.float32], weights: NDArray[np.float64]
) -> NDArray[np.float32]:
    columns = [
        np.searchsorted(np.sort(stored[:, f]), rows[:, f]) / len(stored) * np.sqrt(weight)
        for f, weight in enumerate(weights)
    ]
    return np.stack(columns, axis=1).astype(np.float32)
