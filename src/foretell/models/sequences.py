"""Rows as sequences: the last events of each row's entities, gathered into batches.

n: all rows, B: rows of a batch, S: streams (one per entity, or one merged), L: events (the row itself last),
E: entities, F: numbers, C: categories.
"""

from dataclasses import dataclass

import numba
import numpy as np
import torch

from foretell.models.base import Batch

PAD, UNKNOWN, NEGATIVE, POSITIVE = range(4)
"""What is known, at the row's instant, of the outcome of an event: no such event, not yet known, known."""
NUM_TOKENS = 4
ABSENT = -1
SHRINK = 2.0
"""Earlier rows of anyone that count beside an entity's own when its usual values are formed."""


@numba.njit(cache=True)
def previous_events(entity_codes: np.ndarray, num_entities: int) -> np.ndarray:
    """Return for each row the row of the same entity's event before it, or -1; int32 [n], O(n).

    Args:
        entity_codes: int32 [n], rows in order of time; a negative code is no entity and has no past.
        num_entities: codes are smaller than this.
    """
    latest = np.full(num_entities, ABSENT, np.int32)
    previous = np.full(len(entity_codes), ABSENT, np.int32)
    for row in range(len(entity_codes)):
        code = entity_codes[row]
        if code >= 0:
            previous[row] = latest[code]
            latest[code] = row
    return previous


@numba.njit(cache=True)
def past_events(previous: np.ndarray, rows: np.ndarray, context: int) -> np.ndarray:
    """Return the last `context` events before each row, most recent last, padded with -1 at the front.

    Args:
        previous: int32 [n], from `previous_events`.
        rows: int64 [B], rows whose past is wanted.
        context: events to return.

    Returns:
        int32 [B, context].
    """
    past = np.full((len(rows), context), ABSENT, np.int32)
    for i in range(len(rows)):
        row = previous[rows[i]]
        place = context - 1
        while row >= 0 and place >= 0:
            past[i, place] = row
            row = previous[row]
            place -= 1
    return past


@numba.njit(cache=True)
def merged_events(past: np.ndarray) -> np.ndarray:
    """Return the past of several entities as one sequence in order of time, each event once.

    Args:
        past: int32 [B, E, context], from `past_events`.

    Returns:
        int32 [B, E * context], most recent last, padded with -1 at the front.
    """
    num_rows, num_entities, context = past.shape
    merged = np.full((num_rows, num_entities * context), ABSENT, np.int32)
    place_of = np.empty(num_entities, np.int64)
    for i in range(num_rows):
        place_of[:] = context - 1
        place = num_entities * context - 1
        while True:
            newest = ABSENT
            for entity in range(num_entities):
                if place_of[entity] >= 0:
                    newest = max(newest, past[i, entity, place_of[entity]])
            if newest == ABSENT:
                break
            for entity in range(num_entities):
                if place_of[entity] >= 0 and past[i, entity, place_of[entity]] == newest:
                    place_of[entity] -= 1
            merged[i, place] = newest
            place -= 1
    return merged


@numba.njit(cache=True)
def deviations(values: np.ndarray, entity_codes: np.ndarray, num_entities: int) -> np.ndarray:
    """Return how unusual each value is beside the earlier ones of its entity; causal, O(n).

    An entity's mean and spread are shrunk towards those of all earlier rows, as if it had `SHRINK` more.

    Args:
        values: float32 [n], rows in order of time.
        entity_codes: int32 [n]; a negative code is no entity, whose values are compared with all rows.
        num_entities: codes are smaller than this.

    Returns:
        float32 [n, 2]: (value - mean) / spread, and the logarithm of |value| over |mean|, both floored by a
        tenth of the overall spread so that small values do not shout.
    """
    count = np.zeros(num_entities + 1)
    total, squares = np.zeros(num_entities + 1), np.zeros(num_entities + 1)
    unusual = np.zeros((len(values), 2), np.float32)
    for row in range(len(values)):
        code, value = entity_codes[row], float(values[row])
        everyone = max(count[num_entities], 1.0)
        mean_all = total[num_entities] / everyone
        spread_all = max(np.sqrt(max(squares[num_entities] / everyone - mean_all**2, 0.0)), 1e-6)
        if count[num_entities] > 1:
            seen, summed, squared = SHRINK, SHRINK * mean_all, SHRINK * (mean_all**2 + spread_all**2)
            if code >= 0:
                seen, summed, squared = seen + count[code], summed + total[code], squared + squares[code]
            mean = summed / seen
            spread = np.sqrt(max(squared / seen - mean**2, 0.0)) + 0.1 * spread_all
            floor = 0.1 * spread_all
            unusual[row, 0] = (value - mean) / spread
            unusual[row, 1] = np.log((abs(value) + floor) / (abs(mean) + floor))
        for place in (np.int64(code), num_entities):
            if place >= 0:
                count[place] += 1
                total[place] += value
                squares[place] += value * value
    return unusual


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """All rows, in order of time, as arrays; a row's past is read from here."""

    numbers: np.ndarray
    """float32 [n, F], finite."""
    categories: np.ndarray
    """int32 [n, C], codes from 0."""
    entities: np.ndarray
    """int32 [n, E]; -1 for none."""
    at: np.ndarray
    """float64 [n], seconds, ascending."""
    known_at: np.ndarray
    """float64 [n], the instant at which the row's label becomes known; inf for never."""
    labels: np.ndarray
    """float32 [n], 0 or 1; read only where it teaches or was known in time."""

    def previous(self) -> np.ndarray:
        """Return int32 [E, n]: for each entity column and row, the event before."""
        columns = np.ascontiguousarray(self.entities.T)
        return np.stack([previous_events(codes, int(codes.max(initial=ABSENT)) + 1) for codes in columns])

    def widened(self) -> np.ndarray:
        """Return float32 [n, F + 2 F E]: the numbers, then how unusual each is for each entity."""
        columns = [
            deviations(values, codes, int(codes.max(initial=ABSENT)) + 1)
            for values in np.ascontiguousarray(self.numbers.T)
            for codes in np.ascontiguousarray(self.entities.T)
        ]
        return np.concatenate([self.numbers, *columns], axis=1)


