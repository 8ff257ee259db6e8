"""Rows as sequences of tokens, each drawn from those that are known: the column net.

Every token has a small network of its own, all of them in one batched product, which reads the sum of the
known tokens' embeddings, each weighted for its reader. The order is that of the table in some steps and a
random one in the others, so that one net draws rows, fills gaps, and tells how odd each value is given all
others (Uria et al., A deep and tractable density estimator, ICML 2014).

B: rows, T: tokens of a row, W: width of an embedding, H: hidden units, K: values of one token.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from foretell.models.base import Batch, Dropout, Model

ANY_ORDER = 0.5
"""Share of the steps in a random order."""
PRIOR = 0.1
"""Rows added to each value's count, so that none is impossible."""
TINY = 1e-12
"""Chance of a value that is allowed, at least: masks may leave only what the net thinks impossible."""
COLDEST = 1e-6
"""Temperature at which the likeliest value alone is drawn."""
Allowed = Callable[[int, Tensor], Tensor | None]


class Blockwise(nn.Module):
    """A linear map for each token, [T, B, in] to [T, B, out]."""

    def __init__(self, tokens: int, ins: int, outs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(tokens, ins, outs) / ins**0.5)
        self.bias = nn.Parameter(torch.zeros(tokens, 1, outs))

    def forward(self, x_TBI: Tensor, at: slice) -> Tensor:
        return torch.baddbmm(self.bias[at], x_TBI, self.weight[at])


