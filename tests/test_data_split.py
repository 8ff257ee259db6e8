"""Splits and their audit: no row in two parts, nothing learned before it was known, no leak unseen."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_samples import FRAUD, spec_of
from foretell.data.audit import AuditFinding, audit
from foretell.data.dataset import Dataset
from foretell.data.leaks import auc
from foretell.data.reading import read
from foretell.data.split import split
from foretell.errors import DataError, SpecError
from foretell.spec import SplitSpec

DAY_US = 86_400_000_000


@pytest.fixture(scope="module")
def events(tmp_path_factory) -> Dataset:
    """400 events, ten a day for 40 days from 2024-01-01, with targets known two days later."""
    rng = np.random.default_rng(0)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "at": [start + timedelta(days=row // 10) for row in range(400)],
            "customer_id": rng.integers(0, 30, 400),
            "amount": rng.normal(size=400),
            "y": rng.integers(0, 2, 400),
        }
    )
    path = tmp_path_factory.mktemp("events") / "rows.parquet"
    frame.write_parquet(path)
    return read(spec_of(path, label_delay="2d"))


@pytest.fixture(scope="module")
def patients(tmp_path_factory) -> Dataset:
    """300 rows without time, of 50 patients, with six measures."""
    rng = np.random.default_rng(1)
    columns = {f"measure_{number}": rng.normal(size=300) for number in range(6)}
    frame = pl.DataFrame({"patient": np.arange(300) % 50, **columns, "y": rng.integers(0, 2, 300)})
    path = tmp_path_factory.mktemp("patients") / "rows.parquet"
    frame.write_parquet(path)
    return read(spec_of(path, group="patient"))


def asked(dataset: Dataset, **fields) -> Dataset:
    return replace(dataset, spec=replace(dataset.spec, split=SplitSpec(**fields)))


def with_column(dataset: Dataset, name: str, values: pl.Series, kind: str = "number") -> Dataset:
    column = replace(dataset.inputs("number")[0], name=name, kind=kind, text=name)
    frame = dataset.frame.with_columns(values.alias(name))
    return replace(dataset, frame=frame, columns=(*dataset.columns, column))


def found(findings: tuple[AuditFinding, ...], check: str) -> AuditFinding:
    return next(finding for finding in findings if finding.check == check)


def day(number: int) -> str:
    return (datetime(2024, 1, 1) + timedelta(days=number)).date().isoformat()


@settings(max_examples=60, deadline=None)
@given(test=st.floats(0.05, 0.5), valid=st.floats(0.05, 0.5), delay=st.integers(0, 5))
def test_a_split_by_time_never_teaches_what_was_not_known(events, test, valid, delay):
    known_at_us = events.at_us + delay * DAY_US
    dataset = replace(asked(events, test_share=test, valid_share=valid), known_at_us=known_at_us)
    parts = split(dataset)
    at, test_from = dataset.at_us, dataset.at_us[parts.test].min()
    rows = np.concatenate([parts.train, parts.valid, parts.test, parts.history])
    assert sorted(rows) == list(range(len(dataset)))
    assert at[parts.train].max() < at[parts.valid].min() <= at[parts.valid].max() < test_from
    assert known_at_us[parts.train].max() <= test_from
    assert known_at_us[parts.valid].max() <= test_from
    assert len(parts.history) == 10 * max(delay - 1, 0)
    assert {finding.severity for finding in audit(dataset, parts)} == {"ok"}


def test_stated_bounds_are_kept_and_earlier_rows_feed_the_history(events):
    bounds = {"train_from": day(10), "train_until": day(20), "test_from": day(22), "test_until": day(30)}
    parts = split(asked(events, **bounds))
    assert (len(parts.train), len(parts.valid), len(parts.test)) == (80, 20, 80)
    assert list(parts.history) == [*range(100), *range(200, 220)]
    for name, bound in bounds.items():
        shown = parts.bounds["valid_until" if name == "train_until" else name]
        assert shown == f"{bound}T00:00:00+00:00"


def test_rows_of_unknown_target_only_feed_the_history(events):
    target = events.target.copy()
    target[::7] = -1
    parts = split(replace(events, target=target))
    assert set(range(0, 400, 7)) <= set(parts.history)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"test_from": day(50)}, "the test part .* has no rows: 400 rows .* between 2024-01-01"),
        ({"train_from": day(38)}, "the train part .* has no rows"),
        ({"by": "group"}, "no group to split by"),
    ],
)
def test_a_part_without_rows_is_refused(events, fields, message):
    with pytest.raises(DataError, match=message):
        split(asked(events, **fields))


def test_a_part_of_one_class_is_refused(events):
    target = np.where(events.at_us >= events.at_us[300], 0, events.target).astype(np.int8)
    with pytest.raises(DataError, match=r"the test part .* has one class only: '.' in all of 80 rows"):
        split(replace(events, target=target))


def test_a_bound_that_is_no_instant_is_refused(events):
    with pytest.raises(SpecError, match=r"split\.test_from 'soon' is no instant"):
        split(asked(events, test_from="soon"))
    with pytest.raises(SpecError, match="unknown split 'tmie'"):
        split(asked(events, by="tmie"))


def test_no_group_is_in_two_parts(patients):
    parts = split(patients)
    names = patients.frame["patient"]
    groups = [set(names[part]) for part in (parts.train, parts.valid, parts.test)]
    assert parts.by == "group"
    assert sum(map(len, groups)) == len(set.union(*groups)) == 50
    assert found(audit(patients, parts), "shared groups").severity == "ok"
    parts = split(asked(patients, by="random"))
    assert found(audit(patients, parts), "shared groups").severity == "warning"
    broken = replace(parts, by="group")
    assert found(audit(patients, broken), "shared groups").severity == "fault"


def test_a_random_split_keeps_the_rate_of_positives_and_its_seed(patients):
    dataset = asked(patients, by="random")
    parts, again = split(dataset), split(dataset)
    rates = [dataset.target[part].mean() for part in (parts.train, parts.valid, parts.test)]
    assert max(rates) - min(rates) < 0.03
    np.testing.assert_array_equal(parts.test, again.test)
    seeded = replace(dataset, spec=replace(dataset.spec, train=replace(dataset.spec.train, seed=1)))
    assert list(split(seeded).test) != list(parts.test)


# audit


def test_copied_rows_across_parts_are_found(patients):
    dataset = asked(patients, by="random")
    parts = split(dataset)
    clean = audit(dataset, parts)
    assert found(clean, "duplicate rows").severity == found(clean, "near duplicates").severity == "ok"
    rows = np.arange(300)
    rows[parts.test[:8]] = parts.train[:8]
    copied = replace(dataset, frame=dataset.frame[rows])
    exact = found(audit(copied, parts), "duplicate rows")
    assert (exact.severity, exact.rows) == ("fault", 8)
    assert exact.examples[0] == dataset.ids[parts.test[0]]
    # a value in the middle of a rounded cell stays there when it moves by a tenth of the cell
    numbers = [column.name for column in dataset.inputs("number")]
    steps = {name: 0.05 * float(str(copied.frame[name].std())) for name in numbers}
    cells = copied.frame.with_columns((pl.col(name) / step).round() for name, step in steps.items())
    moved = cells.with_columns(
        (pl.col(name) * step + 1e-4 * step * pl.int_range(pl.len()) / 300) for name, step in steps.items()
    )
    near = found(audit(replace(dataset, frame=moved), parts), "near duplicates")
    assert near.severity == "warning"
    assert near.rows >= 4


@pytest.mark.parametrize("kind", ["copy", "reversed", "unordered number", "category", "missing", "time"])
def test_a_column_that_gives_the_target_away_is_found(events, kind):
    target = pl.Series(events.target)
    noise = pl.Series(np.random.default_rng(2).uniform(0, 0.5, 400))
    values, of_kind = {
        "copy": (target + noise, "number"),
        "reversed": (-target.cast(pl.Float64) - noise, "number"),
        "unordered number": (
            pl.Series([[1.0, 3.0], [2.0, 2.0]][label][row % 2] for row, label in enumerate(target)),
            "number",
        ),
        "category": (pl.Series(f"code {label}{row % 3}" for row, label in enumerate(target)), "category"),
        "missing": (pl.Series([None if label else row % 9.0 for row, label in enumerate(target)]), "number"),
        "time": (pl.Series([datetime(2020 + int(label), 1, 1, tzinfo=UTC) for label in target]), "time"),
    }[kind]
    parts = split(events)
    assert found(audit(events, parts), "target leak").severity == "ok"
    leaking = with_column(events, "told", values, of_kind)
    finding = found(audit(leaking, parts), "target leak")
    assert finding.severity == "fault"
    assert "told" in finding.message


def test_a_column_that_only_helps_is_no_leak(events):
    helpful = with_column(
        events, "hint", pl.Series(events.target + np.random.default_rng(3).normal(size=400))
    )
    assert found(audit(helpful, split(events)), "target leak").severity == "ok"


def test_time_travel_is_found(events):
    parts = split(events)
    swapped = replace(parts, train=parts.test, test=parts.train)
    assert found(audit(events, swapped), "time travel").severity == "fault"
    late = replace(events, known_at_us=events.at_us + 20 * DAY_US)
    assert found(audit(late, parts), "unknown targets").severity == "fault"
    early = replace(events, known_at_us=events.at_us - 1)
    assert "known before their event" in found(audit(early, parts), "time travel").message
    assert found(audit(events, split(asked(events, by="random"))), "time travel").severity == "warning"


def test_inputs_from_the_future_are_found(events):
    at = events.frame["at"]
    parts = split(events)
    used = len(parts.train) + len(parts.valid) + len(parts.test)
    refunded = with_column(events, "refunded", at.dt.offset_by("3d"), "time")
    assert found(audit(refunded, parts), "inputs from the future").rows == used
    counted = with_column(events, "refunded", at.dt.offset_by("3d").dt.epoch("s").cast(pl.Float64))
    assert found(audit(counted, parts), "inputs from the future").severity == "warning"
    earlier = with_column(events, "opened", at.dt.offset_by("-3d"), "time")
    assert found(audit(earlier, parts), "inputs from the future").severity == "ok"


def test_ids_in_the_order_of_the_target_are_found(patients):
    parts = split(asked(patients, by="random"))
    assert found(audit(patients, parts), "telling ids").severity == "ok"
    ordered = replace(
        patients, ids=np.argsort(np.argsort(patients.target, kind="stable")).astype(str).astype(object)
    )
    assert found(audit(ordered, parts), "telling ids").severity == "warning"


def test_a_shift_of_the_target_is_found(events):
    target = events.target.copy()
    parts = split(events)
    target[parts.test] = np.arange(len(parts.test)) % 10 == 0
    finding = found(audit(replace(events, target=target), parts), "target shift")
    assert finding.severity == "warning"
    assert "10.0%" in finding.message


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1)), min_size=2, max_size=30))
def test_auc_counts_the_pairs_in_order(pairs):
    scores, target = np.array(pairs, dtype=float).T
    positive, negative = scores[target == 1], scores[target == 0]
    if len(positive) and len(negative):
        right = np.sign(positive[:, None] - negative[None, :])
        assert auc(scores, target) == pytest.approx((right.mean() + 1) / 2)


@pytest.mark.skipif(not FRAUD.exists(), reason="the card transactions are not here")
def test_the_scenario_of_the_simulator_is_found_as_a_leak_and_nothing_else():
    dataset = read(spec_of(FRAUD, "TX_FRAUD", label_delay="7d"))
    week = {"train_from": "2018-07-25", "train_until": "2018-08-01", "test_from": "2018-08-08"}
    dataset = asked(dataset, **week, test_until="2018-08-15")
    parts = split(dataset)
    assert (len(parts.train) + len(parts.valid), len(parts.test)) == (67_240, 67_080)
    faults = [finding for finding in audit(dataset, parts) if finding.severity != "ok"]
    assert [(fault.check, fault.severity) for fault in faults] == [("target leak", "fault")]
    assert "TX_FRAUD_SCENARIO" in faults[0].message
