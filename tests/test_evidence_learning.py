"""Shares of factors and of past events: exact sums, nothing for bystanders, the planted cause first."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell import units
from foretell.evidence import past_events
from foretell.evidence.attribution import shapley
from foretell.evidence.past_events import Rebuilt
from foretell.evidence.scene import Scene
from foretell.models import stream
from foretell.models.boosting import fit_boosting
from foretell.models.walks import by_rows
from foretell.records import Prediction
from learning_worlds import payments_fit

FACTORS = [np.array([0]), np.array([1, 2]), np.array([3]), np.array([4, 5])]
seeds = st.integers(0, 2**32)


def table(seed: int, rows: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, 6)).astype(np.float32)


def crossed(x: np.ndarray) -> np.ndarray:
    """Score rows by the first three factors, in a way that no sum of them can."""
    y = x.astype(np.float64)
    return np.tanh(y[:, 0] * y[:, 1]) + np.abs(y[:, 3]) * y[:, 2] - 0.5


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_factors_shares_and_the_base_sum_to_the_score(seed):
    x = table(seed, 7)
    shares = shapley(by_rows(crossed), x, table(seed + 1, 9), FACTORS, num_permutations=6, seed=seed)
    np.testing.assert_allclose(shares.base + shares.values.sum(1), crossed(x), rtol=0, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_a_factor_that_the_score_does_not_read_gets_nothing(seed):
    shares = shapley(
        by_rows(crossed), table(seed, 7), table(seed + 1, 9), FACTORS, num_permutations=6, seed=seed
    )
    np.testing.assert_array_equal(shares.values[:, 3], 0.0)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_the_shares_of_a_linear_score_are_its_terms_against_the_background(seed):
    weights = np.random.default_rng(seed + 2).normal(size=6)
    weights[3] = weights[0]
    x, background = table(seed, 7), table(seed + 1, 1)
    x[:, 3], background[:, 3] = x[:, 0], background[:, 0]
    shares = shapley(
        by_rows(lambda rows: rows @ weights), x, background, FACTORS, num_permutations=2, seed=seed
    )
    terms = (x - background) * weights
    wanted = np.stack([terms[:, factor].sum(1) for factor in FACTORS], axis=1)
    np.testing.assert_allclose(shares.values, wanted, atol=1e-5)
    np.testing.assert_allclose(shares.values[:, 0], shares.values[:, 2], atol=1e-6)
    settled = np.abs(wanted) > 1e-4
    np.testing.assert_array_equal(shares.sign_stability[settled], 1.0)


def test_a_planted_cause_is_the_strongest_factor():
    x = table(0, 4000)
    cause = x[:, 1] * x[:, 2] > 1.2
    labels = (cause & (np.random.default_rng(1).random(len(x)) < 0.95)).astype(np.int8)
    boosted = fit_boosting(x, labels, np.ones(len(x)), np.zeros(6, np.bool_), num_trees=60)
    found = table(9, 2000)
    found = found[found[:, 1] * found[:, 2] > 1.6][:60]
    shares = shapley(by_rows(boosted.outputs[0].logits), found, x[:64], FACTORS, num_permutations=16)
    assert (np.abs(shares.values).argmax(1) == 1).mean() > 0.95


@cache
def scene() -> Scene:
    """Return a scene of the test rows that have the longest pasts."""
    fit = payments_fit()
    rows = fit.parts.test[-120:]
    places = np.searchsorted(fit.scored.rows, rows)
    predictions = tuple(
        Prediction(
            id=str(fit.dataset.ids[row]),
            at="",
            entities={},
            inputs={},
            probability=0.5,
            logit=float(fit.scored.logits[place]),
            threshold=0.5,
            alert=True,
            abstained=False,
            model="m",
        )
        for row, place in zip(rows.tolist(), places.tolist(), strict=True)
    )
    return Scene(
        fitted=fit.fitted, dataset=fit.dataset, scored=fit.scored, rows=rows, predictions=predictions
    )


@cache
def rebuilt() -> Rebuilt:
    return Rebuilt(scene())


def cast(row: int, limit: int = 8) -> tuple[list[list[int]], list[past_events.Steps]]:
    """Return the players of each entity of a row, and their steps."""
    players = [rebuilt().players(e, row, limit) for e in range(2)]
    return players, [
        rebuilt().steps(0, row, players[0], 0),
        rebuilt().steps(1, row, players[1], len(players[0])),
    ]


def test_a_past_rebuilt_with_all_its_events_is_the_state_that_was_read():
    read = scene().scored.states_of(scene().rows)
    for place, row in enumerate(scene().rows.tolist()):
        players, steps = cast(row)
        everyone = np.ones(len(players[0]) + len(players[1]), np.bool_)
        for e in range(2):
            np.testing.assert_allclose(
                rebuilt().state(e, row, steps[e], everyone), read[place, e], rtol=1e-6, atol=1e-6
            )


def test_every_stage_of_a_walk_is_the_row_with_just_the_events_that_were_let_in():
    rng = np.random.default_rng(0)
    width, (_, scales) = rebuilt().plan.num_features, rebuilt().plan.arrays()
    read = scene().scored.states_of(scene().rows)
    for place in range(0, len(scene().rows), 8):
        row = int(scene().rows[place])
        players, steps = cast(row)
        size = len(players[0]) + len(players[1])
        orders = np.array([rng.permutation(size) for _ in range(4)])
        stages = iter(rebuilt().walks(row, read[place], steps, orders))
        wanted = next(stages).copy()
        sets = [np.zeros(size, np.bool_)]
        sets += [np.isin(np.arange(size), order[: n + 1]) for order in orders for n in range(size)]
        for present, found in zip(sets, [wanted, *stages], strict=True):
            states = np.stack([rebuilt().state(e, row, steps[e], present) for e in range(2)])
            out = np.empty(width, np.float32)
            stream.read_event(states, rebuilt().numbers[row], scales, 4, out)
            np.testing.assert_allclose(found[:width], out, rtol=1e-5, atol=1e-5)
            np.testing.assert_array_equal(found[width:], scene().scored.features[row, width:])
        np.testing.assert_allclose(found, scene().scored.features[row], rtol=1e-5, atol=1e-5)


def test_players_are_latest_known_positives_then_latest_others_and_none_twice():
    positives = 0
    for row in scene().rows.tolist():
        for e in range(2):
            players = rebuilt().players(e, row, 6)
            past = rebuilt().pasts[e].before(row)
            known = rebuilt().known(past, row) & (rebuilt().labels[past] == 1)
            latest = past[known][::-1][:3].tolist()
            assert players[: len(latest)] == latest
            assert len(set(players)) == len(players) == min(6, len(past))
            rest = [p for p in past[::-1].tolist() if p not in latest]
            assert players[len(latest) :] == rest[: 6 - len(latest)]
            positives += len(latest)
    assert positives > 10


def test_past_events_shares_sum_to_what_they_change_together():
    read = scene().scored.states_of(scene().rows)
    logits = scene().fitted.logits_of
    for place in range(0, len(scene().rows), 12):
        row = int(scene().rows[place])
        _, steps = cast(row)
        shares = past_events.shapley(rebuilt(), logits, row, read[place], steps, 0)
        order = np.arange(len(shares.values))[None]
        without, *_, together = logits(rebuilt().walks(row, read[place], steps, order))
        assert abs(shares.values.sum() - (together - without)) < 1e-9
        assert abs(together - scene().predictions[place].logit) < 1e-6


@pytest.mark.parametrize(("entity", "e"), [("customer", 0), ("terminal", 1)])
def test_a_past_event_gets_a_share_only_of_what_it_and_its_label_put_into_its_entity(entity, e):
    names = scene().fitted.featurizer.names
    column = names.index(f"accused.30d@{entity}")
    read = scene().scored.states_of(scene().rows)
    accusers = 0
    for place in range(0, len(scene().rows), 4):
        row = int(scene().rows[place])
        players, steps = cast(row)
        shares = past_events.shapley(
            rebuilt(), lambda x: x[:, column].astype(np.float64), row, read[place], steps, 0
        )
        everyone = np.array(players[0] + players[1])
        whose = np.repeat([0, 1], [len(players[0]), len(players[1])])
        accuses = (whose == e) & (rebuilt().labels[everyone] == 1) & rebuilt().known(everyone, row)
        assert (shares.values[accuses] > 0).all()
        np.testing.assert_allclose(shares.values[~accuses], 0.0, atol=1e-5)
        accusers += accuses.sum()
    assert accusers > 0


def test_the_strongest_past_events_are_told_with_who_when_and_what_was_known():
    told = 0
    for row, facts in zip(scene().rows.tolist(), past_events.collect(scene()), strict=True):
        assert len(facts) <= 6
        sizes = [abs(fact.value) for fact in facts]
        assert sizes == sorted(sizes, reverse=True)
        assert all(size >= 0.05 for size in sizes)
        dataset = scene().dataset
        for fact in facts:
            past = int(np.flatnonzero(dataset.ids == fact.name)[0])
            assert past < row
            own, other = ("customer", "terminal")[:: 1 if fact.detail["entity"] == "customer" else -1]
            frame = dataset.frame
            assert frame[own][past] == frame[own][row]
            where = f" {'at' if other == 'terminal' else 'by'} {other} {frame[other][past]}"
            assert fact.text == f"the transaction of {units.instant(fact.detail['at'])}{where}"
            assert units.phrase(fact.text) == fact.text
            known = dataset.known_at_us[past] <= dataset.at_us[row]
            outcome = "fraud" if dataset.target[past] else "no fraud"
            assert fact.detail["known"] == (outcome if known else "")
            assert fact.detail["value"] == pytest.approx(frame["amount"][past], rel=1e-5)
            assert fact.detail["unit"] == "EUR"
            assert 0 <= fact.detail["sign_stability"] <= 1
            told += 1
    assert told > 20
