"""Tables under differential privacy: what any one row adds to what is drawn is bounded by epsilon.

A row teaches in three ways, and noise is put on each: which values are frequent (what few rows hold is not
kept), how the rest of the numbers is spread, and the net's gradients. Trees, columns that tell each other and
held-out rows, which would look at rows without noise, are left out. The number of rows counts as public.

N: rows, T: tokens of a row.
"""

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from scipy.stats import norm

from foretell.data.codecs.tables import (
    ATOMS,
    CODER_OF,
    NAMED,
    Floats,
    Names,
    Numbers,
    TableCodec,
    decimals_of,
)
from foretell.data.dataset import Column
from foretell.data.kinds.time import INSTANT
from foretell.errors import SpecError
from foretell.generation.tables import TableGenerator
from foretell.models.private_columns import PrivateColumnNet
from foretell.models.trees import no_trees
from foretell.spec import TrainSpec
from foretell.training import loop
from foretell.training.privacy import epsilon_of, gaussian_divergence, noise_for
from foretell.training.progress import Progress, silent

CODEC_SHARE = 0.3
"""Share of epsilon that the values may take, before the net."""
TAIL_SHARE = 0.5
"""Share of delta for the chance that a value of one row alone is kept."""
CELLS = 512
"""Of the grid on which numbers that are not kept are counted."""
COARSE, FINE = 16, 8
LENGTH = 1.0
BATCH, STEPS = 1_024, 600
EXPONENTS = 64
"""Powers of two, of either sign, among which the ends of a column are found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What was promised, and what each part took of it."""

    epsilon: float
    """Of all together, at `delta`; at most what was asked for."""
    delta: float
    values: float
    """Epsilon of values and frequencies alone."""
    count_noise: float
    """Standard deviation of the noise on each count of rows."""
    gradient_noise: float
    """That of the noise on the sum of a batch's gradients, in lengths of the longest."""
    rate: float
    """Chance of each row to be in a batch."""
    steps: int


def fit_private(
    frame: pl.DataFrame,
    columns: Sequence[Column],
    train: TrainSpec,
    *,
    epsilon: float,
    delta: float,
    ends: Mapping[str, tuple[float, float]] | None = None,
    noise_seed: int | None = None,
    progress: Progress = silent,
) -> tuple[TableGenerator, Spent]:
    """Fit on rows in canonical dtypes, each of one person, so that all that is drawn keeps epsilon.

    Args:
        epsilon, delta: a row's presence changes the odds of any outcome by at most exp(epsilon), but for a
            chance of delta.
        ends: column -> its least and greatest number, as they are known without looking at the rows; what is
            not given is found with noise.
        noise_seed: of the noise, for tests: whoever knows it knows the rows. Drawn by the system if lacking.

    Raises:
        SpecError: for an epsilon or delta that cannot be kept.
    """
    _check(epsilon, delta)
    seed = secrets.randbits(62) if noise_seed is None else noise_seed
    rng, ends = np.random.default_rng(seed), ends or {}
    numeric = [column.name for column in columns if CODER_OF[column.kind] is Numbers]
    sums = 1 + sum(2 + (column.name not in ends) if column.name in numeric else 1 for column in columns)
    sure = delta * (1 - TAIL_SHARE)
    noise = noise_for(CODEC_SHARE * epsilon, sure, times=sums)
    spent = sums * np.array(gaussian_divergence(noise))
    least = 1 + noise * float(norm.isf(delta * TAIL_SHARE / len(columns)))
    codec = _codec(frame, columns, ends, noise, least, rng)
    tokens_NT = codec.encode(frame)
    rate = min(1.0, BATCH / max(len(frame), 1))
    steps = round(train.epochs / rate) if train.epochs else STEPS
    shaken = noise_for(epsilon, sure, rate=rate, times=steps, spent=spent)
    net = _net(codec.sizes, shaken, rate * len(frame), train.seed)
    wide = noise * math.sqrt(len(codec.sizes))  # a row is counted once for each of its tokens
    net.start_at_counts([_counts(tokens_NT[:, t], size, wide, rng) for t, size in enumerate(codec.sizes)])
    rows = torch.from_numpy(tokens_NT)

    def batch_at(step: int) -> dict[str, torch.Tensor]:
        taken = np.random.default_rng((seed, step)).random(len(rows)) < rate
        return {"tokens": rows[torch.from_numpy(taken)]}

    # Noise has no direction to shorten, and what comes after it costs nothing: averages are free.
    asked = replace(train, seed=seed, ema=0.98, clip=1e12, weight_decay=0.0, patience=0, budget="")
    loop.fit(net, batch_at, asked, steps=steps, progress=progress)
    net.eval()
    told = Spent(
        epsilon=epsilon_of(spent + steps * np.array(gaussian_divergence(shaken, rate)), sure),
        delta=delta,
        values=epsilon_of(spent, sure),
        count_noise=noise,
        gradient_noise=shaken,
        rate=rate,
        steps=steps,
    )
    return TableGenerator(codec=codec, net=net, trees=no_trees()), told


