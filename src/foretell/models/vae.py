"""Variational autoencoder whose noise is as wide as its errors. B: rows, Z: latents, D: entries of an array.

Sources: Kingma and Welling, Auto-encoding variational Bayes (2014); Rybkin et al., Simple and effective VAE
training with calibrated decoders (2021): the width of the noise is the best one for the batch, so that there
is no weight between the two parts of the loss to choose. Each class has its own place among the latents.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from foretell.models.base import Batch, Model, forgotten, noise
from foretell.models.flow import FORGET
from foretell.models.nets import Reader, Writer, bag

LATENTS = 16
NARROWEST = 1e-3
"""Least standard deviation of the noise around what is written."""
WARM = 300
"""Steps until latents cost what they cost: else they stay silent, saying at first nothing worth it."""
AT_ONCE = 1_024


class Vae(Model):
    """Batches are those of `Flow`."""

    spread: Tensor
    seen: Tensor

    def __init__(
        self, shape: Sequence[int], classes: int = 0, width: int = 0, latents: int = LATENTS
    ) -> None:
        super().__init__()
        latents = min(latents, math.prod(shape))
        self.shape, self.classes, self.latents = tuple(shape), classes, latents
        self.read = Reader(shape, 2 * latents, width=width)
        self.write = Writer(shape, latents, width=width, classes=classes)
        self.prior = nn.Embedding(classes, 2 * latents) if classes else None
        if self.prior is not None:
            nn.init.zeros_(self.prior.weight)
        self.register_buffer("spread", torch.ones(()))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def loss(self, batch: Batch, turn: str) -> Tensor:
        """Return nats per row: the negative evidence lower bound, but for constants."""
        x = batch["x"]
        label = forgotten(batch["label"], FORGET) if self.classes else None
        mean_BZ, width_BZ = self.coded(x)
        z_BZ = mean_BZ + width_BZ * noise(x, (self.latents,))
        square = functional.mse_loss(self.write(z_BZ, label), x)
        with torch.no_grad():
            self.spread.lerp_(square.sqrt(), 0.05)
            self.seen += 1
        size = math.prod(self.shape)
        told = 0.5 * size * (square + NARROWEST**2).log()
        middle_BZ, around_BZ = self.expected(label, z_BZ)
        share_BZ = width_BZ / around_BZ
        apart_BZ = (mean_BZ - middle_BZ) / around_BZ
        kept = 0.5 * (apart_BZ**2 + share_BZ**2 - 1 - 2 * share_BZ.log()).sum(-1).mean()
        return told + min(1.0, self.seen.item() / WARM) * kept

    def coded(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of each row's latents, both [B, Z]."""
        mean_BZ, raw_BZ = self.read(x).chunk(2, dim=-1)
        return mean_BZ, (0.5 * raw_BZ.clamp(-12, 4)).exp()

    def expected(self, label: Tensor | None, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of the latents of such labels, both [B, Z]."""
        if self.prior is None or label is None:
            return torch.zeros_like(like), torch.ones_like(like)
        middle_BZ, raw_BZ = bag(self.prior, label).chunk(2, dim=-1)
        return middle_BZ, raw_BZ.clamp(-4, 2).exp()

    def noise(self, count: int, *, seed: int) -> Tensor:
        """Return where draws start, float32 [count, Z]."""
        return torch.randn(count, self.latents, generator=torch.Generator().manual_seed(seed))

    def draw(self, count: int, *, seed: int, label: Tensor | None = None, guidance: float = 1.0) -> Tensor:
        """Return new arrays, float32 [count, *shape]; vectors with their noise, sequences and images without.

        Args:
            label: int64 [count] or [count, M]; -1 is none.
            guidance: above 1, draws keep nearer to the middle of what was seen, by this factor.
        """
        drawn = self.moved(self.noise(count, seed=seed), label=label, guidance=guidance)
        if len(self.shape) > 1:
            return drawn
        around = torch.Generator().manual_seed(seed + 1)
        return drawn + self.spread * torch.randn(drawn.shape, generator=around)

    @torch.no_grad()
    def moved(self, start: Tensor, *, label: Tensor | None = None, guidance: float = 1.0) -> Tensor:
        """Return what is written for given latents [B, Z], without noise."""
        labels = [None] * len(start) if label is None else label.split(AT_ONCE)
        written = []
        for part, each in zip(start.split(AT_ONCE), labels, strict=False):
            middle, around = self.expected(each, part)
            written.append(self.write(middle + around * part / guidance, each))
        return torch.cat(written)
