"""A small convnet that tells classes; what it looks at tells how alike two sets of arrays are. B: rows."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from foretell.models.base import Batch, Model
from foretell.models.nets import Reader

FEATURES = 64
SMOOTH = 0.05
AT_ONCE = 1_024


class Recogniser(Model):
    """A batch holds `x`, float32 [B, *shape], and `label`, int64 [B]."""

    def __init__(self, shape: Sequence[int], classes: int, width: int = 0) -> None:
        super().__init__()
        self.read = Reader(shape, FEATURES, width=width)
        self.tell = nn.Linear(FEATURES, classes)

    def loss(self, batch: Batch, turn: str) -> Tensor:
        found = functional.silu(self.read(batch["x"]))
        return functional.cross_entropy(self.tell(found), batch["label"], label_smoothing=SMOOTH)

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """Return what it sees [B, FEATURES]."""
        return torch.cat([functional.silu(self.read(part)) for part in x.split(AT_ONCE)])

    def classes(self, features: Tensor) -> Tensor:
        """Return the likeliest class of each [B], from its features."""
        return self.tell(features).argmax(1)
