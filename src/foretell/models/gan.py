"""Adversarial networks whose critic compares a real row with a drawn one, its slopes kept low on both.

Source: Huang et al., The GAN is dead; long live the GAN! A modern GAN baseline (2024): the relativistic
pairing (Jolicoeur-Martineau, 2019) with R1 and R2 (Mescheder et al., 2018) converges without tricks. B: rows,
Z: noise.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from foretell.models.base import Batch, Model, forgotten, noise
from foretell.models.flow import FORGET
from foretell.models.nets import Condition, Reader, Writer

LATENTS = 32
STEEP = 0.1
"""Weight of the squared slopes."""
AT_ONCE = 1_024


class Critic(nn.Module):
    """How real a row looks [B]; of a labelled one, also how well the label suits it (Miyato, 2018)."""

    def __init__(self, shape: Sequence[int], classes: int, width: int) -> None:
        super().__init__()
        self.read = Reader(shape, 64, width=width)
        self.judge = nn.Linear(64, 1)
        self.condition = Condition(64, classes=classes, timed=False) if classes else None

    def forward(self, x: Tensor, label: Tensor | None) -> Tensor:
        found = functional.leaky_relu(self.read(x), 0.2)
        told = self.judge(found).squeeze(-1)
        if self.condition is not None:
            told = told + (found * self.condition(label, None, len(x))).sum(-1) / 8
        return told


class Gan(Model):
    """Batches are those of `Flow`."""

    turns = ("critic", "generator")
    betas = (0.0, 0.99)

    def __init__(
        self, shape: Sequence[int], classes: int = 0, width: int = 0, latents: int = LATENTS
    ) -> None:
        super().__init__()
        self.shape, self.classes, self.latents = tuple(shape), classes, latents
        self.write = Writer(shape, latents, width=width, classes=classes)
        self.critic = Critic(shape, classes, width)

    def parameters_of(self, turn: str) -> dict[str, nn.Parameter]:
        mine = turn == "critic"
        return {name: each for name, each in self.named_parameters() if name.startswith("critic.") == mine}

    def loss(self, batch: Batch, turn: str) -> Tensor:
        """Return the softplus of how much the other side's row of each pair looks more real."""
        real = batch["x"]
        label = forgotten(batch["label"], FORGET) if self.classes else None
        z_BZ = noise(real, (self.latents,))
        if turn == "generator":
            lead = self.critic(real, label) - self.critic(self.write(z_BZ, label), label)
            return functional.softplus(lead).mean()
        with torch.no_grad():
            drawn = self.write(z_BZ, label)
        real, drawn = real.detach().requires_grad_(), drawn.requires_grad_()
        of_real, of_drawn = self.critic(real, label), self.critic(drawn, label)
        slopes = torch.autograd.grad([of_real.sum(), of_drawn.sum()], [real, drawn], create_graph=True)
        steep = sum(slope.square().flatten(1).sum(1).mean() for slope in slopes)
        return functional.softplus(of_drawn - of_real).mean() + 0.5 * STEEP * steep

    def noise(self, count: int, *, seed: int) -> Tensor:
        """Return where draws start, float32 [count, Z]."""
        return torch.randn(count, self.latents, generator=torch.Generator().manual_seed(seed))

    def draw(self, count: int, *, seed: int, label: Tensor | None = None, guidance: float = 1.0) -> Tensor:
        """Return new arrays, float32 [count, *shape].

        Args:
            label: int64 [count] or [count, M]; -1 is none.
            guidance: above 1, the noise is shorter by this factor and draws vary less (Brock et al., 2019).
        """
        return self.moved(self.noise(count, seed=seed), label=label, guidance=guidance)

    @torch.no_grad()
    def moved(self, start: Tensor, *, label: Tensor | None = None, guidance: float = 1.0) -> Tensor:
        """Return what is written for given noise [B, Z]."""
        labels = [None] * len(start) if label is None else label.split(AT_ONCE)
        parts = zip((start / guidance).split(AT_ONCE), labels, strict=False)
        return torch.cat([self.write(part, each) for part, each in parts])
