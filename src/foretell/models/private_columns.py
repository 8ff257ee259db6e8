"""The column net, fitted so that no row moves it by more than a stated length, and noise hides which did.

The norm of each row's gradient follows from what goes into and comes back to each layer, without the gradient
itself (Goodfellow, Efficient per-example gradient computations, 2015; Abadi et al., Deep learning with
differential privacy, CCS 2016).

B: rows, T: tokens of a row, W: width of an embedding, K: values of one token.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from foretell.models.base import Batch
from foretell.models.columns import ColumnNet


class PrivateColumnNet(ColumnNet):
    """A batch holds `tokens`, int64 [B, T], of rows that were each drawn by themselves."""

    def __init__(
        self, sizes: Sequence[int], *, length: float, noise: float, expected: float, **shape: Any
    ) -> None:
        """Begin.

        Args:
            length: longest gradient of a row; longer ones are shortened.
            noise: standard deviation of the noise on the sum of gradients, in lengths.
            expected: mean number of rows in a batch.
            shape: width, hidden, layers.
        """
        super().__init__(sizes, dropout=0.0, **shape)
        self.length, self.noise, self.expected = length, noise, expected

    def loss(self, batch: Batch, turn: str) -> Tensor:
        """Return what has the noisy mean of the shortened gradients as its gradient."""
        norm_B, loss_B = self.norms(batch["tokens"])
        share_B = (self.length / norm_B.clamp(min=1e-12)).clamp(max=1.0)
        noise = sum((torch.randn_like(each) * each).sum() for each in self.parameters())
        return ((share_B * loss_B).sum() + self.noise * self.length * noise) / self.expected

    def norms(self, tokens_BT: Tensor, places: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the norm of each row's gradient [B], and its loss [B], in one order of the places."""
        num = len(self.sizes)
        if places is None:
            places = torch.randperm(num) if torch.rand(()) < self.any_order else torch.arange(num)
        reads_TT = (places[:, None] > places[None, :]).float()
        seen: list[tuple[Tensor, Tensor]] = []
        layers = [self.first, *self.rest]
        hooks = [
            each.register_forward_hook(lambda _, into, out: seen.append((into[0], out))) for each in layers
        ]
        known_BTW = self._embedded(tokens_BT)
        hidden_TBH = self._hidden(known_BTW, self.mix * reads_TT[:, :, None], slice(None))
        for hook in hooks:
            hook.remove()
        logits = [hidden_TBH[t] @ self.out[t] + self.base[t] for t in range(num)]
        told = [functional.cross_entropy(logits[t], tokens_BT[:, t], reduction="none") for t in range(num)]
        loss_B = torch.stack(told).sum(0)
        mixed_TBW = seen[0][0]
        watched = [known_BTW, mixed_TBW, *(out for _, out in seen), *logits]
        known, mixed, *back = torch.autograd.grad(loss_B.sum(), watched, retain_graph=True)
        with torch.no_grad():
            square_B = known.square().sum((1, 2))
            square_B += torch.einsum("jbw,ji,biw->b", mixed.square(), reads_TT, known_BTW.square())
            for (into_TBI, _), grad_TBO in zip(seen, back[: len(seen)], strict=True):
                square_B += (grad_TBO.square().sum(2) * (into_TBI.square().sum(2) + 1)).sum(0)
            for hidden_BH, grad_BK in zip(hidden_TBH, back[len(seen) :], strict=True):
                square_B += grad_BK.square().sum(1) * (hidden_BH.square().sum(1) + 1)
        return square_B.sqrt(), loss_B
