"""`watch`: a batch counts once, whoever is killed and whenever; faults of the data are told as such."""

import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import foretell
from foretell.border import load_spec
from foretell.cli import main
from foretell.cli_watch import ALARM
from foretell.errors import CheckpointError, DataError, StoreError
from foretell.prediction.folder import open_fitted, write_fitted
from foretell.watching import STATE
from foretell.workflow import alone

START = datetime(2025, 1, 1, tzinfo=UTC)


def rows_of(first: int, days: int, *, amount: float = 0.0, labels: bool = False) -> pl.DataFrame:
    """Return days of 120 rows."""
    rng = np.random.default_rng(first)
    n = 120 * days
    x = rng.standard_normal((2, n))
    x[0] += amount
    seconds = np.sort(rng.random(n)) * 86_400 * days
    outcome = rng.random(n) < 1 / (1 + np.exp(1 - x[0]))
    return pl.DataFrame(
        {
            "id": [f"{first}-{row}" for row in range(n)],
            "at": [START + timedelta(days=first, seconds=float(s)) for s in seconds],
            "amount": np.exp(3 + 0.5 * x[0]).round(2),
            "channel": np.where(x[1] > 0.5, "web", "shop"),
            **({"y": outcome.astype(int)} if labels else {}),
        }
    )


@pytest.fixture(scope="module")
def fitted_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("watched")
    rows_of(0, 20, labels=True).write_csv(folder / "train.csv")
    spec = load_spec(
        {"source": str(folder / "train.csv"), "target": "y"},
        (f"out={folder / 'run'}", "model.families=[]", "review.capacity=10"),
    )
    foretell.fit(spec)
    for day in range(20, 26):
        rows_of(day, 1, labels=day < 22).write_csv(folder / f"day{day}.csv")
    rows_of(26, 6, amount=0.6).write_csv(folder / "later.csv")
    return folder


@pytest.fixture
def run(fitted_run: Path, tmp_path: Path) -> Path:
    shutil.copytree(fitted_run / "run", tmp_path / "run")
    return tmp_path / "run"


def test_a_batch_read_twice_counts_once_and_days_alone_count_as_days_together(run, fitted_run, tmp_path):
    together = tmp_path / "together"
    shutil.copytree(run, together)
    first = foretell.watch(together, fitted_run / "day2*.csv")
    assert (first.counted, first.known, first.judged) == (6, 0, 2)
    for day in range(20, 26):
        foretell.watch(run, fitted_run / f"day{day}.csv", fitted_run / f"day{day}.csv")
    state = (run / STATE).read_bytes()
    assert state == (together / STATE).read_bytes()
    again = foretell.watch(run, fitted_run / "day2*.csv", fitted_run / "day23.csv")
    assert (again.counted, again.known, again.judged) == (0, 6, 0)
    assert (run / STATE).read_bytes() == state


def test_outcomes_that_come_later_count_then_and_once(run, tmp_path):
    rows = rows_of(30, 2, labels=True)
    rows.drop("y").write_csv(tmp_path / "early.csv")
    rows.write_csv(tmp_path / "late.csv")
    assert foretell.watch(run, tmp_path / "early.csv").judged == 0
    late = foretell.watch(run, tmp_path / "late.csv")
    assert (late.counted, late.known, late.judged) == (0, 2, 2)
    assert (late.outcomes, late.came["positives"]) == (240, rows["y"].sum())
    assert foretell.watch(run, tmp_path / "late.csv").judged == 0


def test_a_day_counts_when_it_is_over_and_its_outcomes_when_their_delay_is(run, fitted_run):
    told: list[str] = []
    noon = START + timedelta(days=21, hours=12)
    seen = foretell.watch(run, fitted_run / "day2[01].csv", tell=told.append, now=noon)
    assert (seen.counted, seen.judged) == (1, 1)
    assert told == ["not counted yet: 2025-01-22, which is not over"]


def test_a_killed_call_leaves_the_old_state_or_the_new_one(run, fitted_run, tmp_path):
    code = (
        "import sys, foretell\nfrom pathlib import Path\n"
        "for day in range(20, 24):\n"
        "    foretell.watch(Path(sys.argv[1]), f'{sys.argv[2]}/day{day}.csv')\n"
    )
    whole = tmp_path / "whole"
    shutil.copytree(run, whole)
    child = subprocess.Popen([sys.executable, "-c", code, str(run), str(fitted_run)])
    while not (run / STATE).exists() and child.poll() is None:
        time.sleep(0.01)
    time.sleep(float(np.random.default_rng().uniform(0, 0.2)))
    child.kill()
    child.wait()
    assert len(json.loads((run / STATE).read_bytes())["batches"]) in range(1, 5)
    for folder in (run, whole):
        foretell.watch(folder, fitted_run / "day2*.csv")
    assert (run / STATE).read_bytes() == (whole / STATE).read_bytes()


def test_two_calls_at_once_do_not_lose_each_others_days(run, fitted_run):
    with alone(run), pytest.raises(StoreError, match="another run is writing"):
        foretell.watch(run, fitted_run / "day20.csv")


