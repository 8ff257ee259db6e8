"""Learned codec: an array as a few numbers of unit variance, or as a few tokens, and back.

Numbers are read with noise in between, so that near ones mean nearly the same. Tokens are pairs of numbers,
each rounded to one of `LEVELS` (Mentzer et al., Finite scalar quantization, 2024). B: rows, Z: latents,
T: tokens.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from foretell.models.base import Batch, Model, noise
from foretell.models.nets import Reader, Writer

LATENTS = 32
NOISE = 0.1
"""Standard deviation of what is added to latents of unit variance while it is learned to write them."""
LEVELS = 8
TOKENS = LEVELS**2
"""Size of the vocabulary: a token is a pair of rounded numbers."""
AT_ONCE = 1_024


class Autoencoder(Model):
    """A batch holds `x`, float32 [B, *shape]."""

    def __init__(
        self, shape: Sequence[int], *, width: int = 0, latents: int = LATENTS, rounded: bool = False
    ) -> None:
        super().__init__()
        self.latents, self.rounded = latents, rounded
        self.read = Reader(shape, latents, width=width)
        self.even = nn.BatchNorm1d(latents, affine=False)
        self.write = Writer(shape, latents, width=width)

    def loss(self, batch: Batch, turn: str) -> Tensor:
        """Return the mean squared error of what comes back."""
        x = batch["x"]
        z_BZ = self.even(self.read(x))
        z_BZ = rounding(z_BZ) if self.rounded else z_BZ + NOISE * noise(x, (self.latents,))
        return functional.mse_loss(self.write(z_BZ), x)

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Return latents [B, Z], each of about mean 0 and variance 1; int64 [B, T] of a rounded codec."""
        z_BZ = torch.cat([self.even(self.read(part)) for part in x.split(AT_ONCE)])
        if not self.rounded:
            return z_BZ
        level_BT2 = ((rounding(z_BZ) + 1) * (LEVELS - 1) / 2).round().long().unflatten(1, (-1, 2))
        return level_BT2[..., 0] * LEVELS + level_BT2[..., 1]

    @torch.no_grad()
    def decode(self, coded: Tensor) -> Tensor:
        """Return arrays, from what `encode` returns."""
        if self.rounded:
            level_BZ = torch.stack((coded // LEVELS, coded % LEVELS), dim=-1).flatten(1)
            coded = level_BZ * 2 / (LEVELS - 1) - 1
        return torch.cat([self.write(part) for part in coded.split(AT_ONCE)])


def rounding(z: Tensor) -> Tensor:
    """Return each number pressed into [-1, 1] and rounded to a level; the slope is that of the pressing."""
    soft = z.tanh()
    half = (LEVELS - 1) / 2
    hard = ((soft + 1) * half).round() / half - 1
    return soft + (hard - soft).detach()
