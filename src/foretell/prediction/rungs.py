"""Rungs: every contestant of the ladder, fitted once per fold, and how it did on the rows that choose.

n: all rows, F: features, C: choosing rows, in the order of the data.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import average_precision_score, log_loss

from foretell import units
from foretell.errors import TrainingError
from foretell.models.boosting import Boosted
from foretell.models.family import Family, Floats, Material, Rows, Scorer
from foretell.prediction.floor import Grown, floor_of_events, floor_of_table
from foretell.prediction.search import left, searched
from foretell.spec import Spec
from foretell.tasks.classify import sigmoid
from foretell.tasks.regress import Scale, rmse
from foretell.telling import Tell
from foretell.training import loop
from foretell.training.progress import shown

Families = Mapping[str, type[Family]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rung:
    """One fitted contestant."""

    name: str
    members: tuple[Scorer, ...]
    """One per fold."""
    offsets: tuple[float, ...]
    """What undoes the thinned teaching rows of each."""
    delivered: tuple[Scorer, ...]
    """What scores later rows, by its mean: one that all rows taught, or the members."""
    delivered_offsets: tuple[float, ...]
    choosing: Floats
    """Corrected log-odds of the choosing rows [C], each by the member that it did not teach."""
    fit_cpu_seconds: float
    rows_per_cpu_second: float
    """Of all that is delivered together, since all of it scores a row."""
    floor: bool = False

    def score(self, material: Material, rows: Rows) -> Floats:
        """Return the corrected log-odds of some rows that taught none of what is delivered."""
        each = zip(self.delivered, self.delivered_offsets, strict=True)
        return np.mean([scorer.score(material, rows) + offset for scorer, offset in each], axis=0)


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


ROUNDS = 20
"""Picks of the greedy ensemble."""
TELLING, LEAST_GAIN = 1_000, 0.003
"""Choosing rows of the first fold from which they tell whether a family is worth fitting on the other folds,
and the share of the ensemble's loss that it must take away there."""
BENDS = ("boosting", "floor")
"""The trees that tell other families where features bend: the first of these that there are."""
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
    whole: Material | None,
    families: Families,
    measure: Measure,
    folder: Path,
    tell: Tell,
) -> tuple[list[Rung], Boosted]:
    """Fit the floor, then the families and what a search finds, each once per fold.

    Args:
        materials: of each fold.
        whole: all rows teach; None where what the folds taught is delivered.

    Returns:
        The rungs, and the first fold's trees with what each feature gained those of all folds.
    """
    rungs: list[Rung] = []
    trees: dict[str, Sequence[Boosted]] = {}
    until, of_events = left(spec, time.monotonic()), materials[0].of_events

    def add(contestants: Iterator[Grown], *, floor: bool = False) -> None:
        started = time.process_time()
        for grown in contestants:
            spent = time.process_time() - started
            rungs.append(_rung(grown, spent, materials, whole, floor=floor))
            trees[grown.name] = grown.boosted
            aims = materials[0].aims[choosing_rows(materials)]
            found = measure.told(measure(aims, rungs[-1].choosing))
            tell(f"  {grown.name}: {found} on the validation rows, {spent:.1f} CPU-s")
            started = time.process_time()

    add(
        floor_of_events(spec, materials[0]) if of_events else floor_of_table(spec, materials, whole),
        floor=True,
    )
    boosted = next(trees[name] for name in BENDS if name in trees)
    told = [replace(each, boosted=found) for each, found in zip(materials, boosted, strict=True)]
    add(_grown(spec, told, families, rungs, measure, folder, tell))
    if until and of_events:
        tell("  search: none, since model.budget is for tables and these rows are events of entities")
    elif until:
        add(searched(spec, materials, whole, until, folder / "search", tell))
    gains = np.mean([each.gains for each in boosted], axis=0)
    return rungs, replace(boosted[0], gains=gains)