def test_the_command_tells_the_alarm_and_ends_with_its_own_exit_code(run, fitted_run):
    def called(name: str):
        return CliRunner().invoke(main, ["watch", str(fitted_run / name), "--run", str(run)])

    quiet = called("day2*.csv")
    assert quiet.exit_code == 0
    assert "no alarm" in quiet.output
    assert re.search(r"average_precision +0\.\d+ +0\.\d+ and 0\.\d+", quiet.output)
    loud = called("later.csv")
    assert loud.exit_code == ALARM
    line = re.search(r"amount +mean +(\S+) +(\S+) +2025-01-2\d +2025-01-2\d", loud.output)
    assert line is not None and float(line[2]) > 1.2 * float(line[1])
    assert called("day20.csv").exit_code == ALARM  # it stands


def test_missing_columns_and_columns_of_another_type_are_faults_not_drift(run, tmp_path):
    rows = rows_of(40, 1)
    rows.drop("amount").write_csv(tmp_path / "lacking.csv")
    with pytest.raises(DataError, match="amount"):
        foretell.watch(run, tmp_path / "lacking.csv")
    rows.with_columns(amount=pl.lit("much")).write_csv(tmp_path / "wrong.csv")
    with pytest.raises(DataError, match="no value of column 'amount'"):
        foretell.watch(run, tmp_path / "wrong.csv")
    assert not (run / STATE).exists()


def test_a_model_without_a_sketch_says_so(run, fitted_run):
    bare = replace(open_fitted(run / "model"), sketch=None)
    write_fitted(bare, run / "model", fingerprint="", card="")
    with pytest.raises(CheckpointError, match="no sketch"):
        foretell.watch(run, fitted_run / "day20.csv")


def test_a_state_that_cannot_be_read_is_told_and_left_alone(run, fitted_run):
    (run / STATE).write_text('{"format": 1')
    with pytest.raises(CheckpointError, match="cannot be read"):
        foretell.watch(run, fitted_run / "day20.csv")
    assert (run / STATE).read_text() == '{"format": 1'


def test_a_day_with_other_rows_than_before_and_one_before_the_last_are_left_out(run, fitted_run, tmp_path):
    told: list[str] = []
    foretell.watch(run, fitted_run / "day23.csv")
    rows_of(23, 1)[:50].write_csv(tmp_path / "part.csv")
    seen = foretell.watch(run, tmp_path / "part.csv", fitted_run / "day22.csv", tell=told.append)
    assert (seen.counted, seen.known) == (0, 1)
    assert [line.split(",")[0] for line in told] == [
        "left out: 2025-01-23",
        "2025-01-24 was counted before",
    ]


def trees(
    first: int, days: int, *, drift: float = 0.0, lied: float = 0.0, labels: bool = True
) -> pl.DataFrame:
    """Return days of 120 rows of three classes; some of the classes are others than their lengths say."""
    rng = np.random.default_rng(first)
    n = 120 * days
    code = rng.choice(3, n, p=[0.5 - drift, 0.3, 0.2 + drift])
    seconds = np.sort(rng.random(n)) * 86_400 * days
    shown = np.where(rng.random(n) < lied, rng.integers(0, 3, n), code)
    return pl.DataFrame(
        {
            "at": [START + timedelta(days=first, seconds=float(s)) for s in seconds],
            "length": code + rng.normal(0, 0.4, n),
            **({"kind": np.array(["oak", "ash", "elm"])[shown]} if labels else {}),
        }
    )


@pytest.fixture(scope="module")
def classes_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classes")
    trees(0, 20).write_csv(folder / "train.csv")
    spec = load_spec(
        {"source": str(folder / "train.csv"), "target": "kind"},
        (f"out={folder / 'run'}", "model.families=[]", "review.capacity=10"),
    )
    foretell.fit(spec)
    return folder / "run"


def test_of_classes_the_told_ones_are_watched_and_how_often_they_are_right(classes_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(classes_run, run)
    trees(20, 8, labels=False).write_csv(tmp_path / "new.csv")
    quiet = foretell.watch(run, tmp_path / "new.csv")
    expected = quiet.expected["accuracy"]
    trees(20, 8).write_csv(tmp_path / "known.csv")
    known = foretell.watch(run, tmp_path / "known.csv")
    assert (known.counted, known.known, known.judged) == (0, 8, 8)
    assert expected.low <= known.came["accuracy"] <= expected.high
    assert known.monitor.alarms == ()
    trees(28, 10, drift=0.3).write_csv(tmp_path / "later.csv")
    loud = CliRunner().invoke(main, ["watch", str(tmp_path / "later.csv"), "--run", str(run)])
    assert loud.exit_code == ALARM, loud.output
    line = re.search(r"the told kind +share of .(oak|elm). +(\S+)% +(\S+)% ", loud.output)
    assert line is not None, loud.output
    was, now = float(line[2]), float(line[3])
    assert now > was + 15 if line[1] == "elm" else now < was - 15


def test_classes_that_are_wrong_more_often_than_told_are_told_without_any_drift(classes_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(classes_run, run)
    trees(20, 15, lied=0.4).write_csv(tmp_path / "wrong.csv")
    told = CliRunner().invoke(main, ["watch", str(tmp_path / "wrong.csv"), "--run", str(run)])
    assert told.exit_code == ALARM
    assert re.search(r"the outcomes +(share wrong|slope of errors)", told.output), told.output
