"""Memory of the latest events: what a late or revised label must still know. m: events, E: entities."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNKNOWN = -1.0
START = 1024


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Remembered:
    """Events in the order in which they came, the oldest first."""

    ids: tuple[str, ...]
    slots: NDArray[np.int64]
    """[m, E]"""
    happened_at: NDArray[np.float64]
    """[m] seconds since 1970."""
    excused: NDArray[np.float32]
    """[m, E] how far each entity is excused by the event's others."""
    labels: NDArray[np.float64]
    """[m] 1 or 0 as known so far, or -1."""
    counted_at: NDArray[np.float64]
    """[m, E] the instant at which each entity counted the label."""
    count: int
    """Events that ever came, forgotten ones too."""

    @classmethod
    def nothing(cls, num_entities: int = 0) -> "Remembered":
        """Return a memory of no event."""
        return cls(ids=(), count=0, **_arrays(0, num_entities))


def _arrays(size: int, num_entities: int) -> dict[str, NDArray]:
    return {
        "slots": np.zeros((size, num_entities), np.int64),
        "happened_at": np.zeros(size),
        "excused": np.zeros((size, num_entities), np.float32),
        "labels": np.full(size, UNKNOWN),
        "counted_at": np.zeros((size, num_entities)),
    }


class Memory:
    """A ring of the latest events; the arrays double until `limit`, then the oldest event makes room."""

    def __init__(self, held: Remembered, num_entities: int, limit: int) -> None:
        self.limit = limit
        self.place: dict[str, int] = {}
        self.ids: list[str] = []
        self.count = self._oldest = 0
        self._take(_arrays(min(START, limit), num_entities))
        for index in range(max(0, len(held.ids) - limit), len(held.ids)):
            to = self.add(held.ids[index])
            for name in ("slots", "happened_at", "excused", "labels", "counted_at"):
                getattr(self, name)[to] = getattr(held, name)[index]
        self.count = held.count

    def _take(self, arrays: dict[str, NDArray]) -> None:
        self.slots, self.happened_at = arrays["slots"], arrays["happened_at"]
        self.excused, self.labels = arrays["excused"], arrays["labels"]
        self.counted_at = arrays["counted_at"]

    def add(self, name: str) -> int:
        """Return the place of a new event; its label is unknown, all else is for the caller to write."""
        to = len(self.ids)
        if to < self.limit:
            self.ids.append(name)
            if to == len(self.labels):
                self._double()
        else:
            to, self._oldest = self._oldest, (self._oldest + 1) % self.limit
            del self.place[self.ids[to]]
            self.ids[to] = name
        self.count += 1
        self.place[name] = to
        self.labels[to] = UNKNOWN
        return to

    def _double(self) -> None:
        size = len(self.labels)
        wider = _arrays(min(2 * size, self.limit), self.slots.shape[1])
        for name, array in wider.items():
            array[:size] = getattr(self, name)
        self._take(wider)

    def remembered(self) -> Remembered:
        """Return a copy of what is remembered."""
        size = len(self.ids)
        order = (np.arange(size) + self._oldest) % max(size, 1)
        return Remembered(
            ids=tuple(self.ids[to] for to in order.tolist()),
            slots=self.slots[order],
            happened_at=self.happened_at[order],
            excused=self.excused[order],
            labels=self.labels[order],
            counted_at=self.counted_at[order],
            count=self.count,
        )
