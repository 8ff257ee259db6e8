"""Laws of the review queue: who is looked at, from which score on, and that nothing unknown decides it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import data_samples
from foretell.border import load_spec
from foretell.cli import main
from foretell.data.dataset import Dataset
from foretell.data.reading import read
from foretell.data.table import fit_schema
from foretell.errors import DataError
from foretell.prediction.alerts import Alerts, alerts_of, reviewed, threshold_of
from foretell.prediction.features import Snapshot, featurizer
from foretell.prediction.fitted import Scored
from foretell.tasks.classify import DAY_US, logit, periods, queue, room, sigmoid
from foretell.units import seconds


def dataset_of(folder: Path, frame: pl.DataFrame, *overrides: str) -> Dataset:
    frame.write_parquet(folder / "rows.parquet")
    return read(load_spec({"source": str(folder / "rows.parquet"), "target": "y"}, overrides))


def shops(rows: int = 400) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "shop": [f"s{number}" for number in rng.integers(0, 20, rows)],
            "x": rng.normal(size=rows),
            "y": rng.integers(0, 2, rows),
        }
    )


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 2500), st.integers(1, 300), st.integers(0, 2**31))
def test_rows_without_time_fill_their_share_of_a_thousand_and_no_more(num_rows, capacity, seed):
    scores = np.random.default_rng(seed).random(num_rows)
    period = periods(np.arange(num_rows), timed=False)
    rows = np.arange(num_rows)
    found = queue(scores, np.zeros(num_rows, np.int8), period, rows, capacity=capacity, timed=False)
    sizes = np.bincount(period)
    asked = [min(size, room(capacity, size, timed=False)) for size in sizes.tolist()]
    assert np.bincount(period[found.rows]).tolist() == asked
    assert len(found.rows) <= capacity * num_rows / 1000 + 1


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 12), st.integers(0, 2**31))
def test_a_queue_holds_each_entity_once_by_its_best_row(capacity, seed):
    rng = np.random.default_rng(seed)
    scores, entity = rng.random(80).round(1), rng.integers(0, 15, 80)
    period, labels = rng.integers(0, 4, 80), rng.integers(0, 2, 80).astype(np.int8)
    found = queue(scores, labels, period, entity, capacity=capacity)
    for number in range(4):
        rows = found.rows[period[found.rows] == number]
        assert len(set(entity[rows])) == len(rows) <= capacity
        for row in rows:
            assert scores[row] == scores[(period == number) & (entity == entity[row])].max()
        assert (scores[rows] >= found.cutoff[rows]).all()


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 12), st.integers(0, 2**31))
def test_the_cutoff_of_a_period_says_who_is_reviewed_in_it(capacity, seed):
    rng = np.random.default_rng(seed)
    scores, entity, period = rng.permutation(80) / 80, rng.integers(0, 15, 80), rng.integers(0, 4, 80)
    labels = rng.integers(-1, 2, 80).astype(np.int8)
    found = queue(scores, labels, period, entity, capacity=capacity)
    shares = []
    for number in np.unique(period):
        mine = period == number
        above = set(entity[mine & (scores >= found.cutoff)].tolist())
        assert above == set(entity[found.rows[period[found.rows] == number]].tolist())
        shares.append(len(above & set(entity[mine & (labels == 1)].tolist())) / capacity)
    assert found.precision == pytest.approx(np.mean(shares))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 12), st.integers(1, 12), st.floats(0, 1), st.integers(0, 2**31))
def test_more_capacity_adds_rows_and_a_least_score_takes_them_away(capacity, more, least, seed):
    rng = np.random.default_rng(seed)
    scores, entity, period = rng.random(80).round(1), rng.integers(0, 15, 80), rng.integers(0, 4, 80)
    labels = rng.integers(0, 2, 80).astype(np.int8)
    few, many = (queue(scores, labels, period, entity, capacity=c) for c in (capacity, capacity + more))
    assert set(few.rows.tolist()) <= set(many.rows.tolist())
    assert (many.cutoff <= few.cutoff).all()
    worth = queue(scores, labels, period, entity, capacity=capacity, least=least)
    assert set(worth.rows.tolist()) == {row for row in few.rows.tolist() if scores[row] >= least}
    assert (worth.cutoff >= least).all()


def test_an_entity_found_positive_stays_away_through_its_last_period_and_no_longer():
    day, entity, scores = np.repeat(np.arange(9), 2), np.tile([4, 7], 9), np.tile([0.9, 0.4], 9)
    labels = np.zeros(18, np.int8)
    labels[[2, 10]] = 1  # entity 4 on the days 1 and 5
    found = queue(scores, labels, day, entity, capacity=1, away_until=day + 2)
    assert entity[found.rows].tolist() == [4, 4, 7, 7, 4, 4, 7, 7, 4]
    assert entity[queue(scores, labels, day, entity, capacity=1).rows].tolist() == [4] * 9


def test_what_no_review_found_keeps_nobody_away():
    day, entity, scores = np.repeat(np.arange(5), 2), np.tile([4, 7], 5), np.tile([0.9, 0.4], 5)
    labels = np.where(entity == 7, 1, -1).astype(np.int8)
    assert entity[queue(scores, labels, day, entity, capacity=1, away_until=day + 9).rows].tolist() == [4] * 5


def test_labels_never_choose_who_is_reviewed_first():
    rng = np.random.default_rng(1)
    scores, entity = rng.random(50), rng.integers(0, 9, 50)
    day = np.zeros(50, np.int64)
    asked = [
        queue(scores, labels, day, entity, capacity=5, away_until=day + 9).rows.tolist()
        for labels in (np.zeros(50, np.int8), np.ones(50, np.int8), np.full(50, -1, np.int8))
    ]
    assert asked[0] == asked[1] == asked[2]


def test_rows_of_unknown_entities_are_not_one_entity(tmp_path):
    frame = data_samples.payments().with_columns(
        pl.when(pl.col("customer_id") < 2).then(None).otherwise(pl.col("customer_id")).alias("customer_id")
    )
    dataset = dataset_of(tmp_path, frame, "columns.customer_id.kind=entity", "review.entity=customer_id")
    unknown = dataset.frame["customer_id"].is_null().to_numpy()
    codes = reviewed(dataset.spec, dataset, {"customer_id": np.zeros(len(dataset), np.int64)})
    assert unknown.sum() > 10
    assert len(set(codes[unknown])) == unknown.sum()
    assert set(codes[~unknown]) == {0}


def test_a_threshold_stays_a_number_when_every_entity_is_retired(tmp_path):
    frame = data_samples.payments(200).with_columns(
        pl.Series("y", [1] * 199 + [0]), pl.Series("customer_id", ["m1"] * 199 + ["m2"])
    )
    review = ("review.entity=customer_id", "review.retire_known=true", "review.capacity=100")
    dataset = dataset_of(tmp_path, frame, "columns.customer_id.kind=entity", *review)
    codes = {"customer_id": np.array([0] * 199 + [1])}
    choose = np.arange(len(dataset) - 1)
    assert threshold_of(dataset.spec, dataset, choose, np.linspace(0, 1, 199), codes) <= 1


def carded(
    folder: Path, *overrides: str, days: int = 15
) -> tuple[Dataset, dict[str, np.ndarray], np.ndarray]:
    """Return payments of 40 cards, a tenth of them fraud, the cards' codes, and scores that know a little."""
    rng = np.random.default_rng(2)
    size = 24 * days
    cards = rng.integers(0, 40, size)
    frame = data_samples.payments(size).with_columns(
        pl.Series("customer_id", [f"m{card}" for card in cards]), pl.Series("y", (rng.random(size) < 0.1) * 1)
    )
    stated = ("columns.customer_id.kind=entity", "review.entity=customer_id", "review.capacity=3")
    dataset = dataset_of(folder, frame, *stated, *overrides)
    return dataset, {"customer_id": cards}, sigmoid(dataset.target + rng.normal(size=size))


