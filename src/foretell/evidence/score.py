"""Facts about the score: how high, where the cut-off lies, and what came of rows scored like it before."""

import numpy as np
from numpy.typing import NDArray

from foretell import units, wording
from foretell.evidence.scene import Scene, fact
from foretell.prediction.faces import outcome_text
from foretell.prediction.fitted import OneClass, Reference
from foretell.records import Fact, Prediction, Value
from foretell.tasks.classify import wilson

MOST = 200
"""Past rows of nearest score whose outcomes tell how far a score may be trusted."""
LIKE = 0.5
"""Log-odds within which another score counts as like this one."""


def collect(scene: Scene) -> list[list[Fact]]:
    """Return per row its score, estimate, threshold and reliability, and the model's name.

    The reliability counts outcomes among the choosing rows (they taught no network) whose raw log-odds lie
    nearest and within LIKE; its interval is Wilson's. Too few of them, and the grammar will not speak of it.
    """
    return [
        [
            _score(scene, p),
            *second,
            *_estimate(scene, p),
            *_threshold(scene, p),
            _reliability(scene, p),
            _model(scene, p),
        ]
        for p, second in zip(scene.predictions, _runners_up(scene), strict=True)
    ]


def _score(scene: Scene, prediction: Prediction) -> Fact:
    return fact(
        "score",
        "probability",
        f"probability of {scene.fitted.spec.task.positive_text}",
        prediction.probability,
        "probability",
        f"model {prediction.model[:16]}",
        {"base_rate": scene.fitted.reference.base_rate, "abstained": prediction.abstained},
    )


def _runners_up(scene: Scene) -> list[list[Fact]]:
    """Return per row the second most probable of several classes; nothing where there are two outcomes."""
    fitted = scene.fitted
    if not isinstance(fitted, OneClass):
        return [[] for _ in scene.predictions]
    assert fitted.whole.coupling is not None
    probabilities = fitted.whole.coupling(fitted.whole.logits_of(scene.scored.features[scene.rows]))
    codes = np.argsort(-probabilities, axis=1, kind="stable")
    found = []
    for prediction, row, (first, second, *_) in zip(scene.predictions, probabilities, codes, strict=True):
        code = int(second if first == fitted.code else first)
        name = fitted.whole.coupling.names[code]
        told, source = outcome_text(fitted.whole, name), f"model {prediction.model[:16]}"
        found.append([fact("runner_up", name, told, float(row[code]), "probability", source)])
    return found


def _estimate(scene: Scene, prediction: Prediction) -> list[Fact]:
    """Return the expected value with its interval, where a number is learned."""
    estimator = scene.fitted.estimator
    if estimator is None:
        return []
    schema = scene.fitted.featurizer.schema.columns
    target = next(column for column in schema if column.role == "target")
    score = np.array([prediction.logit])
    task = scene.fitted.spec.task
    detail: dict[str, Value] = {"line": task.line, "side": task.positive}
    ends = estimator.intervals(score)
    if ends is not None:
        detail |= {"level": estimator.level, "low": float(ends[0][0]), "high": float(ends[1][0])}
    if target.name in scene.fitted.reference.quartiles:
        low, high = scene.fitted.reference.quartiles[target.name]
        detail |= {"usual_low": low, "usual_high": high}
    value, source = float(estimator.values(score)[0]), f"model {prediction.model[:16]}"
    return [fact("estimate", target.name, target.text, value, target.unit, source, detail)]


def _threshold(scene: Scene, prediction: Prediction) -> list[Fact]:
    """Return the threshold; none of several classes, where doubt decides who looks at a row."""
    if isinstance(scene.fitted, OneClass):
        return []
    review = scene.fitted.spec.review
    timed = scene.dataset.column("time") is not None
    period = wording.text("day" if timed else "thousand", scene.fitted.spec.narrate.language)
    detail: dict[str, Value] = {"capacity": review.capacity, "per": period} if not review.cost_miss else {}
    threshold = prediction.threshold
    return [
        fact("threshold", "threshold", "alert threshold", threshold, "probability", "spec review", detail)
    ]


def _reliability(scene: Scene, prediction: Prediction) -> Fact:
    reference = scene.fitted.reference
    labels = like_scored(reference, prediction.logit)
    detail: dict[str, Value] = {"n": len(labels)}
    if len(labels):
        low, high = wilson(float(labels.sum()), len(labels))
        detail |= {"low": low, "high": high}
    if reference.choose_from:
        detail |= {"from": reference.choose_from, "until": reference.choose_until}
    return fact(
        "reliability",
        "like_scored",
        wording.text(
            "like_scored",
            scene.fitted.spec.narrate.language,
            rows=units.plural(scene.fitted.spec.data.row_text),
        ),
        int(labels.sum()),
        "count",
        f"validation rows {reference.choose_from} to {reference.choose_until}".strip(),
        detail,
    )


def _model(scene: Scene, prediction: Prediction) -> Fact:
    until = scene.fitted.reference.choose_until
    source = f"model {prediction.model[:16]}"
    detail: dict[str, Value] = {"fitted_until": until} if until else {}
    return fact("model", "model", "model", scene.fitted.name, "text", source, detail)


def like_scored(reference: Reference, logit: float) -> NDArray[np.int8]:
    """Return the outcomes of the choosing rows within LIKE of these raw log-odds, the nearest MOST."""
    first, last = np.searchsorted(reference.logits, [logit - LIKE, logit + LIKE])
    middle = np.searchsorted(reference.logits, logit)
    start = int(max(first, min(middle - MOST // 2, last - MOST)))
    return reference.labels[start : min(start + MOST, last)]
