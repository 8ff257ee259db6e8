"""Causal transformer over the merged last events of all entities, with relative time.

Pre-norm blocks with RMSNorm (Zhang and Sennrich, 2019); queries and keys are rotated by the events' instants
(Su et al., RoFormer, 2021, with time in place of position), so that attention depends on time differences.

B: rows, L: events, W: width, H: heads, D: width of a head.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from foretell.models.base import Batch, Model
from foretell.models.sequences import PAD, EventEncoder, SequenceBatches, head, log_odds

SHORTEST_SECONDS, LONGEST_SECONDS = 3600.0, 90 * 86400.0
"""Range of the wavelengths by which instants rotate queries and keys, over 2 pi."""


class Block(nn.Module):
    """Attention, then a gated layer; `last_only` answers for the last event alone: all a readout needs."""

    def __init__(self, width: int, heads: int, *, last_only: bool) -> None:
        super().__init__()
        self.heads, self.last_only = heads, last_only
        self.norm, self.norm_gate = nn.RMSNorm(width), nn.RMSNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, 4 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x_BLW: Tensor, angle_BLD: Tensor, mask: Tensor) -> Tensor:
        normed = self.norm(x_BLW)
        key_BHLD, value_BHLD = (self._split(part) for part in self.key_value(normed).chunk(2, dim=-1))
        if self.last_only:
            x_BLW, normed, mask = x_BLW[:, -1:], normed[:, -1:], mask[:, :, -1:]
        query_BHLD = rotated(self._split(self.query(normed)), angle_BLD[:, -normed.shape[1] :])
        mixed = functional.scaled_dot_product_attention(
            query_BHLD, rotated(key_BHLD, angle_BLD), value_BHLD, attn_mask=mask
        )
        x_BLW = x_BLW + self.out(mixed.transpose(1, 2).flatten(2))
        gate, value = self.gate(self.norm_gate(x_BLW)).chunk(2, dim=-1)
        return x_BLW + self.down(functional.silu(gate) * value)

    def _split(self, x_BLW: Tensor) -> Tensor:
        return x_BLW.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def rotated(x_BHLD: Tensor, angle_BLD: Tensor) -> Tensor:
    """Rotate the pairs (first half, second half) of each head by their angles [B, L, D / 2]."""
    cos, sin = angle_BLD.cos()[:, None], angle_BLD.sin()[:, None]
    first, second = x_BHLD.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


class Transformer(Model):
    """Every event looks at those before it; the row, last, is read out."""

    merged = True
    frequencies: Tensor

    def __init__(self, batches: SequenceBatches, *, width: int, heads: int = 4, layers: int = 2) -> None:
        super().__init__()
        events, rows = batches.events, batches.rows
        pairs = width // heads // 2
        spaced = torch.logspace(0, 1, pairs, base=LONGEST_SECONDS / SHORTEST_SECONDS)
        self.register_buffer("frequencies", 1 / (SHORTEST_SECONDS * spaced))
        self.encode = EventEncoder(batches, width=width)
        self.blocks = nn.ModuleList(
            Block(width, heads, last_only=layer == layers - 1) for layer in range(layers)
        )
        self.norm = nn.RMSNorm(width)
        base = 0.0 if events.prior.any() else log_odds(events.labels[rows])
        self.head = head(width, 2 * width, base)

    def forward(self, batch: Batch) -> Tensor:
        """Return logits, float32 [B]."""
        x_BLW = self.encode(batch)[:, 0]
        angle_BLD = -batch["gap"][:, 0, :, None] * self.frequencies
        length = x_BLW.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=x_BLW.device).tril()
        present = (batch["known"][:, 0] != PAD)[:, None, None]
        # A padded place may look at itself: a softmax over nothing is not a number.
        mask = (causal & present) | torch.eye(length, dtype=torch.bool, device=x_BLW.device)
        for block in self.blocks:
            x_BLW = block(x_BLW, angle_BLD, mask)
        return self.head(self.norm(x_BLW[:, -1])).squeeze(-1) + batch["prior"]

    def loss(self, batch: Batch, turn: str) -> Tensor:
        return functional.binary_cross_entropy_with_logits(self(batch), batch["label"])
