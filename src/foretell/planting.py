"""Planting from a run: cases that wait and whose true outcome the run's data tell, drawn and sealed."""

import secrets
from dataclasses import dataclass
from pathlib import Path

from foretell import workflow
from foretell.border import load_spec
from foretell.cases import Store
from foretell.cases.planted import Planting
from foretell.cases.truths import question_of
from foretell.errors import DataError

_rng = secrets.SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """What was planted, in numbers: which cases these are stands in the store alone."""

    num_wrong: int
    """Cases in which the model is wrong."""
    num_right: int


def plant(folder: Path, count: int, by: str, store: Store) -> Planted:
    """Draw cases that nobody has touched yet, half of them with the model wrong if there are so many.

    They come from what the run opened, so that no date, place in the log or kind of case tells them apart.

    Args:
        by: who plants: an administrator, where the store has accounts.

    Raises:
        AccessError: when the person may not plant.
        DataError: when the data tell the outcome of no case that waits.
    """
    planting = Planting(store)
    waiting = planting.plantable(by)
    spec = load_spec(folder / "model" / "spec.yaml")
    dataset = workflow.read(spec)
    truths = {
        str(name): bool(target) if not dataset.classes else _agrees(store, str(name), dataset.classes[target])
        for name, target in zip(dataset.ids, dataset.target.tolist(), strict=True)
        if target >= 0 and str(name) in waiting
    }
    wrong = [name for name, positive in truths.items() if positive != waiting[name]]
    right = [name for name, positive in truths.items() if positive == waiting[name]]
    if not truths:
        raise DataError(
            f"{spec.data.source} tells the outcome of none of {len(waiting):,} untouched cases",
            "plant before people begin to work, or when the labels have come",
        )
    num_wrong = min(len(wrong), max(count // 2, count - len(right)))
    num_right = min(len(right), count - num_wrong)
    drawn = [*_rng.sample(wrong, num_wrong), *_rng.sample(right, num_right)]
    planting.plant(by, {name: truths[name] for name in drawn})
    return Planted(num_wrong=num_wrong, num_right=num_right)


def _agrees(store: Store, name: str, truth: str) -> bool:
    """Return whether a case of several classes is to be taken for positive: who agrees with the model on an
    alert says that it is one, and of others that they are none."""
    case = store.case(name)
    question = question_of(case)
    return question is not None and (question.as_told(truth) is case.prediction.alert)
