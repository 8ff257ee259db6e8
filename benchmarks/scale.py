"""How large a table Foretell takes: memory, time and loss of a fit and of scores on millions of rows.

    python benchmarks/scale.py [--rows 10000000] [--folder FOLDER]

A table of 18 numbers, 11 categories and a date is simulated into FOLDER, as one Parquet file and as a folder
of them, with the true probability of each row kept apart. Then the commands `foretell run`, `foretell read`
(of the folder) and `foretell predict --out` each run in a process of their own, whose memory at its peak and
CPU-seconds the system counts. The scores of the newest fifth of the rows, which taught nothing, are judged
beside the true probabilities and beside LightGBM with its usual settings, which is given --peer-rows of the
rows before them, all in memory. One thread each. What was measured stands in FOLDER, so that a benchmark that
was stopped goes on. The figures go to benchmarks/results/scale.json.
"""

import argparse
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score  # noqa: E402

from cases import RESULTS, commit, machine  # noqa: E402

Floats = NDArray[np.float64]
NUMBERS, BLOCK, FILES = 18, 250_000, 10
SIZES = (3, 4, 5, 8, 12, 20, 30, 50, 100, 400, 2_000)
"""Different values of the categories."""
FIRST = datetime(2023, 1, 1, tzinfo=UTC)
DAYS = 730
EFFECTS = [np.random.default_rng(size).normal(0.0, 0.5, size) for size in SIZES]


def block(number: int, rows: int, total: int) -> tuple[pl.DataFrame, Floats]:
    """Return some rows in the order of their dates, and the probability with which each is positive."""
    rng = np.random.default_rng((7, number))
    x = rng.normal(size=(rows, NUMBERS))
    x[:, 6:12] = np.exp(x[:, 6:12])
    codes = [(size * rng.random(rows) ** 1.5).astype(np.int64) for size in SIZES]
    logit = (
        -4.1
        + 0.8 * x[:, 0]
        - 0.6 * np.maximum(x[:, 1], 0.0)
        + 0.7 * np.sin(2.0 * x[:, 2])
        + 0.5 * x[:, 3] * (codes[1] == 0)
        - 0.4 * x[:, 4] * x[:, 5]
        + 0.5 * np.log1p(x[:, 6])
        + 0.6 * (x[:, 7] > 3.0)
        + EFFECTS[3][codes[3]] + EFFECTS[6][codes[6]] + EFFECTS[9][codes[9]]
    )  # fmt: skip
    true = 1.0 / (1.0 + np.exp(-logit))
    positive = rng.random(rows) < true
    x[rng.random(x.shape) < 0.02] = np.nan
    step = timedelta(days=DAYS).total_seconds() / total
    seconds = FIRST.timestamp() + step * (number * BLOCK + np.arange(rows))
    instants = pl.Series((seconds * 1e6).astype(np.int64)).cast(pl.Datetime("us"))
    columns: dict[str, Any] = {"ordered": instants}
    columns |= {f"measure_{n}": pl.Series(x[:, n], dtype=pl.Float64).fill_nan(None) for n in range(NUMBERS)}
    for n, (size, code) in enumerate(zip(SIZES, codes, strict=True)):
        names = pl.Series([f"k{value:04}" for value in range(size)])
        columns[f"group_{n}"] = names.gather(code)
    columns["returned"] = pl.Series(np.where(positive, "yes", "no"))
    return pl.DataFrame(columns), true


def blocks(total: int) -> Iterator[tuple[pl.DataFrame, Floats]]:
    for number, start in enumerate(range(0, total, BLOCK)):
        yield block(number, min(BLOCK, total - start), total)


