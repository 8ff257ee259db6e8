"""Factors: features grouped by meaning and named for sentences."""

import numpy as np

from foretell import units, wording
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
    what, _, entity = factor.partition("@")
    language = spec.narrate.language
    if not entity:
        name = "factor_time" if columns[what].role == "time" else "factor"
        return wording.text(name, language, column=columns[what].text, row=spec.data.row_text)
    past = what in ("pace", "outcomes", "oddity", "order")
    return wording.text(
        what if past else "factor_against",
        language,
        column="" if past else columns[what].text,
        entity=columns[entity].text,
        rows=units.plural(spec.data.row_text),
        outcome=spec.task.positive_text,
    )
