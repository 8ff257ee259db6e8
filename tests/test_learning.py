"""Decisions teach: a challenger that knows more wins on later rows, one that does not stays a challenger."""

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from sklearn.metrics import average_precision_score

import foretell
from case_material import decision
from foretell.border import load_spec
from foretell.cases import Store
from foretell.cli import main
from foretell.data.split import split
from foretell.errors import DataError, SpecError
from foretell.learning import Learned
from foretell.prediction.comparison import compare
from foretell.prediction.folder import open_fitted
from foretell.tasks.classify import sigmoid
from shared_runs import fresh

NUM_DAYS, PER_DAY, NEW_FROM = 60, 200, 48
FIRST = datetime(1970, 1, 1) + timedelta(NEW_FROM)
"""From day 48 on a tenth of the payments come by a channel that no model has seen; many of them are fraud."""


def payments(folder: Path, per_day: int = PER_DAY, seed: int = 0) -> dict[str, int]:
    """Write payments whose frauds by the new channel the data call honest; return the truth of each."""
    rng = np.random.default_rng(seed)
    size = NUM_DAYS * per_day
    day = np.arange(size) / per_day
    new = (day >= NEW_FROM) & (rng.random(size) < 0.1)
    amount, hour = rng.normal(size=size), rng.normal(size=size)
    channel = np.where(new, rng.normal(9, 0.3, size), rng.normal(size=size))
    truth = rng.random(size) < np.where(new, 0.6, sigmoid(2.0 * amount - 4.5))
    pl.DataFrame(
        {
            "id": [f"p{row}" for row in range(size)],
            "at": pl.Series((day * 86_400e6).astype(np.int64)).cast(pl.Datetime("us")),
            "amount": amount,
            "hour": hour,
            "channel": channel,
            "fraud": np.where(new, 0, truth).astype(int),
        }
    ).write_parquet(folder / "rows.parquet")
    return {f"p{row}": int(positive) for row, positive in enumerate(truth)}


def ran(folder: Path, *overrides: str, per_day: int = PER_DAY) -> dict[str, int]:
    """Run a small desk on the payments; return the truth of each."""
    truth = payments(folder, per_day)
    asked = (
        "data.id=id", "data.time=at", "data.row_text=payment", "data.label_delay=7d", "model.families=[]",
        "review.capacity=5", "review.audit=40", f"split.test_from={FIRST}",
        "explain.resamples=10", "explain.similar=10", "narrate.length=short", f"out={folder / 'run'}",
    )  # fmt: skip
    source = {"source": str(folder / "rows.parquet"), "target": "fraud"}
    foretell.run(load_spec(source, (*asked, *overrides)))
    return truth


def decided(folder: Path, truth: dict[str, int], *, wrong: bool = False) -> None:
    """Decide every case of a run as somebody who knows the truth, or who always says the contrary."""
    with Store(f"sqlite:///{folder / 'cases.db'}") as store:
        for case in [*store.all_cases()]:
            positive = bool(truth[case.id]) is not wrong
            verb = "approve" if positive is case.prediction.alert else "reject"
            store.decide(case.id, decision(case, verb))


@dataclass(frozen=True)
class World:
    folder: Path
    truth: dict[str, int]
    learned: Learned


def taught(folder: Path) -> World:
    """Run the desk, decide all its cases by the truth, and learn from that."""
    truth = ran(folder)
    decided(folder / "run", truth)
    before = {path.name: path.read_bytes() for path in (folder / "run" / "model").iterdir()}
    learned = foretell.learn(folder / "run", labels="decisions")
    assert {path.name: path.read_bytes() for path in (folder / "run" / "model").iterdir()} == before
    return World(folder / "run", truth, learned)


@pytest.fixture(scope="module")
def world() -> World:
    return fresh(taught)


def test_what_people_know_and_the_data_do_not_makes_a_better_model_on_later_rows(world):
    found = world.learned.comparison
    assert found.won
    champion, challenger = open_fitted(world.folder / "model"), open_fitted(world.learned.folder / "model")
    dataset = foretell.read(challenger.spec)
    later = split(dataset).test
    labels = np.array([world.truth[str(name)] for name in dataset.ids[later]])
    one, other = (
        average_precision_score(labels, model.score(dataset, later).probabilities)
        for model in (champion, challenger)
    )
    assert other > one + 0.1
    # What the weighted comparison of few decided rows promised is what all later rows show.
    assert found.average_precision.low <= other - one <= found.average_precision.high
    rate = labels.mean()
    assert abs(found.base_rate - rate) < 3 * np.sqrt(rate * (1 - rate) / found.effective_rows)


def test_labels_and_texts_are_files_that_others_can_read(world):
    rows = pl.read_parquet(world.folder / "learning" / "labels.parquet")
    with Store(f"sqlite:///{world.folder / 'cases.db'}", create=False) as store:
        cases = {case.id: case for case in store.all_cases()}
    assert set(rows["id"]) == set(cases)
    assert rows["label"].to_list() == [world.truth[name] for name in rows["id"]]
    assert rows["content"].to_list() == [cases[name].content for name in rows["id"]]
    drawn = [bool(cases[name].evidence.of("sample")) for name in rows["id"]]
    assert [inclusion < 1 for inclusion in rows["inclusion"]] == drawn
    pairs = [
        json.loads(line) for line in (world.folder / "learning" / "pairs.jsonl").read_text().splitlines()
    ]
    assert {pair["id"]: pair["text"] for pair in pairs} == {
        name: case.narrative.text for name, case in cases.items() if case.status == "approved"
    }


