"""What would end an alert: within what the owner allows, true when scored again, and near to real rows."""

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

import foretell
from evidences import evidence
from foretell.border import load_spec
from foretell.data.dataset import Dataset
from foretell.errors import DataError, SpecError
from foretell.evidence import counterfactual
from foretell.evidence.scene import Scene
from foretell.narration.embedded import write
from foretell.prediction.alerts import Alerts
from foretell.prediction.mechanisms import fitted, ordered
from foretell.prediction.nearness import APART, Nearness
from foretell.records import Claim, Fact, Narrative, Prediction
from foretell.spec import ColumnSpec, NarrateSpec, Spec
from foretell.verification import verify
from foretell.workflow import predictions_of
from loans import CATEGORIES, NUMBERS, road
from mutants import mutants
from second_checker import World, accepts


def found(columns: dict[str, ColumnSpec], rows: list[int]) -> list[tuple[Prediction, list[Fact]]]:
    """Return what would end the alerts of some of the test rows that score highest."""
    model, dataset, scored = road()
    model = replace(model, spec=replace(model.spec, columns=columns))
    chosen = scored.rows[np.argsort(-scored.probabilities)[sorted(rows)]]
    alerts = Alerts(rows=np.sort(chosen), thresholds=np.full(len(chosen), model.threshold))
    predictions = predictions_of(model, dataset, scored, alerts)
    scene = Scene(fitted=model, dataset=dataset, scored=scored, rows=alerts.rows, predictions=predictions)
    return list(zip(predictions, counterfactual.collect(scene), strict=True))


def changed(dataset: Dataset, row: int, facts: list[Fact]) -> Dataset:
    """Return the data with the facts' values in the row."""
    frame = dataset.frame
    for fact in facts:
        column = frame[fact.name].to_list()
        column[row] = fact.value
        frame = frame.with_columns(pl.Series(fact.name, column, dtype=frame[fact.name].dtype))
    return replace(dataset, frame=frame)


ranges = st.sampled_from(((), (1000.0, 5000.0), (0.0, 900.0), (30.0, 60.0)))
stated = st.fixed_dictionaries(
    {
        **{
            name: st.builds(
                ColumnSpec, change=st.sampled_from(("free", "never", "rise", "fall")), within=ranges
            )
            for name in NUMBERS
            if name != "savings"
        },
        "savings": st.builds(
            ColumnSpec,
            change=st.sampled_from(("free", "rise", "fall", "follow")),
            within=ranges,
            causes=st.sampled_from(((), ("income",), ("income", "age", "plan"))),
        ),
        **{name: st.builds(ColumnSpec, change=st.sampled_from(("free", "never"))) for name in CATEGORIES},
    }
)
places = st.lists(st.integers(0, 40), min_size=1, max_size=4, unique=True)


@settings(max_examples=15, deadline=None)
@given(stated, places)
def test_a_change_keeps_to_what_the_owner_allows_and_ends_the_alert(columns, rows):
    model, dataset, _ = road()
    for prediction, facts in found(columns, rows):
        inputs = prediction.inputs
        for fact in facts:
            column, was, value = columns[fact.name], fact.detail["was"], fact.value
            assert value != was
            assert was == (approx(inputs[fact.name], rel=1e-5) if fact.unit != "name" else inputs[fact.name])
            assert column.change != "never"
            assert (column.change, fact.detail.get("follows", 0)) != ("follow", 0)
            assert column.change != "rise" or value > was
            assert column.change != "fall" or value < was
            assert not column.within or column.within[0] <= value <= column.within[1]
            assert fact.detail["distance"] <= fact.detail["usual"]
        if facts:
            row = int(np.flatnonzero(dataset.ids == prediction.id)[0])
            again = model.score(changed(dataset, row, facts), np.array([row])).probabilities[0]
            assert again == approx(facts[0].detail["probability"], abs=1e-5)
            assert again < prediction.threshold
            assert {fact.kind for fact in facts} == {"counterfactual" if len(facts) == 1 else "recourse"}
            steps = [fact.detail.get("step", 1) for fact in facts]
            assert steps == list(range(1, len(facts) + 1))


def test_most_alerts_can_be_ended_by_few_changes_and_the_answer_is_always_the_same():
    first = found({}, list(range(40)))
    assert sum(bool(facts) for _, facts in first) >= 30
    assert max(len(facts) for _, facts in first) <= 3
    assert found({}, list(range(40))) == first


def test_where_nothing_may_change_nothing_is_said():
    never = {name: ColumnSpec(change="never") for name in (*NUMBERS, *CATEGORIES)}
    assert all(not facts for _, facts in found(never, list(range(10))))


def test_no_change_is_in_vain():
    """Without any one of several changes the row stays an alert, or is none that occurs."""
    model, dataset, _ = road()
    several = [(p, f) for p, f in found({}, list(range(40))) if len(f) > 1]
    assert several
    for prediction, facts in several:
        row = int(np.flatnonzero(dataset.ids == prediction.id)[0])
        for left_out in facts:
            rest = changed(dataset, row, [fact for fact in facts if fact is not left_out])
            assert model.score(rest, np.array([row])).probabilities[0] >= prediction.threshold


