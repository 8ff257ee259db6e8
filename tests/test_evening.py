"""Laws of certainty and of evening out: promises kept in every group, rates alike, capacities kept."""

import json
from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.data.groups import Grouping
from foretell.prediction.certainty import Certainty, both, certainty_of
from foretell.prediction.evening import Evening, evening_of, own_cutoffs
from foretell.records import canonical, restore
from foretell.tasks.classify import sigmoid

SEX = Grouping(column="sex", text="sex", names=("f", "m", "all others", "not known"))
SITE = Grouping(column="site", text="site", names=("north", "south", "all others", "not known"))
seeds = st.integers(0, 2**31)
few = settings(deadline=None, max_examples=25)


def world(seed: int, size: int) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """Return rows, probabilities and outcomes; women have the outcome less often, the south is noisier."""
    rng = np.random.default_rng(seed)
    sex, site = rng.random(size) < 0.4, rng.random(size) < 0.25
    signal = rng.normal(np.where(sex, -2.0, -1.0), 1.5)
    noise = rng.normal(0, np.where(site, 2.5, 0.6))
    frame = pl.DataFrame({"sex": np.where(sex, "f", "m"), "site": np.where(site, "south", "north")})
    return frame, sigmoid(signal + noise), (rng.random(size) < sigmoid(signal)).astype(np.int8)


def by_group(frame: pl.DataFrame, column: str) -> Iterator[np.ndarray]:
    values = frame[column].to_numpy()
    return (values == value for value in np.unique(values))


def test_the_promise_is_kept_for_each_outcome_in_each_group_of_every_column():
    hits: dict[tuple[str, str, int], list[bool]] = {}
    for trial in range(30):
        frame, said, labels = world(trial, 800)
        found = certainty_of((SEX, SITE), frame, both(said), labels, miss=0.15)
        frame, said, labels = world(trial + 10_000, 400)
        held = found.sets(frame, both(said))[np.arange(400), labels]
        for column in frame.columns:
            for value in frame[column].unique():
                for label in (0, 1):
                    rows = (frame[column] == value).to_numpy() & (labels == label)
                    hits.setdefault((column, value, label), []).extend(held[rows].tolist())
    shares = {key: np.mean(found) for key, found in hits.items()}
    assert len(shares) == 8 and min(shares.values()) > 0.83


@few
@given(seeds, st.floats(0.02, 0.4))
def test_a_watched_group_never_makes_a_set_smaller_and_certainty_survives_a_folder(seed, miss):
    frame, said, labels = world(seed, 300)
    plain = certainty_of((), frame, both(said), labels, miss=miss)
    assert plain.sets(frame, both(said)).any(1).all()
    one = certainty_of((SEX,), frame, both(said), labels, miss=miss)
    two = certainty_of((SEX, SITE), frame, both(said), labels, miss=miss)
    assert (two.sets(frame, both(said)) >= one.sets(frame, both(said))).all()
    again = restore(Certainty, json.loads(canonical(two)))
    assert again == two


def test_a_group_too_small_to_promise_anything_is_named_and_has_the_margins_of_all():
    frame, said, labels = world(4, 400)
    frame = frame.with_columns(site=pl.Series(["south"] * 8 + ["north"] * 392))
    found = certainty_of((SITE,), frame, both(said), labels, miss=0.1)
    plain = certainty_of((), frame, both(said), labels, miss=0.1)
    assert {("site", "south", 0), ("site", "south", 1)} <= set(found.unpromised())
    south = (frame["site"] == "south").to_numpy()
    assert (found.sets(frame, both(said))[south] == plain.sets(frame, both(said))[south]).all()


@few
@given(seeds, st.sampled_from(["selection", "recall"]), st.floats(0.05, 0.6))
def test_above_any_threshold_each_group_has_the_same_share_of_what_is_counted(seed, rate, share):
    frame, said, labels = world(seed, 1500)
    evening = evening_of(rate, SEX, frame, said, labels)
    scores = evening.scores(frame, said)
    counted = np.ones(1500, dtype=bool) if rate == "selection" else labels == 1
    above = scores >= np.quantile(scores[counted], 1 - share)
    found = [above[group & counted].mean() for group in by_group(frame, "sex")]
    assert np.ptp(found) < 0.02 and np.mean(found) == pytest.approx(share, abs=0.02)


@few
@given(seeds, st.sampled_from(["selection", "recall"]))
def test_within_a_group_nobody_overtakes_anybody(seed, rate):
    frame, said, labels = world(seed, 400)
    evening = evening_of(rate, SEX, frame, said, labels)
    asked = pl.DataFrame({"sex": ["f"] * 101 + ["m"] * 101 + [None] * 101})
    grid = np.tile(np.linspace(0, 1, 101), 3)
    scores = evening.scores(asked, grid).reshape(3, 101)
    assert (np.diff(scores, axis=1) >= 0).all() and scores.min() >= 0 and scores.max() <= 1
    assert scores[2] == pytest.approx(np.linspace(0, 1, 101)), "who is in no group counts as everybody"


@few
@given(seeds, st.floats(0.05, 0.9))
def test_a_threshold_for_each_group_is_one_threshold_for_ranks(seed, level):
    frame, said, labels = world(seed, 600)
    found = evening_of("selection", SEX, frame, said, labels)
    evening = Evening(grouping=SEX, whole=found.whole, own=found.own, threshold=level)
    scores, thresholds = evening.scores(frame, said), evening.thresholds(frame)
    clear = np.abs(scores - level) > 1e-6
    assert ((scores >= level) == (said >= thresholds))[clear].all()
    assert len(np.unique(thresholds)) <= 2
    assert restore(Evening, json.loads(canonical(evening))) == evening


@few
@given(seeds, st.integers(1, 5))
def test_what_is_reviewed_is_what_reaches_its_groups_cutoff(seed, periods):
    rng = np.random.default_rng(seed)
    frame, said, labels = world(seed, 200)
    evened = evening_of("recall", SEX, frame, said, labels).scores(frame, said)
    cutoffs = np.append(rng.random(periods - 1), np.inf)[rng.integers(0, periods, 200)]
    own = own_cutoffs(evened, said, SEX.codes(frame), cutoffs)
    assert ((said >= own) == (evened >= cutoffs)).all()


def test_a_group_with_few_counted_rows_is_ranked_among_all():
    frame, said, labels = world(2, 300)
    labels[(frame["sex"] == "f").to_numpy()] = 0
    labels[np.flatnonzero(frame["sex"] == "f")[:3]] = 1
    evening = evening_of("recall", SEX, frame, said, labels)
    women = (frame["sex"] == "f").to_numpy()
    assert evening.scores(frame, said)[women] == pytest.approx(said[women])
