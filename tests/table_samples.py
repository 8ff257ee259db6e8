"""Small tables: one whose target is a number, one of several classes."""

import numpy as np
import polars as pl

from foretell.tasks.classify import sigmoid

NUM_ROWS = 600


def costs(seed: int = 0, *, skewed: bool = False) -> pl.DataFrame:
    """Return rows whose number bends with one column and jumps with another."""
    rng = np.random.default_rng(seed)
    age, kind = rng.uniform(20, 80, NUM_ROWS).round(), rng.integers(0, 3, NUM_ROWS)
    mean = 0.05 * np.abs(age - 45) + 1.2 * (kind == 2)
    value = np.exp(mean + rng.normal(0, 0.4, NUM_ROWS)) if skewed else mean + rng.normal(0, 0.3, NUM_ROWS)
    return pl.DataFrame(
        {"age": age, "kind": [f"k{code}" for code in kind], "idle": rng.normal(size=NUM_ROWS), "cost": value}
    )


def kinds(seed: int = 0) -> pl.DataFrame:
    """Return rows of three classes that overlap."""
    rng = np.random.default_rng(seed)
    code = rng.choice(3, NUM_ROWS, p=[0.5, 0.3, 0.2])
    return pl.DataFrame(
        {
            "length": code + rng.normal(0, 0.5, NUM_ROWS),
            "width": (code == 1) + rng.normal(0, 0.5, NUM_ROWS),
            "colour": [f"c{number}" for number in rng.integers(0, 3, NUM_ROWS)],
            "kind": [("oak", "ash", "elm")[number] for number in code],
        }
    )


def rare(num_rows: int = 40_000) -> pl.DataFrame:
    """Return rows of which a fiftieth are positive, in no order."""
    rng = np.random.default_rng(5)
    amount, kind = rng.normal(size=num_rows), rng.integers(0, 4, num_rows)
    chance = sigmoid(1.5 * amount + (kind == 2) - 5.2)
    return pl.DataFrame(
        {
            "place": np.arange(num_rows),
            "amount": pl.Series(amount).set(pl.Series(rng.random(num_rows) < 0.05), None),
            "kind": [f"k{code}" for code in kind],
            "y": np.where(rng.random(num_rows) < chance, "yes", "no"),
        }
    )
