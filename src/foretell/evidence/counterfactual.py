"""What would have ended an alert: the least change of a number or a category, or of up to three of them."""

import numpy as np

from foretell.evidence.recourse import Plan, Row, Search
from foretell.evidence.scene import Scene, fact
from foretell.prediction.fitted import OneClass
from foretell.records import Fact, Prediction, Value


def collect(scene: Scene) -> list[list[Fact]]:
    """Return per row the least change of its own columns that ends the alert; nothing when none was found.

    One column is a fact of kind `counterfactual`; several are one fact each, of kind `recourse`, and true
    only together. A change is measured in ranks among the kept rows, so that numbers of any unit compare. The
    past is left as it was; what a new value means against it is computed anew.
    """
    alerts = [r for r, p in enumerate(scene.predictions) if p.probability >= p.threshold]
    collected: list[list[Fact]] = [[] for _ in scene.rows]
    if not alerts or isinstance(scene.fitted, OneClass) or scene.fitted.reference.rows.is_empty():
        return collected
    search, states = Search(scene.fitted), scene.scored.states_of(scene.rows)
    frame = scene.dataset.frame[scene.rows]
    coded, known = search.coded(frame), np.column_stack([frame[name].is_not_null() for name in search.names])
    for r in alerts:
        prediction = scene.predictions[r]
        row = Row(
            was=coded[r],
            known=known[r],
            features=scene.scored.features[scene.rows[r]],
            state=states[r],
            logit=prediction.logit,
            threshold=prediction.threshold,
            profile=search.near.profile(coded[r]),
        )
        plan = search.least(row)
        if plan is not None:
            collected[r] = _facts(scene, search, row, plan, prediction)
    return collected


def _facts(scene: Scene, search: Search, row: Row, plan: Plan, prediction: Prediction) -> list[Fact]:
    """Return the changed columns, those acted on before those that follow them."""
    columns = {column.name: column for column in scene.dataset.columns}
    moved = sorted(row.moved(plan.values), key=lambda k: (not plan.acted[k], k))
    found = []
    for step, k in enumerate(moved, 1):
        column, value = columns[search.names[k]], search.shown(k, plan.values[k])
        detail: dict[str, Value] = {"was": prediction.inputs[column.name], "probability": plan.probability}
        if len(moved) > 1:
            detail |= {"step": step, "of": len(moved), "follows": int(not plan.acted[k])}
        detail |= {"distance": plan.distance, "usual": search.near.usual}
        unit = column.unit if column.kind == "number" else "name"
        kind = "counterfactual" if len(moved) == 1 else "recourse"
        source = f"model {prediction.model[:16]}"
        found.append(fact(kind, column.name, column.text, value, unit, source, detail))
    return found