class SequenceBatches:
    """Batches of rows with their past; `batch_at` is a pure function of (seed, step).

    Args:
        events: all rows.
        rows: int64 [m], the rows that teach, or those to score.
        weights: float [m], how much each of them counts in the loss.
        context: past events per entity.
        merged: one stream of all entities' events instead of one per entity.
        batch_size: rows of a batch; all of them when there are fewer.
        seed: of the order in which each pass visits the rows.
    """

    def __init__(
        self,
        events: Events,
        rows: np.ndarray,
        weights: np.ndarray,
        *,
        context: int,
        merged: bool,
        batch_size: int,
        seed: int,
    ) -> None:
        self.events, self.rows, self.context, self.merged, self.seed = events, rows, context, merged, seed
        self.weights = (weights / weights.mean()).astype(np.float32)
        self.batch_size = min(batch_size, len(rows))
        self.previous = events.previous()
        self.numbers = events.widened()
        self._epoch, self._order = ABSENT, rows

    def steps(self, epochs: float) -> int:
        """Return the steps of so many passes over the teaching rows, at least one."""
        return max(1, round(epochs * (len(self.rows) // self.batch_size)))

    def batch_at(self, step: int) -> Batch:
        """Return `gather` of the rows of a step, their label and weight, float32 [B].

        Each pass visits the rows in an order of its own.
        """
        epoch, place = divmod(step, len(self.rows) // self.batch_size)
        if epoch != self._epoch:
            self._order = np.random.default_rng([self.seed, epoch]).permutation(len(self.rows))
            self._epoch = epoch
        chosen = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        rows = self.rows[chosen]
        return {
            **self.gather(rows),
            "label": torch.from_numpy(self.events.labels[rows]),
            "weight": torch.from_numpy(self.weights[chosen]),
        }

    def gather(self, rows: np.ndarray) -> Batch:
        """Return the inputs of some rows; their own labels are not among them.

        Returns:
            numbers float32 [B, S, L, F + 2 F E], see `Events.widened`; categories int64 [B, S, L, C];
            gap float32 [B, S, L], seconds before the row; shared float32 [B, S, L, E], 1 where the event has
            the row's entity; known int64 [B, S, L], one of PAD, UNKNOWN, NEGATIVE, POSITIVE.
        """
        events = self.events
        past = np.stack([past_events(previous, rows, self.context) for previous in self.previous], axis=1)
        if self.merged:
            past = merged_events(past)[:, None]
        own = np.broadcast_to(rows[:, None, None], (*past.shape[:2], 1))
        index = np.concatenate([past, own], axis=2)
        present = index >= 0
        index = np.where(present, index, rows[:, None, None])
        now = events.at[rows][:, None, None]
        shared = events.entities[index] == events.entities[rows][:, None, None]
        told = np.where(events.labels[index] > 0.5, POSITIVE, NEGATIVE)
        known = np.where(present, np.where(events.known_at[index] <= now, told, UNKNOWN), PAD)
        known[..., -1] = UNKNOWN
        return {
            "numbers": torch.from_numpy(self.numbers[index]),
            "categories": torch.from_numpy(events.categories[index].astype(np.int64)),
            "gap": torch.from_numpy((now - events.at[index]).astype(np.float32)),
            "shared": torch.from_numpy(shared.astype(np.float32)),
            "known": torch.from_numpy(known),
        }
