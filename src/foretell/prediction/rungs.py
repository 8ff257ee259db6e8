"""Rungs: every contestant of the ladder, fitted once per fold, and how it did on the rows that choose.

n: all rows, F: features, C: choosing rows, in the order of the data.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.metrics import average_precision_score, log_loss

from foretell import units
from foretell.errors import TrainingError
from foretell.models.boosting import TABLE, Boosted, Boosting, fit_boosting, fit_table, objective_of
from foretell.models.family import Family, Floats, Material, Rows
from foretell.models.linear import Linear
from foretell.prediction.search import left, searched
from foretell.spec import Spec
from foretell.tasks.classify import sigmoid
from foretell.tasks.regress import Scale, rmse
from foretell.training import loop
from foretell.training.progress import shown

Tell = Callable[[str], None]
Families = Mapping[str, type[Family]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rung:
    """One fitted contestant."""

    name: str
    members: tuple[Family, ...]
    """One per fold."""
    offsets: tuple[float, ...]
    """What undoes the thinned teaching rows of each."""
    choosing: Floats
    """Corrected log-odds of the choosing rows [C], each by the member that it did not teach."""
    fit_cpu_seconds: float
    rows_per_cpu_second: float
    """Of all members together, since all of them score a row."""
    floor: bool = False

    def score(self, material: Material, rows: Rows) -> Floats:
        """Return the mean of the members' corrected log-odds of some rows that taught none of them."""
        each = zip(self.members, self.offsets, strict=True)
        return np.mean([member.score(material, rows) + offset for member, offset in each], axis=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What contestants are chosen by: the more the better."""

    name: str
    """As it stands in the metrics."""
    text: str
    scale: Scale | None = None
    """Of a number: then errors are taken in its own unit."""

    def __call__(self, aims: Any, logits: Floats) -> float:
        """Return how good the log-odds, or scores, of some rows are, given their labels, or scores."""
        if self.scale is not None:
            return -rmse(self.scale, logits, self.scale.values(aims))
        if logits.ndim > 1:
            return -float(log_loss(aims, softmax(logits, axis=1), labels=np.arange(logits.shape[1])))
        if self.name == "average_precision":
            return float(average_precision_score(aims, logits))
        return -float(log_loss(aims, np.clip(sigmoid(logits), 1e-7, 1 - 1e-7)))

    def told(self, value: float) -> str:
        shown = f"{abs(value):.4f}" if self.scale is None else units.number(abs(value))
        return f"{self.text} {shown}"


FIRST = "boosting"
"""The trees of a table that tell other families where features bend."""
ORDER = Measure(name="average_precision", text="average precision")
"""Where people review what scores highest in a stream of events, the order at the top counts."""
PROBABILITY = Measure(name="log_loss", text="log-loss")
"""In a table every row's probability counts."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Climbed:
    """What came of the ladder."""

    rungs: Sequence[Rung]
    boosted: Boosted
    """The first trees, which tell where features bend."""
    shares: Mapping[str, float]
    """Rung -> its share in what is delivered."""
    measure: Measure
    choose: Rows
    """The choosing rows [C]."""
    mixed: Floats
    """Log-odds or scores of the choosing rows by what is delivered, each by models that it did not teach."""


def climb(
    spec: Spec,
    materials: Sequence[Material],
    families: Families,
    measure: Measure,
    folder: Path,
    tell: Tell,
    *,
    streamed: bool,
) -> tuple[list[Rung], Boosted]:
    """Fit the floor, then the families, each once per fold.

    Args:
        materials: of each fold.
        streamed: whether the rows are events of entities, whose past is among their features.

    Returns:
        The rungs, and the first fold's trees with what each feature gained those of all folds.
    """
    rungs: list[Rung] = []
    until = left(spec, time.monotonic())

    def add(name: str, spent: float, members: Sequence[Family], *, floor: bool = False) -> None:
        rungs.append(_rung(name, spent, members, materials, floor=floor))
        aims = materials[0].aims[choosing_rows(materials)]
        found = measure.told(measure(aims, rungs[-1].choosing))
        tell(f"  {name}: {found} on the validation rows, {spent:.1f} CPU-s")

    boosted: Sequence[Boosted] = ()
    for name, columns in _stages(materials[0], streamed=streamed).items():
        started = time.process_time()
        found = (
            [_boosted(spec, material, columns) for material in materials]
            if streamed
            else fit_table(materials, name, threads=spec.train.threads, seed=spec.train.seed)
        )
        members = [Boosting.of(each, columns) for each in found]
        add(name, time.process_time() - started, members, floor=True)
        if streamed or name == FIRST:
            boosted = found
    told = [replace(each, boosted=trees) for each, trees in zip(materials, boosted, strict=True)]
    if not streamed:
        families = {"linear": Linear, **families}
    for name, family_class in families.items():
        started = time.process_time()
        members = [
            _fitted(name, family_class, material, spec, folder / (f"{name}.{number}" if number else name))
            for number, material in enumerate(told)
        ]
        add(name, time.process_time() - started, members, floor=family_class is Linear)
    if until and streamed:
        tell("  search: none, since model.budget is for tables and these rows are events of entities")
    elif until:
        started, everything = time.process_time(), np.arange(materials[0].features.shape[1])
        for name, found in searched(spec, materials, until, folder / "search", tell).items():
            add(name, time.process_time() - started, [Boosting.of(each, everything) for each in found])
            started = time.process_time()
    gains = np.mean([each.gains for each in boosted], axis=0)
    return rungs, replace(boosted[0], gains=gains)


def choosing_rows(materials: Sequence[Material]) -> Rows:
    """Return all rows that choose [C], in the order of the data."""
    return np.sort(np.concatenate([material.choose for material in materials]))


def _stages(material: Material, *, streamed: bool) -> Mapping[str, Rows]:
    """Return the trees of the floor, and the features that each reads."""
    everything = np.arange(material.features.shape[1])
    if not streamed:
        return dict.fromkeys(TABLE, everything)
    stages = {"floor": material.own.astype(np.int64)}
    return stages | ({"boosting": everything} if len(material.own) < len(everything) else {})


def _boosted(spec: Spec, material: Material, columns: Rows) -> Boosted:
    return fit_boosting(
        np.ascontiguousarray(material.features[material.teach][:, columns]),
        material.aims[material.teach],
        material.weights,
        material.categorical[columns],
        objective=objective_of(material),
        threads=spec.train.threads,
        seed=spec.train.seed,
    )


def _fitted(name: str, family_class: type[Family], material: Material, spec: Spec, folder: Path) -> Family:
    try:
        with shown(f"  {name}") as progress:
            return family_class.fit(material, spec, loop.fit, folder, progress)
    except TrainingError as error:
        raise TrainingError(f"{name}: {error.message}", error.hint) from error


def _rung(
    name: str, spent: float, members: Sequence[Family], materials: Sequence[Material], *, floor: bool
) -> Rung:
    members[0].score(materials[0], materials[0].choose[:1])  # the first call pays for what is compiled
    started = time.process_time()
    parts = [
        member.score(material, material.choose) + material.offset
        for member, material in zip(members, materials, strict=True)
    ]
    pace = sum(map(len, parts)) / max(time.process_time() - started, 1e-9)
    order = np.argsort(np.concatenate([material.choose for material in materials]), kind="stable")
    return Rung(
        name=name,
        members=tuple(members),
        offsets=tuple(material.offset for material in materials),
        choosing=np.concatenate(parts)[order],
        fit_cpu_seconds=spent,
        rows_per_cpu_second=pace / len(members),
        floor=floor,
    )
