"""Facts about certainty: which outcomes cannot be ruled out of a row, and how often that may miss."""

from foretell.evidence.scene import Scene, fact
from foretell.prediction.certainty import both
from foretell.records import Fact


def collect(scene: Scene) -> list[list[Fact]]:
    """Return per row which of two outcomes cannot be ruled out; none of a model without their margins.

    The value is positive, negative or both; `detail` says which share of each outcome's rows such sets may
    miss. It is not told before the grammar has claims for it: then it is a row of `COLLECTORS`.
    """
    certainty = scene.fitted.certainty
    if certainty is None or len(certainty.margins) != 2:
        return [[] for _ in scene.rows]
    places = {row: place for place, row in enumerate(scene.scored.rows.tolist())}
    chosen = [places[row] for row in scene.rows.tolist()]
    sets = certainty.sets(scene.dataset.frame[scene.rows], both(scene.scored.probabilities[chosen]))
    return [
        [
            fact(
                "certainty",
                "outcomes",
                "outcomes that cannot be ruled out",
                "both" if positive and negative else "positive" if positive else "negative",
                "name",
                f"model {prediction.model[:16]}",
                {"miss": certainty.miss},
            )
        ]
        for prediction, (negative, positive) in zip(scene.predictions, sets.tolist(), strict=True)
    ]