def _check(epsilon: float, delta: float) -> None:
    if not (epsilon > 0 and 0 < delta < 1):
        raise SpecError(
            f"epsilon {epsilon:g} and delta {delta:g} promise nothing", "state epsilon: 3, delta: 1e-5"
        )


def _codec(
    frame: pl.DataFrame,
    columns: Sequence[Column],
    ends: Mapping[str, tuple[float, float]],
    noise: float,
    least: float,
    rng: np.random.Generator,
) -> TableCodec:
    """Return the columns as tokens; whatever is learned of their values has noise in it."""
    coders = {
        column.name: _numbers(frame[column.name], noise, least, ends.get(column.name), rng)
        if CODER_OF[column.kind] is Numbers
        else _names(frame[column.name], noise, least, rng)
        for column in columns
    }
    return TableCodec(columns=tuple(columns), coders=coders, twins={})


def _net(sizes: Sequence[int], noise: float, expected: float, seed: int) -> PrivateColumnNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PrivateColumnNet(
            sizes, length=LENGTH, noise=noise, expected=expected, width=48, hidden=64, layers=1
        )


def _frequent(series: pl.Series, noise: float, least: float, rng: np.random.Generator) -> list[object]:
    """Return the values whose noisy counts reach the least one, the most frequent first; None too."""
    counts = series.value_counts().sort(series.name, nulls_last=True)
    told = counts["count"].to_numpy() + noise * rng.standard_normal(len(counts))
    order = np.argsort(-told, kind="stable")
    return [counts[series.name][int(k)] for k in order if told[k] >= least]


def _names(series: pl.Series, noise: float, least: float, rng: np.random.Generator) -> Names:
    kept = _frequent(series, noise, least, rng)[:NAMED]
    return Names(values=tuple(None if name is None else str(name) for name in kept) or (None,))


def _numbers(
    series: pl.Series,
    noise: float,
    least: float,
    ends: tuple[float, float] | None,
    rng: np.random.Generator,
) -> Numbers:
    grain = 0
    if series.dtype == INSTANT:
        grain, series = 1_000_000, (series.to_physical() // 1_000_000).alias(series.name)
    series = series.cast(pl.Float64)
    kept = _frequent(series, noise, least, rng)[: ATOMS + 1]
    atoms = np.sort(np.array([value for value in kept if value is not None], np.float64))
    rest = series.filter(~series.is_in(atoms)).drop_nulls().to_numpy()
    low, high = ends or _ends(rest, noise, least, rng)
    cells = np.histogram(np.clip(rest, low, high), np.linspace(low, high, CELLS + 1))[0]
    told = np.maximum(cells + noise * rng.standard_normal(CELLS), 0.0)
    told[told < noise] = 0.0
    # Numbers of which only noise is left would be spread evenly over the whole line.
    rare = told.sum() < least or high <= low
    reached = np.concatenate([[0.0], told.cumsum() / max(told.sum(), 1e-12)])
    edges = np.interp(np.linspace(0, 1, COARSE * FINE + 1), reached, np.linspace(low, high, CELLS + 1))
    known = not rare or not len(atoms)
    return Numbers(
        atoms=tuple(atoms.tolist()),
        missing=None in kept,
        edges=tuple(edges.tolist()) if known else (),
        fine=FINE if known else 1,
        decimals=decimals_of(atoms) if len(atoms) else -1,
        grain_us=grain,
    )


def _ends(values: Floats, noise: float, least: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return powers of two between which nearly all values lie, by noisy counts of their exponents."""
    exponents = np.clip(np.ceil(np.log2(np.maximum(np.abs(values), 2.0**-EXPONENTS))), -EXPONENTS, EXPONENTS)
    place = np.where(values == 0, 0, np.sign(values) * (exponents + EXPONENTS + 1)).astype(np.int64)
    most = 2 * EXPONENTS + 1
    counts = np.bincount(place + most, minlength=2 * most + 1) + noise * rng.standard_normal(2 * most + 1)
    seen = np.flatnonzero(counts >= least) - most
    if not len(seen):
        return 0.0, 1.0

    def end(at: int, outer: bool) -> float:
        exponent = abs(at) - EXPONENTS - 1 - (not outer)
        return float(np.sign(at) * 2.0**exponent)

    return end(int(seen[0]), seen[0] < 0), end(int(seen[-1]), seen[-1] > 0)


def _counts(tokens_N: NDArray[np.int64], size: int, noise: float, rng: np.random.Generator) -> Floats:
    counts = np.bincount(tokens_N, minlength=size) + noise * rng.standard_normal(size)
    return np.maximum(counts, 1.0)
