"""Support: factors are believed as far as outcomes that did not teach the model follow their shares."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.data.worlds import known
from foretell.prediction.fitted import Factor
from foretell.prediction.folder import open_fitted, write_fitted
from foretell.prediction.support import believed, slopes_of
from learning_worlds import payments_fit


def factors(*slopes: tuple[float, float]) -> list[Factor]:
    return [
        Factor(name=f"c{index}", text=f"the c{index}", columns=np.array([index]), slope=slope, error=error)
        for index, (slope, error) in enumerate(slopes)
    ]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=2, max_size=5))
def test_slopes_are_those_that_made_the_outcomes(seed, wanted):
    rng = np.random.default_rng(seed)
    shares = rng.standard_normal((4_000, len(wanted)))
    odds = shares @ np.array(wanted) - 0.5
    found, errors = slopes_of(shares, (rng.random(4_000) < 1 / (1 + np.exp(-odds))).astype(np.float64))
    assert (np.abs(found - wanted) < 5 * errors).all()
    assert (errors < 0.2).all()


def test_a_factor_that_never_moves_the_score_has_a_slope_nobody_knows():
    shares = np.column_stack([np.linspace(-2, 2, 200), np.zeros(200)])
    slopes, errors = slopes_of(shares, (shares[:, 0] > 0).astype(np.float64))
    assert slopes[1] == pytest.approx(0)
    assert errors[1] > 10


def test_signs_are_believed_as_far_as_slopes_are_above_zero():
    signs = believed(factors((1.0, 0.0), (1.0, 0.2), (0.3, 0.3), (0.0, 1.0), (-1.0, 0.2)), np.ones((1, 5)))[
        0
    ][0]
    assert signs[0] == 1.0
    assert signs[1] > 0.99
    assert 0.5 < signs[2] < 0.9
    assert signs[4] < 0.01


def test_a_rank_is_believed_only_where_no_likely_slopes_change_it():
    values = np.array([[1.0, 0.9], [1.0, 0.1]])
    _, ranks = believed(factors((1.0, 0.2), (1.0, 0.2)), values)
    assert (ranks[0] < 0.8).all()
    assert (ranks[1] > 0.99).all()
    _, measured = believed(factors((1.0, 0.0), (1.0, 0.0)), values)
    assert (measured == 1.0).all()


def test_a_share_no_larger_than_those_of_idle_factors_is_not_believed():
    useful, idle = factors((1.0, 0.1), (0.0, 1.0))
    idle = replace(idle, size=0.1)
    signs, _ = believed([useful, idle], np.array([[1.0, 0.1], [0.1, 0.1]]))
    assert signs[0, 0] > 0.99
    assert signs[1, 0] < 0.9


def test_a_row_is_believed_alike_alone_and_among_others():
    useful, idle = factors((1.0, 0.1), (0.0, 1.0))
    both = [useful, replace(idle, size=0.3)]
    values = np.random.default_rng(5).standard_normal((20, 2))
    among = believed(both, values)
    for row in range(20):
        for whole, alone in zip(among, believed(both, values[row : row + 1]), strict=True):
            np.testing.assert_array_equal(whole[row], alone[0])


def test_a_fitted_model_keeps_what_its_factors_are_worth(tmp_path):
    fitted = payments_fit().fitted
    assert any(factor.error > 0 for factor in fitted.factors)
    write_fitted(fitted, tmp_path / "model", fingerprint="f", card="c")
    opened = open_fitted(tmp_path / "model")
    assert [(f.slope, f.error, f.size) for f in opened.factors] == [
        (f.slope, f.error, f.size) for f in fitted.factors
    ]


@pytest.mark.parametrize("kind", list(known.FORMULAS))
def test_the_outcomes_of_a_known_world_follow_its_formula(kind):
    world = known.simulate(kind, num_rows=20_000, seed=3)
    np.testing.assert_array_equal(world.log_odds, known.FORMULAS[kind](world.x))
    chance = 1 / (1 + np.exp(-world.log_odds))
    for low in np.arange(0, 1, 0.1):
        held = (chance >= low) & (chance < low + 0.1)
        error = np.sqrt(0.25 / max(held.sum(), 1))
        assert abs(world.labels[held].mean() - chance[held].mean()) < 4 * error


def test_decoys_follow_a_cause_and_do_nothing():
    world = known.simulate("decoys", num_rows=20_000)
    for decoy, cause in known.DECOYS.items():
        mine, its = known.COLUMNS.index(decoy), known.COLUMNS.index(cause)
        assert np.corrcoef(world.x[:, mine], world.x[:, its])[0, 1] == pytest.approx(0.8, abs=0.02)
        moved = world.x.copy()
        moved[:, mine] += 1
        np.testing.assert_array_equal(known.additive(moved), known.additive(world.x))
