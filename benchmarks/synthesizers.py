"""Peers that generate tables, in an environment of their own, and SDMetrics' own report there.

Runs as `PYTHON benchmarks/synthesizers.py FOLDER`, where PYTHON has `sdv` and no Foretell:

    python -m venv sdv && sdv/bin/pip install torch sdv pyarrow

SDV's licence (BUSL) lets nobody build a product on it: it is measured here, and nothing else depends on it.
FOLDER holds asked.json; rows come and go as Parquet. Each peer is as it comes, but for the epochs where they
are asked for.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PEERS = {
    "Gaussian copula": "GaussianCopulaSynthesizer",
    "CTGAN": "CTGANSynthesizer",
    "TVAE": "TVAESynthesizer",
}


def ask(python: str, frames: dict[str, Any], **asked: Any) -> tuple[Any, dict[str, Any]]:
    """Return what the other environment draws (None where it only reports), and what it says.

    Args:
        python: interpreter of that environment.
        frames: frames of polars by name: `real`, and where a report is asked for `other`.
        asked: `numbers`, the columns that are no categories, and `peer`, `seed`, `count`, `epochs`.
    """
    import polars as pl

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for each, frame in frames.items():
            frame.write_parquet(folder / f"{each}.parquet")
        (folder / "asked.json").write_text(json.dumps(asked))
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        command = [python, "-W", "ignore", __file__, name]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        path = folder / "drawn.parquet"
        drawn = pl.read_parquet(path) if path.exists() else None
        return drawn, json.loads((folder / "told.json").read_text())


def _drawn(folder: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Fit a peer, and write as many rows as are asked for."""
    import numpy as np
    import pandas as pd
    import sdv
    import torch
    from sdv import single_table
    from sdv.metadata import Metadata

    torch.set_num_threads(1)
    torch.manual_seed(asked["seed"])
    np.random.seed(asked["seed"])
    real = pd.read_parquet(folder / "real.parquet")
    held = {"columns": {column: _kind(column, asked) for column in real.columns}}
    metadata = Metadata.load_from_dict({"tables": {"rows": held}})
    settings = {"epochs": asked["epochs"]} if asked["epochs"] else {}
    # A graphics card would make its seconds those of another machine.
    settings |= {} if asked["peer"] == "Gaussian copula" else {"enable_gpu": False}
    started = time.process_time()
    peer = getattr(single_table, PEERS[asked["peer"]])(metadata, **settings)
    peer.fit({"rows": real})
    fitted = time.process_time()
    peer.sample(asked["count"])["rows"].to_parquet(folder / "drawn.parquet")
    return {
        "fit_seconds": fitted - started,
        "draw_seconds": time.process_time() - fitted,
        "version": sdv.__version__,
    }


def _kind(column: str, asked: dict[str, Any]) -> dict[str, str]:
    return {"sdtype": "numerical" if column in asked["numbers"] else "categorical"}


def _report(folder: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Return SDMetrics' figures of other rows beside real ones."""
    import pandas as pd
    import sdmetrics
    from sdmetrics.reports.single_table import QualityReport

    real, other = (pd.read_parquet(folder / f"{name}.parquet") for name in ("real", "other"))
    report = QualityReport()
    # All pairs count, as in the published figures, and not only those that hang together.
    report.real_correlation_threshold = report.real_association_threshold = 0
    kinds = {"columns": {column: _kind(column, asked) for column in real.columns}}
    report.generate(real, other, kinds, verbose=False)
    shapes, trends = report.get_properties()["Score"]
    return {"shapes": shapes, "trends": trends, "version": sdmetrics.__version__}


def main() -> None:
    folder = Path(sys.argv[1])
    asked = json.loads((folder / "asked.json").read_text())
    told = (_drawn if asked.get("peer") else _report)(folder, asked)
    (folder / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
