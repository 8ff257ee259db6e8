"""Tables that are drawn row by row: a column net, and trees that correct what it gets wrong.

The net is fitted until the held-out rows surprise it no less. Then trees learn to tell real rows from drawn
ones, and of more rows than are asked for those are kept that the trees find no reason against: each with the
odds that it is real. A few hundred shallow trees so mend what a net of this size leaves (Azadi et al.,
Discriminator rejection sampling, ICLR 2019).

N: rows, T: tokens of a row, C: columns.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from foretell.data.codecs.tables import Floats, TableCodec, Tokens
from foretell.data.dataset import Column
from foretell.generation.evenly import evenly
from foretell.models.base import Model, passes
from foretell.models.columns import ColumnNet
from foretell.models.trees import Trees, by_output
from foretell.spec import TrainSpec
from foretell.training import loop
from foretell.training.progress import Progress, silent

BATCH, EPOCHS, LEAST_STEPS, LOOKS = 256, 6.0, 1_000, 12
ORDERS = 4
"""Orders in which held-out rows are told when it is chosen where to stop; the first is the table's."""
CHOOSE = 0.08
"""Share of the rows that choose when to stop, and how many trees correct."""
POOL = 3
"""Rows drawn for each that is kept."""
AT_ONCE = 4_000
MOST_TREES, STILL, STEEPEST = 200, 20, 3.0
"""Trees at most, how many without a gain end them, and the largest log-odds that they may say."""
TREES: Mapping[str, Any] = {
    "objective": "binary",
    "num_leaves": 16,
    "learning_rate": 0.1,
    "min_child_samples": 50,
    "lambda_l2": 5.0,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TableGenerator:
    """What draws rows of a table, and says how odd given ones are."""

    codec: TableCodec
    net: ColumnNet
    trees: Trees
    """Log-odds that a row is real and was not drawn by the net."""

    def draw(
        self,
        count: int,
        *,
        seed: int = 0,
        allowed: Sequence[torch.Tensor | None] | None = None,
        temperature: float = 1.0,
    ) -> pl.DataFrame:
        """Return new rows in canonical dtypes.

        Args:
            count: how many.
            seed: of all random choices; the same seed gives the same rows.
            allowed: of each token, which values it may have [K]; all, where there is None.
            temperature: below 1, likelier values are drawn more often than they were seen.
        """
        free = np.full((POOL * count, len(self.codec.sizes)), -1, np.int64)
        pool = drawn(self.net, free, seed=seed, allowed=allowed, temperature=temperature)
        rng = np.random.default_rng(seed)
        kept = evenly(pool, self._odds(pool), count, rng)
        return self.codec.decode(pool[rng.permutation(kept)], rng)

    def fill(self, frame: pl.DataFrame, *, seed: int = 0, keep: Sequence[str] = ()) -> pl.DataFrame:
        """Return the rows with their missing values drawn, given what is known of each.

        Args:
            frame: rows in canonical dtypes; a column that it lacks is missing in all rows.
            keep: columns whose missing values stay missing.
        """
        lacking = [c.name for c in self.codec.columns if c.name not in frame.columns]
        held = frame.with_columns(pl.lit(None).alias(name) for name in lacking)
        held = held.select(pl.col(c.name).cast(self.codec.dtype(c.name)) for c in self.codec.columns)
        known = self.codec.encode(held)
        for name in self.codec.drawn:
            if name not in keep:
                known[held[name].is_null().to_numpy(), self.codec.span(name)] = -1
        pools = np.stack([drawn(self.net, known, seed=seed + 1000 * k) for k in range(POOL)], axis=1)
        odds = self._odds(pools.reshape(-1, pools.shape[-1])).reshape(len(known), POOL)
        rng = np.random.default_rng(seed)
        pick = (odds.cumsum(axis=1) < rng.random((len(known), 1)) * odds.sum(axis=1, keepdims=True)).sum(
            axis=1
        )
        told = self.codec.decode(pools[np.arange(len(known)), np.minimum(pick, POOL - 1)], rng)
        return told.select(
            pl.when(held[name].is_null()).then(told[name]).otherwise(held[name]).alias(name)
            if name not in keep
            else held[name]
            for name in held.columns
        )

    def surprise(self, frame: pl.DataFrame, *, given_all: bool = False) -> Floats:
        """Return how odd each value is [N, C], in nats; columns in the order of `codec.drawn`.

        Args:
            frame: rows in canonical dtypes.
            given_all: each given all other columns; else each given those before it, so that their sum is the
                negative log-probability of the row's tokens.
        """
        tokens_NT = torch.from_numpy(self.codec.encode(frame))
        parts = [self.net.surprise(part, given_all=given_all) for part in tokens_NT.split(AT_ONCE)]
        found_NT = torch.cat(parts).double().numpy()
        return np.column_stack([found_NT[:, self.codec.span(name)].sum(axis=1) for name in self.codec.drawn])

    def _odds(self, tokens_NT: Tokens) -> Floats:
        return np.exp(np.clip(self.trees.logits(tokens_NT.astype(np.float64)), -STEEPEST, STEEPEST))


def fit(
    frame: pl.DataFrame,
    columns: Sequence[Column],
    train: TrainSpec,
    *,
    folder: Path | None = None,
    progress: Progress = silent,
) -> TableGenerator:
    """Fit on rows in canonical dtypes.

    Args:
        columns: those that are to be drawn, in their order.
        train: a budget, a seed, threads; steps and patience are the family's own.
        folder: where a killed fit goes on from.
    """
    codec = TableCodec.fit(frame, columns)
    tokens = codec.encode(frame)
    order = np.random.default_rng(train.seed).permutation(len(tokens))
    cut = max(1, round(CHOOSE * len(tokens)))
    choose, teach = tokens[order[:cut]], tokens[order[cut:]]
    net = _net(codec, teach, choose, train, folder, progress)
    free = np.full((POOL * len(tokens), tokens.shape[1]), -1, np.int64)
    pool = drawn(net, free, seed=train.seed)
    return TableGenerator(codec=codec, net=net, trees=_trees(teach, choose, pool, train))


def _net(
    codec: TableCodec,
    teach: Tokens,
    choose: Tokens,
    train: TrainSpec,
    folder: Path | None,
    progress: Progress,
) -> ColumnNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(train.seed)
        net = ColumnNet(codec.sizes)
    net.start_at(teach)
    rows, held_out = torch.from_numpy(teach), torch.from_numpy(choose)
    size = min(BATCH, len(rows))
    steps = max(LEAST_STEPS, round((train.epochs or EPOCHS) * len(rows) / size))
    asked = replace(
        train,
        ema=0.995,
        clip=5.0,
        weight_decay=0.02,
        warmup=0.07,
        patience=LOOKS,
        evaluate_every=steps // LOOKS,
    )

    rows_at = passes(len(rows), batch_size=size, seed=train.seed)

    rng, num = np.random.default_rng(train.seed), len(codec.sizes)
    orders = [range(num), *(rng.permutation(num).tolist() for _ in range(ORDERS - 1))]

    def validate(model: Model) -> float:
        assert isinstance(model, ColumnNet), "the loop hands back what it fits"
        found = [model.surprise(held_out, order=order).mean(0).sum() for order in orders]
        return float(torch.stack(found).mean())

    loop.fit(
        net,
        lambda step: {"tokens": rows[rows_at(step)]},
        asked,
        steps=steps,
        folder=folder,
        validate=validate,
        progress=progress,
    )
    return net


def drawn(
    net: ColumnNet,
    known_NT: Tokens,
    *,
    seed: int,
    allowed: Sequence[torch.Tensor | None] | None = None,
    temperature: float = 1.0,
) -> Tokens:
    """Return whole rows by the net alone [N, T]; known tokens stay, -1 is drawn."""
    generator = torch.Generator().manual_seed(seed)
    parts = torch.from_numpy(known_NT).split(AT_ONCE)
    told = [net.draw(part, generator, allowed=allowed, temperature=temperature) for part in parts]
    return torch.cat(told).numpy()


def _trees(teach: Tokens, choose: Tokens, pool: Tokens, train: TrainSpec) -> Trees:
    """Return what tells real rows from drawn ones: trees, as many as do so best on held-out rows."""
    import lightgbm

    cut = round(len(pool) * len(choose) / (len(teach) + len(choose)))

    def data(real: Tokens, false: Tokens, reference: Any = None) -> Any:
        truth = np.repeat([1.0, 0.0], [len(real), len(false)])
        weights = np.where(truth == 1, len(false) / len(real), 1.0)
        rows = np.concatenate([real, false]).astype(np.float64)
        return lightgbm.Dataset(rows, truth, weight=weights, reference=reference, params={"verbosity": -1})

    teaching = data(teach, pool[cut:])
    booster = lightgbm.train(
        {**TREES, "num_threads": train.threads, "seed": train.seed},
        teaching,
        MOST_TREES,
        valid_sets=[data(choose, pool[:cut], teaching)],
        callbacks=[lightgbm.early_stopping(STILL, verbose=False)],
    )
    (trees,) = by_output(booster)
    return trees
