"""Causal transformer over the merged last events of all entities, with relative time.

Pre-norm blocks with RMSNorm (Zhang and Sennrich, 2019); queries and keys are rotated by the events' instants
(Su et al., RoFormer, 2021, with time in place of position), so that attention depends on time differences.

B: rows, L: events, W: width, H: heads, D: width of a head, P: its pairs.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from foretell.models.base import Batch
from foretell.models.reading import EventEncoder, Head, Network, Reading
from foretell.models.sequences import PAD

HEADS, LAYERS = 4, 2
SHORTEST_SECONDS, LONGEST_SECONDS = 3600.0, 90 * 86400.0
"""Range of the wavelengths by which instants rotate queries and keys, over 2 pi."""


class Block(nn.Module):
    """Attention, then a gated layer; `last_only` answers for the last event alone: all a readout needs."""

    def __init__(self, width: int, *, last_only: bool) -> None:
        super().__init__()
        self.last_only = last_only
        self.norm, self.norm_gate = nn.RMSNorm(width), nn.RMSNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, 4 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x_BLW: Tensor, turn_BLP: Tensor, mask: Tensor) -> Tensor:
        normed = self.norm(x_BLW)
        key_BHLD, value_BHLD = (self._split(part) for part in self.key_value(normed).chunk(2, dim=-1))
        if self.last_only:
            x_BLW, normed, mask = x_BLW[:, -1:], normed[:, -1:], mask[:, :, -1:]
        query_BHLD = rotated(self._split(self.query(normed)), turn_BLP[:, -normed.shape[1] :])
        mixed = functional.scaled_dot_product_attention(
            query_BHLD, rotated(key_BHLD, turn_BLP), value_BHLD, attn_mask=mask
        )
        x_BLW = x_BLW + self.out(mixed.transpose(1, 2).flatten(2))
        gate, value = self.gate(self.norm_gate(x_BLW)).chunk(2, dim=-1)
        return x_BLW + self.down(functional.silu(gate) * value)

    def _split(self, x_BLW: Tensor) -> Tensor:
        return x_BLW.unflatten(-1, (HEADS, -1)).transpose(1, 2)


def rotated(x_BHLD: Tensor, turn_BLP: Tensor) -> Tensor:
    """Turn each pair of neighbours by its unit complex number [B, L, P = D / 2]."""
    pairs = torch.view_as_complex(x_BHLD.unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turn_BLP[:, None]).flatten(-2)


class TransformerNetwork(Network):
    """Every event looks at those before it; the row, last, is read out."""

    merged = True
    frequencies: Tensor

    def __init__(self, encoder: EventEncoder) -> None:
        super().__init__(encoder)
        # A head rotates pairs, so the width of the blocks is a multiple of two per head.
        width = max(1, round(encoder.width / (2 * HEADS))) * 2 * HEADS
        spaced = torch.logspace(0, 1, width // HEADS // 2, base=LONGEST_SECONDS / SHORTEST_SECONDS)
        self.register_buffer("frequencies", 1 / (SHORTEST_SECONDS * spaced))
        self.enter = nn.Linear(encoder.width, width)
        self.blocks = nn.ModuleList(Block(width, last_only=layer == LAYERS - 1) for layer in range(LAYERS))
        self.norm = nn.RMSNorm(width)
        self.head = Head(width, 2 * width)

    def forward(self, batch: Batch) -> Tensor:
        """Return logits, float32 [B]."""
        x_BLW = self.enter(self.encode(batch)[:, 0])
        angle = -batch["gap"][:, 0, :, None] * self.frequencies
        turn_BLP = torch.polar(torch.ones_like(angle), angle)
        length = x_BLW.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=x_BLW.device).tril()
        present = (batch["known"][:, 0] != PAD)[:, None, None]
        # A padded place may look at itself: a softmax over nothing is not a number.
        mask = (causal & present) | torch.eye(length, dtype=torch.bool, device=x_BLW.device)
        for block in self.blocks:
            x_BLW = block(x_BLW, turn_BLP, mask)
        return self.head(self.norm(x_BLW[:, -1]))


class Transformer(Reading):
    network_class = TransformerNetwork
