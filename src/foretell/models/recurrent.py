"""Recurrent network over the last events of each entity (GRU: Cho et al., 2014).

B: rows, S: streams, L: events, W: width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from foretell.models.base import Batch, Model
from foretell.models.sequences import EventEncoder, SequenceBatches, head, log_odds


class Recurrent(Model):
    """One GRU per entity reads its past events and then the row itself; a readout joins their last states."""

    merged = False

    def __init__(self, batches: SequenceBatches, *, width: int) -> None:
        super().__init__()
        events, rows = batches.events, batches.rows
        num_entities = events.entities.shape[1]
        self.encode = EventEncoder(batches, width=width)
        self.read = nn.ModuleList(nn.GRU(width, width, batch_first=True) for _ in range(num_entities))
        base = 0.0 if events.prior.any() else log_odds(events.labels[rows])
        self.head = head(num_entities * width, 2 * width, base)

    def forward(self, batch: Batch) -> Tensor:
        """Return logits, float32 [B]."""
        x_BSLW = functional.silu(self.encode(batch))
        states = [read(x_BSLW[:, stream])[0][:, -1] for stream, read in enumerate(self.read)]
        return self.head(torch.cat(states, dim=-1)).squeeze(-1) + batch["prior"]

    def loss(self, batch: Batch, turn: str) -> Tensor:
        return functional.binary_cross_entropy_with_logits(self(batch), batch["label"])
