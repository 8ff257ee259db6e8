"""`kill -9` over the deciding server: what was acknowledged is there, once, whenever the process dies."""

import os
from pathlib import Path

import pytest

from desk_kills import commanded, forked, founded, killed


@pytest.mark.parametrize(("desk", "rounds"), [(commanded, 1), (forked, 6)])
def test_what_a_desk_acknowledged_outlives_its_death(desk, rounds, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/cases.db"
    stand, answered = killed(url, founded(url, 300), rounds, seed=0, desk=desk)
    assert stand >= answered


@pytest.mark.slow
def test_what_a_desk_acknowledged_outlives_three_hundred_deaths(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/cases.db"
    rounds = int(os.environ.get("KILLS", "300"))
    stand, answered = killed(url, founded(url, 40 * rounds), rounds, seed=1)
    assert answered > rounds
    assert stand >= answered