def alerts_among(
    dataset: Dataset, rows: np.ndarray, scores: np.ndarray, codes: dict[str, np.ndarray]
) -> Alerts:
    nothing = np.zeros((0, 0), np.float32)
    scored = Scored(
        features=nothing, codes=codes, excused=nothing, rows=rows, logits=logit(scores[rows]),
        probabilities=scores[rows], states=nothing,
    )  # fmt: skip
    return alerts_of(dataset.spec, dataset, scored)


@pytest.mark.parametrize("retire_for", ["1h", "2d", "4d", "60d"])
@pytest.mark.parametrize("delay", ["0s", "3d"])
def test_one_rule_retires_cards_when_the_threshold_is_chosen_and_when_it_is_used(tmp_path, delay, retire_for):
    stated = ("review.retire_known=true", f"review.retire_for={retire_for}", f"data.label_delay={delay}")
    dataset, codes, scores = carded(tmp_path, *stated)
    rows = np.arange(24 * 4, len(dataset))
    alerts = alerts_among(dataset, rows, scores, codes)
    day = dataset.at_us // DAY_US
    assert (np.bincount(day[alerts.rows] - day[rows[0]]) == 3).all()
    chosen = threshold_of(dataset.spec, dataset, rows, scores[rows], codes)
    lowest = [alerts.thresholds[day[alerts.rows] == number][0] for number in np.unique(day[rows])]
    assert chosen == np.median(lowest)