class ColumnNet(Model):
    """Tokens of a row, each from the known ones. A batch holds `tokens`, int64 [B, T]."""

    starts: Tensor

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        width: int = 64,
        hidden: int = 96,
        layers: int = 2,
        dropout: float = 0.12,
        any_order: float = ANY_ORDER,
    ) -> None:
        super().__init__()
        self.sizes, self.any_order, self.dropout = tuple(sizes), any_order, Dropout(dropout)
        num = len(self.sizes)
        self.register_buffer("starts", torch.tensor([0, *np.cumsum(sizes)[:-1]]), persistent=False)
        self.embed = nn.Embedding(sum(sizes), width)
        nn.init.normal_(self.embed.weight, std=0.3)
        self.mix = nn.Parameter((1 + 0.1 * torch.randn(num, num, width)) / num**0.5)
        self.first = Blockwise(num, width, hidden)
        self.rest = nn.ModuleList(Blockwise(num, hidden, hidden) for _ in range(layers - 1))
        self.out = nn.ParameterList(nn.Parameter(torch.zeros(hidden, size)) for size in sizes)
        self.base = nn.ParameterList(nn.Parameter(torch.zeros(size)) for size in sizes)

    def start_at(self, tokens_NT: NDArray[np.int64]) -> None:
        """Begin with the values' own frequencies, so that only what departs from them is learned."""
        held = [np.bincount(tokens_NT[:, t], minlength=size) for t, size in enumerate(self.sizes)]
        self.start_at_counts([each.astype(np.float64) + PRIOR for each in held])

    def start_at_counts(self, counts: Sequence[NDArray[np.float64]]) -> None:
        """Begin with these counts of the values of each token, all above 0."""
        with torch.no_grad():
            for base, held in zip(self.base, counts, strict=True):
                base.copy_(torch.tensor(np.log(held / held.sum())))

    def loss(self, batch: Batch, turn: str) -> Tensor:
        tokens_BT = batch["tokens"]
        num = len(self.sizes)
        places = torch.randperm(num) if torch.rand(()) < self.any_order else torch.arange(num)
        reads_TT = (places[:, None] > places[None, :]).float()
        hidden_TBH = self._hidden(self._embedded(tokens_BT), self.mix * reads_TT[:, :, None], slice(None))
        return self._surprise(hidden_TBH, tokens_BT).mean(0).sum()

    def _embedded(self, tokens_BT: Tensor) -> Tensor:
        return self.embed(tokens_BT + self.starts)

    def _hidden(self, known_BTW: Tensor, mix_TTW: Tensor, at: slice) -> Tensor:
        """Return what the networks of some tokens make of the known ones' embeddings [T, B, H]."""
        x_TBW = torch.einsum("biw,jiw->jbw", known_BTW, mix_TTW[at])
        x_TBH = self._thinned(functional.silu(self.first(x_TBW, at)))
        for layer in self.rest:
            x = functional.silu(layer(_normed(x_TBH), at))
            x_TBH = x_TBH + self._thinned(x)
        return _normed(x_TBH)

    def _thinned(self, x_TBH: Tensor) -> Tensor:
        return self.dropout(x_TBH.transpose(0, 1)).transpose(0, 1)

    def _surprise(self, hidden_TBH: Tensor, tokens_BT: Tensor) -> Tensor:
        """Return the negative log-probability of each token [B, T]."""
        return torch.stack(
            [
                functional.cross_entropy(
                    hidden_TBH[place] @ self.out[place] + self.base[place],
                    tokens_BT[:, place],
                    reduction="none",
                )
                for place in range(len(self.sizes))
            ],
            dim=1,
        )

    @torch.no_grad()
    def surprise(
        self, tokens_BT: Tensor, *, given_all: bool = False, order: Sequence[int] | None = None
    ) -> Tensor:
        """Return the negative log-probability of each token [B, T], in nats.

        Args:
            given_all: each given all others; else each given those before it, so that they add up to that
                of the row.
            order: place of each token in the order [T]; that of the table if not given.
        """
        num = len(self.sizes)
        places = torch.arange(num) if order is None else torch.tensor(order)
        reads_TT = 1 - torch.eye(num) if given_all else (places[:, None] > places[None, :]).float()
        hidden_TBH = self._hidden(self._embedded(tokens_BT), self.mix * reads_TT[:, :, None], slice(None))
        return self._surprise(hidden_TBH, tokens_BT)

    @torch.no_grad()
    def chances(self, tokens_BT: Tensor, place: int, *, hidden: Sequence[int] = ()) -> Tensor:
        """Return the probability of each value of a token, given all others but the hidden ones [B, K]."""
        reads_T = torch.ones(len(self.sizes))
        reads_T[[place, *hidden]] = 0
        mix_TTW = self.mix * reads_T[None, :, None]
        hidden_BH = self._hidden(self._embedded(tokens_BT), mix_TTW, slice(place, place + 1))[0]
        return (hidden_BH @ self.out[place] + self.base[place]).softmax(-1)

    @torch.no_grad()
    def draw(
        self,
        known_BT: Tensor,
        generator: torch.Generator,
        *,
        allowed: Allowed | None = None,
        order: Sequence[int] | None = None,
        temperature: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Return whole rows [B, T]: known tokens as they are, the others drawn in an order.

        Args:
            known_BT: tokens; -1 where one is to be drawn.
            generator: of the random choices.
            allowed: place, tokens so far [B, T] -> which values the token may have [1 or B, K]; None: all.
            order: the places as they are drawn; that of the table if not given.
            temperature: below 1, likelier values are drawn more often than they were seen.

        Returns:
            The rows, and the logarithm of how probable it was of each that all was allowed [B]: -inf where
            nothing was.
        """
        tokens_BT, kept_B = known_BT.clone(), torch.zeros(len(known_BT))
        held_BTW = self._embedded(tokens_BT.clamp(min=0)) * (tokens_BT >= 0)[:, :, None]
        for place in range(len(self.sizes)) if order is None else order:
            wanted = tokens_BT[:, place] < 0
            if not wanted.any():
                continue
            at = slice(place, place + 1)
            logits_BK = self._hidden(held_BTW, self.mix, at)[0] @ self.out[place] + self.base[place]
            chance_BK = (logits_BK / max(temperature, COLDEST)).softmax(-1)
            mask = None if allowed is None else allowed(place, tokens_BT)
            if mask is not None:
                left_BK = (chance_BK + TINY) * mask
                share_B = left_BK.sum(-1)
                kept_B += torch.where(wanted, share_B.log(), 0.0)
                chance_BK = torch.where(share_B[:, None] > 0, left_BK, chance_BK)
            drawn = torch.multinomial(chance_BK, 1, generator=generator)[:, 0]
            tokens_BT[wanted, place] = drawn[wanted]
            held_BTW[:, place] = self.embed(tokens_BT[:, place] + self.starts[place])
        return tokens_BT, kept_B


def _normed(x_TBH: Tensor) -> Tensor:
    return functional.layer_norm(x_TBH, x_TBH.shape[-1:])
