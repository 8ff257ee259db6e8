"""Factors: features grouped by meaning and named for sentences."""

import numpy as np
from numpy.typing import NDArray

from foretell import units, wording
from foretell.data.dataset import Column, Dataset
from foretell.prediction.features import Featurizer
from foretell.prediction.fitted import Factor
from foretell.spec import Spec

MOST = 64
"""Factors at most: of hundreds of columns nobody reads, and each costs every explanation its share."""
OTHERS = "others"


def factors_of(
    spec: Spec, dataset: Dataset, features: Featurizer, gains: NDArray[np.float64]
) -> tuple[Factor, ...]:
    """Return the factors that cover every feature once, in the order of their first feature.

    Where there are many, those that gained the trees least are one.

    Args:
        gains: of each feature [F].
    """
    columns = {column.name: column for column in dataset.columns}
    members: dict[str, list[int]] = {}
    for index, name in enumerate(features.factors):
        members.setdefault(name, []).append(index)
    if len(members) > MOST:
        ranked = sorted(members, key=lambda name: -gains[members[name]].sum())
        kept = {*ranked[: MOST - 1]}
        others = sorted(index for name in ranked[MOST - 1 :] for index in members[name])
        members = {name: indexes for name, indexes in members.items() if name in kept} | {OTHERS: others}
    return tuple(
        Factor(name=name, text=_text(name, columns, spec), columns=np.array(indexes, dtype=np.int64))
        for name, indexes in members.items()
    )


def _text(factor: str, columns: dict[str, Column], spec: Spec) -> str:
    what, _, entity = factor.partition("@")
    language = spec.narrate.language
    if factor == OTHERS and OTHERS not in columns:
        return wording.text(OTHERS, language)
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
