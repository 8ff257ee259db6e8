"""Tables that are drawn row by row: a column net, and trees that correct what it gets wrong.

The net is fitted until the held-out rows surprise it no less. Then trees learn to tell real rows from drawn
ones, and of more rows than are asked for those are kept that the trees find no reason against: each with the
odds that it is real. A few hundred shallow trees so mend what a net of this size leaves (Azadi et al.,
Discriminator rejection sampling, ICLR 2019).

N: rows, T: tokens of a row, C: columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from foretell.data.codecs.tables import Floats, TableCodec, Tokens
from foretell.data.dataset import Column
from foretell.errors import DataError
from foretell.generation.evenly import evenly
from foretell.generation.steering import Course, Steer
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
        steer: Steer | None = None,
        temperature: float = 1.0,
    ) -> pl.DataFrame:
        """Return new rows in canonical dtypes.

        Args:
            count: how many.
            seed: of all random choices; the same seed gives the same rows.
            steer: constraints that every row satisfies.
            temperature: below 1, likelier values are drawn more often than they were seen.

        Raises:
            DataError: when not one row was found that satisfies the constraints.
        """
        free = np.full((POOL * count, len(self.codec.sizes)), -1, np.int64)
        pool = drawn(self.net, free, seed=seed, steer=steer, temperature=temperature)
        if count and not np.isfinite(pool.kept).any():
            raise no_row(steer)
        rng = np.random.default_rng(seed)
        kept = evenly(pool.tokens, self._weights(pool), count, rng)
        return pool.rows(self.codec, rng.permutation(kept), rng)

    def fill(
        self,
        frame: pl.DataFrame,
        *,
        seed: int = 0,
        keep: Sequence[str] = (),
        steer: Steer | None = None,
    ) -> pl.DataFrame:
        """Return the rows with their missing values drawn, given what is known of each.

        Args:
            frame: rows in canonical dtypes; a column that it lacks is missing in all rows.
            keep: columns whose missing values stay missing.
            steer: constraints that every row satisfies.

        Raises:
            DataError: when a row cannot satisfy the constraints, as what is known of it contradicts them.
        """
        lacking = [c.name for c in self.codec.columns if c.name not in frame.columns]
        held = frame.with_columns(pl.lit(None).alias(name) for name in lacking)
        held = held.select(pl.col(c.name).cast(self.codec.dtype(c.name)) for c in self.codec.columns)
        known = self.codec.encode(held)
        for name in self.codec.drawn:
            if name not in keep:
                known[held[name].is_null().to_numpy(), self.codec.span(name)] = -1
        rows = np.repeat(np.arange(len(known)), POOL)
        pool = drawn(self.net, known[rows], seed=seed, steer=steer, held=held[rows])
        odds = self._weights(pool).reshape(len(known), POOL)
        if len(known) and not odds.any(axis=1).all():
            raise no_row(steer, int(np.argmin(odds.any(axis=1))))
        rng = np.random.default_rng(seed)
        reached = odds.cumsum(axis=1)
        pick = (reached <= rng.random((len(known), 1)) * reached[:, -1:]).sum(axis=1)
        told = pool.rows(self.codec, POOL * np.arange(len(known)) + np.minimum(pick, POOL - 1), rng)
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

    def _weights(self, pool: "Pool") -> Floats:
        """Return how much each row counts: by the trees, and by how probable it was to be allowed."""
        most = pool.kept.max(initial=-np.inf, where=np.isfinite(pool.kept))
        return self.odds(pool.tokens) * np.exp(pool.kept - (most if np.isfinite(most) else 0.0))

    def odds(self, tokens_NT: Tokens) -> Floats:
        """Return the odds that each row is real and was not drawn by the net [N], as the trees see it."""
        return np.exp(self.trees.logits(tokens_NT.astype(np.float64)).clip(-STEEPEST, STEEPEST))


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
    return TableGenerator(codec=codec, net=net, trees=_trees(teach, choose, pool.tokens, train))


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """Rows that the net alone has drawn."""

    tokens: Tokens
    """[N, T]"""
    kept: Floats
    """Logarithm of how probable it was that all was allowed [N]; -inf where nothing was."""
    values: pl.DataFrame
    """What was drawn under constraints beyond the tokens: columns that constraints speak of."""

    def rows(self, codec: TableCodec, places: Tokens, rng: np.random.Generator) -> pl.DataFrame:
        """Return the rows at some places."""
        told = codec.decode(self.tokens[places], rng)
        return told.with_columns(self.values[places].get_columns()) if self.values.width else told


def drawn(
    net: ColumnNet,
    known_NT: Tokens,
    *,
    seed: int,
    steer: Steer | None = None,
    held: pl.DataFrame | None = None,
    temperature: float = 1.0,
) -> Pool:
    """Return whole rows by the net alone; known tokens stay, -1 is drawn.

    Args:
        held: the values that stand behind known tokens, for constraints on them.
    """
    generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    tokens, kept, values = [], [], []
    for start in range(0, max(len(known_NT), 1), AT_ONCE):
        part = known_NT[start : start + AT_ONCE]
        course = (
            Course(steer, part, held[start : start + AT_ONCE] if held is not None else None, rng)
            if steer
            else None
        )
        told, share = net.draw(
            torch.from_numpy(part),
            generator,
            allowed=course.allowed if course else None,
            order=steer.order if steer else None,
            temperature=temperature,
        )
        tokens.append(told.numpy())
        values.append(course.written(told.numpy()) if course else pl.DataFrame())
        kept.append(share.double().numpy() + (course.kept if course else 0.0))
    return Pool(tokens=np.concatenate(tokens), kept=np.concatenate(kept), values=pl.concat(values))


def no_row(steer: Steer | None, place: int = -1) -> DataError:
    """Return the error of constraints that no row was found for, or not the one at a place."""
    told = " and ".join(f"`{each.text}`" for each in steer.constraints) if steer else "what is known of it"
    if place < 0:
        return DataError(f"no row was found that satisfies {told}", "loosen one of them")
    return DataError(
        f"row {place} cannot satisfy {told}", "change what is known of it, or loosen one of them"
    )


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
