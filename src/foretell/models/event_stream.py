"""The event_stream family: the same network over the few features of states that gained the floor most."""

from dataclasses import dataclass
from typing import ClassVar

from foretell.models.family import EPOCHS
from foretell.models.tabm import TabM
from foretell.spec import TrainSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStream(TabM):
    """A fitted readout and the features it reads: few, since each event is read out on its own."""

    num_knots: ClassVar[int] = 12
    most_features: ClassVar[int] = 24
    few_features: ClassVar[int] = 16
    batch_sizes: ClassVar[tuple[int, int]] = (128, 1_000_000)

    @classmethod
    def schedule(cls, train: TrainSpec, num_rows: int, batch_size: int) -> tuple[int, TrainSpec]:
        """Return how many steps to take, and how."""
        return max(1, round((train.epochs or EPOCHS) * num_rows / batch_size)), train
