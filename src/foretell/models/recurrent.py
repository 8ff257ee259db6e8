"""Recurrent network over the last events of each entity (GRU: Cho et al., 2014).

B: rows, S: streams, L: events, W: width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from foretell.models.base import Batch
from foretell.models.reading import EventEncoder, Head, Network, Reading


class RecurrentNetwork(Network):
    """One GRU per entity reads its past events and then the row itself; a readout joins their last states."""

    merged = False

    def __init__(self, encoder: EventEncoder) -> None:
        super().__init__(encoder)
        width = encoder.width
        self.read = nn.ModuleList(nn.GRU(width, width, batch_first=True) for _ in range(encoder.num_entities))
        self.head = Head(encoder.num_entities * width, 2 * width)

    def forward(self, batch: Batch) -> Tensor:
        """Return logits, float32 [B]."""
        x_BSLW = functional.silu(self.encode(batch))
        states = [read(x_BSLW[:, stream])[0][:, -1] for stream, read in enumerate(self.read)]
        return self.head(torch.cat(states, dim=-1))


class Recurrent(Reading):
    network_class = RecurrentNetwork
