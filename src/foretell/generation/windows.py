"""Texts drawn as a whole: windows of bits by the families of arrays. N: windows, C: bits, L: their places."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import safetensors.torch
import torch

from foretell.data.codecs.texts import CODECS, Bits, TextCodec, windows
from foretell.errors import SpecError
from foretell.lookup import load
from foretell.models.base import Model, passes
from foretell.spec import GenerateSpec, TrainSpec
from foretell.training import loop
from foretell.training.checkpoint import Files, pack_tensors
from foretell.training.progress import Progress

FAMILIES = {
    "flow": "foretell.models.flow:Flow",
    "vae": "foretell.models.vae:Vae",
    "gan": "foretell.models.gan:Gan",
}
LENGTH, BATCH, EPOCHS, RATE = 64, 128, 30.0, 0.002


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TextWindows:
    """What draws windows of text."""

    family: str
    codec: TextCodec
    bits: Bits
    model: Any

    @classmethod
    def fit(
        cls,
        family: str,
        codec: TextCodec,
        texts: Sequence[str],
        train: TrainSpec,
        *,
        folder: Path | None,
        progress: Progress,
    ) -> Self:
        """Fit a family on the texts, cut into windows."""
        tokens = windows(codec, texts, LENGTH)
        bits = Bits(num_tokens=len(codec), length=LENGTH)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(train.seed)
            model: Model = load(family, FAMILIES, "family")(bits.shape)
        size = min(BATCH, len(tokens))
        rows_at = passes(len(tokens), batch_size=size, seed=train.seed)
        loop.fit(
            model,
            lambda step: {"x": torch.from_numpy(bits.encode(tokens[rows_at(step)]))},
            replace(train, batch_size=size, learning_rate=RATE, ema=0.995),
            steps=max(1, round((train.epochs or EPOCHS) * len(tokens) / size)),
            folder=folder,
            progress=progress,
        )
        return cls(family=family, codec=codec, bits=bits, model=model)

    def draw(self, count: int, asked: GenerateSpec, *, seed: int) -> tuple[str, ...]:
        """Return texts of one window each.

        Raises:
            SpecError: when a prompt or a grammar is asked for: these families know none.
        """
        for name in ("prompt", "grammar"):
            if getattr(asked, name) and getattr(asked, name) != self.codec.kind:
                raise SpecError(
                    f"texts of the family {self.family} are drawn as a whole, under no {name}",
                    f"leave out generate.{name}, or write generate.family: next",
                )
        found = self.bits.decode(self.model.draw(count, seed=seed).numpy())
        return tuple(self.codec.decode(row) for row in found)

    def surprise(self, items: Sequence[str]) -> None:
        """Return nothing: windows have no probability that can be told."""
        return

    def files(self) -> Files:
        told = {"family": self.family, "codec": self.codec.kind, "length": self.bits.length}
        return {
            "codec.json": self.codec.pack(),
            "weights.safetensors": pack_tensors(self.model.state_dict()),
            "windows.json": json.dumps(told).encode(),
        }


def opened_windows(files: Files) -> TextWindows:
    """Return the generator whose `files` these are."""
    told = json.loads(files["windows.json"])
    codec = CODECS[told["codec"]].unpack(files["codec.json"])
    bits = Bits(num_tokens=len(codec), length=told["length"])
    model = load(told["family"], FAMILIES, "family")(bits.shape)
    model.load_state_dict(safetensors.torch.load(files["weights.safetensors"]))
    return TextWindows(family=told["family"], codec=codec, bits=bits, model=model.eval())
