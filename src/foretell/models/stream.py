"""Event streams as state: decaying statistics per entity, O(1) an event; labels are late events of their own.

One compiled step serves training, replay and serving, so batch and stream agree bit for bit. An event is
read (features of what was known before it), then folded into the state of each of its entities. A label is
an event with its own arrival; an entity is accused only of what the event's other entities do not explain.

n: events, S: slots (one per entity), E: entities of an event, N: numbers, H: half-lives, C: channels per
half-life, D = HEAD + 2N + H*C floats of state, F: features.
"""

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from foretell.models.suspicion import Suspicion, additive

DAY = 86_400.0
NEVER = 3_650.0
"""Age in days of what has not happened."""

# Ages in days, advanced at every touch, so that float32 keeps its precision however old the stream is.
FIRST, LAST, CLEAN, ACCUSED, RUN, RUN_LENGTH, GAP = range(7)
AGES, HEAD = 5, 7
LAGS = 2
"""Earlier sizes kept of each number: what shows in the order of events alone."""
# Channels per half-life; the channels of the numbers follow.
COUNT, WEIGHT, SUSPECTED, LABELS, POSITIVES, ACCUSATIONS = range(6)
CHANNELS = 6
PER_NUMBER = 3
PER_HALF_LIFE = 6
HEAD_FEATURES = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlan:
    """What is declared of a stream; nothing else is known about its domain."""

    entities: tuple[str, ...]
    """Entity columns of an event."""
    numbers: tuple[str, ...]
    """Number columns of an event."""
    half_lives_seconds: tuple[float, ...]
    scales: tuple[float, ...]
    """Usual magnitude of each number: where its logarithm begins to bend."""

    @property
    def state_size(self) -> int:
        num_channels = CHANNELS + PER_NUMBER * len(self.numbers)
        return HEAD + LAGS * len(self.numbers) + len(self.half_lives_seconds) * num_channels

    @property
    def block_size(self) -> int:
        """Features per entity."""
        per_half_life = PER_HALF_LIFE + 2 * len(self.numbers)
        return HEAD_FEATURES + (1 + LAGS) * len(self.numbers) + len(self.half_lives_seconds) * per_half_life

    @property
    def num_features(self) -> int:
        return len(self.numbers) + len(self.entities) * self.block_size

    @property
    def bytes_per_entity(self) -> int:
        """State in float32 and the instant it was touched in float64."""
        return 4 * self.state_size + 8

    @property
    def features(self) -> tuple[tuple[str, str], ...]:
        """[F] pairs (name, factor); a factor is a group of features with one meaning."""
        found = [(number, number) for number in self.numbers]
        for entity in self.entities:
            found += [(f"{name}@{entity}", f"{factor}@{entity}") for name, factor in self._block()]
        return tuple(found)

    def _block(self) -> list[tuple[str, str]]:
        block = [("first_age", "pace"), ("last_age", "pace"), ("gap", "pace"), ("clean_age", "outcomes")]
        block += [("accused_age", "outcomes"), ("run_age", "outcomes"), ("run_length", "outcomes")]
        for number in self.numbers:
            block += [(f"{number}.usual", number), (f"{number}.lag1", "order"), (f"{number}.lag2", "order")]
        for half_life in self.half_lives_seconds:
            days = f"{half_life / DAY:g}d"
            block += [
                (f"count.{days}", "pace"),
                (f"suspected.{days}", "oddity"),
                (f"labels.{days}", "outcomes"),
            ]
            block += [(f"accused.{days}", "outcomes"), (f"accused_share.{days}", "outcomes")]
            block += [(f"positive_share.{days}", "outcomes")]
            for number in self.numbers:
                block += [(f"{number}.spreads.{days}", number), (f"{number}.ratio.{days}", number)]
        return block

    @property
    def blocks(self) -> tuple[NDArray[np.int64], ...]:
        """Per entity the features its suspicion may read: the event's numbers and its own past."""
        numbers = np.arange(len(self.numbers))
        starts = [len(self.numbers) + e * self.block_size for e in range(len(self.entities))]
        return tuple(np.append(numbers, np.arange(start, start + self.block_size)) for start in starts)

    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return decay rates per second [H] and scales [N], as the kernel takes them."""
        return math.log(2.0) / np.array(self.half_lives_seconds, dtype=np.float64), np.array(
            self.scales, dtype=np.float64
        )


@numba.njit(cache=True)
def _size(x, scale):
    """Signed logarithm of a number in units of its usual magnitude; 0 when it is missing."""
    if np.isnan(x):
        return 0.0
    size = math.log1p(abs(x) / scale)
    return size if x >= 0 else -size


@numba.njit(cache=True)
def _advance(state_D, seconds, rates, first_channel, channels):
    """Age one entity's state. A late event finds no time to pass: it counts as if it happened now."""
    if seconds <= 0.0:
        return
    days = seconds / DAY
    for age in range(AGES):
        state_D[age] = min(state_D[age] + days, NEVER)
    for h in range(len(rates)):
        decay = np.float32(math.exp(-seconds * rates[h]))
        start = first_channel + h * channels
        for c in range(start, start + channels):
            state_D[c] *= decay


