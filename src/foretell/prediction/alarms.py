"""Alarms: which column changed, since when, and how much, in its unit."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from foretell.prediction.channels import LEVEL, MISSING, SPREAD, Channel
from foretell.prediction.outcomes import KINDS, RATE, Judged
from foretell.prediction.sketch import Floats, Tally

if TYPE_CHECKING:
    from foretell.prediction.monitor import Monitor


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One change."""

    column: str
    """Its name; empty for the score and for outcomes that no longer match the probabilities."""
    text: str
    """What it is called in sentences."""
    kind: str
    """level, spread, beyond, missing, share, unseen; of outcomes rate or order."""
    value: str = ""
    """The category whose share changed most."""
    unit: str = ""
    """Of `was` and `now`: the column's, or 'share'."""
    since: str
    """Batch with which the change is likeliest to have begun."""
    raised: str
    """Batch with which the evidence sufficed."""
    was: float
    """By kind: the mean; the width of the middle four fifths; a share; of outcomes their share as it was
    told, or the slope 1 at which their log-odds should rise with the told ones."""
    now: float
    """The same since the change, over the last RECENT batches at most."""
    log_evidence: float
    """Natural logarithm; by chance it is reached once in its exponential of batches, at most."""

    @property
    def of_outcomes(self) -> bool:
        """Whether it says that outcomes no longer match the probabilities."""
        return self.kind in KINDS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recent:
    """A batch of late."""

    number: int
    weekday: int
    tally: Tally
    judged: Judged | None = None


def described(monitor: "Monitor", w: int, log_evidence: float, before: Alarm | None = None) -> Alarm:
    """Return the alarm about a column as it stands.

    Args:
        before: the same alarm when it was told last: its kind and instants stay.
    """
    layout = monitor.layout
    column, lead = layout.columns[w], leading(monitor, w)
    if before is not None:
        lead = next(
            c
            for c in np.flatnonzero(layout.owners == w).tolist()
            if (layout.channels[c].kind, layout.channels[c].value) == (before.kind, before.value)
        )
    channel = layout.channels[lead]
    began = int(monitor.detectors.since()[lead])
    if before is not None:
        began = next(n for n, batch in enumerate(monitor.batches) if batch.key == before.since)
    was, now = _values(monitor, w, channel, began)
    share = channel.kind not in (LEVEL, SPREAD)
    found = Alarm(
        column=column.name,
        text=column.text,
        kind=channel.kind,
        value=channel.value,
        unit="share" if share or not column.name else column.unit,
        since=monitor.batches[began].key,
        raised=monitor.batches[-1].key,
        was=was,
        now=now,
        log_evidence=log_evidence,
    )
    return found if before is None else replace(found, since=before.since, raised=before.raised)


def leading(monitor: "Monitor", w: int) -> int:
    """Return the channel of a column with the most evidence."""
    layout = monitor.layout
    evidence = np.where(layout.owners == w, monitor.detectors.evidence() + layout.stakes, -np.inf)
    return int(np.argmax(evidence))


def _values(monitor: "Monitor", w: int, channel: Channel, began: int) -> tuple[float, float]:
    """Return what is looked at as it was, on the same weekdays, and as it is since it changed."""
    layout = monitor.layout
    late = [one for one in monitor.recent if one.number >= began]
    seasonal = layout.columns[w].seasonal
    lines = [one.weekday if seasonal else 0 for one in late]
    if channel.kind in (LEVEL, SPREAD):
        fresh = np.array([one.tally.sizes[w] for one in late])
        past = monitor.pool.sizes[lines, w]
        rows = fresh[:, 0]
    else:
        start, end = layout.starts[w], layout.starts[w + 1]
        fresh = np.array([one.tally.cells for one in late], dtype=np.float64)
        past = monitor.pool.counts[lines].astype(np.float64)
        rows = fresh[:, start : end - (channel.kind != MISSING)].sum(1)
    rows = rows / max(rows.sum(), 1.0)
    return float(rows @ _seen(monitor, w, channel, past)), float(rows @ _seen(monitor, w, channel, fresh))


def _seen(monitor: "Monitor", w: int, channel: Channel, lines: Floats) -> Floats:
    """Return what is looked at, of tallies or lines of a pool: sizes [s, 4] or cells [s, M]."""
    if channel.kind == LEVEL:
        return lines[:, 1]
    if channel.kind == SPREAD:
        return lines[:, 3] - lines[:, 2]
    start, end = monitor.layout.starts[w], monitor.layout.starts[w + 1]
    whole = lines[:, start : end - (channel.kind != MISSING)].sum(1)
    return lines[:, list(channel.part)].sum(1) / np.maximum(whole, 1)


def described_outcomes(monitor: "Monitor", log_evidence: float, before: Alarm | None = None) -> Alarm:
    """Return the alarm that outcomes no longer match the probabilities, as it stands."""
    detectors = monitor.outcome_detectors
    lead = int(np.argmax(detectors.evidence())) if before is None else KINDS.index(before.kind)
    began = int(detectors.since()[lead])
    if before is not None:
        began = next(n for n, batch in enumerate(monitor.batches) if batch.key == before.since)
    late = [one.judged for one in monitor.recent if one.judged is not None and one.number >= began]
    rows = max(sum(each.rows for each in late), 1)
    if KINDS[lead] == RATE:
        was = sum(each.expected for each in late) / rows
        now = sum(each.positives for each in late) / rows
    else:
        information = max(sum(float(each.information[1]) for each in late), 1e-12)
        was, now = 1.0, 1.0 + sum(float(each.residuals[1]) for each in late) / information
    last = max(number for number, batch in enumerate(monitor.batches) if batch.outcomes)
    found = Alarm(
        column="",
        text="the outcomes",
        kind=KINDS[lead],
        unit="share" if KINDS[lead] == RATE else "",
        since=monitor.batches[began].key,
        raised=monitor.batches[last].key,
        was=was,
        now=now,
        log_evidence=log_evidence,
    )
    return found if before is None else replace(found, since=before.since, raised=before.raised)
