"""Laws of classification: calibration, reliability, intervals of shares."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from foretell.errors import DataError
from foretell.tasks.classify import (
    Calibration,
    calibrate,
    expected_calibration_error,
    logit,
    metrics,
    reliability,
    sigmoid,
    wilson,
)

seeds = st.integers(0, 2**31)
slow_start = settings(deadline=None, max_examples=40)


def scored(
    seed: int, *, size: int = 0, slope: float = 1.0, shift: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return raw log-odds, and outcomes whose true log-odds are a line of them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(rng.uniform(-4, 1), rng.uniform(0.5, 3), size or rng.integers(30, 600))
    return logits, (rng.random(len(logits)) < sigmoid(slope * logits + shift)).astype(np.int8)


@slow_start
@given(seeds, st.floats(-2, 3), st.floats(-3, 3))
def test_calibration_keeps_the_order_and_flattens_no_score(seed, slope, shift):
    logits, labels = scored(seed, slope=slope, shift=shift)
    assume(0 < labels.sum() < len(labels))
    asked = np.sort(np.concatenate([logits, np.linspace(-20, 20, 200)]))
    calibration = calibrate(logits, labels)
    found = calibration(asked)
    assert (np.diff(found) >= 0).all()
    inside = (found > sigmoid(-11.99)) & (found < sigmoid(11.99))
    apart = np.diff(asked) > 1e-4
    assert (np.diff(found)[apart & inside[1:] & inside[:-1]] > 0).all()
    assert (np.diff(calibration.raw) > 0).all() and (np.diff(calibration.calibrated) > 0).all()


@slow_start
@given(seeds, st.floats(-1, 3), st.floats(-3, 3))
def test_calibrated_probabilities_come_true_on_average(seed, slope, shift):
    logits, labels = scored(seed, slope=slope, shift=shift)
    assume(0 < labels.sum() < len(labels))
    assert abs(calibrate(logits, labels)(logits).mean() - labels.mean()) < 0.05


@pytest.mark.parametrize("seed", range(6))
def test_calibrating_calibrated_scores_changes_little(seed):
    logits, labels = scored(seed, size=20_000, slope=2.0, shift=1.5)
    truth = sigmoid(2.0 * logits + 1.5)
    once = calibrate(logits, labels)(logits)
    again = calibrate(logit(once), labels)(logit(once))
    assert np.abs(again - once).mean() < 0.005
    assert np.abs(once - truth).mean() < min(0.02, 0.5 * np.abs(sigmoid(logits) - truth).mean())


@pytest.mark.parametrize("size", [40, 4000])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e3, 1e6])
def test_extreme_log_odds_give_probabilities_inside_0_and_1(size, scale):
    logits, labels = scored(3, size=size)
    calibration = calibrate(logits * scale, labels)
    asked = np.array([-np.inf, -1e300, -1e6, -700.0, 0.0, 700.0, 1e6, 1e300, np.inf])
    found = calibration(np.concatenate([asked, logits * scale]))
    assert np.isfinite(found).all() and (found > 0).all() and (found < 1).all()
    assert (np.diff(found[: len(asked)]) >= 0).all()


@pytest.mark.parametrize("rare", [1, 2, 4, 9, 10, 11])
@pytest.mark.parametrize("outcome", [0, 1])
def test_a_handful_of_either_outcome_is_enough(rare, outcome):
    rng = np.random.default_rng(rare)
    labels = np.full(200, 1 - outcome, np.int8)
    labels[:rare] = outcome
    found = calibrate(rng.normal(size=200) + labels, labels)(np.zeros(1))
    assert 0 < found[0] < 1


@pytest.mark.parametrize("outcome", [0, 1])
def test_one_outcome_alone_is_refused_with_the_counts(outcome):
    labels = np.full(7, outcome, np.int8)
    with pytest.raises(DataError, match=f"{7 * outcome} of 7 validation rows are positive"):
        calibrate(np.zeros(7), labels)


def test_a_constant_score_becomes_the_share_of_positives():
    labels = (np.arange(400) % 8 == 0).astype(np.int8)
    found = calibrate(np.full(400, -3.0), labels)(np.array([-3.0]))
    assert abs(found[0] - 0.125) < 0.01


def test_beyond_its_knots_a_calibration_goes_on_with_slope_one():
    calibration = Calibration(raw=(-1.0, 1.0), calibrated=(-2.0, 0.5), method="platt")
    found = logit(calibration(np.array([-3.0, -1.0, 0.0, 1.0, 4.0])))
    assert np.abs(found - [-4.0, -2.0, -0.75, 0.5, 3.5]).max() < 1e-9


@given(st.lists(st.floats(1e-5, 1 - 1e-5), min_size=1, max_size=20))
def test_logit_undoes_sigmoid(probabilities):
    there = np.array(probabilities)
    assert np.abs(sigmoid(logit(there)) - there).max() < 1e-9


@slow_start
@given(seeds, st.integers(1, 400), st.floats(0, 1), st.integers(1, 20))
def test_reliability_counts_every_row_once_in_bins_of_rising_probability(seed, size, share, num_bins):
    rng = np.random.default_rng(seed)
    probabilities, labels = rng.random(size).round(2), (rng.random(size) < share).astype(np.int8)
    bins = reliability(probabilities, labels, num_bins=num_bins)
    assert 1 <= len(bins) <= num_bins
    assert sum(item.n for item in bins) == size and all(item.n > 0 for item in bins)
    assert abs(sum(item.n * item.observed for item in bins) - labels.sum()) < 1e-6
    assert abs(sum(item.n * item.predicted for item in bins) - probabilities.sum()) < 1e-6
    assert all(item.low <= item.observed <= item.high for item in bins)
    order, first = np.sort(probabilities), 0
    for item in bins:
        mine = order[first : first + item.n]
        assert mine[0] - 1e-12 <= item.predicted <= mine[-1] + 1e-12
        first += item.n


def test_bins_of_reliability_resolve_the_rare_top_as_finely_as_the_base():
    rng = np.random.default_rng(0)
    probabilities = rng.beta(0.2, 8, 50_000)
    labels = (rng.random(50_000) < probabilities).astype(np.int8)
    bins = reliability(probabilities, labels)
    assert len(bins) == 12
    held = np.array([item.n * item.observed for item in bins])
    assert bins[-1].n < bins[0].n / 10
    # What a bin holds of positives, plus its part of all rows, is the same for each.
    filled = held + np.array([item.n for item in bins]) * labels.mean()
    assert np.ptp(filled) < 0.02 * filled.mean() + 2
    assert expected_calibration_error(probabilities, labels) < 0.005
    assert expected_calibration_error(np.minimum(1.0, probabilities + 0.2), labels) > 0.19


def test_no_rows_have_no_bins():
    assert reliability(np.zeros(0), np.zeros(0, np.int8)) == ()


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_an_interval_lies_within_0_and_1_and_holds_the_share(n, part):
    positives = round(part * n)
    low, high = wilson(positives, n)
    assert 0 <= low <= positives / n <= high <= 1
    assert low < high


@given(st.integers(1, 1000), st.floats(0, 1), st.integers(2, 50))
def test_an_interval_shrinks_with_more_rows_of_the_same_share(n, part, times):
    positives = round(part * n)
    narrow, wide = wilson(times * positives, times * n), wilson(positives, n)
    assert narrow[1] - narrow[0] < wide[1] - wide[0]


@given(st.integers(1, 10**5), st.floats(0, 1))
def test_an_interval_mirrors_when_the_outcomes_are_swapped(n, part):
    positives = round(part * n)
    low, high = wilson(positives, n)
    assert np.allclose(wilson(n - positives, n), (1 - high, 1 - low), atol=1e-9)


@given(st.integers(1, 10**5), st.floats(0, 1), st.floats(0.5, 4))
def test_the_ends_of_an_interval_are_where_the_share_is_z_deviations_away(n, part, z):
    positives = round(part * n)
    for end in wilson(positives, n, z=z):
        assert abs((positives / n - end) ** 2 - z * z * end * (1 - end) / n) < 1e-9


# Newcombe, Statistics in Medicine 17 (1998), table I: the score method without continuity correction.
@pytest.mark.parametrize(
    ("positives", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_are_those_of_the_literature(positives, n, low, high):
    assert np.allclose(wilson(positives, n), (low, high), atol=6e-5)


def test_nothing_is_known_of_the_share_of_no_rows():
    assert wilson(0, 0) == (0.0, 1.0)


@slow_start
@given(seeds)
def test_metrics_reward_the_truth(seed):
    logits, labels = scored(seed, size=3000)
    assume(50 < labels.sum() < 2950)
    honest, worse = metrics(sigmoid(logits), labels), metrics(sigmoid(logits + 1.5), labels)
    assert honest["log_loss"] < worse["log_loss"] and honest["brier"] < worse["brier"]
    assert honest["ece"] < worse["ece"]
    assert abs(honest["auc"] - worse["auc"]) < 1e-9


def test_metrics_of_one_outcome_leave_out_what_needs_both():
    found = metrics(np.array([0.1, 0.0, 1e-9]), np.zeros(3, np.int8))
    assert set(found) == {"log_loss", "brier", "ece"}
    assert all(np.isfinite(value) for value in found.values())
