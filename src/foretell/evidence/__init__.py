"""Evidence: all that may be said about one prediction, gathered as facts; one collector, one file and row."""

from collections.abc import Sequence
from dataclasses import replace

from foretell.evidence.scene import Scene
from foretell.lookup import load
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

    Collectors run in the order of the table and may read the facts gathered before them.
    """
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
