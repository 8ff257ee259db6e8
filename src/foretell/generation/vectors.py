"""Tables by families over arrays: rows as vectors, drawn by a flow, a variational autoencoder or a GAN."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from safetensors.torch import load as load_tensors

from foretell.data.codecs.arrays import ArrayCodec
from foretell.data.dataset import Column
from foretell.errors import SpecError
from foretell.lookup import load
from foretell.models.base import Model, passes
from foretell.records import canonical, plain
from foretell.spec import GenerateSpec, TrainSpec
from foretell.training import loop
from foretell.training.checkpoint import Files, pack_tensors
from foretell.training.progress import Progress, silent

FAMILIES = {
    "flow": "foretell.models.flow:Flow",
    "vae": "foretell.models.vae:Vae",
    "gan": "foretell.models.gan:Gan",
}
BATCH, EPOCHS, LEAST_STEPS = 512, 40.0, 1_500


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VectorGenerator:
    """What draws rows as vectors."""

    family: str
    codec: ArrayCodec
    model: Any
    """A `Model` that draws arrays."""

    def draw(self, count: int, asked: GenerateSpec, *, seed: int) -> pl.DataFrame:
        """Return rows in canonical dtypes.

        Raises:
            SpecError: for conditions, which only tokens can be kept to.
        """
        unsteered(self.family, asked)
        drawn = self.model.draw(max(count, 1), seed=seed).numpy()[:count]
        return self.codec.decode(drawn, np.random.default_rng(seed))

    def surprise(self, items: pl.DataFrame) -> None:
        """Return nothing: these families tell no probability of a row."""

    def files(self) -> Files:
        told = {"family": self.family, "codec": plain(self.codec)}
        return {"vectors.json": canonical(told), "weights.safetensors": pack_tensors(self.model.state_dict())}


def unsteered(family: str, asked: GenerateSpec) -> None:
    """Refuse what is asked of single columns.

    Raises:
        SpecError: when anything is.
    """
    steered = [name for name in ("given", "constraints", "balance") if getattr(asked, name)]
    if steered:
        raise SpecError(
            f"the family '{family}' cannot be held to generate.{steered[0]}", "use generate.family: next"
        )


def fit_vectors(
    frame: pl.DataFrame,
    columns: Sequence[Column],
    train: TrainSpec,
    *,
    family: str,
    folder: Path | None = None,
    progress: Progress = silent,
) -> VectorGenerator:
    """Fit on rows in canonical dtypes.

    Args:
        family: flow, vae or gan.
        folder: where a killed fit goes on from.
    """
    codec = ArrayCodec.fit(frame, columns)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(train.seed)
        model = load(family, FAMILIES, "family")((codec.size,))
    rows = torch.from_numpy(codec.encode(frame, np.random.default_rng(train.seed)))
    size = min(BATCH, len(rows))
    steps = max(LEAST_STEPS, round((train.epochs or EPOCHS) * len(rows) / size))
    rows_at = passes(len(rows), batch_size=size, seed=train.seed)
    asked = replace(train, ema=train.ema or 0.995, patience=0)
    loop.fit(
        model, lambda step: {"x": rows[rows_at(step)]}, asked, steps=steps, folder=folder, progress=progress
    )
    return VectorGenerator(family=family, codec=codec, model=model)


def opened_vectors(files: Files) -> VectorGenerator:
    """Return the generator whose `files` these are."""
    told = json.loads(files["vectors.json"])
    codec = ArrayCodec.from_plain(told["codec"])
    model: Model = load(told["family"], FAMILIES, "family")((codec.size,))
    model.load_state_dict(load_tensors(files["weights.safetensors"]))
    model.eval()
    return VectorGenerator(family=told["family"], codec=codec, model=model)
