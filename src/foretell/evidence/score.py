"""Facts about the score: how high, where the cut-off lies, and what came of rows scored like it before."""

import numpy as np

from foretell.evidence.scene import Scene, fact
from foretell.records import Fact
from foretell.tasks.classify import wilson

NEIGHBOURS = 200
"""Past rows of nearest score whose outcomes tell how far a score may be trusted."""


def collect(scene: Scene) -> list[list[Fact]]:
    """Return per row its score, threshold and reliability, and the model's name.

    The reliability counts outcomes among the choosing rows (they taught no network) whose raw score lies
    nearest; its interval is Wilson's. The score's interval is the same one, around like-scored rows.
    """
    spec, reference = scene.fitted.spec, scene.fitted.reference
    outcome = spec.task.positive_text
    period = "day" if scene.dataset.column("time") is not None else "thousand rows"
    source = f"choosing rows {reference.choose_from} to {reference.choose_until}".strip()
    collected = []
    for prediction in scene.predictions:
        middle = int(np.searchsorted(reference.logits, prediction.logit))
        start = min(max(0, middle - NEIGHBOURS // 2), max(0, len(reference.logits) - NEIGHBOURS))
        like = reference.labels[start : start + NEIGHBOURS]
        low, high = wilson(float(like.sum()), len(like))
        facts = [
            fact(
                "score",
                "probability",
                f"probability of {outcome}",
                prediction.probability,
                "probability",
                f"model {prediction.model[:16]}",
                {"base_rate": reference.base_rate, "abstained": prediction.abstained},
            ),
            fact(
                "threshold",
                "threshold",
                "alert threshold",
                prediction.threshold,
                "probability",
                "spec review",
                {"capacity": spec.review.capacity, "per": period} if not spec.review.cost_miss else {},
            ),
            fact(
                "reliability",
                "like_scored",
                f"past {spec.data.row_text}s scored like this one",
                int(like.sum()),
                "count",
                source,
                {"n": len(like), "low": low, "high": high}
                | (
                    {"from": reference.choose_from, "until": reference.choose_until}
                    if reference.choose_from
                    else {}
                ),
            ),
            fact(
                "model",
                "model",
                "model",
                scene.fitted.name,
                "text",
                f"model {prediction.model[:16]}",
                {"fitted_until": reference.choose_until} if reference.choose_until else {},
            ),
        ]
        collected.append(facts)
    return collected
