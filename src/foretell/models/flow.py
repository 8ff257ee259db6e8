"""Rectified flow: noise moves to data along straight lines that a network has learned on average.

Sources: Lipman et al., Flow matching for generative modeling (2023); Liu et al., Flow straight and fast
(2023); Esser et al., Scaling rectified flow transformers (2024), times near the middle; Ho and Salimans,
Classifier-free diffusion guidance (2022). B: rows.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from foretell.models.base import Batch, Model, forgotten, noise
from foretell.models.nets import Field

STEPS = 24
"""Of the sampler, each by Heun's rule: two looks at the network."""
FORGET = 0.1
"""Share of rows that learn without their label, so that guidance has something to compare with."""
AT_ONCE = 1_024
Steer = Callable[[Tensor, Tensor], Tensor]
"""x [B, ...] and where it will end by the network's word [B, ...] -> what to add to the end."""


class Flow(Model):
    """A field over arrays of any shape.

    A batch holds `x`, float32 [B, *shape], about unit variance, and where there are classes `label`, int64
    [B] or, of several a row, [B, M]; -1: none.
    """

    def __init__(self, shape: Sequence[int], classes: int = 0, width: int = 0, depth: int = 0) -> None:
        super().__init__()
        self.shape, self.classes = tuple(shape), classes
        self.field = Field(shape, width=width, classes=classes, depth=depth)

    def loss(self, batch: Batch, turn: str) -> Tensor:
        """Return the mean squared error of the direction from noise to data."""
        x = batch["x"]
        time_B = noise(x, ()).sigmoid()
        start = noise(x, self.shape)
        label = forgotten(batch["label"], FORGET) if self.classes else None
        at = time_B.reshape(-1, *[1] * len(self.shape))
        told = self.field(start.lerp(x, at), time_B, label)
        return functional.mse_loss(told, x - start)

    def noise(self, count: int, *, seed: int) -> Tensor:
        """Return where draws start, float32 [count, *shape]; more rows of a seed start with the same."""
        return torch.randn(count, *self.shape, generator=torch.Generator().manual_seed(seed))

    def draw(
        self, count: int, *, seed: int, label: Tensor | None = None, guidance: float = 1.0, steps: int = STEPS
    ) -> Tensor:
        """Return new arrays, float32 [count, *shape].

        Args:
            label: int64 [count] or [count, M]; -1 is none.
            guidance: above 1, the label counts for more than it did in the data, and draws vary less.
        """
        return self.moved(self.noise(count, seed=seed), label=label, guidance=guidance, steps=steps)

    @torch.no_grad()
    def moved(
        self,
        start: Tensor,
        *,
        label: Tensor | None = None,
        guidance: float = 1.0,
        steps: int = STEPS,
        steer: Steer | None = None,
        at_once: int = AT_ONCE,
    ) -> Tensor:
        """Return where the flow takes given noise [B, *shape].

        Args:
            steer: bends the way: asked at each step where it should end instead.
            at_once: rows that it is asked about together.
        """
        labels = [None] * len(start) if label is None else label.split(at_once)
        parts = zip(start.split(at_once), labels, strict=False)
        return torch.cat([self._moved(x, each, guidance, steps, steer) for x, each in parts])

    def _moved(
        self, x: Tensor, label: Tensor | None, guidance: float, steps: int, steer: Steer | None
    ) -> Tensor:
        times = torch.linspace(0, 1, steps + 1, device=x.device).tolist()
        for now, then in pairwise(times):
            first = self._direction(x, now, label, guidance)
            if steer is not None:
                first = first + steer(x, x + (1 - now) * first) / (1 - now)
            moved = x + (then - now) * first
            if then < 1 and steer is None:
                first = (first + self._direction(moved, then, label, guidance)) / 2
                moved = x + (then - now) * first
            x = moved
        return x

    def _direction(self, x: Tensor, time: float, label: Tensor | None, guidance: float) -> Tensor:
        time_B = x.new_full((len(x),), time)
        told = self.field(x, time_B, label)
        if guidance == 1 or label is None:
            return told
        free = self.field(x, time_B, torch.full_like(label, -1))
        return free + guidance * (told - free)
