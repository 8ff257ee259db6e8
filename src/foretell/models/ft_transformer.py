"""The ft_transformer family: each feature is a token, and tokens look at each other; scored without torch.

Source: Gorishniy et al., Revisiting deep learning models for tabular data, NeurIPS 2021; numbers enter as
piecewise linear encodings, as in tabm. `ft_network` fits it.

B: rows, F: features, K: inputs of a feature, T: tokens, W: width, H: heads, D: width of a head, C: outputs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from foretell.models.curved import Curved
from foretell.models.curves import Curves
from foretell.models.family import Floats, Rows
from foretell.spec import Spec

if TYPE_CHECKING:
    from foretell.models.ft_network import FTNetwork

HEADS, LAYERS = 4, 2
ROWS = 512
"""Rows that are scored at a time: more would only take memory."""
TINY = np.float32(np.finfo(np.float32).eps)
"""Added to a mean square, as torch does."""
Single = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class FTTransformer(Curved):
    """A fitted transformer and the features it reads."""

    columns: Rows
    curves: Curves
    weights: Mapping[str, Single]
    """The network's parameters by their names; matrices with the input first."""
    most_features: ClassVar[int] = 64
    few_features: ClassVar[int] = 64

    @classmethod
    def network(cls, curves: Curves, spec: Spec, base: tuple[float, ...], loss: str) -> "FTNetwork":
        """Return the network before it has learned, half as wide as others: each feature has a token."""
        from foretell.models.ft_network import FTNetwork

        width = max(1, round(spec.model.width / 2 / HEADS)) * HEADS
        return FTNetwork(curves, width=width, layers=LAYERS, heads=HEADS, base=base, loss=loss)

    @classmethod
    def of_network(cls, columns: Rows, curves: Curves, model: Any) -> Self:
        """Return the family of a network over the curves of some columns."""
        from torch import nn

        turned = {f"{name}.weight" for name, part in model.named_modules() if isinstance(part, nn.Linear)}
        weights = {
            name: np.ascontiguousarray((tensor.T if name in turned else tensor).numpy())
            for name, tensor in model.state_dict().items()
        }
        return cls(columns=columns, curves=curves, weights=weights)

    def logits(self, features: Single) -> Floats:
        """Return log-odds [B] of feature rows [B, F]; of classes, [B, C].

        Every product is one of matrices of one row, so that a row's bits do not depend on the others.
        """
        parts = [self._outputs(features[start : start + ROWS]) for start in range(0, len(features), ROWS)]
        outputs_BC = np.concatenate([np.zeros((0, len(self.weights["head.bias"]))), *parts])
        return outputs_BC[:, 0] if outputs_BC.shape[1] == 1 else outputs_BC

    def reader(self) -> Callable[[Single], Any]:
        """Return what gives the log-odds of one row of features [F]; of classes, [C]."""
        return lambda x_F: self.logits(x_F[None])[0]

    def _outputs(self, x_BF: Single) -> Single:
        held, present_FK = self.weights, self.curves.present
        inputs_BFK = np.zeros((len(x_BF), *present_FK.shape), np.float32)
        inputs_BFK[:, present_FK] = self.curves.inputs(np.ascontiguousarray(x_BF[:, self.columns]))
        tokens_BFW = (inputs_BFK[:, :, None] @ held["embed_FKW"])[:, :, 0] + held["shift_FW"]
        asking_B1W = np.broadcast_to(held["asking_W"], (len(x_BF), 1, tokens_BFW.shape[2]))
        x_BTW = np.concatenate([asking_B1W, tokens_BFW], axis=1)
        for layer in range(LAYERS):
            x_BTW = _block(x_BTW, held, f"blocks.{layer}.", last=layer == LAYERS - 1)
        heard_B1W = np.maximum(_normed(x_BTW, held["norm.weight"]), 0)
        return (heard_B1W @ held["head.weight"])[:, 0] + held["head.bias"]

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return all that `restore` needs."""
        curves = {"knots": self.curves.knots, "categorical": self.curves.categorical}
        return {"columns": self.columns, **curves, **self.weights}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the family that `arrays` described."""
        weights = dict(arrays)
        columns = weights.pop("columns")
        curves = Curves(knots=weights.pop("knots"), categorical=weights.pop("categorical"))
        return cls(columns=columns, curves=curves, weights=weights)


def _block(x_BTW: Single, held: Mapping[str, Single], name: str, *, last: bool) -> Single:
    normed = _normed(x_BTW, held[f"{name}norm_mix.weight"])
    if last:
        x_BTW = x_BTW[:, :1]
    query_BHTD = _split(normed[:, : x_BTW.shape[1]] @ held[f"{name}query.weight"])
    key, value = np.split(normed @ held[f"{name}key_value.weight"], 2, axis=-1)
    looks = query_BHTD @ _split(key).swapaxes(-1, -2) / np.float32(query_BHTD.shape[-1] ** 0.5)
    looks = np.exp(looks - looks.max(axis=-1, keepdims=True))
    mixed_BHTD = looks / looks.sum(axis=-1, keepdims=True) @ _split(value)
    x_BTW = x_BTW + mixed_BHTD.swapaxes(1, 2).reshape(x_BTW.shape) @ held[f"{name}out.weight"]
    opened = _normed(x_BTW, held[f"{name}norm_gate.weight"]) @ held[f"{name}gate.weight"]
    gate, value = np.split(opened + held[f"{name}gate.bias"], 2, axis=-1)
    return x_BTW + (np.maximum(gate, 0) * value @ held[f"{name}down.weight"] + held[f"{name}down.bias"])


def _normed(x: Single, scale_W: Single) -> Single:
    """Return rows of unit mean square, scaled (Zhang and Sennrich, 2019)."""
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + TINY) * scale_W


def _split(x_BTW: Single) -> Single:
    return x_BTW.reshape(*x_BTW.shape[:2], HEADS, -1).swapaxes(1, 2)
