"""Evidence: all that may be said about one prediction, gathered as facts; one collector, one file and row."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from foretell.evidence.scene import Scene
from foretell.lookup import load
from foretell.prediction.faces import codes_of, face
from foretell.records import Evidence, Fact

COLLECTORS = {
    "subject": "foretell.evidence.subject:collect",
    "score": "foretell.evidence.score:collect",
    "attribution": "foretell.evidence.attribution:collect",
    "past_event": "foretell.evidence.past_events:collect",
    "history": "foretell.evidence.history:collect",
    "similar": "foretell.evidence.similar:collect",
    "counterfactual": "foretell.evidence.counterfactual:collect",
    "guidance": "foretell.evidence.guidance:collect",
    "sample": "foretell.evidence.sample:collect",
}


def explain(scene: Scene) -> tuple[Evidence, ...]:
    """Return the evidence about each row of the scene, in the scene's order.

    Of several classes, each row is told as a case of its own most probable one.
    """
    codes = codes_of(scene.fitted, scene.scored)
    if codes is None:
        return _explained(scene)
    own = codes[np.searchsorted(scene.scored.rows, scene.rows)]
    found: dict[int, Evidence] = {}
    for code in np.unique(own).tolist():
        held = np.flatnonzero(own == code)
        fitted, dataset, scored = face(scene.fitted, scene.dataset, scene.scored, code)
        part = replace(
            scene,
            fitted=fitted,
            dataset=dataset,
            scored=scored,
            rows=scene.rows[held],
            predictions=tuple(scene.predictions[place] for place in held.tolist()),
            shares=scene.shares[held] if len(scene.shares) else scene.shares,
            places=scene.places[held] if len(scene.places) else scene.places,
            facts=[],
        )
        found |= dict(zip(held.tolist(), _explained(part), strict=True))
    return tuple(found[place] for place in range(len(own)))


def _explained(scene: Scene) -> tuple[Evidence, ...]:
    """Run the collectors in the order of the table; they may read the facts gathered before them."""
    for name in COLLECTORS:
        collected: Sequence[Sequence[Fact]] = load(name, COLLECTORS, "collector")(scene)
        for facts, found in zip(scene.facts, collected, strict=True):
            facts.extend(found)
    return tuple(
        Evidence(
            id=prediction.id,
            model=prediction.model,
            facts=tuple(replace(fact, id=f"f{index}") for index, fact in enumerate(facts, 1)),
        )
        for prediction, facts in zip(scene.predictions, scene.facts, strict=True)
    )
