"""The monitor: silent while nothing changes, and quick to name what did."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from foretell.prediction import chance, detector
from foretell.prediction.detector import SIZES, Detectors, bets
from foretell.prediction.expected import expected
from foretell.prediction.monitor import Sketch
from foretell.prediction.monitor_file import plain_monitor, plain_sketch, read_monitor, read_sketch
from foretell.prediction.outcomes import Residuals
from foretell.records import canonical
from foretell.tasks.classify import metrics, sigmoid
from monitor_material import begun, days_of, watched


@given(st.integers(0, 60), st.integers(1, 60), st.integers(0, 400), st.integers(1, 400))
def test_the_score_of_a_share_is_that_of_fishers_mid_p_value(k, more, pool_k, pool_more):
    n, pool_n = k + more, pool_k + pool_more
    (z,) = chance.share_scores(*(np.array([float(x)]) for x in (k, n, pool_k, pool_n)))
    if k + pool_k == 0:
        assert z == 0
        return
    drawn = stats.hypergeom(n + pool_n, k + pool_k, n)
    above, below = drawn.sf(k) + drawn.pmf(k) / 2, drawn.cdf(k) - drawn.pmf(k) / 2
    exact = -stats.norm.ppf(above) if above < below else stats.norm.ppf(below)
    assert z == pytest.approx(exact, abs=0.05 + 0.15 * abs(exact))
    assert abs(z) < 0.05 + 1.03 * abs(exact)  # far out it may say too little, never too much


def test_a_bet_is_a_convex_function_of_the_p_value_whose_mean_is_1():
    p = np.linspace(0, 1, 200_003)[1:-1]
    values = np.exp(bets(-stats.norm.ppf(p)))[:, : len(SIZES)]
    assert (np.diff(values, 2, axis=0) > -1e-6).all()
    z = np.linspace(-12, 12, 200_001)
    means = (np.exp(bets(z)) * stats.norm.pdf(z)[:, None]).sum(0) * (z[1] - z[0])
    assert means == pytest.approx(np.ones(2 * len(SIZES)), abs=1e-6)


@pytest.mark.parametrize(("rows", "pool"), [(150, 400), (400, 150)])
def test_scores_of_small_and_skewed_batches_are_as_normal_ones_far_out(rows, pool):
    rng = np.random.default_rng(3)
    shares = np.array([0.93, 0.04, 0.02, 0.01])
    values = np.array([0.0, 1.0, 2.0, 4.0])
    batches, pools = rng.multinomial(rows, shares, 20_000), rng.multinomial(pool, shares, 20_000)
    z = chance.mean_scores(batches, pools, np.tile(values, (20_000, 1)))
    for limit in (2.0, 3.0):  # on a lattice a tail is now a little above, now below
        usual = stats.norm.sf(limit)
        for tail in ((z > limit).mean(), (z < -limit).mean()):
            assert tail < 1.4 * usual + 4 * np.sqrt(usual / 20_000)
    means = np.exp(bets(z)).mean(0).reshape(2, -1)
    assert means[:, :-1].max() < 1.03
    assert means[:, -1].max() < 1.3  # won too rarely for a simulation to tell more


def test_sums_less_the_number_of_batches_do_not_rise_and_false_alarms_are_as_rare_as_promised():
    rng = np.random.default_rng(0)
    streams, batches, level = 20_000, 30, np.log(20.0)
    detectors, first = Detectors.fresh(streams), np.full(streams, np.inf)
    for number in range(batches):
        detectors = detectors.after(rng.standard_normal(streams), number)
        # Bets on large shifts are so rarely won that no simulation tells their mean.
        if number < 10:
            small = np.exp(detectors.sums[:, [0, 1, len(SIZES), len(SIZES) + 1]])
            assert small.mean(0) == pytest.approx(np.full(4, number + 1), rel=0.1)
        first = np.minimum(first, np.where(detectors.evidence() >= level, number + 1, np.inf))
    # Doob: the chance of a false alarm within T batches is at most T / A, and more than half of that is
    # slack.
    for within in (5, 10, 20):
        assert 0 < (first <= within).mean() < within / 20
    assert pytest.approx(np.log(30 * 365.25 / 0.01)) == detector.LEAST


def test_a_short_reference_does_not_ring_for_its_own_sampling_error():
    rng = np.random.default_rng(1)
    for _ in range(2):
        monitor = begun(*days_of(rng, range(3), rows=60))
        monitor = watched(monitor, *days_of(rng, range(3, 153), rows=1000))
        assert monitor.alarms == ()


@pytest.mark.parametrize("weeks", [3, 6])
def test_weekdays_and_days_that_differ_by_themselves_do_not_ring(weeks):
    rng = np.random.default_rng(2)
    monitor = begun(*days_of(rng, range(7 * weeks), weekly=0.5, daily=0.1))
    assert monitor.layout.columns[0].seasonal == (weeks >= 4)
    monitor = watched(monitor, *days_of(rng, range(7 * weeks, 7 * weeks + 150), weekly=0.5, daily=0.1))
    assert monitor.alarms == ()


CHANGES = [
    ({"amount": 0.3}, "amount", "level", ""),
    ({"age_spread": 1.4}, "age", "spread", ""),
    ({"web": 0.64}, "channel", "share", "web"),
    ({"missing": 0.02}, "age", "missing", ""),
]


@pytest.mark.parametrize(("change", "column", "kind", "value"), CHANGES)
def test_an_alarm_names_the_column_the_change_and_its_day(change, column, kind, value):
    rng = np.random.default_rng(4)
    monitor = begun(*days_of(rng, range(50)))
    monitor = watched(monitor, *days_of(rng, range(50, 70)))
    assert monitor.alarms == ()
    monitor = watched(monitor, *days_of(rng, range(70, 80), **change))
    alarm = monitor.alarms[0]
    assert (alarm.column, alarm.kind) == (column, kind)
    assert value == "" or alarm.value in (value, "shop")  # what one share gains the other loses
    assert abs(int(alarm.since.split()[1]) - 70) <= 2
    assert {a.column for a in monitor.alarms} <= {column, ""}


def test_an_alarm_tells_how_much_in_the_columns_unit():
    rng = np.random.default_rng(5)
    monitor = begun(*days_of(rng, range(50)))
    monitor = watched(monitor, *days_of(rng, range(50, 60), missing=0.1))
    (alarm,) = monitor.alarms
    assert (alarm.unit, alarm.was) == ("share", 0.0)
    assert alarm.now == pytest.approx(0.1, abs=0.02)


def test_rows_whose_outcomes_no_longer_follow_the_score_ring_without_any_drift():
    rng = np.random.default_rng(6)
    monitor = begun(*days_of(rng, range(50)))
    monitor = watched(monitor, *days_of(rng, range(50, 80)), outcomes=True)
    assert monitor.alarms == ()
    monitor = watched(monitor, *days_of(rng, range(80, 100), slope=0.2), outcomes=True)
    (alarm,) = monitor.alarms
    assert alarm.of_outcomes
    if alarm.kind == "order":
        assert (alarm.was, alarm.now) == (1.0, pytest.approx(0.2, abs=0.3))


def test_a_monitor_that_was_written_down_goes_on_bit_for_bit():
    rng = np.random.default_rng(7)
    reference, later = days_of(rng, range(30)), days_of(rng, range(40, 45), amount=0.4)
    monitor = watched(begun(*reference), *days_of(rng, range(30, 40)), outcomes=True)
    sketch = Sketch(columns=monitor.layout.columns, pool=monitor.pool, residuals=monitor.residuals)
    held = read_sketch(json.loads(canonical(plain_sketch(sketch))))
    assert canonical(plain_sketch(held)) == canonical(plain_sketch(sketch))
    again = read_monitor(json.loads(canonical(plain_monitor(monitor))), held)
    both = [canonical(plain_monitor(watched(one, *later, outcomes=True))) for one in (monitor, again)]
    assert both[0] == both[1]


def test_rows_without_time_are_one_pool_that_later_blocks_are_compared_with():
    rng = np.random.default_rng(8)
    monitor = begun(*days_of(rng, range(20), timed=False))
    assert not monitor.layout.columns[0].seasonal
    assert monitor.pool.variation.batches.max() == 0
    monitor = watched(monitor, *days_of(rng, range(60)))
    assert monitor.alarms == ()
    assert watched(monitor, *days_of(rng, range(60, 70), amount=0.4)).alarms[0].column == "amount"


def test_scores_of_members_that_average_are_not_held_against_those_of_single_ones():
    rng = np.random.default_rng(10)
    monitor = begun(*days_of(rng, range(20), timed=False), folds=True)
    for first, factor in ((0, 0.8), (20, 1.2)):  # narrower than single ones from the start; then they change
        dataset, logits = days_of(rng, range(first, first + 20))
        assert monitor.alarms == ()
        monitor = watched(monitor, dataset, -2 + factor * (logits + 2))
    assert [alarm.column for alarm in monitor.alarms] == [""]


def test_expected_metrics_hold_what_comes_as_often_as_they_say():
    rng = np.random.default_rng(9)
    held: dict[str, list[bool]] = {}
    for seed in range(12):
        logits = rng.normal(-2, 1.5, 1200)
        past = logits[:600]
        residuals = Residuals.of(
            sigmoid(past), (rng.random(600) < sigmoid(past)).astype(float), np.zeros(600, dtype=np.int64)
        )
        fresh = sigmoid(logits[600:])
        labels = (rng.random(600) < fresh).astype(np.int8)
        rows = np.arange(600)
        told = expected(fresh, residuals, period=rows // 100, entity=rows, capacity=10, timed=True, seed=seed)
        came = {**metrics(fresh, labels), "positives": labels.sum()}
        for name, one in told.items():
            if name in came:
                held.setdefault(name, []).append(one.low <= came[name] <= one.high)
    assert set(held) == {"positives", "log_loss", "average_precision", "auc"}
    for name, inside in held.items():
        assert np.mean(inside) >= 0.6, name
