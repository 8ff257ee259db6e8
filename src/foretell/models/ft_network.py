"""The network of the ft_transformer family: features as tokens that look at each other.

B: rows, F: features, K: inputs of a feature, I: inputs of all, T: tokens, W: width, H: heads, D: width of a
head, C: outputs.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from foretell.models.base import Batch, Dropout, Model
from foretell.models.curves import Curves
from foretell.models.readout_network import LOSSES

DROPOUT_MIX, DROPOUT_GATE = 0.2, 0.1


class Block(nn.Module):
    """Attention, then a gated layer; `last` answers for the first token alone: all the head reads."""

    def __init__(self, width: int, *, heads: int, last: bool) -> None:
        super().__init__()
        self.heads, self.last = heads, last
        self.norm_mix, self.norm_gate = nn.RMSNorm(width), nn.RMSNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, 4 * width)
        self.down = nn.Linear(2 * width, width)
        self.dropout, self.dropout_mix = Dropout(DROPOUT_GATE), Dropout(DROPOUT_MIX)

    def forward(self, x_BTW: Tensor) -> Tensor:
        normed = self.norm_mix(x_BTW)
        if self.last:
            x_BTW = x_BTW[:, :1]
        query_BHTD = self._split(self.query(normed[:, : x_BTW.shape[1]]))
        key_BHTD, value_BHTD = map(self._split, self.key_value(normed).chunk(2, dim=-1))
        looks_BHTT = query_BHTD @ key_BHTD.transpose(-1, -2) / query_BHTD.shape[-1] ** 0.5
        mixed = self.dropout_mix(looks_BHTT.softmax(-1)) @ value_BHTD
        x_BTW = x_BTW + self.out(mixed.transpose(1, 2).flatten(2))
        gate, value = self.gate(self.norm_gate(x_BTW)).chunk(2, dim=-1)
        return x_BTW + self.down(self.dropout(functional.relu(gate) * value))

    def _split(self, x_BTW: Tensor) -> Tensor:
        return x_BTW.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class FTNetwork(Model):
    """A token for each feature and one that asks them; what it heard is read out."""

    present: Tensor
    rate_share = 1 / 3

    def __init__(
        self, curves: Curves, *, width: int, layers: int, heads: int, base: tuple[float, ...], loss: str
    ) -> None:
        super().__init__()
        self.losses = LOSSES[loss]
        self.register_buffer("present", torch.from_numpy(curves.present), persistent=False)
        features, inputs = self.present.shape
        self.embed_FKW = nn.Parameter(torch.randn(features, inputs, width) / math.sqrt(inputs))
        self.shift_FW = nn.Parameter(torch.randn(features, width))
        self.asking_W = nn.Parameter(torch.randn(width))
        self.blocks = nn.ModuleList(
            Block(width, heads=heads, last=layer == layers - 1) for layer in range(layers)
        )
        self.norm = nn.RMSNorm(width)
        self.head = nn.Linear(width, len(base))
        nn.init.zeros_(self.head.weight)
        with torch.no_grad():
            self.head.bias.copy_(torch.tensor(base))

    def forward(self, inputs_BI: Tensor) -> Tensor:
        """Return outputs [B, C]."""
        inputs_BFK = inputs_BI.new_zeros(len(inputs_BI), *self.present.shape)
        inputs_BFK[:, self.present] = inputs_BI
        x_BFW = torch.einsum("bfk,fkw->bfw", inputs_BFK, self.embed_FKW) + self.shift_FW
        x_BTW = torch.cat([self.asking_W.expand(len(x_BFW), 1, -1), x_BFW], dim=1)
        for block in self.blocks:
            x_BTW = block(x_BTW)
        return self.head(functional.relu(self.norm(x_BTW[:, 0])))

    def loss(self, batch: Batch, turn: str) -> Tensor:
        """Return the weighted cross-entropy, or squared error."""
        losses_B1 = self.losses(self(batch["inputs"])[:, None], batch["aims"])
        return (losses_B1[:, 0] * batch["weights"]).mean()