@pytest.mark.parametrize(("retire_for", "days"), [("12h", 0), ("1d", 1), ("3d", 3), ("5d", 5)])
@pytest.mark.parametrize("delay_days", [0, 2])
def test_a_card_is_left_out_from_when_its_fraud_is_known_until_it_was_replaced(
    tmp_path, delay_days, retire_for, days
):
    stated = (
        "review.retire_known=true",
        f"review.retire_for={retire_for}",
        f"data.label_delay={delay_days}d",
    )
    dataset, codes, scores = carded(tmp_path, *stated)
    rows = np.arange(len(dataset))
    retired, day = alerts_among(dataset, rows, scores, codes).retired, dataset.at_us // DAY_US
    frauds, cards = np.flatnonzero(dataset.target == 1), codes["customer_id"]
    for row in rows:
        # The day begins at midnight: what was known by then counts, if it is no older than a card's absence.
        mine = frauds[cards[frauds] == cards[row]]
        known = dataset.known_at_us[mine] <= day[row] * DAY_US
        recent = day[row] * DAY_US - dataset.at_us[mine] <= seconds(retire_for) * 1_000_000
        assert retired[row] == (known & recent).any()
    assert retired.any() == (days > delay_days or (days == 0 and delay_days == 0))


@pytest.mark.parametrize(
    ("entity", "words"),
    [("customer", "customer_id"), ("amount", "its kind is"), ("y", "its role target")],
)
def test_alerts_are_counted_per_entity_column_alone(tmp_path, entity, words):
    stated = ("columns.amount.kind=number", f"review.entity={entity}")
    with pytest.raises(DataError, match=words):
        dataset_of(tmp_path, data_samples.payments(), *stated)


def test_scales_come_from_teaching_rows_alone(tmp_path):
    dataset = dataset_of(tmp_path, shops())
    teach = np.arange(200)
    later = dataset.frame.with_columns(
        pl.when(pl.int_range(len(dataset)) < 200).then(pl.col("x")).otherwise(1e6).alias("x")
    )
    plans = [
        featurizer(fit_schema(each, teach), each, teach, (60.0,)).plan
        for each in (dataset, replace(dataset, frame=later))
    ]
    assert plans[0] == plans[1]


def test_without_time_no_row_sees_the_outcome_of_another(tmp_path):
    dataset = dataset_of(tmp_path, shops(), "columns.shop.kind=entity")
    nothing, features = np.zeros(0, np.int64), []
    for target in (dataset.target, 1 - dataset.target):
        flipped = replace(dataset, target=target)
        made = featurizer(fit_schema(flipped, np.arange(200)), flipped, np.arange(200), (60.0,))
        before = Snapshot.empty(made.plan)
        replayed = made.replay(made.events(flipped, before.register), before, keep=nothing)
        features.append(replayed.features)
        assert len(replayed.after.labels) == 0
    assert (features[0] == features[1]).all()


def test_a_run_without_an_alert_still_has_a_report_and_an_empty_store(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=600)
    frame = pl.DataFrame({"x": x, "left": (x + rng.normal(size=600) > 1).astype(int)})
    frame.write_csv(tmp_path / "rows.csv")
    costly = ["--set", "review.cost_miss=1", "--set", "review.cost_review=5", "--set", "model.families=[]"]
    costly += ["--set", "review.audit=0"]
    command = ["run", str(tmp_path / "rows.csv"), "--target", "left", "--set", f"out={tmp_path / 'run'}"]
    result = CliRunner().invoke(main, [*command, *costly])
    assert result.exit_code == 0, result.output
    assert "None of them became" in " ".join((tmp_path / "run" / "report.html").read_text().split())
    listed = CliRunner().invoke(main, ["cases", "--run", str(tmp_path / "run")])
    assert (listed.exit_code, listed.output) == (0, "")
