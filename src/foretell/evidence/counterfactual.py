"""What would have changed the answer: the least change of a number or a category, or of up to three of them.

Of two outcomes, and of a number, what would have ended the alert; of several classes, what would have made
another one the most probable.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from foretell.evidence.recourse import Plan, Row, Search
from foretell.evidence.scene import Scene, fact
from foretell.prediction.faces import lead, outcome_text
from foretell.prediction.fitted import Fitted, Lead, OneClass
from foretell.records import Fact, Prediction, Value

EVEN = 0.5
"""Where a class is as far ahead of the next as behind it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """What is looked for in the rows of a scene."""

    model: Fitted
    """What must fall below the row's threshold."""
    rows: list[int]
    """Of the scene."""
    logits: list[float]
    """For each row of the scene, what the model says of it."""
    thresholds: list[float]
    outcome: Callable[[Search, Row, Plan], dict[str, Value]]
    """What the model says of a row that is changed so."""


def collect(scene: Scene) -> list[list[Fact]]:
    """Return per row the least change of its own columns that changes the answer; nothing if none was found.

    One column is a fact of kind `counterfactual`; several are one fact each, of kind `recourse`, and true
    only together. A change is measured in ranks among the kept rows, so that numbers of any unit compare. The
    past is left as it was; what a new value means against it is computed anew.
    """
    collected: list[list[Fact]] = [[] for _ in scene.rows]
    asked = _asked(scene)
    if not asked.rows or scene.fitted.reference.rows.is_empty():
        return collected
    search, states = Search(asked.model), scene.scored.states_of(scene.rows)
    frame = scene.dataset.frame[scene.rows]
    coded, known = search.coded(frame), np.column_stack([frame[name].is_not_null() for name in search.names])
    for r in asked.rows:
        row = Row(
            was=coded[r],
            known=known[r],
            features=scene.scored.features[scene.rows[r]],
            state=states[r],
            logit=asked.logits[r],
            threshold=asked.thresholds[r],
            profile=search.near.profile(coded[r]),
        )
        plan = search.least(row)
        if plan is not None:
            said = asked.outcome(search, row, plan)
            collected[r] = _facts(scene, search, row, plan, scene.predictions[r], said)
    return collected


def _asked(scene: Scene) -> Asked:
    """Return what is looked for: the end of alerts, or of several classes another one for every row."""
    if not isinstance(scene.fitted, OneClass):
        return Asked(
            model=scene.fitted,
            rows=[r for r, p in enumerate(scene.predictions) if p.probability >= p.threshold],
            logits=[p.logit for p in scene.predictions],
            thresholds=[p.threshold for p in scene.predictions],
            outcome=_below,
        )
    model, features = lead(scene.fitted), scene.scored.features[scene.rows]
    ahead = model.logits_of(features) if len(features) else np.zeros(0)
    return Asked(
        model=model,
        rows=np.flatnonzero(ahead > 0).tolist(),
        logits=ahead.tolist(),
        thresholds=[EVEN] * len(scene.rows),
        outcome=partial(_another, model),
    )


def _below(search: Search, row: Row, plan: Plan) -> dict[str, Value]:
    """Return the probability of a changed row, and where a number is learned the one expected of it."""
    if search.model.estimator is None:
        return {"probability": plan.probability}
    scores = search.model.logits_of(search.features(row.features, row.state, plan.values[None]))
    return {"probability": plan.probability, "estimate": float(search.model.estimator.values(scores)[0])}


def _another(model: Lead, search: Search, row: Row, plan: Plan) -> dict[str, Value]:
    """Return which class a changed row would have, how probable, and what is left of the row's own one."""
    whole, coupling = model.whole, model.whole.coupling
    assert coupling is not None, "only one of several classes can lead"
    told = coupling(whole.logits_of(search.features(row.features, row.state, plan.values[None])))[0]
    best = int(told.argmax())
    return {
        "probability": float(told[best]),
        "becomes": outcome_text(whole, coupling.names[best]),
        "left": float(told[model.code]),
    }


def _facts(
    scene: Scene, search: Search, row: Row, plan: Plan, prediction: Prediction, said: dict[str, Value]
) -> list[Fact]:
    """Return the changed columns, those acted on before those that follow them."""
    columns = {column.name: column for column in scene.dataset.columns}
    moved = sorted(row.moved(plan.values), key=lambda k: (not plan.acted[k], k))
    found = []
    for step, k in enumerate(moved, 1):
        column, value = columns[search.names[k]], search.shown(k, plan.values[k])
        detail: dict[str, Value] = {"was": prediction.inputs[column.name], **said}
        if len(moved) > 1:
            detail |= {"step": step, "of": len(moved), "follows": int(not plan.acted[k])}
        detail |= {"distance": plan.distance, "usual": search.near.usual}
        unit = column.unit if column.kind == "number" else "name"
        kind = "counterfactual" if len(moved) == 1 else "recourse"
        source = f"model {prediction.model[:16]}"
        found.append(fact(kind, column.name, column.text, value, unit, source, detail))
    return found
