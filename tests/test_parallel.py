"""Several processes that share a fit: they take the steps of one, and one of them writes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from foretell.prediction.folder import open_fitted
from table_samples import rare


def torchrun(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Python by two processes that share their work."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*launcher, *map(str, words)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done


def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    """With dropout, and batches that cannot be halved."""
    script = Path(__file__).with_name("shared_fit.py")
    subprocess.run([sys.executable, script, tmp_path / "one.json"], check=True)
    torchrun(script, tmp_path / "two.json")
    one, two = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two"))
    np.testing.assert_allclose(one["losses"], two["losses"], rtol=0, atol=1e-5)
    for name, weights in one["weights"].items():
        np.testing.assert_allclose(weights, two["weights"][name], rtol=0, atol=1e-5)
    assert len(set(one["losses"])) > 1


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
