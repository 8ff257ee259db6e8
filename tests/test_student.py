"""Laws of the student: its size, the rows that it is asked about, and that it says what its teacher says."""

from dataclasses import replace

import numpy as np
import pytest

from foretell.data.reading import read
from foretell.data.split import split
from foretell.models.curves import Curves
from foretell.models.readout_network import Readout
from foretell.prediction import ladder, student
from foretell.prediction.fitted import Factor
from foretell.prediction.folder import open_fitted, write_fitted
from foretell.spec import DataSpec, ModelSpec, Spec, TrainSpec
from table_samples import costs, kinds


def test_a_made_row_takes_whole_factors_from_two_real_rows():
    rng = np.random.default_rng(0)
    real = (10 * np.arange(40)[:, None] + np.arange(5)).astype(np.float32)
    factors = [Factor(name=str(c), text="", columns=np.array(c)) for c in ([0, 3], [1], [2, 4])]
    made = student.swapped(real, factors, 5_000, rng)
    rows = np.floor(made / 10).astype(int)
    np.testing.assert_array_equal(made, 10 * rows + np.arange(5))
    assert (rows[:, 0] == rows[:, 3]).all() and (rows[:, 2] == rows[:, 4]).all()
    assert max(len(np.unique(row)) for row in rows) == 2
    assert abs(np.mean(rows[:, 0] != rows[:, 1]) - 2 * 0.3 * 0.7 * 39 / 40) < 0.03


@pytest.mark.parametrize("outputs", [1, 3])
def test_the_size_that_is_told_is_the_size_of_the_network(outputs):
    x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    curves = Curves.of(x, np.zeros(4, np.bool_), [np.array([-1, 0, 1, 2], np.float32)] * 4)
    model = Readout(
        int(curves.starts[-1]), width=24, members=student.MEMBERS, base=(0.0,) * outputs, loss="classes"
    )
    assert student._size(curves, 24, outputs) == sum(each.numel() for each in model.parameters())


@pytest.mark.parametrize(
    ("rows", "target", "line"), [(costs, "cost", 3.0), (costs, "cost", None), (kinds, "kind", 0)]
)
def test_a_student_says_about_what_the_ensemble_says(tmp_path, monkeypatch, rows, target, line):
    monkeypatch.setattr(student, "STEPS", 400)
    monkeypatch.setattr(student, "MOST_MADE", 4_000)
    frame = rows()
    if line:  # two outcomes
        frame = frame.with_columns(cost=frame["cost"] > line)
    path = tmp_path / "rows.parquet"
    frame.write_parquet(path)
    model = ModelSpec(families=(), deliver="student")
    spec = Spec(
        data=DataSpec(source=str(path), target=target),
        model=model,
        train=TrainSpec(threads=1),
    )
    dataset = read(spec)
    told: list[str] = []
    fitted, scored = ladder.fit(
        dataset.spec, dataset, split(dataset), folder=tmp_path / "training", tell=told.append
    )
    assert list(fitted.families) == ["student"] and fitted.name == "student"
    ensemble, delivered = fitted.standings[-2:]
    assert (ensemble.name, delivered.family) == ("ensemble", "student")
    measure = "rmse" if fitted.estimator else "log_loss"
    assert delivered.metrics[measure] < 1.25 * ensemble.metrics[measure]
    assert any("parameters" in line for line in told)
    write_fitted(fitted, tmp_path / "model", fingerprint=dataset.fingerprint, card="")
    again = open_fitted(tmp_path / "model").score(dataset, scored.rows)
    np.testing.assert_array_equal(again.logits, scored.logits)
    again = ladder.fit(
        replace(dataset.spec, model=replace(model, deliver="ensemble")),
        dataset, split(dataset), folder=tmp_path / "other", tell=told.append,
    )[1]  # fmt: skip
    agree = np.corrcoef(again.logits.ravel(), scored.logits.ravel())[0, 1]
    assert agree > 0.9
