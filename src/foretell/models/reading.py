"""Networks that read past events, and the family around them: fitted on material, stored as arrays.

B: rows, S: streams, L: events, C: columns that are binned, K: bins of a column, W: width, E: entities.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from foretell.models.base import Batch, Model, placed
from foretell.models.family import EPOCHS, Floats, Loop, Material, Rows
from foretell.models.sequences import NUM_TOKENS, PAD, Events, SequenceBatches
from foretell.spec import Spec

NUM_BINS = 24
LARGEST_BATCH = 256
"""Positives are few: more steps teach better than larger batches."""
SCORING_BATCH = 2048


class Network(Model):
    """Encodes events; what reads them is the subclass."""

    merged: ClassVar[bool]
    """Whether it reads one stream of all entities' events, or one per entity."""
    head: "Head"

    def __init__(self, encoder: "EventEncoder") -> None:
        super().__init__()
        self.encode = encoder

    def loss(self, batch: Batch, turn: str) -> Tensor:
        """Return the weighted cross-entropy."""
        return functional.binary_cross_entropy_with_logits(
            self(batch), batch["label"], weight=batch["weight"]
        )


class Reading:
    """A fitted family that reads past events; the subclass names its network."""

    network_class: ClassVar[type[Network]]
    reads_past: ClassVar[bool] = True

    def __init__(self, network: Network, context: int) -> None:
        self.network, self.context = network, context

    @classmethod
    def fit(cls, material: Material, spec: Spec, loop: Loop, folder: Path | None, progress: Any) -> Self:
        """Fit on the teaching rows; `folder` is where a killed fit goes on from."""
        train, labels = spec.train, material.labels[material.teach]
        batches = SequenceBatches(
            events_of(material),
            material.teach,
            material.weights,
            context=spec.model.context,
            merged=cls.network_class.merged,
            batch_size=min(train.batch_size, LARGEST_BATCH),
            seed=train.seed,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(train.seed)
            # A third of the width of a hidden layer: here it is paid once per past event.
            encoder = EventEncoder.fitted(batches, width=max(16, spec.model.width // 3))
            network = cls.network_class(encoder)
        share = float(np.average(labels, weights=material.weights))
        nn.init.constant_(network.head.base, math.log(share / (1 - share)))

        def validate(network: Network) -> float:
            return material.validation_loss(logits_of(network, batches, material.choose))

        loop(
            network,
            batches.batch_at,
            train,
            steps=batches.steps(train.epochs or EPOCHS),
            folder=folder,
            validate=validate if train.patience else None,
            progress=progress,
        )
        return cls(network, spec.model.context)

    def score(self, material: Material, rows: Rows) -> Floats:
        """Return log-odds of some rows of the material."""
        batches = SequenceBatches(
            events_of(material),
            rows,
            np.ones(max(len(rows), 1)),
            context=self.context,
            merged=self.network.merged,
            batch_size=SCORING_BATCH,
            seed=0,
        )
        return logits_of(self.network.eval(), batches, rows)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return all that `restore` needs."""
        state = {name: tensor.cpu().numpy() for name, tensor in self.network.state_dict().items()}
        return {"context": np.array([self.context]), **state}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the family that `arrays` described."""
        state = {name: torch.from_numpy(array) for name, array in arrays.items() if name != "context"}
        network = cls.network_class(EventEncoder.shaped_like(state))
        network.load_state_dict(state)
        return cls(network, int(arrays["context"][0]))


def logits_of(network: Network, batches: SequenceBatches, rows: Rows) -> Floats:
    """Return log-odds of some rows, whose past is read from the events of the batches."""
    logits = np.empty(len(rows))
    with torch.inference_mode():
        for start in range(0, len(rows), SCORING_BATCH):
            part = slice(start, start + SCORING_BATCH)
            logits[part] = network(placed(batches.gather(rows[part]), network)).cpu().numpy()
    return logits


def events_of(material: Material) -> Events:
    """Return the material's own columns as events; a label that is unknown never arrives."""
    known = material.labels >= 0
    coded = material.categorical[material.own]
    return Events(
        numbers=np.ascontiguousarray(material.features[:, material.own[~coded]]),
        categories=material.features[:, material.own[coded]].astype(np.int32),
        entities=material.entities,
        at=material.at_seconds,
        known_at=np.where(known, material.known_at_seconds, np.inf),
        labels=np.where(known, material.labels, 0).astype(np.float32),
    )


class EventEncoder(nn.Module):
    """Events to vectors: numbers and the gap in time piecewise linear, the rest embedded.

    Args:
        edges: float32 [C, K + 1], ascending; the last column is the gap's.
        num_entities: E.
        sizes: codes of each category column; a code beyond them, or negative, is read as unknown.
        width: W.
    """

    lower: Tensor
    scale: Tensor

    def __init__(
        self, edges: NDArray[np.float32], *, num_entities: int, sizes: Sequence[int], width: int
    ) -> None:
        super().__init__()
        steps = np.diff(edges, axis=1)
        inverse = np.divide(1, steps, out=np.zeros_like(steps), where=steps > 0)
        self.register_buffer("lower", torch.from_numpy(edges[:, :-1].copy()))
        self.register_buffer("scale", torch.from_numpy(inverse))
        self.mix = nn.Linear(steps.size + num_entities, width)
        self.known = nn.Embedding(NUM_TOKENS, width)
        self.sizes = tuple(sizes)
        self.categories = nn.ModuleList(nn.Embedding(size + 1, width) for size in sizes)

    @classmethod
    def fitted(cls, batches: SequenceBatches, *, width: int) -> Self:
        """Return an encoder whose bins follow the teaching rows."""
        events, rows = batches.events, batches.rows
        sample = batches.gather(rows[:: max(1, len(rows) // 4096)])
        gaps = squashed(sample["gap"][sample["known"] != PAD]).numpy()
        edges = [tail_edges(column, NUM_BINS) for column in (*batches.numbers[rows].T, gaps)]
        sizes = [int(column.max()) + 1 for column in events.categories[rows].T]
        return cls(np.stack(edges), num_entities=events.entities.shape[1], sizes=sizes, width=width)

    @classmethod
    def shaped_like(cls, state: Mapping[str, Tensor]) -> Self:
        """Return an encoder into which a network's stored state fits."""
        columns, bins = state["encode.lower"].shape
        width, num_inputs = state["encode.mix.weight"].shape
        sizes = [len(tensor) - 1 for name, tensor in state.items() if name.startswith("encode.categories.")]
        edges = np.zeros((columns, bins + 1), np.float32)
        return cls(edges, num_entities=num_inputs - columns * bins, sizes=sizes, width=width)

    @property
    def width(self) -> int:
        return self.mix.out_features

    @property
    def num_entities(self) -> int:
        return self.mix.in_features - self.lower.numel()

    def forward(self, batch: Batch) -> Tensor:
        """Return float32 [B, S, L, W]."""
        values = torch.cat([batch["numbers"], squashed(batch["gap"])[..., None]], dim=-1)
        bins = ((values[..., None] - self.lower) * self.scale).clamp(0, 1).flatten(-2)
        encoded = self.mix(torch.cat([bins, batch["shared"]], dim=-1)) + self.known(batch["known"])
        for column, (embedding, size) in enumerate(zip(self.categories, self.sizes, strict=True)):
            codes = batch["categories"][..., column]
            encoded = encoded + embedding(torch.where((codes >= 0) & (codes < size), codes, size))
        return encoded


def tail_edges(values: np.ndarray, num_bins: int) -> NDArray[np.float32]:
    """Return bin edges that follow the mass and still resolve a rare tail.

    A third each: quantiles of all values, quantiles of the distinct values (a column that is mostly one value
    keeps its others), and even steps over the range beyond the 1st and the 99th percentile.

    Args:
        values: float [n], of the teaching rows.
        num_bins: bins wanted, at least 6.

    Returns:
        float32 [num_bins + 1], ascending; surplus edges repeat the last one and make empty bins.
    """
    distinct = np.unique(values)
    side = num_bins // 6 + 1
    low, high = np.quantile(values, [0.01, 0.99])
    tails = np.concatenate([np.linspace(distinct[0], low, side), np.linspace(high, distinct[-1], side)])
    inner = num_bins + 1 - len(tails)
    mass = np.quantile(values, np.linspace(0, 1, inner // 2 + 2)[1:-1])
    spread = np.quantile(distinct, np.linspace(0, 1, inner - inner // 2 + 2)[1:-1])
    edges = np.unique(np.concatenate([tails, mass, spread]).astype(np.float32))
    return np.concatenate([edges, np.full(num_bins + 1 - len(edges), edges[-1], np.float32)])


def squashed(gap: Tensor) -> Tensor:
    """Return the logarithm of a gap in minutes, so that an hour and a month both have room."""
    return torch.log1p(gap / 60)


class Head(nn.Module):
    """Two layers to one logit, `base` for every row until it learns."""

    def __init__(self, num_inputs: int, width: int) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(num_inputs, width), nn.Linear(width, 1, bias=False)
        self.base = nn.Parameter(torch.zeros(1))
        nn.init.zeros_(self.leave.weight)

    def forward(self, x_BI: Tensor) -> Tensor:
        """Return float32 [B]."""
        return (self.leave(functional.silu(self.enter(x_BI))) + self.base).squeeze(-1)
