"""What every network states of itself: its turns, its loss in each, and the parameters each turn moves."""

from collections.abc import Mapping

from torch import Tensor, nn

Batch = Mapping[str, Tensor]


class Model(nn.Module):
    """A network that the one loop can fit.

    A model with several turns (a GAN: critic, generator) takes all of them, in order, in every step.
    """

    turns: tuple[str, ...] = ("fit",)

    def loss(self, batch: Batch, turn: str) -> Tensor:
        """Return the scalar that this turn makes smaller; noise comes from torch's global generator alone."""
        raise NotImplementedError

    def parameters_of(self, turn: str) -> Mapping[str, nn.Parameter]:
        """Return the parameters that this turn moves, by name; all of them unless a model says otherwise."""
        return dict(self.named_parameters())

    def matrices_of(self, turn: str) -> frozenset[str]:
        """Return the names of the weight matrices that Muon moves; AdamW moves all the others."""
        return frozenset()


def placed(batch: Batch, model: Model) -> Batch:
    """Return the batch on the device of the model's parameters."""
    device = next(model.parameters()).device
    return {name: tensor.to(device) for name, tensor in batch.items()}
