"""What every network states of itself: its turns, its loss in each, and the parameters each turn moves."""

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

Batch = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Part:
    """Which rows of a batch this process takes, where several share it."""

    first: int
    end: int
    whole: int
    """Rows of the batch."""


PART: ContextVar[Part | None] = ContextVar("PART", default=None)
"""None where one process takes whole batches."""


class Model(nn.Module):
    """A network that the one loop can fit.

    A model with several turns (a GAN: critic, generator) takes all of them, in order, in every step.
    """

    turns: tuple[str, ...] = ("fit",)
    rate_share: float = 1.0
    """Share of the spec's learning rate that suits it."""
    betas: tuple[float, float] = (0.9, 0.999)
    """How much of the gradients' mean, and of their squares', AdamW keeps from step to step."""

    def loss(self, batch: Batch, turn: str) -> Tensor:
        """Return the scalar that this turn makes smaller, a mean over the batch's rows.

        Noise comes from torch's global generator alone, that of rows by `Dropout`.
        """
        raise NotImplementedError

    def parameters_of(self, turn: str) -> Mapping[str, nn.Parameter]:
        """Return the parameters that this turn moves, by name; all of them unless a model says otherwise."""
        return dict(self.named_parameters())

    def matrices_of(self, turn: str) -> frozenset[str]:
        """Return the names of the weight matrices that Muon moves; AdamW moves all the others."""
        return frozenset()


class Dropout(nn.Dropout):
    """Dropout whose noise is that of the whole batch, whichever part of it is here [B, ...]."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch calls it so
        part = PART.get()
        if part is None or not self.training:
            return super().forward(input)
        noise = functional.dropout(input.new_ones(part.whole, *input.shape[1:]), self.p)
        return input * noise[part.first : part.end]


def noise(like: Tensor, shape: Sequence[int]) -> Tensor:
    """Return standard normal noise, float32 [B, *shape], for the rows of `like`, whichever part is here."""
    part = PART.get()
    if part is None:
        return torch.randn(len(like), *shape, device=like.device)
    return torch.randn(part.whole, *shape, device=like.device)[part.first : part.end]


def forgotten(label: Tensor, share: float) -> Tensor:
    """Return labels [B] or [B, M] of which a share of the rows is none (-1)."""
    lost_B = noise(label, ()) < torch.special.ndtri(torch.tensor(share)).item()
    return label.masked_fill(lost_B.reshape(-1, *[1] * (label.ndim - 1)), -1)


def placed(batch: Batch, model: Model) -> Batch:
    """Return the batch on the device of the model's parameters."""
    device = next(model.parameters()).device
    return {name: tensor.to(device) for name, tensor in batch.items()}


def passes(num_rows: int, *, batch_size: int, seed: int) -> Callable[[int], NDArray[np.int64]]:
    """Return step -> rows: pass after pass over them, each in an order drawn from (seed, pass)."""
    per_pass = max(num_rows // batch_size, 1)
    order: dict[int, NDArray[np.int64]] = {}

    def rows_at(step: int) -> NDArray[np.int64]:
        number = step // per_pass
        if number not in order:
            order.clear()
            order[number] = np.random.default_rng((seed, number)).permutation(num_rows)
        return order[number][(step % per_pass) * batch_size :][:batch_size]

    return rows_at
