"""Several processes that share a fit: they take the steps of one, and one of them writes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foretell.prediction.folder import open_fitted
from table_samples import rare

SCRIPT = Path(__file__).with_name("shared_fit.py")


def torchrun(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Python by two processes that share their work."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*launcher, *map(str, words)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done


def fitted(path: Path) -> dict[str, Any]:
    """Return the losses and the weights that `shared_fit.py` wrote, the latter in one row."""
    told = json.loads(path.read_text())
    return {"losses": told["losses"], "weights": np.concatenate(list(told["weights"].values()))}


def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    """With dropout, and batches that cannot be halved."""
    subprocess.run([sys.executable, SCRIPT, tmp_path / "one.json"], check=True)
    torchrun(SCRIPT, tmp_path / "two.json")
    one, two = (fitted(tmp_path / f"{name}.json") for name in ("one", "two"))
    assert len(set(one["losses"])) > 1
    for what in one:
        np.testing.assert_allclose(one[what], two[what], rtol=0, atol=1e-5)


@pytest.mark.slow
def test_one_process_goes_on_where_two_stopped(tmp_path: Path) -> None:
    subprocess.run([sys.executable, SCRIPT, tmp_path / "one.json"], check=True)
    torchrun(SCRIPT, tmp_path / "both.json", "40")
    assert not (tmp_path / "both.json").exists()
    subprocess.run([sys.executable, SCRIPT, tmp_path / "both.json"], check=True)
    one, both = (fitted(tmp_path / f"{name}.json") for name in ("one", "both"))
    for what in one:
        np.testing.assert_allclose(one[what], both[what], rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["fit", "run"])
def test_two_processes_write_one_folder(tmp_path: Path, verb: str) -> None:
    """What one process alone writes, but for the last digits."""
    rare(30_000).write_csv(tmp_path / "rows.csv")
    words = [
        *("-m", "foretell", verb, tmp_path / "rows.csv", "--target", "y", "--set", "train.epochs=1"),
        *("--set", 'data.exclude=["place"]', "--set", "review.capacity=1", "--set"),
    ]
    alone = [sys.executable, *map(str, words), f"out={tmp_path / 'one'}"]
    one = subprocess.run(alone, capture_output=True, text=True, check=True)
    two = torchrun(*words, f"out={tmp_path / 'two'}")
    assert len(two.stdout.splitlines()) == len(one.stdout.splitlines())
    made = [sorted(path.name for path in (tmp_path / name).rglob("*")) for name in ("one", "two")]
    assert made[0] == made[1]
    figures = [open_fitted(tmp_path / name / "model").standings for name in ("one", "two")]
    for first, second in zip(*figures, strict=True):
        assert first.metrics == pytest.approx(second.metrics, abs=1e-5)
        assert first.weight == second.weight
