"""Factors: features grouped by meaning and named for sentences."""

import numpy as np

from foretell import units
from foretell.data.dataset import Column, Dataset
from foretell.prediction.features import Featurizer
from foretell.prediction.fitted import Factor
from foretell.spec import Spec


def factors_of(spec: Spec, dataset: Dataset, features: Featurizer) -> tuple[Factor, ...]:
    """Return the factors that cover every feature once, in the order of their first feature."""
    columns = {column.name: column for column in dataset.columns}
    members: dict[str, list[int]] = {}
    for index, name in enumerate(features.factors):
        members.setdefault(name, []).append(index)
    return tuple(
        Factor(name=name, text=_text(name, columns, spec), columns=np.array(indexes, dtype=np.int64))
        for name, indexes in members.items()
    )


def _text(factor: str, columns: dict[str, Column], spec: Spec) -> str:
    what, _, entity_name = factor.partition("@")
    if not entity_name:
        column = columns[what]
        return f"the time of the {spec.data.row_text}" if column.role == "time" else f"the {column.text}"
    entity, rows = columns[entity_name].text, units.plural(spec.data.row_text)
    fixed = {
        "pace": f"the pace of this {entity}'s {rows}",
        "outcomes": f"the {spec.task.positive_text} record of this {entity}",
        "oddity": f"the recent odd {rows} of this {entity}",
        "order": f"the order of this {entity}'s last {rows}",
    }
    return fixed[what] if what in fixed else f"the {columns[what].text} against this {entity}'s past"
