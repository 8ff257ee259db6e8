"""The floor: what every other family has to beat, each kind fitted once per fold. F: features.

Of events that is boosting on the row's own columns, and on all features. Of a table, three kinds of trees and
two sums of curves. Where its rows are dealt into folds, these settle how far each kind is fitted; it is then
fitted on all rows, and that one model is delivered: it errs no more than the mean of five, and costs a fifth.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from foretell.models.boosting import Boosted, Boosting, fit_boosting, fit_table, kinds_of, objective_of
from foretell.models.family import Material, Scorer
from foretell.models.linear import SUMS, fit_linear
from foretell.spec import Spec


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grown:
    """One kind of model as it was fitted."""

    name: str
    members: Sequence[Scorer]
    """One per fold."""
    whole: Scorer | None = None
    """Fitted on all rows; None where the members are delivered."""
    boosted: Sequence[Boosted] = ()
    """What trees tell of their features, of each fold; empty of what is no trees."""


def floor_of_events(spec: Spec, material: Material) -> Iterator[Grown]:
    """Yield the trees on the row's own columns, and on all features where there are more."""
    everything = np.arange(material.features.shape[1])
    stages = {"floor": material.own.astype(np.int64), "boosting": everything}
    if len(material.own) == len(everything):
        del stages["boosting"]
    for name, columns in stages.items():
        boosted = fit_boosting(
            np.ascontiguousarray(material.features[material.teach][:, columns]),
            material.aims[material.teach],
            material.weights,
            material.categorical[columns],
            objective=objective_of(material),
            threads=spec.train.threads,
            seed=spec.train.seed,
        )
        yield Grown(name=name, members=[Boosting.of(boosted, columns)], boosted=[boosted])


def floor_of_table(spec: Spec, materials: Sequence[Material], whole: Material | None) -> Iterator[Grown]:
    """Yield the kinds of trees, and of sums of curves.

    Args:
        materials: of each fold.
        whole: all rows teach; None: what the folds taught is delivered.
    """
    for name, settings in kinds_of(materials[0].num_classes).items():
        folds, last = fit_table(
            materials, settings, whole=whole, threads=spec.train.threads, seed=spec.train.seed
        )
        yield of_trees(name, folds, last)
    for name, basis in SUMS.items():
        members, last = fit_linear(materials, basis, whole=whole, seed=spec.train.seed)
        yield Grown(name=name, members=members, whole=last)


def of_trees(name: str, folds: Sequence[Boosted], whole: Boosted | None) -> Grown:
    """Return trees over all features."""
    columns = np.arange(len(folds[0].gains))
    return Grown(
        name=name,
        members=[Boosting.of(each, columns) for each in folds],
        whole=None if whole is None else Boosting.of(whole, columns),
        boosted=folds,
    )
