"""Low-rank adapters: a large network learns one's own texts by a few weights beside each of its matrices.

Source: Hu et al., LoRA (ICLR 2022). I: inputs, O: outputs, R: rank.
"""

from collections.abc import Iterator, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from foretell.models.base import Batch, Model

Layer = TypeVar("Layer", bound=nn.Module)


class LowRank(nn.Module):
    """A linear layer that stays as it is, and a narrow one beside it that says nothing at first."""

    def __init__(self, layer: nn.Linear, rank: int) -> None:
        super().__init__()
        self.layer: nn.Linear = layer.requires_grad_(False)
        self.down_RI = nn.Parameter(torch.randn(rank, layer.in_features) / layer.in_features**0.5)
        self.up_OR = nn.Parameter(torch.zeros(layer.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + x @ self.down_RI.T @ self.up_OR.T


class Adapted(Model):
    """A network of which only adapters learn: one beside each linear layer, but for heads and embeddings."""

    def __init__(self, net: nn.Module, *, rank: int = 8, within: str = "") -> None:
        """Add the adapters to a network, in place.

        Args:
            within: adapts only layers whose name holds this.
        """
        super().__init__()
        self.net = net.requires_grad_(False)
        for parent, name, layer in [*_layers(net, nn.Linear, within)]:
            setattr(parent, name, LowRank(layer, rank))

    def loss(self, batch: Batch, turn: str) -> Tensor:
        """Return the network's own loss; of a checkpoint's, that of its tokens."""
        if isinstance(self.net, Model):
            return self.net.loss(batch, turn)
        return self.net(input_ids=batch["tokens"], labels=batch["tokens"]).loss

    def parameters_of(self, turn: str) -> Mapping[str, nn.Parameter]:
        return {name: each for name, each in self.named_parameters() if each.requires_grad}

    def merged(self) -> nn.Module:
        """Return the network with the adapters added to its matrices, as large and as fast as before."""
        for parent, name, layer in [*_layers(self.net, LowRank, "")]:
            with torch.no_grad():
                layer.layer.weight += layer.up_OR @ layer.down_RI
            setattr(parent, name, layer.layer)
        return self.net.requires_grad_(True).eval()


def _layers(net: nn.Module, kind: type[Layer], within: str) -> Iterator[tuple[nn.Module, str, Layer]]:
    """Yield the layers of a kind, each with the module that holds it and its name there."""
    for path, parent in [*net.named_modules()]:
        for name, child in [*parent.named_children()]:
            if isinstance(child, kind) and within in f"{path}.{name}" and not isinstance(parent, LowRank):
                yield parent, name, child
