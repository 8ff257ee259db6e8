"""Laws of targets of several classes: probabilities, doubt, what is told of each row, and the road."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from foretell.data.dataset import Dataset
from foretell.data.reading import read
from foretell.data.split import split
from foretell.errors import DataError, TrainingError
from foretell.evidence.reasons import codes
from foretell.prediction import ladder
from foretell.prediction.alerts import alerts_of
from foretell.prediction.faces import reviewed_as
from foretell.prediction.folder import open_fitted, write_fitted
from foretell.spec import ColumnSpec, DataSpec, ModelSpec, ReviewSpec, Spec, TaskSpec, TrainSpec
from foretell.tasks.multiclass import couple, doubts
from foretell.verification import verify
from foretell.workflow import explain, narrate, predict, predictions_of
from table_samples import NUM_ROWS, kinds

LOGITS = arrays.arrays(np.float64, (40, 3), elements=st.floats(-8, 8))


def dataset_of(folder, rows: pl.DataFrame, **changes: object) -> Dataset:
    path = folder / "rows.parquet"
    rows.write_parquet(path)
    return read(
        Spec(
            data=DataSpec(source=str(path), target="kind"),
            train=TrainSpec(threads=1),
            **{"model": ModelSpec(families=()), **changes},
        )
    )


def climbed(folder, dataset: Dataset):
    return ladder.fit(dataset.spec, dataset, split(dataset), folder=folder / "training", tell=lambda _: None)


@settings(max_examples=30, deadline=None)
@given(LOGITS, st.integers(0, 2**16))
def test_coupled_probabilities_sum_to_one_and_one_against_the_rest_is_the_same_probability(logits, seed):
    codes = np.random.default_rng(seed).integers(0, 3, len(logits)).astype(np.int8)
    coupling = couple(logits, codes, ("a", "b", "c"), np.ones(3) / 3)
    told = coupling(logits)
    np.testing.assert_allclose(told.sum(axis=1), 1)
    for code in range(3):
        one = 1 / (1 + np.exp(-coupling.against(logits, code)))
        np.testing.assert_allclose(one, told[:, code], atol=1e-5)
    np.testing.assert_allclose(1 / (1 + np.exp(-doubts(told))), 1 - told.max(axis=1), atol=1e-5)


def test_models_that_are_too_sure_are_held_back():
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 1.5, (3000, 3))
    told = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    codes = (rng.random(3000)[:, None] > told.cumsum(axis=1)).sum(axis=1).astype(np.int8)
    assert couple(3 * honest, codes, ("a", "b", "c"), np.ones(3) / 3).sharpness == pytest.approx(
        1 / 3, rel=0.1
    )


def test_classes_are_the_frequent_values_and_rare_ones_are_left_unknown(tmp_path):
    rows = kinds().with_columns(
        kind=pl.when(pl.int_range(NUM_ROWS) < 3).then(pl.lit("yew")).otherwise("kind")
    )
    dataset = dataset_of(tmp_path, rows)
    assert dataset.classes == ("oak", "ash", "elm")
    assert [repair.rows for repair in dataset.repairs if repair.rule == "unknown outcome"] == [3]
    assert (dataset.target[:3] == -1).all()
    for name, face in dataset.faces.items():
        np.testing.assert_array_equal(face[3:] == 1, (rows["kind"] == name).to_numpy()[3:])


def test_one_class_can_be_looked_for_alone(tmp_path):
    dataset = dataset_of(tmp_path, kinds(), task=TaskSpec(positive="ash"))
    assert not dataset.classes
    np.testing.assert_array_equal(dataset.target == 1, (kinds()["kind"] == "ash").to_numpy())


def test_too_many_values_and_streams_of_several_classes_are_refused(tmp_path):
    with pytest.raises(DataError, match="has 600 values"):
        dataset_of(tmp_path, kinds().with_columns(kind=pl.format("k{}", pl.int_range(NUM_ROWS))))
    entities = dataset_of(tmp_path, kinds(), columns={"colour": ColumnSpec(kind="entity")})
    with pytest.raises(TrainingError, match="3 classes, and the rows are events"):
        climbed(tmp_path, entities)


@pytest.mark.parametrize("families", [(), ("tabm",)])
def test_classes_are_learned_stored_and_told_where_they_are_in_doubt(tmp_path, families):
    model, quick = ModelSpec(families=families, width=16, members=2), TrainSpec(threads=1, epochs=4)
    dataset = dataset_of(tmp_path, kinds(), model=model)
    dataset = replace(dataset, spec=replace(dataset.spec, train=quick))
    fitted, scored = climbed(tmp_path, dataset)
    assert fitted.coupling is not None and fitted.standings[-1].metrics["accuracy"] > 0.7
    write_fitted(fitted, tmp_path / "model", fingerprint=dataset.fingerprint, card="")
    again = open_fitted(tmp_path / "model")
    np.testing.assert_array_equal(again.score(dataset, scored.rows).logits, scored.logits)
    table = predict(again, dataset)
    told = table.select("p_oak", "p_ash", "p_elm").to_numpy()
    np.testing.assert_allclose(told.max(axis=1), table["probability"])
    assert table.filter("alert")["probability"].max() <= table.filter(~pl.col("alert"))["probability"].min()
    seen = reviewed_as(fitted, dataset, scored)
    right = (table["class"] == dataset.frame["kind"][scored.rows]).to_numpy()
    np.testing.assert_array_equal(seen.target[scored.rows] == 1, ~right)
    alerts = alerts_of(fitted.spec, seen, scored)
    predictions = predictions_of(again, dataset, scored, alerts)
    for evidence, prediction in zip(explain(again, dataset, scored, alerts), predictions, strict=True):
        row = table.filter(pl.col("id") == prediction.id)
        assert evidence.of("term")[1].value == f"kind {row['class'][0]}"
        assert evidence.of("score")[0].value == pytest.approx(row["probability"][0], rel=1e-5)
        assert not evidence.of("threshold")
        narrative, verdict = narrate(evidence, fitted.spec.narrate)
        (second,) = evidence.of("runner_up")
        assert verdict.passed and second.text in narrative.text
        lied = replace(second, value=second.value / 2 + 0.3)
        other = replace(evidence, facts=tuple(lied if fact is second else fact for fact in evidence.facts))
        assert not verify(narrative, other).passed


def test_the_least_change_makes_another_class_the_most_probable_and_each_row_has_the_reasons_of_its_own(
    tmp_path,
):
    dataset = dataset_of(tmp_path, kinds(), review=ReviewSpec(capacity=200))
    fitted, scored = climbed(tmp_path, dataset)
    alerts = alerts_of(fitted.spec, reviewed_as(fitted, dataset, scored), scored)
    table = predict(fitted, dataset, reasons=True)
    named = codes(fitted.factors)
    told = changed = 0
    for row, evidence in zip(alerts.rows.tolist(), explain(fitted, dataset, scored, alerts), strict=True):
        own = table.filter(pl.col("id") == evidence.id)
        raising = {named[f.name] for f in evidence.of("attribution") if f.value > 0}
        assert set(own["reasons"][0].split()) <= raising
        told += bool(own["reasons"][0])
        facts = (*evidence.of("counterfactual"), *evidence.of("recourse"))
        if not facts:
            continue
        changed += 1
        frame = dataset.frame
        for fact in facts:
            column = frame[fact.name].to_list()
            assert fact.value != fact.detail["was"]
            column[row] = fact.value
            frame = frame.with_columns(pl.Series(fact.name, column, dtype=frame[fact.name].dtype))
        again = fitted.coupling(fitted.score(replace(dataset, frame=frame), np.array([row])).logits)[0]
        assert facts[0].detail["becomes"] == f"kind {fitted.coupling.names[again.argmax()]}"
        assert facts[0].detail["becomes"] != evidence.of("term")[1].value
        assert facts[0].detail["probability"] == pytest.approx(again.max(), rel=1e-4)
        assert facts[0].detail["left"] < facts[0].detail["probability"]
        narrative, verdict = narrate(evidence, replace(fitted.spec.narrate, length="long"))
        assert verdict.passed and any(
            claim.production.startswith("change.class") for claim in narrative.claims
        )
        lied = replace(facts[0], detail={**facts[0].detail, "becomes": "kind yew"})
        other = tuple(lied if fact is facts[0] else fact for fact in evidence.facts)
        assert not verify(narrative, replace(evidence, facts=other)).passed
    assert told >= 10 and changed >= 10