def test_a_challenger_that_is_worse_on_later_rows_does_not_win_and_the_champion_stays(world):
    # The data deny what people said, so that a model that believed people is the worse one there.
    told = CliRunner().invoke(main, ["learn", "--run", str(world.folder)])
    assert told.exit_code == 0, told.output
    assert "no win: the interval of the difference does not lie above 0; the champion stays" in told.stdout
    digests = {
        json.loads(path.read_text())["won"] for path in world.folder.glob("challengers/*/comparison.json")
    }
    assert False in digests
    assert open_fitted(world.folder / "model").digest == world.learned.champion


def test_a_killed_refit_leaves_the_champion_and_nothing_that_has_won(world):
    before = {path: path.read_bytes() for path in (world.folder / "model").iterdir()}
    won = {path: path.read_bytes() for path in world.folder.glob("challengers/*/comparison.json")}
    command = [str(Path(sys.executable).with_name("foretell")), "learn", "--run", str(world.folder)]
    child = subprocess.Popen([*command, "--until", "1970-02-26"], stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    assert any(line.startswith("refitting") for line in child.stderr)
    child.kill()
    child.wait()
    child.stderr.close()
    assert {path: path.read_bytes() for path in (world.folder / "model").iterdir()} == before
    assert {path: path.read_bytes() for path in world.folder.glob("challengers/*/comparison.json")} == won
    again = foretell.learn(world.folder, until="1970-02-26")
    assert again.until == "1970-02-26T00:00:00+00:00"
    assert open_fitted(again.folder / "model").digest == again.challenger


def test_without_decisions_or_later_rows_it_is_said_what_is_missing(tmp_path):
    ran(tmp_path, "review.audit=0", per_day=40)
    with pytest.raises(DataError, match="of 0 decided rows, none is in"):
        foretell.learn(tmp_path / "run")
    assert len(pl.read_parquet(tmp_path / "run" / "learning" / "labels.parquet")) == 0
    with pytest.raises(SpecError, match="unknown source of labels 'people'"):
        foretell.learn(tmp_path / "run", labels="people")
    spec = (tmp_path / "run" / "model" / "spec.yaml").read_text()
    assert "audit: 0" in spec


def sampled(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return outcomes, two scores and inclusion of rows of which the higher scores are labelled more."""
    rng = np.random.default_rng(seed)
    size = 20_000
    truth = (rng.random(size) < 0.05).astype(np.int8)
    one, other = (sigmoid(noise * rng.normal(size=size) + 2.0 * truth - 3.0) for noise in (1.2, 1.0))
    return truth, one, other, np.where(one > np.quantile(one, 0.98), 1.0, 0.1)


def test_of_a_biased_sample_the_weighted_difference_is_that_of_all_rows_and_the_plain_one_is_not():
    weighted, plain = [], []
    for seed in range(12):
        truth, one, other, chance = sampled(seed)
        true = average_precision_score(truth, other) - average_precision_score(truth, one)
        picked = np.flatnonzero(np.random.default_rng(seed + 100).random(len(truth)) < chance)
        for weights, inside in ((1 / chance[picked], weighted), (np.ones(len(picked)), plain)):
            found = compare(truth[picked], one[picked], other[picked], weights, picked).average_precision
            inside.append(found.low <= true <= found.high)
    assert sum(weighted) >= 10
    assert sum(plain) <= 6


def test_weighted_average_precision_is_that_of_rows_written_out_as_often():
    rng = np.random.default_rng(5)
    for _ in range(20):
        size = int(rng.integers(5, 60))
        truth = np.append(rng.integers(0, 2, size), [0, 1]).astype(np.int8)
        one, other = (np.round(rng.random(size + 2), 1) for _ in range(2))
        times = rng.integers(1, 5, size + 2)
        found = compare(truth, one, other, times.astype(float), np.arange(size + 2))
        written = np.repeat(truth, times)
        assert found.average_precision.champion == pytest.approx(
            average_precision_score(written, np.repeat(one, times))
        )
        assert found.base_rate == pytest.approx(written.mean())


def test_a_model_does_not_win_against_itself_nor_on_a_handful_of_positives():
    truth, one, other, _ = sampled(0)
    weights, rows = np.ones(len(truth)), np.arange(len(truth))
    same = compare(truth, one, one, weights, rows)
    assert (same.average_precision.low, same.average_precision.high, same.won) == (0.0, 0.0, False)
    assert compare(truth, one, other, weights, rows).won
    few = np.append(np.flatnonzero(truth == 1)[:5], np.flatnonzero(truth == 0))
    perfect = np.where(truth == 1, 0.99, 0.01)
    assert not compare(truth[few], one[few], perfect[few], weights[few], few).won
