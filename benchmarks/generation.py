"""Generated tables: what Foretell draws beside its peers, by measures that reward copies and others.

    python benchmarks/generation.py DATA [--names next "Gaussian copula" ...] [--seeds 0 1 2] [--peers PYTHON]

DATA is the folder with adult-train.csv and adult-test.csv. The training file teaches, as many rows are drawn,
and the test file taught nothing and chose nothing. Shapes and trends are SDMetrics' (against the training
rows, as is usual), and so is C2ST: 1 - (2 max(AUC, 1/2) - 1) in three folds, here by XGBoost as it comes.
What is drawn is also told from test rows by boosted trees (discriminator, AUC), teaches trees to predict
test rows (TSTR, AUC), and is looked at for what it gives away: the share that is nearer to training rows than
to as many test rows, and the AUC of telling training from test rows by the generator's own probability.

"real rows" and "copies" stand in the place of drawn ones: test rows show what could be reached (they are told
from training rows, and taught by them), training rows drawn again what mere copying would be given.
`benchmarks/synthesizers.py` tells how the peers are installed, which run where `--peers` names the
interpreter of their environment; it then also holds our shapes and trends against SDMetrics' own. CPU-seconds
are those of fitting and drawing, on one thread. Each cell is stored when it is done, so that a run that was
stopped goes on.
"""

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402
import torch  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

import synthesizers  # noqa: E402
from cases import RESULTS, commit, machine  # noqa: E402
from foretell.data.dataset import Column  # noqa: E402
from foretell.generation import fidelity, guard  # noqa: E402
from foretell.generation.modality import Material, modality  # noqa: E402
from foretell.generation.rows import fit  # noqa: E402
from foretell.spec import DataSpec, GenerateSpec, Spec, TrainSpec  # noqa: E402
from foretell.training.progress import silent  # noqa: E402
from tables import ADULT_NUMBERS, TARGETS, rows_of  # noqa: E402

Floats = NDArray[np.float64]
GOALS = {
    "shapes": 0.995,
    "trends": 0.989,
    "c2st": 0.97,
    "tstr": 0.921,
    "nearer": 0.52,
    "discriminator": 0.54,
    "membership": 0.54,
}
LEAST = ("shapes", "trends", "c2st", "tstr")
"""Goals that are to be reached; the others are not to be passed."""
PUBLISHED = {
    "source": "as the papers state them, on graphics cards in 272 to 11,605 seconds",
    "TabPC": {"shapes": 0.994, "trends": 0.986, "c2st": 0.855, "tstr": 0.916},
    "TabDiff": {"shapes": 0.993, "trends": 0.985, "c2st": 0.841, "tstr": 0.913},
    "TabSyn": {"shapes": 0.992, "trends": 0.980, "c2st": 0.794, "tstr": 0.910},
    "CTGAN": {"shapes": 0.81, "trends": 0.76, "c2st": 0.0, "tstr": 0.86},
    "training rows": {"tstr": 0.9274},
}


class Drawn(NamedTuple):
    """What a contestant drew."""

    rows: pl.DataFrame
    figures: dict[str, Any]
    surprise: Callable[[pl.DataFrame], Floats] | None = None


Contestant = Callable[[pl.DataFrame, pl.DataFrame, int], Drawn]


def own(family: str, epsilon: float = 0.0) -> Contestant:
    """Return what draws rows by a family of Foretell's, private where there is an epsilon."""

    def draw(train: pl.DataFrame, test: pl.DataFrame, seed: int) -> Drawn:
        kinds = {name: "number" if name in ADULT_NUMBERS else "category" for name in train.columns}
        columns = [
            Column(name=name, kind=kind, role="input", text=name, reason="") for name, kind in kinds.items()
        ]
        everyone = np.arange(len(train))
        material = Material(
            items=train,
            teach=everyone,
            holdout=everyone[:0],
            source="adult",
            fingerprint="",
            schema=tuple(columns),
        )
        asked = GenerateSpec(family=family, epsilon=epsilon, count=len(train), seed=seed)
        spec = Spec(data=DataSpec(source="adult"), generate=asked, train=TrainSpec(seed=seed, threads=1))
        started = time.process_time()
        generator = fit(material, spec, folder=None, progress=silent)
        fitted = time.process_time()
        rows = generator.draw(len(train), asked, seed=seed)
        spent = {"fit_seconds": fitted - started, "draw_seconds": time.process_time() - fitted}
        tells = generator.surprise(train[:1]) is not None
        return Drawn(rows, spent, generator.surprise if tells else None)

    return draw


def by_peer(peer: str, python: str, epochs: int) -> Contestant:
    """Return what asks a peer, which counts its own CPU-seconds."""

    def draw(train: pl.DataFrame, test: pl.DataFrame, seed: int) -> Drawn:
        asked = {"numbers": ADULT_NUMBERS, "peer": peer, "seed": seed, "count": len(train), "epochs": epochs}
        rows, told = synthesizers.ask(python, {"real": train}, **asked)
        return Drawn(rows.with_columns(pl.col(ADULT_NUMBERS).cast(pl.Float64)), told)

    return draw