@numba.njit(cache=True)
def read_state(state_D, numbers_N, scales, num_half_lives, out):
    """Write one entity's block of features: its past, and this event's numbers against that past."""
    num_numbers = len(numbers_N)
    channels = CHANNELS + PER_NUMBER * num_numbers
    first_channel = HEAD + LAGS * num_numbers
    last = first_channel + (num_half_lives - 1) * channels
    out[0] = math.log1p(state_D[FIRST])
    out[1] = math.log1p(state_D[LAST])
    out[2] = math.log1p(state_D[GAP])
    out[3] = math.log1p(state_D[CLEAN])
    out[4] = math.log1p(state_D[ACCUSED])
    out[5] = math.log1p(state_D[RUN])
    out[6] = math.log1p(state_D[RUN_LENGTH])
    at = HEAD_FEATURES
    for n in range(num_numbers):
        usual = state_D[last + CHANNELS + PER_NUMBER * n + 2] / (state_D[last + WEIGHT] + 0.1)
        out[at] = usual
        out[at + 1] = state_D[HEAD + LAGS * n] - usual
        out[at + 2] = state_D[HEAD + LAGS * n + 1] - usual
        at += 1 + LAGS
    for h in range(num_half_lives):
        base = first_channel + h * channels
        labels = state_D[base + LABELS]
        out[at] = math.log1p(state_D[base + COUNT])
        out[at + 1] = state_D[base + SUSPECTED]
        out[at + 2] = math.log1p(labels)
        out[at + 3] = state_D[base + ACCUSATIONS]
        out[at + 4] = state_D[base + ACCUSATIONS] / (labels + 0.5)
        out[at + 5] = state_D[base + POSITIVES] / (labels + 0.5)
        at += PER_HALF_LIFE + 2 * num_numbers
    for n in range(num_numbers):
        size = _size(numbers_N[n], scales[n])
        at = HEAD_FEATURES + (1 + LAGS) * num_numbers + PER_HALF_LIFE + 2 * n
        for h in range(num_half_lives):
            base = first_channel + h * channels
            weight = state_D[base + WEIGHT] + np.float32(0.1)
            c = base + CHANNELS + PER_NUMBER * n
            out[at] = 0.0
            out[at + 1] = 0.0
            if not np.isnan(numbers_N[n]):
                mean = state_D[c] / weight
                variance = max(state_D[c + 1] / weight - mean * mean, 0.0)
                spread = math.sqrt(variance) + 0.1 * abs(mean) + 0.02
                out[at] = (numbers_N[n] / scales[n] - mean) / spread
                out[at + 1] = size - state_D[c + 2] / weight
            at += PER_HALF_LIFE + 2 * num_numbers


@numba.njit(cache=True)
def read_event(state_ED, numbers_N, scales, num_half_lives, out):
    """Write the features of an event whose entities' states stand side by side; folds nothing in."""
    num_entities, num_numbers = len(state_ED), len(numbers_N)
    for n in range(num_numbers):
        out[n] = _size(numbers_N[n], scales[n])
    if num_entities == 0:
        return
    block = (len(out) - num_numbers) // num_entities
    for e in range(num_entities):
        start = num_numbers + e * block
        read_state(state_ED[e], numbers_N, scales, num_half_lives, out[start : start + block])