def simulate(folder: Path, total: int) -> None:
    """Write the table twice, as `table.parquet` and as files under `parts`, and `true.npy`."""
    if (folder / "true.npy").exists() and len(np.load(folder / "true.npy")) == total:
        return
    shutil.rmtree(folder / "parts", ignore_errors=True)
    (folder / "parts").mkdir(parents=True)
    true: list[Floats] = []
    writer = part = None
    for number, (frame, probabilities) in enumerate(blocks(total)):
        table = frame.to_arrow()
        writer = writer or pq.ParquetWriter(folder / "table.parquet", table.schema)
        writer.write_table(table)
        if number % max(total // BLOCK // FILES, 1) == 0:
            if part:
                part.close()
            part = pq.ParquetWriter(folder / "parts" / f"part-{number:05}.parquet", table.schema)
        part.write_table(table)
        true.append(probabilities)
    for each in (writer, part):
        if each:
            each.close()
    np.save(folder / "true.npy", np.concatenate(true))


def measured(*words: str) -> dict[str, float]:
    """Run one command of Foretell in a process of its own; return what it took."""
    command = [sys.executable, "-m", "foretell", *words]
    started = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{shlex.join(command)} failed")
    return {
        "peak_gb": round(used.ru_maxrss / 2**20, 2),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "seconds": round(time.perf_counter() - started, 1),
    }


def judged(probabilities: Floats, positive: NDArray[np.bool_]) -> dict[str, float]:
    return {
        "auc": round(float(roc_auc_score(positive, probabilities)), 5),
        "average_precision": round(float(average_precision_score(positive, probabilities)), 5),
        "log_loss": round(float(log_loss(positive, probabilities)), 6),
    }


def peer(path: Path, rows: int, total: int) -> dict[str, float]:
    """Judge LightGBM, given the newest rows before the test; the last tenth of them stops its trees."""
    import lightgbm

    started, test = time.process_time(), round(0.8 * total)
    x, positive = _arrays(path, test - rows, test)
    cut = round(0.9 * rows)
    codes = list(range(NUMBERS, NUMBERS + len(SIZES)))
    data = lightgbm.Dataset(x[:cut], positive[:cut], categorical_feature=codes)
    held_out = lightgbm.Dataset(x[cut:], positive[cut:], reference=data)
    settings = {"objective": "binary", "learning_rate": 0.05, "num_threads": 1, "verbosity": -1, "seed": 0}
    stops = [lightgbm.early_stopping(50, verbose=False)]
    booster = lightgbm.train(settings, data, 2_000, valid_sets=[held_out], callbacks=stops)
    del x, data, held_out
    x, positive = _arrays(path, test, total)
    found = judged(np.asarray(booster.predict(x)), positive)
    return {"rows": rows, "trees": booster.best_iteration, **found, **_spent(started)}


def _spent(started: float) -> dict[str, float]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"cpu_seconds": round(time.process_time() - started, 1), "peak_gb": round(peak, 2)}


def _arrays(path: Path, first: int, end: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return some rows without their date as LightGBM takes them: numbers, then codes of categories."""
    frame = pl.scan_parquet(path).slice(first, end - first).drop("ordered")
    numbers = [pl.col(f"measure_{n}").cast(pl.Float32).fill_null(np.nan) for n in range(NUMBERS)]
    codes = [pl.col(f"group_{n}").str.slice(1).cast(pl.Float32) for n in range(len(SIZES))]
    positive = frame.select(pl.col("returned") == "yes").collect().to_series().to_numpy()
    return frame.select(*numbers, *codes).collect().to_numpy(), positive


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "foretell-scale")
    parser.add_argument("--peer-rows", type=int, nargs="*", default=[1_000_000])
    asked = parser.parse_args()
    simulate(asked.folder, asked.rows)
    table, run, test = asked.folder / "table.parquet", asked.folder / "run", round(0.8 * asked.rows)
    scores, target = run / "scores.parquet", ("--target", "returned")
    settings = ("--set", f"out={run}", "--set", "review.capacity=5")

    def positive() -> NDArray[np.bool_]:
        last = pl.scan_parquet(table).select(pl.col("returned") == "yes").slice(test)
        return last.collect().to_series().to_numpy()

    def probabilities() -> Floats:
        return pl.scan_parquet(scores).select("probability").slice(test).collect().to_series().to_numpy()

    stages: dict[str, Callable[[], Any]] = {
        "run": lambda: measured("run", str(table), *target, *settings),
        "predict": lambda: measured("predict", str(table), "--run", str(run), "--out", str(scores)),
        "read_folder": lambda: measured("read", str(asked.folder / "parts"), *target),
        "foretell": lambda: judged(probabilities(), positive()),
        "true_probabilities": lambda: judged(np.load(asked.folder / "true.npy")[test:], positive()),
        **{f"lightgbm_{rows}": lambda rows=rows: peer(table, rows, asked.rows) for rows in asked.peer_rows},
    }
    done = asked.folder / "figures.json"
    figures: dict[str, Any] = json.loads(done.read_text()) if done.exists() else {}
    for name, stage in stages.items():
        figures[name] = figures.get(name) or stage()
        done.write_text(json.dumps(figures))
    result = {
        "command": shlex.join(["python", *sys.argv[:1], "--rows", str(asked.rows)]),
        "commit": commit(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "rows": asked.rows,
        "columns": 1 + NUMBERS + len(SIZES),
        "test_rows": asked.rows - test,
        "file_gb": round(table.stat().st_size / 2**30, 2),
        "figures": figures,
    }
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=2)
    (RESULTS / "scale.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