REAL: dict[str, Contestant] = {
    "real rows": lambda train, test, seed: Drawn(test, {}),
    "copies": lambda train, test, seed: Drawn(train.sample(len(train), with_replacement=True, seed=seed), {}),
}
OWN = {
    **{family: own(family) for family in ("next", "flow", "vae", "gan")},
    **{f"next, epsilon {epsilon}": own("next", epsilon) for epsilon in (1, 3, 10)},
}


def measured(drawn: Drawn, train: pl.DataFrame, test: pl.DataFrame, seed: int) -> dict[str, float]:
    """Return all figures of drawn rows."""
    rows, target = drawn.rows.select(train.columns), TARGETS["adult"]
    few, taught = (frame.sample(min(len(frame), len(test)), seed=seed) for frame in (rows, train))
    real = rows.equals(test)
    found = {
        "shapes": fidelity.average(fidelity.shapes(train, rows)),
        "trends": fidelity.average(fidelity.trends(train, rows)),
        "c2st": c2st(train, rows, seed),
        "tstr": fidelity.utility(train if real else rows, test, target, seed=seed),
        "discriminator": fidelity.discriminator(test, taught if real else few, seed=seed).value,
    }
    if not real:
        table = modality("table")
        found |= ends("nearer", guard.novelty(table, few, taught, test))
        found["copies"] = float((table.distances(few, train) == 0).mean())
    if drawn.surprise is not None:
        told = [drawn.surprise(side) for side in (train, test)]
        found |= ends("membership", guard.membership(told[0], told[1], by="likelihood"))
    return found


def ends(name: str, fact: Any) -> dict[str, float]:
    """Return a fact's value and the ends of its interval by name."""
    return {name: fact.value, f"{name}_low": fact.detail["low"], f"{name}_high": fact.detail["high"]}


def c2st(real: pl.DataFrame, other: pl.DataFrame, seed: int) -> float:
    """Return SDMetrics' detection score, by XGBoost as it comes: 1 where it can tell no rows apart."""
    import pandas as pd
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold
    from xgboost import XGBClassifier

    both = pl.concat([real, other])
    x = pd.DataFrame(
        {s.name: pd.Categorical(s.to_list()) if s.dtype == pl.String else s.to_numpy() for s in both}
    )
    truth, scores = np.repeat([1, 0], [len(real), len(other)]), []
    for teach, held_out in StratifiedKFold(3, shuffle=True, random_state=seed).split(x, truth):
        trees = XGBClassifier(n_jobs=1, enable_categorical=True, random_state=seed)
        told = trees.fit(x.iloc[teach], truth[teach]).predict_proba(x.iloc[held_out])[:, 1]
        scores.append(2 * max(0.5, float(roc_auc_score(truth[held_out], told))) - 1)
    return 1 - float(np.mean(scores))


def reached(cell: dict[str, Any]) -> bool:
    """Return whether a cell reaches all goals at once."""
    held = {name: cell[name] for name in GOALS if name in cell}
    return len(held) == len(GOALS) and all(
        value >= GOALS[name] if name in LEAST else value <= GOALS[name] for name, value in held.items()
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--names", nargs="+", help="contestants; all that can run if not given")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--peers", default="", help="interpreter of the peers' environment")
    parser.add_argument("--epochs", type=int, default=0, help="of CTGAN and TVAE; as they come if not given")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of generation.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path = arguments.results / "generation.json"
    cells = json.loads(path.read_text())["cells"] if path.exists() else []
    offered = {**REAL, **OWN}
    for peer in synthesizers.PEERS if arguments.peers else ():
        epochs = 0 if peer == "Gaussian copula" else arguments.epochs
        offered[f"{peer}, {epochs} epochs" if epochs else peer] = by_peer(peer, arguments.peers, epochs)
    if unknown := set(arguments.names or ()) - set(offered):
        parser.error(f"no contestant is called {', '.join(sorted(unknown))}; there are {', '.join(offered)}")
    given = [part.replace(arguments.peers, "PYTHON") if arguments.peers else part for part in sys.argv[2:]]
    command = f"python benchmarks/generation.py DATA {shlex.join(given)}".strip()
    train, test = rows_of("adult", arguments.data, 0)
    there = {(cell["name"], cell["seed"]) for cell in cells}
    for seed in arguments.seeds:
        for name in arguments.names or offered:
            if (name, seed) in there:
                continue
            drawn = offered[name](train, test, seed)
            found = measured(drawn, train, test, seed)
            if arguments.peers:
                asked = {"real": train, "other": drawn.rows.select(train.columns)}
                _, told = synthesizers.ask(arguments.peers, asked, numbers=ADULT_NUMBERS)
                found["sdmetrics_apart"] = max(abs(told[key] - found[key]) for key in ("shapes", "trends"))
            cell = {"name": name, "seed": seed, **{k: round(v, 5) for k, v in found.items()}}
            cell |= {k: round(v, 2) if isinstance(v, float) else v for k, v in drawn.figures.items()}
            cells.append({**cell, "reached": reached(cell), "command": command, "commit": commit()[:12]})
            print(json.dumps(cells[-1]), flush=True)
            held = {"table": "adult", "goals": GOALS, "published": PUBLISHED, "machine": machine()}
            path.write_text(json.dumps({**held, "cells": cells}, indent=1) + "\n")


if __name__ == "__main__":
    main()
