"""Two small models for the tests of training: a line, and a critic against a generator."""

import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from foretell.models.base import Batch, Model
from foretell.spec import TrainSpec
from foretell.training.loop import fit


class Line(Model):
    """Dropout before a linear layer: its loss draws noise."""

    def __init__(self, num_features: int = 3) -> None:
        super().__init__()
        self.layer = nn.Linear(num_features, 1)

    def loss(self, batch: Batch, turn: str) -> Tensor:
        return functional.mse_loss(self.layer(functional.dropout(batch["x"], 0.2)).squeeze(-1), batch["y"])


class Duel(Model):
    """A generator that shifts noise to where the data lie, and the critic that tells them apart."""

    turns = ("critic", "generator")

    def __init__(self) -> None:
        super().__init__()
        self.critic = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
        self.shift = nn.Parameter(torch.zeros(1))

    def parameters_of(self, turn: str) -> dict[str, nn.Parameter]:
        mine = turn == "generator"
        return {name: each for name, each in self.named_parameters() if (name == "shift") == mine}

    def loss(self, batch: Batch, turn: str) -> Tensor:
        real = batch["x"][:, :1]
        gap = self.critic(torch.randn_like(real) + self.shift) - self.critic(real)
        return functional.softplus(gap).mean() if turn == "critic" else functional.softplus(-gap).mean()


TRUTH = torch.tensor([1.0, -2.0, 0.5])


def batch_at(step: int) -> Batch:
    """Return 32 rows that lie on a plane, the same for the same step."""
    x = torch.randn(32, 3, generator=torch.Generator().manual_seed(step))
    return {"x": x, "y": x @ TRUTH + 3}


def distance(model: Model) -> float:
    """Return the loss on rows that no step sees, without noise."""
    batch = batch_at(1_000_000)
    if isinstance(model, Line):
        return functional.mse_loss(model.layer(batch["x"]).squeeze(-1), batch["y"]).item()
    return model.loss({"x": batch["x"]}, "critic").item()


def seeded(kind: type[Model]) -> Model:
    torch.manual_seed(7)
    return kind()


def train_slowly(kind: type[Model], spec: TrainSpec, steps: int, folder: Path, pause: float) -> None:
    """Fit in a process of its own; the pauses give a signal time to fall between two steps."""
    fit(
        seeded(kind),
        batch_at,
        spec,
        steps=steps,
        folder=folder,
        validate=distance,
        progress=lambda advance: time.sleep(pause),
    )
