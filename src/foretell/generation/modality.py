"""What every modality offers the studio, so that one verb generates any of them. N: items."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from foretell.data.sources import ENDINGS
from foretell.errors import DataError
from foretell.records import Fact
from foretell.spec import GenerateSpec, Spec
from foretell.training.checkpoint import Files
from foretell.training.progress import Progress

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]
Labels = NDArray[np.object_]
Items = Any
"""Of tables a frame in canonical dtypes; of texts a tuple of str; of images `Pictures`. All have a length."""
MODALITIES = {
    "table": "foretell.generation.rows",
    "linked": "foretell.generation.chains",
    "text": "foretell.generation.texts",
    "image": "foretell.generation.images",
}
"""Modality -> the module that offers it."""
LEAST = 10
"""Items, or groups of items, below which nothing is learned."""
TEXTS = (".txt", ".md", ".py", ".sql", ".json", ".jsonl")
IMAGES = (".npz", ".png", ".jpg", ".jpeg")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Material:
    """What a generator learns from, and what it is measured against."""

    items: Items
    teach: Rows
    """Numbers of the items that teach and choose."""
    holdout: Rows
    """Numbers of those that do neither: what is new is told by them."""
    source: str
    fingerprint: str
    schema: Any = None
    """What the modality knows of the items besides: of tables, the columns."""
    left_out: tuple[str, ...] = ()
    """What of the source is not learned, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A column whose groups are compared, with their rates of an outcome where one is given."""

    text: str
    """What people call the column."""
    real: Labels
    """The group of each real item [N]."""
    made: Labels
    """The same of the generated ones."""
    outcome: str = ""
    """What the positive outcome is called; empty: none is compared."""
    real_positive: NDArray[np.bool_] | None = None
    made_positive: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A preview: one picture for the report."""

    caption: str
    markup: str
    """SVG or HTML without scripts; images in it are data URLs."""


class Generator(Protocol):
    """What draws items."""

    @property
    def family(self) -> str: ...

    def draw(self, count: int, asked: GenerateSpec, *, seed: int) -> Items:
        """Return new items; the same seed gives the same ones."""
        ...

    def surprise(self, items: Items) -> Floats | None:
        """Return the negative log-probability of each [N], in nats; None where the family has none."""
        ...

    def files(self) -> Files:
        """Return all that `opened` needs: safetensors and JSON by name."""
        ...


class Modality(Protocol):
    """One kind of thing that is generated."""

    @property
    def ENDING(self) -> str:  # noqa: N802 - a module's constant
        """Ending of the file of a generated set."""
        ...

    def read(self, spec: Spec) -> Material:
        """Read the source, and hold some items out."""
        ...

    def fit(self, material: Material, spec: Spec, *, folder: Path | None, progress: Progress) -> Generator:
        """Fit the spec's family on the teaching items; `folder` is where a killed fit goes on from."""
        ...

    def opened(self, files: Files) -> Generator:
        """Return the generator whose `files` these are."""
        ...

    def take(self, items: Items, rows: Rows) -> Items:
        """Return the items of these numbers."""
        ...

    def distances(self, items: Items, reference: Items) -> Floats:
        """Return how far each item is from the nearest one of the reference [N]; 0 is a copy."""
        ...

    def fidelity(self, material: Material, items: Items, spec: Spec) -> tuple[Fact, ...]:
        """Return how like the held-out items the new ones are."""
        ...

    def watched(self, material: Material, items: Items, spec: Spec) -> tuple[Watched, ...]:
        """Return the groups that are compared with those of the real items."""
        ...

    def preview(self, material: Material, items: Items) -> tuple[Picture, ...]:
        """Return pictures of new items beside real ones."""
        ...

    def write(self, items: Items, path: Path) -> None:
        """Write the items into one file."""
        ...


def modality_of(spec: Spec) -> str:
    """Return the modality that a spec states, or the one that its source's ending tells.

    Raises:
        DataError: when the ending tells none.
    """
    if spec.generate.modality:
        return spec.generate.modality
    source = spec.data.source
    if spec.generate.children or (spec.data.group and spec.data.time):
        return "linked"
    if "://" in source:
        return "table"
    path = Path(source)
    within = sorted(each.suffix for each in path.rglob("*") if each.is_file()) if path.is_dir() else []
    ending = within[0] if within else path.suffix.lower()
    if ending in TEXTS:
        return "text"
    if ending in IMAGES:
        return "image"
    if ending in ENDINGS:
        return "table"
    raise DataError(
        f"what to generate from '{source}' cannot be told from its ending '{ending}'",
        f"state generate.modality: {', '.join(MODALITIES)}",
    )


def modality(name: str) -> Modality:
    """Return the module of a modality."""
    return cast(Modality, import_module(MODALITIES[name]))


def held_out(groups: Rows, share: float, seed: int) -> tuple[Rows, Rows]:
    """Return the numbers of the items that teach, and of those that are held out.

    Args:
        groups: of each item; items of a group stay together [N].
        share: of the groups that are held out.

    Raises:
        DataError: when there are fewer than `LEAST` groups.
    """
    distinct = np.random.default_rng(seed).permutation(np.unique(groups))
    if len(distinct) < LEAST:
        raise DataError(
            f"{len(distinct)} items (or groups of them) are too few to learn from: {LEAST} are needed",
            "give more data",
        )
    held = np.isin(groups, distinct[: max(1, round(share * len(distinct)))])
    return np.flatnonzero(~held), np.flatnonzero(held)
