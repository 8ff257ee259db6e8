"""Recourse: how often few changes end an alert, what they cost to find, and whether reasons can be trusted.

    python benchmarks/recourse.py DATA [--tables german adult telco] [--rows 300]

DATA is the folder that `benchmarks/tables.py` reads. Of each table the floor is fitted (trees and a sum of
curves, in five folds where rows are few) and test rows over the threshold are searched. `share_found` counts
alerts that a plausible change of at most three columns ends; `columns` how many of these it takes.
`real_rows_plausible` is the share of test rows that are plausible themselves. Times are CPU-milliseconds per
row on one thread.
"""

import argparse
import json
import os
import shlex
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402

import foretell  # noqa: E402
from cases import RESULTS, commit, machine  # noqa: E402
from foretell.border import load_spec  # noqa: E402
from foretell.data.split import split  # noqa: E402
from foretell.dependence import trust  # noqa: E402
from foretell.evidence import counterfactual  # noqa: E402
from foretell.evidence.reasons import reasons  # noqa: E402
from foretell.evidence.recourse import Search  # noqa: E402
from foretell.evidence.scene import Scene  # noqa: E402
from foretell.prediction.alerts import Alerts  # noqa: E402
from foretell.workflow import predictions_of  # noqa: E402
from tables import TARGETS, rows_of  # noqa: E402


def measured(table: str, data: Path, most: int) -> dict[str, Any]:
    """Return the figures of one table."""
    with tempfile.TemporaryDirectory() as folder:
        pl.concat(rows_of(table, data, 0)).write_csv(Path(folder) / "rows.csv")
        spec = load_spec(
            {"source": f"{folder}/rows.csv", "target": TARGETS[table]},
            (f"out={folder}/run", "model.families=[]"),
        )
        dataset = foretell.read(spec)
        model = foretell.fit(spec, dataset)
    test = split(dataset).test[: 10 * most]
    scored = model.score(dataset, test)
    over = test[scored.probabilities >= model.threshold][:most]
    alerts = Alerts(rows=over, thresholds=np.full(len(over), model.threshold))
    predictions = predictions_of(model, dataset, scored, alerts)
    scene = Scene(fitted=model, dataset=dataset, scored=scored, rows=over, predictions=predictions)
    counterfactual.collect(scene)  # compiles what is compiled once
    started = time.process_time()
    found = counterfactual.collect(scene)
    searched = time.process_time() - started
    raised = scored.probabilities[:most] >= model.threshold
    started = time.process_time()
    named = reasons(model, scored.features[test[:most]], raised)
    reasoned = time.process_time() - started
    search = Search(model)
    coded = search.coded(dataset.frame[test[:most]])
    own = [search.near.nearest(search.near.profile(row), row, []) for row in coded]
    sizes = Counter(len(facts) for facts in found if facts)
    second = trust(model, scored)
    return {
        "table": table,
        "columns_of_table": len(search.names),
        "model": model.name,
        "alerts": len(over),
        "share_found": round(sum(sizes.values()) / max(len(over), 1), 4),
        "columns": {str(size): sizes[size] for size in sorted(sizes)},
        "milliseconds_per_alert": round(1e3 * searched / max(len(over), 1), 2),
        "real_rows_plausible": round(float(np.mean(np.array(own) <= search.near.usual)), 4),
        "milliseconds_per_row_reasons": round(1e3 * reasoned / len(named), 2),
        "reasons_per_row": round(float(np.mean([len(row.split()) for row in named])), 3),
        "signs_agree": [second.same, second.rows],
        "told_signs_agree": [second.told_same, second.told],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--tables", nargs="+", default=["german", "adult", "telco"], choices=TARGETS)
    parser.add_argument("--rows", type=int, default=300, help="alerts searched of each table")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of recourse.json")
    arguments = parser.parse_args()
    cells = []
    for table in arguments.tables:
        cells.append(measured(table, arguments.data, arguments.rows))
        print(json.dumps(cells[-1]), flush=True)
    command = f"python benchmarks/recourse.py DATA {shlex.join(sys.argv[2:])}".strip()
    held = {"command": command, "commit": commit(), "machine": machine(), "cells": cells}
    (arguments.results / "recourse.json").write_text(json.dumps(held, indent=1) + "\n")


if __name__ == "__main__":
    main()
