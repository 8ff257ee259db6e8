"""Several outputs from families of one: a member for each class. B: rows, F: features, C: classes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from foretell.models.family import Family, Floats, Material, Rows, Scorer

SIZE = "classes"
"""Among the arrays of a family: how many members it has. A family of one output has no such array."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Several:
    """A member for each class; what they give are log-odds of which only differences count."""

    members: tuple[Scorer, ...]
    reads_past: ClassVar[bool] = False

    def logits(self, features: NDArray[np.float32]) -> Floats:
        """Return [B, C] of feature rows [B, F]."""
        return np.stack([member.logits(features) for member in self.members], axis=1)

    def reader(self) -> Callable[[NDArray[np.float32]], Floats]:
        """Return what gives [C] of one row of features [F]."""
        readers = [member.reader() for member in self.members]
        return lambda x_F: np.array([read(x_F) for read in readers])

    def score(self, material: Material, rows: Rows) -> Floats:
        """Return [B, C] of some rows of the material."""
        return self.logits(material.features[rows])

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return all that `restored` needs."""
        found: dict[str, NDArray[Any]] = {SIZE: np.array([len(self.members)])}
        for code, member in enumerate(self.members):
            found |= {f"{code}/{name}": array for name, array in member.arrays().items()}
        return found


def named(family: Scorer) -> str:
    """Return what kind of family it is; of several outputs, what each of them is."""
    return type(family.members[0] if isinstance(family, Several) else family).__name__


def restored(family: type[Family], arrays: Mapping[str, NDArray[Any]]) -> Scorer:
    """Return the model that `arrays` described, of one output or of several."""
    if SIZE not in arrays:
        return family.restore(arrays)
    return Several(
        members=tuple(
            family.restore(
                {
                    name.partition("/")[2]: array
                    for name, array in arrays.items()
                    if name.partition("/")[0] == str(code)
                }
            )
            for code in range(int(arrays[SIZE][0]))
        )
    )
