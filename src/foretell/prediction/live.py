"""Live scoring: one event at a time from a fitted model, with the very kernels that scored in batch."""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from foretell.errors import DataError
from foretell.models import stream
from foretell.prediction.encoding import RowEncoder
from foretell.prediction.features import MICRO, REGISTER, Snapshot
from foretell.prediction.fitted import Fitted
from foretell.prediction.memory import Memory
from foretell.tasks.classify import LARGEST_LOGIT, Calibration

MOST_REMEMBERED = 1_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says of one event."""

    id: str
    """What its label is to name: the row's id, or the event's number where that is missing."""
    probability: float
    logit: float
    """Uncalibrated log-odds."""
    alert: bool


class Live:
    """A stream that is read, scored and learned from one event at a time.

    The rules, which are those of the batch wherever that knows the case:

    - An event is scored from what was known before it, then counted, in O(1). An entity or a category that
      was never seen is new, not wrong; a missing number is missing, as it was when the model was fitted.
    - Events and labels count in the order in which they come. One whose instant lies before what its entity
      saw last counts as if it happened at that last instant; nothing is counted anew.
    - A label is counted when it comes. A second label for the same event is a revision: what the first one
      left in the sums, decayed since, changes sides; the ages of the entity's latest accusation and run stay.
    - Labels that the data of the fit held, but that were not known at its end, count when their time comes.
    - The latest `remember` events can be labelled or revised; older ones are forgotten.
    - Rows without time follow each other one step apart, and their labels count at once.

    One event costs some tens of microseconds; free text alone is slower. Not safe for threads.
    """

    def __init__(
        self, fitted: Fitted, snapshot: Snapshot | None = None, *, remember: int = MOST_REMEMBERED
    ) -> None:
        """Go on from a snapshot; from where the stream stood after the fit, if none is given.

        Raises:
            DataError: when the model has a threshold for each group.
        """
        if fitted.evening is not None:
            raise DataError(
                f"the model shares out alerts by '{fitted.evening.grouping.column}', which one event cannot",
                "fit it with review.mitigate: none, or score rows with `predict`",
            )
        before = snapshot if snapshot is not None else fitted.snapshot
        features = fitted.featurizer
        self._plan = features.plan
        self._encode = RowEncoder(features.schema, self._plan.entities, self._plan.numbers)
        self._rates, self._scales = self._plan.arrays()
        self._suspicion = features.suspicion.arrays()
        self._readers = [
            (fitted.weights[name], family.reader(), fitted.offsets[name])
            for name, family in fitted.families.items()
        ]
        self._calibrate, self._threshold = _calibrated(fitted.calibration), fitted.threshold
        self._features = np.zeros(len(features.names), np.float32)
        self._streamed = self._features[: self._plan.num_features]
        self._own = self._features[self._plan.num_features :]
        self._numbers = np.empty(len(self._plan.numbers))
        self._slots: dict[str, dict[str, int]] = {entity: {} for entity in self._plan.entities}
        for column, name, slot in before.register.iter_rows():
            self._slots[column][name] = slot
        self._known = list(self._slots.values())
        self._num_slots = len(before.state)
        self._state, self._touched = before.state.copy(), before.touched.copy()
        self._late, self._next_late = before, 0
        roles = {column.role for column in features.schema.columns}
        self._timed = "time" in roles
        self._last_us = round(float(before.touched.max(initial=-MICRO)) / MICRO)
        self._memory = Memory(before.remembered, len(self._plan.entities), remember)

    def event(self, row: Mapping[str, Any]) -> Answer:
        """Score a row (column -> cell, as in the file), then count it.

        Raises:
            DataError: when a column is absent, a cell is no plain value, the row has no instant, or its id is
                that of an event that is still remembered. Nothing is counted then.
        """
        row_id, at_us, entities = self._encode(row, self._numbers, self._own)
        name = row_id or f"event {self._memory.count + 1}"
        if name in self._memory.place:
            raise DataError(f"the event '{name}' was counted already", "send each event once")
        self._last_us = at_us if self._timed else self._last_us + 1
        at = self._last_us * MICRO
        self._arrive(at)
        memory = self._memory
        place = memory.add(name)
        slots, excused = memory.slots[place], memory.excused[place]
        for e, (entity, known) in enumerate(zip(self._known, entities, strict=True)):
            slot = entity.get(known)
            slots[e] = slot if slot is not None else self._new(entity, known)
        memory.happened_at[place] = at
        stream.step_event(
            self._state, self._touched, slots, self._numbers, at, self._rates, self._scales,
            *self._suspicion, self._streamed, excused,
        )  # fmt: skip
        logit = 0.0
        for weight, reader, offset in self._readers:
            logit += weight * (reader(self._features) + offset)
        probability = self._calibrate(logit)
        return Answer(name, probability, float(logit), probability >= self._threshold)

    def label(self, name: str, positive: bool, at: Any = None) -> None:
        """Count the outcome of an event, or correct what was said of it before.

        Args:
            name: the event's id, as in its `Answer`.
            positive: whether the outcome is the positive one.
            at: when it became known, written like the rows' time; not used when rows have none.

        Raises:
            DataError: when the event is not remembered, or `at` is no instant.
        """
        memory = self._memory
        place = memory.place.get(name)
        if place is None:
            hint = f"the latest {memory.limit:,} events can be labelled"
            raise DataError(f"the event '{name}' is not remembered", hint)
        seconds = self._instant(at)
        self._arrive(seconds)
        was, now = memory.labels[place], float(positive)
        if was == now:
            return
        slots, excused = memory.slots[place], memory.excused[place]
        if was < 0:
            stream.step_label(
                self._state, self._touched, slots, now, memory.happened_at[place], seconds,
                self._rates, len(self._scales), excused,
            )  # fmt: skip
            memory.counted_at[place] = self._touched[slots]
        else:
            stream.step_revision(
                self._state, self._touched, slots, now - was, memory.counted_at[place], seconds,
                self._rates, len(self._scales), excused,
            )  # fmt: skip
        memory.labels[place] = now

    def snapshot(self) -> Snapshot:
        """Return a copy of all that `Live(fitted, snapshot)` needs to go on as if it had never stopped."""
        late, size = slice(self._next_late, None), self._num_slots
        named = [
            (column, name, slot) for column, slots in self._slots.items() for name, slot in slots.items()
        ]
        return Snapshot(
            register=pl.DataFrame(named, schema=REGISTER, orient="row"),
            state=self._state[:size].copy(),
            touched=self._touched[:size].copy(),
            slots=self._late.slots[late],
            happened_at=self._late.happened_at[late],
            arrives_at=self._late.arrives_at[late],
            labels=self._late.labels[late],
            excused=self._late.excused[late],
            remembered=self._memory.remembered(),
        )

    def _instant(self, at: Any) -> float:
        """Return the seconds of an instant written like the rows' time."""
        us = self._encode.instant(at) if self._timed else self._last_us
        if us is None:
            raise DataError(f"a label's instant is missing: {at!r}", "give the instant it became known")
        return us * MICRO

    def _arrive(self, at: float) -> None:
        """Count the labels of the fit's data whose time has come."""
        late = self._late
        while self._next_late < len(late.arrives_at) and late.arrives_at[self._next_late] <= at:
            i = self._next_late
            stream.step_label(
                self._state, self._touched, late.slots[i], late.labels[i], late.happened_at[i],
                late.arrives_at[i], self._rates, len(self._scales), late.excused[i],
            )  # fmt: skip
            self._next_late += 1

    def _new(self, entity: dict[str, int], name: str) -> int:
        """Return the slot of an entity that was never seen; the arrays double when they are full."""
        slot = self._num_slots
        if slot == len(self._state):
            state, touched = stream.empty_state(self._plan, max(2 * slot, 1024))
            state[:slot], touched[:slot] = self._state, self._touched
            self._state, self._touched = state, touched
        entity[name] = slot
        self._num_slots += 1
        return slot


def _calibrated(calibration: Calibration) -> Callable[[float], float]:
    """Return the calibration for one log-odds: the same arithmetic without arrays."""
    raw, calibrated = calibration.raw, calibration.calibrated
    first, last = raw[0], raw[-1]
    ends = pairwise(zip(raw, calibrated, strict=True))
    slopes = [(high - low) / (right - left) for (left, low), (right, high) in ends]

    def probability(logit: float) -> float:
        if logit <= first:
            value = calibrated[0] + (logit - first)
        elif logit >= last:
            value = calibrated[-1] + (logit - last)
        else:
            low = bisect_right(raw, logit) - 1
            value = slopes[low] * (logit - raw[low]) + calibrated[low]
        # NumPy's own tangent: the mathematical library's may differ in the last bit.
        return 0.5 * (1.0 + float(np.tanh(0.5 * min(max(value, -LARGEST_LOGIT), LARGEST_LOGIT))))

    return probability
