"""The nearest past rows are the nearest, are told with what became of them, and never the row itself."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from foretell import wording
from foretell.evidence import similar
from foretell.evidence.scene import Scene
from foretell.evidence.similar import NAMED, REACH
from learning_worlds import payments_fit
from test_evidence_learning import scene


def past_scene() -> Scene:
    """Return a scene of rows that the model was fitted on, which are stored themselves."""
    fit, there = payments_fit(), scene()
    stored = {*fit.fitted.reference.past["id"].to_list()}
    rows = np.array([row for row in fit.parts.valid.tolist() if str(fit.dataset.ids[row]) in stored][:60])
    predictions = tuple(replace(there.predictions[0], id=str(fit.dataset.ids[row])) for row in rows.tolist())
    scored = replace(fit.scored, rows=np.arange(len(fit.dataset)))
    return Scene(fitted=fit.fitted, dataset=fit.dataset, scored=scored, rows=rows, predictions=predictions)


@pytest.mark.parametrize("made", [scene, past_scene])
def test_the_named_rows_are_the_nearest_of_the_past_with_their_outcomes(made):
    there = made()
    dataset, reference = there.dataset, there.fitted.reference
    columns, weights = reference.similar_columns, reference.weights[reference.similar_columns]
    ordered = np.sort(reference.similar, axis=0)

    def ranked(rows):
        places = [np.searchsorted(ordered[:, f], rows[:, f]) for f in range(rows.shape[1])]
        return np.stack(places, axis=1) / len(ordered) * np.sqrt(weights)

    stored = ranked(reference.similar)
    numbers = {str(name): row for row, name in enumerate(dataset.ids.tolist())}
    told = 0
    for row, facts in zip(there.rows.tolist(), similar.collect(there), strict=True):
        named = [fact for fact in facts if fact.kind == "nearest"]
        away = np.sqrt(((stored - ranked(there.scored.features[[row]][:, columns])) ** 2).sum(1))
        past = reference.past
        fits = (past["at_us"].to_numpy() <= dataset.at_us[row]) & (past["id"].to_numpy() != dataset.ids[row])
        wanted = np.sort(away[fits])[: len(named)]
        np.testing.assert_allclose([fact.value for fact in named], wanted, atol=2e-3)
        assert len(named) == min(NAMED, facts[0].detail["n"])
        for fact in named:
            other = numbers[fact.name]
            assert other != row and dataset.at_us[other] <= dataset.at_us[row]
            assert fact.detail["positive"] == bool(dataset.target[other])
            assert fact.detail["known"] == ("fraud" if dataset.target[other] else "no fraud")
            assert fact.detail["value"] == pytest.approx(dataset.frame["amount"][other], rel=1e-5)
            told += 1
    assert told > 50 and REACH > 1


def test_a_model_that_kept_no_names_still_counts_its_nearest_rows():
    there = scene()
    reference = replace(there.fitted.reference, past=pl.DataFrame())
    older = replace(there, fitted=replace(there.fitted, reference=reference), facts=[])
    for before, facts in zip(similar.collect(there), similar.collect(older), strict=True):
        assert facts == before[:1]


def test_german_cases_name_the_same_rows_in_german():
    there = scene()
    spec = there.fitted.spec
    spec = replace(spec, narrate=replace(spec.narrate, language="de"))
    german = replace(there, fitted=replace(there.fitted, spec=spec), facts=[])
    told = 0
    for plain, own in zip(similar.collect(there), similar.collect(german), strict=True):
        for one, other in zip(plain[1:], own[1:], strict=True):
            when = wording.instant(other.detail["at"], "de")
            assert (other.name, other.value) == (one.name, one.value)
            assert other.text == f"transaction vom {when}"
            assert other.detail["known"] == ("fraud" if one.detail["positive"] else "ohne fraud")
            told += 1
    assert told > 50
