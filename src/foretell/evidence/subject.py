"""Facts that say what the row is: the owner's words, who, when, and the values the model saw."""

import numpy as np

from foretell.evidence.scene import Scene, fact
from foretell.prediction.fitted import OneClass
from foretell.records import Fact, Value


def collect(scene: Scene) -> list[list[Fact]]:
    """Return per row its terms, entities, instant and inputs, with the quartiles of the reference rows."""
    data = scene.fitted.spec.data
    outcome, language = scene.fitted.spec.task.positive_text, scene.fitted.spec.narrate.language
    time = scene.dataset.column("time")
    reference = scene.fitted.reference
    columns = {column.name: column for column in scene.dataset.columns}
    classes = _classes(scene)
    collected = []
    for prediction in scene.predictions:
        facts = [
            fact("term", "row", "what a row is called", data.row_text, "name", "spec"),
            fact("term", "outcome", "what the positive outcome is called", outcome, "name", "spec"),
            fact("term", "id", data.row_text, prediction.id, "name", "data"),
        ]
        facts += classes
        if language != "en":  # English goes without saying, and texts of old keep their digests
            facts.append(fact("term", "language", "the language of the text", language, "name", "spec"))
        for column, name in prediction.entities.items():
            facts.append(fact("entity", column, columns[column].text, name, "name", "data"))
        if time is not None:
            facts.append(fact("instant", time.name, time.text, prediction.at, "instant", "data"))
        for column, value in prediction.inputs.items():
            detail: dict[str, Value] = {}
            if isinstance(value, float) and column in reference.quartiles:
                low, high = reference.quartiles[column]
                detail = {"low": low, "high": high, "n": reference.num_rows}
            kind = columns[column].kind
            unit = columns[column].unit if kind == "number" else "instant" if kind == "time" else "name"
            facts.append(fact("input", column, columns[column].text, value, unit, "data", detail))
        collected.append(facts)
    return collected


def _classes(scene: Scene) -> list[Fact]:
    """Return which classes there are, by their codes, and which one is told; nothing of two outcomes."""
    fitted = scene.fitted
    if not isinstance(fitted, OneClass) or fitted.whole.coupling is None:
        return []
    target = next(column for column in fitted.featurizer.schema.columns if column.role == "target")
    names = fitted.whole.coupling.names
    among: dict[str, Value] = {str(place): name for place, name in enumerate(names, 1)}
    return [
        fact("term", "classes", target.text, len(names), "count", "data", among),
        fact("term", "told", target.text, names[fitted.code], "name", f"model {fitted.digest[:16]}"),
    ]


def quartiles(values: np.ndarray) -> tuple[float, float]:
    """Return the first and third quartile of the finite values; (nan, nan) when there are none."""
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [0.25, 0.75])
    return float(low), float(high)
