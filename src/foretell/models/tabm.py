"""The tabm family: a small ensemble of networks that share nearly all weights, over the features of a row.

Source: Gorishniy et al., TabM, ICLR 2025 (the mini variant); Gorishniy et al., On embeddings for numerical
features, NeurIPS 2022 (piecewise linear encoding).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from foretell.models.curved import Curved
from foretell.models.curves import Curves
from foretell.models.family import Floats, Rows
from foretell.models.readout import ReadoutArrays, read_out
from foretell.models.several import Several
from foretell.spec import Spec

if TYPE_CHECKING:
    from foretell.models.readout_network import Readout


@dataclass(frozen=True, slots=True, kw_only=True)
class TabM(Curved):
    """A fitted network and the features it reads."""

    columns: Rows
    readout: ReadoutArrays

    @classmethod
    def network(cls, curves: Curves, spec: Spec, base: tuple[float, ...], loss: str) -> "Readout":
        """Return the network before it has learned."""
        from foretell.models.readout_network import Readout

        width, members = spec.model.width, spec.model.members
        return Readout(int(curves.starts[-1]), width=width, members=members, base=base, loss=loss)

    @classmethod
    def of_network(cls, columns: Rows, curves: Curves, model: Any) -> Any:
        """Return the family of a network over the curves of some columns."""
        from foretell.models.readout_network import export

        return cls.of(columns, export(model, curves))

    @classmethod
    def of(cls, columns: Rows, readouts: tuple[ReadoutArrays, ...]) -> Any:
        """Return the family of a network over some columns; of several outputs, `Several`."""
        members = tuple(cls(columns=columns, readout=readout) for readout in readouts)
        return members[0] if len(members) == 1 else Several(members=members)

    def logits(self, features: NDArray[np.float32]) -> Floats:
        """Return log-odds [B] of feature rows [B, F]."""
        return self.readout.logits(features, self.columns)

    def reader(self) -> Callable[[NDArray[np.float32]], float]:
        """Return what gives the log-odds of one row of features [F]."""
        kernel = self.readout.kernel()
        return lambda features: read_out(features, self.columns, *kernel)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return all that `restore` needs."""
        return {"columns": self.columns, **self.readout.arrays()}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the family that `arrays` described."""
        columns = arrays["columns"]
        return cls(
            columns=columns, readout=ReadoutArrays(**{k: v for k, v in arrays.items() if k != "columns"})
        )
