"""Facts about an entity's past: how many events, how large, how many known positives, in stated windows."""

import numpy as np
from numpy.typing import NDArray

from foretell import units, wording
from foretell.data.dataset import Column
from foretell.evidence.scene import DAY_US, Scene, fact
from foretell.evidence.subject import quartiles
from foretell.records import Fact, Value


class Past:
    """Each entity's rows in the order of time; the rows before any row are a slice."""

    def __init__(self, codes: NDArray[np.int64]) -> None:
        self.order = np.argsort(codes, kind="stable")
        self.place = np.empty(len(codes), dtype=np.int64)
        self.place[self.order] = np.arange(len(codes))
        self.first = np.searchsorted(codes[self.order], codes, side="left")

    def before(self, row: int) -> NDArray[np.int64]:
        """Return the entity's rows that stand before `row`, the oldest first."""
        return self.order[self.first[row] : self.place[row]]


def collect(scene: Scene) -> list[list[Fact]]:
    """Return per row and entity: counts in every window, and over the longest one means and known outcomes.

    Only rows before the event count, and only outcomes that had arrived by its instant.
    """
    dataset = scene.dataset
    if dataset.column("time") is None:
        return [[] for _ in scene.rows]
    entities = dataset.inputs("entity")
    numbers = {column.name: dataset.frame[column.name].to_numpy() for column in dataset.inputs("number")}
    pasts = {column.name: Past(scene.scored.codes[column.name]) for column in entities}
    days = max(scene.fitted.spec.explain.history_days)
    collected = []
    for row, prediction in zip(scene.rows.tolist(), scene.predictions, strict=True):
        facts: list[Fact] = []
        for entity in entities:
            if dataset.frame[entity.name][row] is None:  # rows of unknown customers are not one customer's
                continue
            past = pasts[entity.name].before(row)
            facts += _counts(scene, entity, past, row, prediction.at)
            for name, values in numbers.items():
                column = next(c for c in dataset.columns if c.name == name)
                facts += _sizes(scene, entity, column, values[_within(scene, past, row, days)], prediction.at)
            facts += _outcomes(scene, entity, past, row, prediction.at)
        collected.append(facts)
    return collected


def _within(scene: Scene, past: NDArray[np.int64], row: int, days: int) -> NDArray[np.int64]:
    at_us = scene.dataset.at_us
    return past[np.searchsorted(at_us[past], at_us[row] - days * DAY_US) :]


def _counts(scene: Scene, entity: Column, past: NDArray[np.int64], row: int, at: str) -> list[Fact]:
    spec, language = scene.fitted.spec, scene.fitted.spec.narrate.language
    rows_text = units.plural(spec.data.row_text)
    return [
        fact(
            "history",
            f"count.{days}d@{entity.name}",
            wording.text(
                "count", language, entity=entity.text, rows=rows_text, days=wording.days(days, language)
            ),
            len(_within(scene, past, row, days)),
            "count",
            f"rows before {at}",
            {"window_days": days, "entity": entity.name, "stat": "count"},
        )
        for days in spec.explain.history_days
    ]


def _sizes(scene: Scene, entity: Column, column: Column, values: NDArray[np.float64], at: str) -> list[Fact]:
    days, language = max(scene.fitted.spec.explain.history_days), scene.fitted.spec.narrate.language
    window = wording.days(days, language)
    sizes = values[np.isfinite(values)]
    if len(sizes) < 2:
        return []
    low, high = quartiles(sizes)
    detail: dict[str, Value] = {"window_days": days, "n": len(sizes), "low": low, "high": high}
    detail |= {"column": column.name, "entity": entity.name, "stat": "mean"}
    return [
        fact(
            "history",
            f"{column.name}.mean.{days}d@{entity.name}",
            wording.text("mean", language, entity=entity.text, column=column.text, days=window),
            float(sizes.mean()),
            column.unit,
            f"rows before {at}",
            detail,
        )
    ]


def _outcomes(scene: Scene, entity: Column, past: NDArray[np.int64], row: int, at: str) -> list[Fact]:
    days = max(scene.fitted.spec.explain.history_days)
    recent = _within(scene, past, row, days)
    known = recent[scene.dataset.known_at_us[recent] <= scene.dataset.at_us[row]]
    known = known[scene.dataset.target[known] >= 0]
    if len(known) == 0:
        return []
    outcome, language = scene.fitted.spec.task.positive_text, scene.fitted.spec.narrate.language
    window = wording.days(days, language)
    return [
        fact(
            "history",
            f"positives.{days}d@{entity.name}",
            wording.text("positives", language, entity=entity.text, outcome=outcome, days=window),
            int((scene.dataset.target[known] == 1).sum()),
            "count",
            f"outcomes known by {at}",
            {"window_days": days, "n": len(known), "entity": entity.name, "stat": "positives"},
        )
    ]
