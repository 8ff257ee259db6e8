"""Laws of the search: it goes on where it stopped, its best trials join the ladder."""

import time

import numpy as np

from foretell.data.reading import read
from foretell.data.split import split
from foretell.prediction import ladder, search
from foretell.prediction.folder import open_fitted, write_fitted
from foretell.spec import DataSpec, ModelSpec, Spec, TrainSpec
from table_samples import costs


def climbed(folder, budget: str):
    path = folder / "rows.parquet"
    costs().write_parquet(path)
    spec = Spec(
        data=DataSpec(source=str(path), target="cost"),
        model=ModelSpec(families=(), budget=budget),
        train=TrainSpec(threads=1),
    )
    dataset, told = read(spec), []
    fitted, scored = ladder.fit(
        dataset.spec, dataset, split(dataset), folder=folder / "training", tell=told.append
    )
    return dataset, fitted, scored, told


def test_a_search_goes_on_where_it_stopped_and_its_best_join_the_ladder(tmp_path, monkeypatch):
    monkeypatch.setattr(search, "TRIALS", 3)
    told = climbed(tmp_path, "1h")[3]
    assert any("3 shapes of trees tried;" in line for line in told)
    dataset, fitted, scored, told = climbed(tmp_path, "1h")
    assert any("6 shapes of trees tried, 3 of them before" in line for line in told)
    names = [standing.name for standing in fitted.standings]
    assert names[-3:-1] == ["tuned_1", "tuned_2"]
    chosen = {standing.name: standing.choosing for standing in fitted.standings}
    assert max(chosen["tuned_1"], chosen["tuned_2"]) > -np.inf
    write_fitted(fitted, tmp_path / "model", fingerprint=dataset.fingerprint, card="")
    again = open_fitted(tmp_path / "model").score(dataset, scored.rows)
    np.testing.assert_array_equal(again.logits, scored.logits)


def test_a_search_ends_when_its_time_is_up_and_without_time_there_is_none(tmp_path):
    began = time.monotonic()
    names = [standing.name for standing in climbed(tmp_path, "1s")[1].standings]
    assert "tuned_1" in names
    assert time.monotonic() - began < 300
    quiet = climbed(tmp_path, "")[1]
    assert not any(standing.name.startswith("tuned") for standing in quiet.standings)
