"""How scores move with columns, whether two ways to share scores out agree, and reason codes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import foretell
from foretell.border import load_spec
from foretell.cli import main
from foretell.data.split import split
from foretell.dependence import Board, agreed, dependence, interactions
from foretell.evidence.reasons import MOST, codes, parts_of, reasons
from foretell.evidence.recourse import Search
from foretell.models.linear import Linear
from foretell.models.walks import by_rows
from foretell.prediction.fitted import Factor
from foretell.prediction.paths import agreement, path_shares
from foretell.prediction.shares import shapley
from foretell.report import Agreement
from loans import road
from table_samples import costs, kinds

FACTORS = [np.array([0]), np.array([1, 2]), np.array([3])]
CODED = np.array([False, False, False, True])
seeds = st.integers(0, 2**32)


def rows(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.normal(size=(count, 3)), rng.integers(0, 4, count)]).astype(np.float32)


def product(x: np.ndarray) -> np.ndarray:
    y = x.astype(np.float64)
    return y[:, 0] * y[:, 1] + 2 * y[:, 2] + (y[:, 3] == 2) * y[:, 0]


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_shares_along_a_path_sum_to_the_score(seed):
    x, background = rows(seed, 5), rows(seed + 1, 1)
    shares = path_shares(product, x, background, FACTORS, CODED, seed=seed)
    np.testing.assert_allclose(shares.sum(1), product(x) - product(background), atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_both_ways_share_a_sum_out_alike(seed):
    def additive(x):
        y = x.astype(np.float64)
        return np.sin(3 * y[:, 0]) + np.where(y[:, 1] > 0, 1.0, -1.0) + 2 * y[:, 2] + (y[:, 3] == 2)

    x, background = rows(seed, 5), rows(seed + 1, 1)
    first = shapley(by_rows(additive), x, background, FACTORS, num_permutations=2, seed=seed).values
    again = path_shares(additive, x, background, FACTORS, CODED, seed=seed)
    np.testing.assert_allclose(again, first, atol=1e-5)
    stable = np.ones_like(first)
    found = agreement(first, stable, lambda asked: again[:, asked])
    assert (found.signs, found.told) == (1.0, 1.0)
    turned = agreement(first, stable, lambda asked: -first[:, asked])
    assert (turned.signs, turned.told) == (0.0, 0.0)


def test_several_scores_are_shared_out_as_their_mean():
    x, background = rows(1, 6), rows(2, 9)
    scores = [product, lambda x: 3 * product(x) + x[:, 0], lambda x: np.zeros(len(x))]
    shares = shapley(list(map(by_rows, scores)), x, background, FACTORS, num_permutations=12)
    whole = np.mean([score(x) for score in scores], axis=0)
    np.testing.assert_allclose(shares.base + shares.values.sum(1), whole, atol=1e-6)


def board(count: int) -> Board:
    model, dataset, scored = road()
    search = Search(model)
    return Board(search, scored, scored.rows, search.coded(dataset.frame[scored.rows])).take(count)


def test_a_curve_is_the_mean_probability_with_the_column_set():
    model, dataset, scored = road()
    curves, pairs = dependence(model, dataset, scored)
    assert {"income", "debt", "plan"} <= {curve.text for curve in curves}
    assert len(pairs) == len(curves) * (len(curves) - 1) / 2
    few = board(120)
    for curve in curves:
        assert len(curve.mean) == len(curve.low) == len(curve.high) == len(curve.values or curve.names)
        assert sum(curve.shares) == pytest.approx(1.0)
        assert all(
            low <= mean <= high for low, mean, high in zip(curve.low, curve.mean, curve.high, strict=True)
        )
        for place in (0, len(curve.mean) - 1):
            value = (curve.values or curve.names)[place]
            frame = dataset.frame.with_columns(pl.lit(value).alias(curve.text))
            whole = model.score(replace(dataset, frame=frame), few.rows).probabilities.mean()
            assert curve.mean[place] == pytest.approx(whole, abs=1e-4)
    debt = next(curve for curve in curves if curve.text == "debt")
    assert debt.mean[-1] > debt.mean[0] + 0.2
    assert np.corrcoef(debt.mean, debt.accumulated)[0, 1] > 0.9


class Squared(Linear):
    """No sum of its columns."""

    def logits(self, features):
        return super().logits(features) ** 2


def test_a_score_that_is_a_sum_of_its_columns_has_no_interactions():
    few = board(20)
    model = few.search.model
    columns = list(range(len(few.search.names)))

    def largest(family: object) -> float:
        only = replace(model, families={"only": family}, weights={"only": 1.0}, offsets={"only": 0.0})
        sizes = interactions(Board(Search(only), few.scored, few.rows, few.coded), columns)
        return max(size for size, _, _ in sizes.values())

    sums = [family for family in model.families.values() if isinstance(family, Linear)]
    assert sums
    assert all(largest(family) < 1e-4 for family in sums)
    assert largest(Squared(**sums[0].arrays())) > 1e-3


@pytest.mark.parametrize("target", ["kind", "cost"])
def test_of_classes_each_has_its_curve_and_of_numbers_it_is_the_estimate_that_moves(tmp_path, target):
    table = kinds() if target == "kind" else costs(skewed=True)
    table.write_parquet(tmp_path / "rows.parquet")
    spec = load_spec(
        {"source": str(tmp_path / "rows.parquet"), "target": target},
        (f"out={tmp_path / 'run'}", "model.families=[]", "train.threads=1"),
    )
    dataset = foretell.read(spec)
    model = foretell.fit(spec, dataset)
    scored = model.score(dataset, split(dataset).test)
    curves, pairs = dependence(model, dataset, scored)
    whole = Board(Search(model), scored, scored.rows, np.zeros((len(scored.rows), 1)))
    few = whole.take(120).rows
    for curve in curves:
        levels = [(curve.name, curve.mean), *((level.name, level.mean) for level in curve.others)]
        assert len(levels) == (3 if target == "kind" else 1)
        assert bool(curve.accumulated) == (target == "cost" and not curve.names)
        for place in (0, len(curve.mean) - 1):
            value = (curve.values or curve.names)[place]
            frame = dataset.frame.with_columns(pl.lit(value).alias(curve.text))
            logits = model.score(replace(dataset, frame=frame), few).logits
            if target == "kind":
                said = model.coupling(logits).mean(0)
                wanted = {name: said[code] for code, name in enumerate(model.coupling.names)}
            else:
                wanted = {"": model.estimates(logits)["estimate"].mean()}
            for name, mean in levels:
                assert mean[place] == pytest.approx(wanted[name], rel=1e-4, abs=1e-4)
    assert {pair.outcome for pair in pairs} <= {*(model.coupling.names if model.coupling else ("",))}
    found = agreed(model, scored)
    assert found.rows == 60 and found.missed < 1e-9
    assert target == "cost" or found.same >= 45


def test_the_second_opinion_counts_rows_and_shares():
    model, _, scored = road()
    found = agreed(model, scored)
    assert 0.9 * found.rows <= found.same <= found.rows == 60
    assert 0.9 * found.told <= found.told_same <= found.told
    assert found.missed < 1e-9
    assert agreed(model, replace(scored, rows=scored.rows[:0])) == Agreement()


@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=60, unique=True))
def test_codes_are_each_factors_own_and_stay_when_factors_come_and_go(names):
    factors = [Factor(name=name, text=name, columns=np.array([0])) for name in names]
    found = codes(factors)
    assert len(set(found.values())) == len(names)
    alone = codes(factors[:1])[names[0]]
    assert found[names[0]].startswith(alone)


def test_a_reason_moved_the_score_the_way_it_says():
    model, _, scored = road()
    features = scored.features[scored.rows[:60]]
    raised = scored.probabilities[:60] >= model.threshold
    named = reasons(model, features, raised)
    assert reasons(model, features[7:9], raised[7:9]) == named[7:9]
    shares = shapley(
        by_rows(model.logits_of), features, model.reference.background,
        [f.columns for f in model.factors],
        num_permutations=60, seed=9,
    ).values  # fmt: skip
    order = list(codes(model.factors).values())
    told = [(r, order.index(code)) for r, row in enumerate(named) for code in row.split()]
    assert len(told) >= 60 and max(len(row.split()) for row in named) <= MOST
    wrong = [(r, g) for r, g in told if (shares[r, g] > 0) != raised[r]]
    assert len(wrong) <= 0.05 * len(told), wrong


def test_a_model_is_the_mean_of_its_folds_and_what_all_rows_taught_is_in_each():
    model, _, scored = road()
    x, scorer = scored.features[scored.rows[:20]], next(iter(model.families.values()))
    names = ["linear", *(f"tabm/{fold}" for fold in range(4))]
    weights = dict(zip(names, [0.4, *[0.15] * 4], strict=True))
    offsets = {name: float(number) for number, name in enumerate(names)}
    mixed = replace(model, families=dict.fromkeys(names, scorer), weights=weights, offsets=offsets)
    parts = parts_of(mixed).values()
    assert [len(part) for part in parts] == [2] * 4
    each = [sum(w * (f.logits(x) + offset) for w, offset, f in part) for part in parts]
    np.testing.assert_allclose(np.mean(each, axis=0), mixed.logits_of(x), atol=1e-9)
    (alone,) = parts_of(model).values()
    assert len(alone) == len(model.families)


def test_predictions_name_their_reasons_and_the_card_says_what_the_codes_mean():
    model, dataset, _ = road()
    plain, named = foretell.predict(model, dataset), foretell.predict(model, dataset, reasons=True)
    assert named.drop("reasons").equals(plain)
    folder = Path(model.spec.out)
    card = (folder / "model" / "card.md").read_text()
    done = CliRunner().invoke(main, ["predict", "--run", str(folder), "--reasons"])
    assert done.exit_code == 0 and "reasons" in done.stdout.splitlines()[0]
    assert len(done.stdout.splitlines()) == 1 + len(split(dataset).test)
    for factor, code in zip(model.factors, codes(model.factors).values(), strict=True):
        assert f"| {code} | {factor.text} |" in card
        assert (code in done.stdout) == (f"{code}  {factor.text}" in done.stderr)