def choosing_rows(materials: Sequence[Material]) -> Rows:
    """Return all rows that choose [C], in the order of the data."""
    return np.sort(np.concatenate([material.choose for material in materials]))


def greedy(logits: Mapping[str, Floats], aims: NDArray[Any], measure: Measure) -> Mapping[str, float]:
    """Return shares that sum to 1, of contestants picked one by one, each time the one that helps most.

    Args:
        logits: of the same rows, by contestant.
        aims: labels, or scores, of these rows.

    Source: Caruana et al., Ensemble selection from libraries of models, ICML 2004.
    """
    total, picks = np.zeros_like(next(iter(logits.values()))), dict.fromkeys(logits, 0)
    for picked in range(ROUNDS):
        quality = {name: measure(aims, (total + own) / (picked + 1)) for name, own in logits.items()}
        name = max(quality, key=lambda key: quality[key])
        picks[name] += 1
        total = total + logits[name]
    return {name: count / ROUNDS for name, count in picks.items() if count}


def _mixed_loss(logits: Mapping[str, Floats], aims: NDArray[Any], measure: Measure) -> float:
    shares = greedy(logits, aims, measure)
    return -measure(aims, np.sum([share * logits[name] for name, share in shares.items()], axis=0))


def _grown(
    spec: Spec,
    materials: Sequence[Material],
    families: Families,
    rungs: Sequence[Rung],
    measure: Measure,
    folder: Path,
    tell: Tell,
) -> Iterator[Grown]:
    """Yield the families; one that the first of many rows' folds shows to add nothing is given up."""
    first, rest = materials[0], materials[1:]
    for name, family_class in families.items():
        members = [_fitted(name, family_class, first, spec, folder / name)]
        if rest and len(first.choose) >= TELLING:
            places, aims = np.searchsorted(choosing_rows(materials), first.choose), first.aims[first.choose]
            logits = {rung.name: rung.choosing[places] for rung in rungs}
            without = _mixed_loss(logits, aims, measure)
            logits[name] = members[0].score(first, first.choose) + first.offset
            gain = 1 - _mixed_loss(logits, aims, measure) / without
            if gain < LEAST_GAIN:
                tell(
                    f"  {name}: given up, since it takes {gain:.1%} of the loss away on the first fold's rows"
                )
                continue
        members += [
            _fitted(name, family_class, material, spec, folder / f"{name}.{number}")
            for number, material in enumerate(rest, 1)
        ]
        yield Grown(name=name, members=members)


def _fitted(name: str, family_class: type[Family], material: Material, spec: Spec, folder: Path) -> Scorer:
    try:
        with shown(f"  {name}") as progress:
            return family_class.fit(material, spec, loop.fit, folder, progress)
    except TrainingError as error:
        raise TrainingError(f"{name}: {error.message}", error.hint) from error


def _rung(
    grown: Grown, spent: float, materials: Sequence[Material], whole: Material | None, *, floor: bool
) -> Rung:
    grown.members[0].score(materials[0], materials[0].choose[:1])  # the first call pays for what is compiled
    started = time.process_time()
    parts = [
        member.score(material, material.choose) + material.offset
        for member, material in zip(grown.members, materials, strict=True)
    ]
    # Each member scored its own fold; of those that are delivered together all score a row.
    pace = sum(map(len, parts)) / max(time.process_time() - started, 1e-9)
    order = np.argsort(np.concatenate([material.choose for material in materials]), kind="stable")
    offsets = tuple(material.offset for material in materials)
    single = grown.whole is not None and whole is not None
    return Rung(
        name=grown.name,
        members=tuple(grown.members),
        offsets=offsets,
        delivered=(grown.whole,) if single else tuple(grown.members),
        delivered_offsets=(whole.offset,) if single else offsets,
        choosing=np.concatenate(parts)[order],
        fit_cpu_seconds=spent,
        rows_per_cpu_second=pace if single else pace / len(grown.members),
        floor=floor,
    )
