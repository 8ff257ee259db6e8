"""The desk admits and refuses what a plain model of its rules does; planted faults are found."""

from pathlib import Path

import pytest

from desk_faults import FAULTS
from desk_walk import Bypass, Walk

QUICK = (
    "authors approve",
    "second accounts are second people",
    "what changed meanwhile is not asked",
    "tokens are used twice",
)
SEEDS, STEPS = 12, 600


@pytest.mark.parametrize("seed", range(4))
def test_a_random_walk_finds_no_bypass_and_no_needless_refusal(seed, tmp_path):
    walk = Walk(f"sqlite:///{tmp_path}/cases.db", seed)
    for _ in range(350):
        walk.step()
    assert walk.num_admitted > 80
    assert walk.num_refused > 80
    assert walk.store.verify_log().passed
    walk.close()


def found(folder: Path) -> str:
    """Walk until the desk and the model disagree; return over what."""
    for seed in range(SEEDS):
        walk = Walk(f"sqlite:///{folder}/{seed}.db", seed)
        try:
            for _ in range(STEPS):
                walk.step()
        except Bypass as fault:
            return str(fault)
        finally:
            walk.close()
    return ""


@pytest.mark.parametrize("fault", QUICK)
def test_a_planted_fault_is_found(fault, tmp_path, monkeypatch):
    FAULTS[fault](monkeypatch)
    assert found(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("fault", sorted({*FAULTS} - {*QUICK}))
def test_every_planted_fault_is_found(fault, tmp_path, monkeypatch):
    FAULTS[fault](monkeypatch)
    assert found(tmp_path)