def test_an_effect_follows_its_causes_by_what_past_rows_show():
    columns = {name: ColumnSpec(change="never") for name in (*NUMBERS, *CATEGORIES) if name != "income"}
    columns["savings"] = ColumnSpec(change="follow", causes=("income", "age"))
    told = [facts for _, facts in found(columns, list(range(40))) if facts]
    assert len(told) >= 10
    for income, savings in told:
        moved = savings.value - savings.detail["was"]
        assert (income.name, savings.name) == ("income", "savings")
        assert savings.detail["follows"] == 1 and savings.value == round(savings.value)
        assert moved == approx(2 * (income.value - income.detail["was"]), rel=0.15, abs=60)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_a_mechanism_finds_squares_products_and_categories(seed):
    rng = np.random.default_rng(seed)
    rows = np.column_stack([np.zeros(400), rng.normal(5, 2, (400, 2)), rng.integers(1, 4, 400)])
    rows[:, 0] = rows[:, 1] * rows[:, 2] - rows[:, 2] ** 2 + np.array([0, 3.0, -7, 4])[rows[:, 3].astype(int)]
    mechanism = fitted(0, (1, 2, 3), rows, 3)
    assert mechanism is not None and mechanism.explained > 0.99
    np.testing.assert_allclose(mechanism(rows), rows[:, 0], atol=0.05 * np.std(rows[:, 0]))


@given(st.permutations(range(6)), st.data())
def test_effects_stand_behind_their_causes(names, data):
    causes = {
        effect: data.draw(st.lists(st.sampled_from(names[:place]), unique=True))
        for place, effect in enumerate(names)
        if place
    }
    order = ordered(causes)
    assert sorted(order) == sorted(causes)
    assert all(order.index(c) < order.index(e) for e in causes for c in causes[e] if c in causes)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_a_distance_is_the_mean_over_the_columns(seed):
    rng = np.random.default_rng(seed)
    rows = np.column_stack([rng.integers(0, 9, (30, 2)), rng.integers(1, 4, 30)]).astype(float)
    rows[rng.random(30) < 0.1, 0] = np.nan
    near, row = Nearness(rows=rows, num_numbers=2), rows[0].copy()
    row[1], row[2] = rng.integers(0, 9), rng.integers(1, 4)

    def rank(k, value):
        known = rows[np.isfinite(rows[:, k]), k]
        return ((known < value).mean() + (known <= value).mean()) / 2

    def apart(k, x, y):
        if k == 2 or np.isnan(x) or np.isnan(y):
            return APART * (x != y and not (np.isnan(x) and np.isnan(y)))
        return abs(rank(k, x) - rank(k, y))

    wanted = min(np.mean([apart(k, row[k], other[k]) for k in range(3)]) for other in rows)
    assert near.nearest(near.profile(rows[0]), row, [1, 2]) == approx(wanted, abs=1e-6)
    assert near.nearest(near.profile(row), row, []) == approx(wanted, abs=1e-6)


@pytest.mark.parametrize("language", ["en", "de"])
def test_changes_that_hold_together_are_told_together_and_no_false_one_passes(language):
    told = refused = 0
    for seed in range(130):
        facts = evidence(seed, language=language)
        joint = facts.of("recourse")
        long = write(facts, NarrateSpec(length="long", seed=seed, language=language), 0)
        sentences = [claim for claim in long.claims if claim.production == "change.together"]
        if not sentences:
            continue
        told += 1
        assert verify(long, facts).passed
        for fact in joint:
            if fact.text in sentences[0].text and fact.detail["was"] != fact.value:
                detail = {**fact.detail, "was": fact.value}
                other = replace(fact, value=fact.detail["was"], detail=detail)
                turned = replace(facts, facts=tuple(other if f is fact else f for f in facts.facts))
                assert not verify(long, turned).passed and not accepts(long, World(turned))
                refused += 1
        alone = Narrative(claims=(Claim(text=sentences[0].text),), writer="test")
        world = World(facts)
        for name, mutant in mutants(replace(long, claims=(long.claims[0], *sentences)), facts, Random(seed)):
            assert not verify(mutant, facts).passed, (name, mutant.text)
        assert accepts(long, world) and not verify(alone, facts).passed  # the opening may not be left out
    assert told >= 5 and refused >= 10


SPEC = {"source": "rows.csv", "target": "y"}


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"a": {"change": "grow"}}, "must be one of free, never, rise, fall, follow"),
        ({"a": {"within": [3, 1]}}, "must be two numbers, the least first"),
        ({"a": {"causes": ["b"]}, "b": {"causes": ["a"]}}, "a cause of itself"),
        ({"a": {"causes": ["a"]}}, "a cause of itself"),
    ],
)
def test_a_spec_that_cannot_hold_is_refused(columns, told):
    with pytest.raises(SpecError, match=told):
        load_spec({**SPEC, "columns": columns})


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"plan": ColumnSpec(change="rise")}, "of kind category"),
        ({"plan": ColumnSpec(within=(1, 2))}, "of kind category"),
        ({"plan": ColumnSpec(causes=("age",))}, "of kind category"),
        ({"age": ColumnSpec(change="follow")}, "names no causes"),
        ({"age": ColumnSpec(change="never", causes=("debt",))}, "never"),
        ({"age": ColumnSpec(causes=("dept",))}, "did you mean 'debt'"),
    ],
)
def test_what_the_columns_cannot_do_is_refused(columns: dict[str, ColumnSpec], told: str):
    spec: Spec = replace(road()[0].spec, columns=columns)
    with pytest.raises(DataError, match=told):
        foretell.read(spec)


def test_a_first_spec_keeps_how_columns_may_change(tmp_path: Path):
    from foretell.border import initial_spec

    columns = {"savings": ColumnSpec(change="rise", within=(0.0, 9000.0), causes=("income", "age"))}
    dataset = foretell.read(replace(road()[0].spec, columns=columns))
    (tmp_path / "first.yaml").write_text(initial_spec(dataset))
    again = load_spec(tmp_path / "first.yaml").columns["savings"]
    assert (again.change, again.within, again.causes) == ("rise", (0.0, 9000.0), ("income", "age"))
