"""Laws of comparing groups: rates as others count them, intervals that hold, and chance called chance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.tasks.fairness import (
    CALIBRATION,
    MEASURES,
    SURE,
    adjusted_together,
    compare_groups,
    holm,
    rate,
    reweighing,
)

seeds = st.integers(0, 2**31)
slow_start = settings(deadline=None, max_examples=15)


def rows(seed: int, n: int, groups: int) -> tuple[np.ndarray, ...]:
    """Return outcomes, right probabilities, alerts and groups, which have nothing to do with each other."""
    rng = np.random.default_rng(seed)
    said = rng.beta(0.6, 2.5, n)
    labels = (rng.random(n) < said).astype(np.int8)
    alerts = np.zeros(n, dtype=bool)
    alerts[np.argsort(-said)[: n // 7]] = True
    return labels, said, alerts, rng.integers(0, groups, n)


@slow_start
@given(seeds, st.integers(2, 5))
def test_rates_and_spreads_are_those_of_fairlearn(seed, groups):
    fairlearn = pytest.importorskip("fairlearn.metrics", reason="an oracle: pip install fairlearn")
    labels, said, alerts, codes = rows(seed, 400, groups)
    names = [f"g{number}" for number in range(groups)]
    found = compare_groups(labels, said, alerts, codes, names)
    asked = {"sensitive_features": codes}
    assert found.spread("selection") == pytest.approx(
        fairlearn.demographic_parity_difference(labels, alerts, **asked)
    )
    assert found.equalized_odds == pytest.approx(
        fairlearn.equalized_odds_difference(labels, alerts, **asked)
    )  # fmt: skip
    counted = fairlearn.MetricFrame(
        metrics={
            "selection": fairlearn.selection_rate,
            "recall": fairlearn.true_positive_rate,
            "false_alarms": fairlearn.false_positive_rate,
        },
        y_true=labels,
        y_pred=alerts.astype(int),
        **asked,
    )
    for name, theirs in counted.by_group.items():
        assert [group.rates[name].value for group in found.groups] == pytest.approx(theirs.tolist())


@slow_start
@given(seeds, st.integers(1, 6))
def test_the_groups_add_up_to_the_whole(seed, groups):
    labels, said, alerts, codes = rows(seed, 300, groups)
    found = compare_groups(labels, said, alerts, codes, [str(number) for number in range(groups + 2)])
    assert sum(group.n for group in found.groups) == 300
    assert sum(g.rates["selection"].hits for g in found.groups) == pytest.approx(alerts.sum())
    assert sum(g.rates["recall"].hits for g in found.groups) == pytest.approx((alerts & (labels == 1)).sum())
    for each in found.differences:
        assert each.low <= each.value <= each.high and 0 <= each.p <= each.adjusted <= 1
    expected = groups * (1 + len(MEASURES)) - (len(MEASURES) if groups == 2 else 0)
    assert len(found.differences) <= (expected if groups > 1 else 1)


def test_where_groups_do_not_differ_hardly_any_table_names_a_difference():
    said_to_differ = 0
    for seed in range(40):
        labels, said, alerts, codes = rows(seed, 250, 3)
        found = compare_groups(labels, said, alerts, codes, list("abc"))
        said_to_differ += any(each.sure for each in found.differences)
    assert said_to_differ <= 40 * SURE + 4


def test_a_difference_that_is_there_is_found_and_has_its_sign():
    labels, said, alerts, codes = rows(5, 4000, 3)
    alerts[(codes == 1) & (labels == 1)] = False
    found = compare_groups(labels, said, alerts, codes, list("abc"))
    recall = next(each for each in found.differences if (each.group, each.measure) == ("b", "recall"))
    assert recall.sure and recall.high < 0
    off = compare_groups(labels, np.where(codes == 2, said / 2, said), alerts, codes, list("abc"))
    sure = {each.group for each in off.differences if each.measure == CALIBRATION and each.sure}
    assert sure == {"c"} and off.groups[2].ece > off.groups[2].ece_by_chance
    assert off.groups[0].ece < 2 * off.groups[0].ece_by_chance


def test_right_probabilities_stay_within_the_calibration_error_of_chance():
    beyond = []
    for seed in range(60):
        labels, said, alerts, codes = rows(seed, 400, 1)
        (group,) = compare_groups(labels, said, alerts, codes, ["all"]).groups
        beyond.append(group.ece > group.ece_by_chance)
    assert 0 < np.mean(beyond) < 0.15


def test_of_two_groups_every_difference_is_told_once():
    found = compare_groups(*rows(1, 300, 2), ["women", "men"])
    told = [(each.group, each.other) for each in found.differences if each.measure != CALIBRATION]
    assert told == [("women", "men")] * len(MEASURES)


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_intervals_of_clustered_rows_hold_the_truth_where_those_of_single_rows_do_not(share):
    rng = np.random.default_rng(2)
    held = {"clustered": 0, "single": 0}
    for _ in range(200):
        # Sixty people of ten rows each, all of a person's rows alike.
        person = np.repeat(np.arange(60), 10)
        hits = (rng.random(60) < share)[person]
        everyone = np.ones(600, dtype=bool)
        for name, clusters in (("clustered", person), ("single", None)):
            found = rate(hits, everyone, clusters)
            held[name] += found.low <= share <= found.high
    assert held["clustered"] >= 0.9 * 200 > held["single"]


@given(seeds, st.integers(1, 200))
def test_rows_that_are_their_own_clusters_are_single_rows(seed, n):
    rng = np.random.default_rng(seed)
    hits, among = rng.random(n) < 0.4, rng.random(n) < 0.8
    alone, clustered = rate(hits, among), rate(hits, among, np.arange(n))
    assert alone.value == clustered.value
    assert (alone.low, alone.high) == pytest.approx((clustered.low, clustered.high))


@given(st.lists(st.floats(0, 1), max_size=12))
def test_adjusted_p_values_keep_the_order_and_never_shrink(values):
    p = np.array(values)
    found = holm(p)
    assert (found >= p).all() and (found <= 1).all()
    assert (np.diff(found[np.argsort(p, kind="stable")]) >= 0).all()
    if len(p) == 1:
        assert found[0] == p[0]


def test_columns_compared_together_are_adjusted_together():
    one = compare_groups(*rows(1, 300, 2), ["a", "b"])
    labels, said, alerts, codes = rows(1, 300, 2)
    alerts[codes == 0] &= labels[codes == 0] == 0
    other = compare_groups(labels, said, alerts, codes, ["c", "d"])
    together = adjusted_together([one, other])
    for before, after in zip((one, other), together, strict=True):
        for was, now in zip(before.differences, after.differences, strict=True):
            assert was.p == now.p and now.adjusted >= was.adjusted


@given(seeds, st.integers(2, 5), st.integers(2, 3))
def test_with_reweighing_no_group_has_more_of_an_outcome_than_another(seed, groups, classes):
    rng = np.random.default_rng(seed)
    codes = np.concatenate([np.repeat(np.arange(groups), classes), rng.integers(0, groups, 200)])
    labels = np.concatenate([np.tile(np.arange(classes), groups), (codes[groups * classes :] + 1) % classes])
    weights = reweighing(codes, labels.astype(np.int8))
    assert weights.sum() == pytest.approx(len(codes)), "where every group has every outcome"
    shares = np.array(
        [
            [weights[(codes == g) & (labels == c)].sum() / weights[codes == g].sum() for c in range(classes)]
            for g in range(groups)
        ]
    )
    assert np.ptp(shares, axis=0) == pytest.approx(0, abs=1e-9)
    assert shares[0] == pytest.approx(np.bincount(labels, minlength=classes) / len(labels))
