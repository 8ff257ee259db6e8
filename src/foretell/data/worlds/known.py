"""Worlds of rows whose true log-odds are a formula, so that every factor's true share in them is known.

N: rows, C: columns. The truth of a row is the Shapley values of its true log-odds, against rows of the same
day: a factor raises them when its value is positive, and is the strongest when its value is the largest.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
COLUMNS = ("load", "heat", "age", "wear", "speed", "dust", "pressure", "noise")
STARTS_AT = datetime(2024, 1, 1, tzinfo=UTC)
SPEC = """\
# Machines of a simulated plant. truth.parquet holds the true log-odds; no model may see it.
data:
  source: rows.parquet
  target: failed
  id: machine
  exclude: [day]
  row_text: machine
columns:
{columns}
task:
  positive: "1"
  positive_text: failure
"""


def additive(x: Floats) -> Floats:
    """Four causes, each on its own; four columns that do nothing."""
    load, heat, age, wear = x[..., 0], x[..., 1], x[..., 2], x[..., 3]
    return -1.6 + 1.4 * load - 1.1 * heat + 0.9 * np.tanh(2 * age) + 0.6 * wear


def interaction(x: Floats) -> Floats:
    """Load hurts where it is hot, and wear where it is fast; age on its own."""
    load, heat, age, wear, speed = (x[..., index] for index in range(5))
    return -1.6 + 1.2 * load * heat + 1.1 * age + 1.0 * wear * (speed > 0)


FORMULAS: Mapping[str, Callable[[Floats], Floats]] = {
    "additive": additive,
    "interaction": interaction,
    "decoys": additive,
    "drift": additive,
    "small": additive,
}
ROWS: Mapping[str, int] = {"small": 500}
"""Rows of a world where they are not 6,000."""
DECOYS = {"speed": "load", "dust": "heat"}
"""Columns that in the world of decoys follow a cause (correlation 0.8), and do nothing themselves."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class World:
    """What happened, in the order of time."""

    kind: str
    x: Floats
    """[N, C]."""
    labels: NDArray[np.int64]
    """[N]."""
    log_odds: Floats
    """[N], true ones."""
    day: NDArray[np.int64]
    """[N]."""

    @property
    def timed(self) -> bool:
        """Whether later rows differ from earlier ones, so that time governs the split."""
        return self.kind == "drift"


def simulate(kind: str, *, num_rows: int = 0, seed: int = 0) -> World:
    """Return a world of a kind of `FORMULAS`; the world of drift moves by a spread from first to last row."""
    rng = np.random.default_rng(seed)
    num_rows = num_rows or ROWS.get(kind, 6_000)
    x = rng.standard_normal((num_rows, len(COLUMNS)))
    if kind == "decoys":
        for decoy, cause in DECOYS.items():
            mine, its = COLUMNS.index(decoy), COLUMNS.index(cause)
            x[:, mine] = 0.8 * x[:, its] + 0.6 * x[:, mine]
    if kind == "drift":
        x += np.linspace(0, 1, num_rows)[:, None] * np.array([1.0, 0.5, 0.0, -0.5, 1.0, 0.0, 0.0, 0.0])
    log_odds = FORMULAS[kind](x)
    labels = (rng.random(num_rows) < 1 / (1 + np.exp(-log_odds))).astype(np.int64)
    return World(kind=kind, x=x, labels=labels, log_odds=log_odds, day=np.arange(num_rows) * 100 // num_rows)


def write(folder: Path, *, kind: str = "additive", num_rows: int = 0, seed: int = 0) -> Path:
    """Write rows.parquet, truth.parquet and known.yaml into `folder`; return the spec's path."""
    return store(folder, simulate(kind, num_rows=num_rows, seed=seed))


def store(folder: Path, world: World) -> Path:
    """Write a world that was simulated."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"M{row:06d}" for row in range(len(world.labels))]
    day = [STARTS_AT + timedelta(days=int(day)) for day in world.day]
    values = {name: world.x[:, index] for index, name in enumerate(COLUMNS)}
    pl.DataFrame({"machine": names, "day": day, **values, "failed": world.labels}).write_parquet(
        folder / "rows.parquet"
    )
    pl.DataFrame({"machine": names, "log_odds": world.log_odds}).write_parquet(folder / "truth.parquet")
    columns = "\n".join(f"  {name}: {{kind: number, text: {name}}}" for name in COLUMNS)
    text = SPEC.format(columns=columns)
    if world.timed:
        text = text.replace("exclude: [day]", "time: day")
    spec = folder / "known.yaml"
    spec.write_text(text, encoding="utf-8")
    return spec
