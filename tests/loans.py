"""A model of simulated loans, fitted once: what several tests ask about. Savings follow income and age."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

import foretell
from foretell.border import load_spec
from foretell.data.dataset import Dataset
from foretell.data.split import split
from foretell.prediction.fitted import Fitted, Scored

NUMBERS, CATEGORIES = ("income", "debt", "savings", "age"), ("plan", "region")
PEOPLE = """\
data: {source: rows.csv, target: default}
model: {families: []}
review: {capacity: 300}
"""


@cache
def road() -> tuple[Fitted, Dataset, Scored]:
    """Return a model of loans, its data, and the scored test rows; savings follow income and age."""
    folder, rng, n = Path(tempfile.mkdtemp()), np.random.default_rng(0), 1500
    income, age = rng.lognormal(8, 0.5, n).round(2), rng.integers(18, 80, n)
    savings = (2 * income + 50.0 * age + rng.normal(0, 800, n)).round()
    debt, plan, region = rng.exponential(5000, n), rng.choice(["a", "b", "c"], n), rng.choice(["n", "s"], n)
    risk = debt / 4000 - income / 2500 - savings / 9000 + (plan == "a") + 0.6
    default = rng.random(n) < 1 / (1 + np.exp(-1.5 * risk))
    table = {"income": income, "debt": debt, "savings": savings, "age": age, "plan": plan, "region": region}
    pl.DataFrame({**table, "default": default.astype(int)}).write_csv(folder / "rows.csv")
    (folder / "spec.yaml").write_text(PEOPLE)
    spec = load_spec(folder / "spec.yaml", (f"out={folder / 'run'}",))
    dataset = foretell.read(spec)
    model = foretell.fit(spec, dataset)
    return model, dataset, model.score(dataset, split(dataset).test)
