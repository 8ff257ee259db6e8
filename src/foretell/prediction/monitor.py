"""The monitor: evidence, batch by batch, that rows no longer come as the model's past did.

C: channels, M: cells of all columns, W: watched columns, S: at most RECENT last batches.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from foretell.data.dataset import Dataset
from foretell.data.split import Split
from foretell.prediction.alarms import Alarm, Recent, described, described_outcomes, leading
from foretell.prediction.channels import Layout, laid_out
from foretell.prediction.detector import LEAST, Detectors
from foretell.prediction.outcomes import KINDS, Residuals
from foretell.prediction.pools import Pool
from foretell.prediction.sketch import (
    Floats,
    Tally,
    Watched,
    category,
    number,
    placed,
    tallied,
    watched,
)
from foretell.tasks.classify import DAY_US

WEEKS = 4
"""Times that each weekday must be in the reference for it to be compared with its own past."""
RECENT = 28
"""Batches that are kept to say what a changed column is like: after its change, and of late."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sketch:
    """What a model's past was like; a model folder holds it."""

    columns: tuple[Watched, ...]
    """The input columns, of several classes the told one, and last the score."""
    pool: Pool
    residuals: Residuals

    @property
    def layout(self) -> Layout:
        """The channels; a part of the evidence as large as a column's is kept for the outcomes."""
        return laid_out(self.columns, kept=1 / (len(self.columns) + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch that was counted."""

    key: str
    """Its day, or the digest of its rows where they have no time."""
    digest: str
    """Of its rows without their outcomes."""
    rows: int
    outcomes: int = 0
    """Known ones that were counted."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Monitor:
    """Where the monitoring of a model stands."""

    model: str
    """Digest of the model folder."""
    layout: Layout
    pool: Pool
    residuals: Residuals
    detectors: Detectors
    outcome_detectors: Detectors
    batches: tuple[Batch, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    """In the order in which they were raised; each stands until the model is fitted anew."""
    recent: tuple[Recent, ...] = ()
    """The last batches [S]."""

    @classmethod
    def begun(cls, sketch: Sketch, model: str) -> "Monitor":
        """Return the monitor of a model before its first batch."""
        layout = sketch.layout
        return cls(
            model=model,
            layout=layout,
            pool=sketch.pool,
            residuals=sketch.residuals,
            detectors=Detectors.fresh(len(layout.channels)),
            outcome_detectors=Detectors.fresh(len(KINDS)),
        )

    def evidence(self) -> Floats:
        """Return the log-evidence against each column [W], in which its channels share: LEAST is an alarm."""
        each, owners = self.detectors.evidence() + self.layout.stakes, self.layout.owners
        top = np.full(len(self.layout.columns), -np.inf)
        np.maximum.at(top, owners, each)
        return top + np.log(np.bincount(owners, np.exp(each - top[owners])))

    def outcome_evidence(self) -> float:
        """Return the log-evidence that outcomes no longer match the probabilities."""
        share = np.log(len(KINDS) * (len(self.layout.columns) + 1))
        return float(np.logaddexp.reduce(self.outcome_detectors.evidence()) - share)

    def after(self, batch: Batch, counted: Tally, weekday: int) -> "Monitor":
        """Return the monitor after one more batch. A column that has changed is pooled no more.

        Args:
            batch: that is not among `batches`.
            weekday: 0 for Monday; 0 for all batches where rows have no time.
        """
        layout, number_of = self.layout, len(self.batches)
        compared = self.pool.compared(layout, counted.cells, weekday)
        changed = {alarm.column for alarm in self.alarms if not alarm.of_outcomes}
        steady = np.array([column.name not in changed for column in layout.columns])
        recent = Recent(number=number_of, weekday=weekday, tally=counted)
        held = replace(
            self,
            batches=(*self.batches, batch),
            recent=(*self.recent, recent)[-RECENT:],
            detectors=self.detectors.after(compared.scores, number_of),
        )
        evidence = held.evidence()
        raised = np.flatnonzero(steady & (evidence >= LEAST)).tolist()
        steady[raised] = False
        pool, since = self.pool.after(layout, counted, compared, weekday, steady), held.detectors.since()
        for w in raised:
            began = int(since[leading(held, w)])
            for one in self.recent:
                if one.number >= began:
                    pool = pool.without(layout, one.tally, one.weekday, w)
        held = replace(held, pool=pool)
        fresh = [described(held, w, float(evidence[w])) for w in raised]
        return replace(held, alarms=(*self.alarms, *fresh))

    def brought_up(self) -> "Monitor":
        """Return the monitor with its alarms about columns as they stand after the last batch."""
        index, evidence = {c.name: w for w, c in enumerate(self.layout.columns)}, self.evidence()
        standing = [
            alarm
            if alarm.of_outcomes
            else described(self, index[alarm.column], float(evidence[index[alarm.column]]), alarm)
            for alarm in self.alarms
        ]
        return replace(self, alarms=tuple(standing))

    def judged(self, key: str, probabilities: Floats, labels: Floats) -> "Monitor":
        """Return the monitor after outcomes of a counted batch came.

        Args:
            probabilities: of the batch's rows whose outcome is known [n].
            labels: 0 or 1 [n].
        """
        place = next(n for n in reversed(range(len(self.batches))) if self.batches[n].key == key)
        compared = self.residuals.compared(probabilities, labels)
        batch = self.residuals.judged(probabilities, labels)
        before = next((alarm for alarm in self.alarms if alarm.of_outcomes), None)
        batches = list(self.batches)
        batches[place] = replace(batches[place], outcomes=len(labels))
        held = replace(
            self,
            batches=tuple(batches),
            outcome_detectors=self.outcome_detectors.after(compared.scores, place),
            recent=tuple(replace(one, judged=batch) if one.number == place else one for one in self.recent),
        )
        if before is None and held.outcome_evidence() < LEAST:
            seen = np.ones(len(KINDS), dtype=np.bool_)
            return replace(held, residuals=self.residuals.after(batch, compared, seen))
        alarm = described_outcomes(held, held.outcome_evidence(), before)
        others = tuple(one for one in self.alarms if not one.of_outcomes)
        return replace(held, alarms=(*others, alarm))


def sketch_of(
    dataset: Dataset,
    parts: Split,
    choose: NDArray[np.int64],
    logits: Floats,
    probabilities: Floats,
    told: Sequence[str] = (),
) -> Sketch:
    """Return the sketch of a model's past: its days in their order, or all rows at once without time.

    Args:
        dataset: of several classes, as the review sees it: positive is a class that is wrong.
        parts: the rows that taught and chose are the past.
        choose: rows that chose; the score is known by them alone, since the model has learned the others.
            Where all rows chose, fold by fold, none was scored by all members that score later rows
            together: what the score is like is then known from the first batches on.
        logits: raw log-odds, or scores, of the choosing rows.
        probabilities: of the choosing rows.
        told: their most probable classes, where there are several.
    """
    timed, past = dataset.column("time") is not None, np.sort(np.concatenate([parts.train, parts.valid]))
    days = dataset.at_us // DAY_US if timed else np.zeros(len(dataset), dtype=np.int64)
    score, shown = np.full(len(dataset), np.nan), np.full(len(dataset), np.nan)
    classes = np.full(len(dataset), None, dtype=object)
    if len(choose) == len(parts.valid):
        score[choose], shown[choose] = logits, probabilities
        classes[choose] = np.array(told, dtype=object) if len(told) else None
    seasonal = timed and _weekly(days[past])
    columns = [watched(c, dataset.frame[c.name][past], seasonal=seasonal) for c in dataset.inputs()]
    weekly, target = timed and _weekly(days[choose]), dataset.column("target")
    if len(told) and target is not None:
        known = category(target.name, pl.Series(told), text=f"the told {target.text}", seasonal=weekly)
        columns.append(replace(known, told=True))
    columns.append(number("", logits, text="the score", seasonal=weekly))
    layout = laid_out(columns, kept=1 / (len(columns) + 1))
    pool, rows = (
        Pool.empty(layout),
        placed(columns, dataset, score, shown, pl.Series(classes.tolist(), dtype=pl.String)),
    )
    every = np.ones(len(columns), dtype=np.bool_)
    for day in np.unique(days[past]).tolist():
        counted = tallied(columns, rows, past[days[past] == day])
        compared = pool.compared(layout, counted.cells, weekday_of(day))
        pool = pool.after(layout, counted, compared, weekday_of(day), every)
    residuals = Residuals.of(probabilities, dataset.target[choose].astype(np.float64), days[choose])
    return Sketch(columns=tuple(columns), pool=pool, residuals=residuals)


def weekday_of(day: int) -> int:
    """Return the weekday of a day since 1970, 0 for Monday.

    >>> weekday_of(0), weekday_of(20454)
    (3, 4)
    """
    return (day + 3) % 7


def _weekly(days: NDArray[np.int64]) -> bool:
    """Return whether days hold each weekday often enough."""
    counts = np.bincount((np.unique(days) + 3) % 7, minlength=7)
    return bool(counts.min() >= WEEKS)