@numba.njit(cache=True)
def read_events(state_ED, numbers_CN, scales, num_half_lives, out_CF):
    """Write the features of what one event could have been: its numbers differ, its past is the same."""
    for c in range(len(numbers_CN)):
        read_event(state_ED, numbers_CN[c], scales, num_half_lives, out_CF[c])


@numba.njit(cache=True)
def fold_event(state_D, numbers_N, scales, num_half_lives, suspicion):
    """Fold an event in; what the entity's own state calls odd hardly moves what is usual for it."""
    num_numbers = len(numbers_N)
    channels = CHANNELS + PER_NUMBER * num_numbers
    first_channel = HEAD + LAGS * num_numbers
    if state_D[FIRST] >= NEVER:
        state_D[FIRST] = 0.0
    else:
        state_D[GAP] = state_D[LAST]
    state_D[LAST] = 0.0
    weight = np.float32(1.0 - suspicion)
    for h in range(num_half_lives):
        base = first_channel + h * channels
        state_D[base + COUNT] += 1.0
        state_D[base + WEIGHT] += weight
        state_D[base + SUSPECTED] += np.float32(suspicion)
    for n in range(num_numbers):
        size = _size(numbers_N[n], scales[n])
        state_D[HEAD + LAGS * n + 1] = state_D[HEAD + LAGS * n]
        state_D[HEAD + LAGS * n] = size
        if np.isnan(numbers_N[n]):
            continue
        x = np.float32(numbers_N[n] / scales[n])
        for h in range(num_half_lives):
            c = first_channel + h * channels + CHANNELS + PER_NUMBER * n
            state_D[c] += weight * x
            state_D[c + 1] += weight * x * x
            state_D[c + 2] += weight * np.float32(size)


@numba.njit(cache=True)
def fold_label(state_D, positive, excused, age_days, rates, num_numbers):
    """Fold an arrived label in: the entity is accused of what others do not excuse."""
    channels = CHANNELS + PER_NUMBER * num_numbers
    first_channel = HEAD + LAGS * num_numbers
    accused = np.float32(positive * (1.0 - excused))
    for h in range(len(rates)):
        base = first_channel + h * channels
        state_D[base + LABELS] += 1.0
        state_D[base + POSITIVES] += positive
        state_D[base + ACCUSATIONS] += accused
    if accused > 0.5:
        state_D[ACCUSED] = min(state_D[ACCUSED], np.float32(age_days))
        if state_D[RUN_LENGTH] == 0.0:
            state_D[RUN] = np.float32(age_days)
        state_D[RUN_LENGTH] += 1.0
    elif positive == 0:
        state_D[CLEAN] = min(state_D[CLEAN], np.float32(age_days))
        state_D[RUN] = NEVER
        state_D[RUN_LENGTH] = 0.0


@numba.njit(cache=True)
def touch(state_SD, touched_S, slot, at, rates, num_numbers):
    """Bring one slot's state to an instant."""
    channels = CHANNELS + PER_NUMBER * num_numbers
    _advance(state_SD[slot], at - touched_S[slot], rates, HEAD + LAGS * num_numbers, channels)
    touched_S[slot] = max(at, touched_S[slot])


@numba.njit(cache=True)
def step_event(
    state_SD, touched_S, slots_E, numbers_N, at, rates, scales, columns, knots, values, bias, out, excused_E
):
    """Read one event's features into `out`, then fold it in; its label must remember `excused_E`."""
    num_entities, num_numbers, num_half_lives = len(slots_E), len(numbers_N), len(rates)
    for n in range(num_numbers):
        out[n] = _size(numbers_N[n], scales[n])
    if num_entities == 0:
        return
    block = (len(out) - num_numbers) // num_entities
    for e in range(num_entities):
        touch(state_SD, touched_S, slots_E[e], at, rates, num_numbers)
        start = num_numbers + e * block
        read_state(state_SD[slots_E[e]], numbers_N, scales, num_half_lives, out[start : start + block])
    excused_E[:] = 0.0
    for e in range(num_entities):
        suspicion = additive(out, columns[e], knots[e], values[e], bias[e])
        fold_event(state_SD[slots_E[e]], numbers_N, scales, num_half_lives, suspicion)
        for other in range(num_entities):
            if other != e:
                excused_E[other] = 1.0 - (1.0 - excused_E[other]) * (1.0 - suspicion)


