"""The neural readout of event states as a network: bends where the floor splits, a small ensemble.

A TabM-mini (Gorishniy et al., ICLR 2025): members share all weights but the scales, shifts and heads of one
layer. B: rows, F: features, K: knots, I: inputs of the curves, W: width, M: members, C: outputs.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from foretell.models.base import Batch, Dropout, Model, passes
from foretell.models.curves import Curves
from foretell.models.readout import ReadoutArrays


class Readout(Model):
    """Shared first layer over curves, members that scale it each in their own way, an additive bypass."""

    def __init__(
        self,
        num_inputs: int,
        *,
        width: int,
        members: int,
        base: tuple[float, ...],
        loss: str = "outcome",
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.losses = LOSSES[loss]
        self.plain = loss != "outcome"
        self.enter = nn.Linear(num_inputs, width)
        self.bypass = nn.Linear(num_inputs, len(base))
        nn.init.zeros_(self.bypass.weight)
        with torch.no_grad():
            self.bypass.bias.copy_(torch.tensor(base))
        sign_MW = torch.where(torch.rand(members, width) < 0.5, -1.0, 1.0)
        self.scale_MW = nn.Parameter(sign_MW * (0.75 + 0.5 * torch.rand(members, width)))
        self.shift_MW = nn.Parameter(torch.zeros(members, width))
        self.middle = nn.Linear(width, width)
        self.head_MCW = nn.Parameter(torch.randn(members, len(base), width) / math.sqrt(width))
        self.bias_MC = nn.Parameter(torch.zeros(members, len(base)))
        self.dropout = Dropout(dropout)

    def forward(self, inputs_BI: Tensor) -> Tensor:
        """Return the members' outputs [B, M, C]."""
        first_BMW = functional.relu(self.enter(inputs_BI)[:, None] * self.scale_MW + self.shift_MW)
        second_BMW = functional.relu(self.middle(self.dropout(first_BMW)))
        outputs_BMC = torch.einsum("bmw,mcw->bmc", self.dropout(second_BMW), self.head_MCW)
        return outputs_BMC + self.bias_MC + self.bypass(inputs_BI)[:, None]

    def loss(self, batch: Batch, turn: str) -> Tensor:
        """Return the weighted cross-entropy, or squared error, each member against the aim on its own."""
        losses_BM = self.losses(self(batch["inputs"]), batch["aims"])
        return (losses_BM.mean(1) * batch["weights"]).mean()


def _outcome(logits_BMC: Tensor, aims_B: Tensor) -> Tensor:
    logits_BM = logits_BMC[..., 0]
    aims_BM = aims_B[:, None].expand_as(logits_BM)
    return functional.binary_cross_entropy_with_logits(logits_BM, aims_BM, reduction="none")


def _classes(logits_BMC: Tensor, aims_B: Tensor) -> Tensor:
    """Take codes [B], or the probabilities of a teacher [B, C]."""
    members = logits_BMC.shape[1]
    if aims_B.ndim == 1:
        aims = aims_B.long()[:, None].expand(-1, members)
    else:
        aims = aims_B[..., None].expand(-1, -1, members)
    return functional.cross_entropy(logits_BMC.movedim(-1, 1), aims, reduction="none")


def _number(scores_BMC: Tensor, aims_B: Tensor) -> Tensor:
    scores_BM = scores_BMC[..., 0]
    return functional.mse_loss(scores_BM, aims_B[:, None].expand_as(scores_BM), reduction="none")


LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "outcome": _outcome,
    "classes": _classes,
    "number": _number,
}
"""From outputs [B, M, C] and aims [B], or [B, C], to losses [B, M]."""


def batches(
    x_BF: NDArray[np.float32],
    aims: NDArray[Any],
    weights: NDArray[np.float64],
    curves: Curves,
    *,
    batch_size: int,
    seed: int,
) -> Callable[[int], Batch]:
    """Return step -> batch: pass after pass over the rows, each in an order drawn from (seed, pass)."""
    scaled = (weights / weights.mean()).astype(np.float32)
    rows_at = passes(len(x_BF), batch_size=batch_size, seed=seed)

    def batch_at(step: int) -> Batch:
        rows = rows_at(step)
        return {
            "inputs": torch.from_numpy(curves.inputs(x_BF[rows])),
            "aims": torch.from_numpy(aims[rows].astype(np.float32)),
            "weights": torch.from_numpy(scaled[rows]),
        }

    return batch_at


def export(model: Readout, curves: Curves) -> tuple[ReadoutArrays, ...]:
    """Return each output of the network as arrays, its first layer as the values taken at the knots."""
    return tuple(_output(model, curves, code) for code in range(model.bias_MC.shape[1]))


def _output(model: Readout, curves: Curves, code: int) -> ReadoutArrays:
    own = slice(code, code + 1)
    first = torch.cat([model.enter.weight, model.bypass.weight[own]]).detach().numpy()
    return ReadoutArrays(
        knots=curves.knots,
        table=curves.table(first.T),
        enter=_array(torch.cat([model.enter.bias, model.bypass.bias[own]])),
        scale=_array(model.scale_MW),
        shift=_array(model.shift_MW),
        middle=_array(model.middle.weight.T),
        middle_bias=_array(model.middle.bias),
        head=_array(model.head_MCW[:, code]),
        bias=_array(model.bias_MC[:, code]),
        plain=np.array([model.plain]),
    )


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().numpy())