@numba.njit(cache=True)
def step_label(state_SD, touched_S, slots_E, positive, happened_at, at, rates, num_numbers, excused_E):
    """Fold one arrived label into the states of its event's entities; they count it at `touched_S`."""
    for e in range(len(slots_E)):
        slot = slots_E[e]
        touch(state_SD, touched_S, slot, at, rates, num_numbers)
        age_days = (touched_S[slot] - happened_at) / DAY
        fold_label(state_SD[slot], positive, excused_E[e], age_days, rates, num_numbers)


@numba.njit(cache=True)
def step_revision(state_SD, touched_S, slots_E, change, counted_at_E, at, rates, num_numbers, excused_E):
    """Correct a label that was wrong: what it left in the sums, decayed since it was counted, changes sides.

    The ages of the latest accusation and of the run stay as the first version left them.

    Args:
        change: 1 when the label turns positive, -1 when it turns negative.
        counted_at_E: where `touched_S` of each entity stood right after the label was folded in.
    """
    channels = CHANNELS + PER_NUMBER * num_numbers
    for e in range(len(slots_E)):
        slot = slots_E[e]
        touch(state_SD, touched_S, slot, at, rates, num_numbers)
        for h in range(len(rates)):
            base = HEAD + LAGS * num_numbers + h * channels
            left = np.float32(change * math.exp(-(touched_S[slot] - counted_at_E[e]) * rates[h]))
            state_SD[slot, base + POSITIVES] += left
            state_SD[slot, base + ACCUSATIONS] += left * (1.0 - excused_E[e])


@numba.njit(cache=True)
def replay(
    state_SD, touched_S, slots_nE, numbers_nN, at_n, labels, arrives_at, arrivals,
    rates, scales, columns, knots, values, bias, out_nF, width, excused_nE, kept_n, kept_RED, start, excuse,
):  # fmt: skip
    """Step through events in order, each after the labels that had arrived by its instant.

    Args:
        arrivals: rows with a label, in the order in which the labels arrive.
        width: features of the stream; what stands behind them in a row of `out_nF` is left alone.
        start: first event to step through; those before it only bring labels that are still to arrive.
        kept_n: for each event, the row of `kept_RED` that keeps the states read for it, or -1.
        excuse: whether the events' excuses are worked out; else they stand in `excused_nE` already.

    Returns:
        How many of `arrivals` were folded in.
    """
    num_numbers = numbers_nN.shape[1]
    unused_E = np.zeros(slots_nE.shape[1], excused_nE.dtype)
    head = 0
    for i in range(start, len(at_n)):
        # A label known at the instant of its own event still comes after that event.
        while head < len(arrivals) and arrives_at[arrivals[head]] <= at_n[i] and arrivals[head] < i:
            j = arrivals[head]
            step_label(
                state_SD,
                touched_S,
                slots_nE[j],
                labels[j],
                at_n[j],
                arrives_at[j],
                rates,
                num_numbers,
                excused_nE[j],
            )
            head += 1
        if kept_n[i] >= 0:
            for e in range(slots_nE.shape[1]):
                touch(state_SD, touched_S, slots_nE[i, e], at_n[i], rates, num_numbers)
                kept_RED[kept_n[i], e] = state_SD[slots_nE[i, e]]
        step_event(
            state_SD, touched_S, slots_nE[i], numbers_nN[i], at_n[i], rates, scales,
            columns, knots, values, bias, out_nF[i][:width], excused_nE[i] if excuse else unused_E,
        )  # fmt: skip
    return head


def empty_state(plan: StreamPlan, num_slots: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return states [S, D] and touched instants [S] of entities that were never seen."""
    state_SD = np.zeros((num_slots, plan.state_size), dtype=np.float32)
    state_SD[:, :AGES] = NEVER
    state_SD[:, GAP] = NEVER
    return state_SD, np.full(num_slots, -np.inf)


def silent(plan: StreamPlan) -> Suspicion:
    """Return a suspicion that excuses nothing: what the first replay uses."""
    return Suspicion.silent(len(plan.entities))
