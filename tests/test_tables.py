"""Laws of the ladder of a table: folds, the floor's families, and what is delivered of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

import foretell
from foretell.data.dataset import Dataset
from foretell.data.reading import read
from foretell.data.split import split
from foretell.data.table import fit_schema
from foretell.models.curves import Lines
from foretell.models.family import Material, thinned
from foretell.models.linear import SUMS, Linear, fit_linear
from foretell.prediction import folds as dealing
from foretell.prediction import ladder, rungs
from foretell.prediction.features import Snapshot, featurizer
from foretell.prediction.fitted import DELIVERED, Fitted, Scored, family_of
from foretell.prediction.folder import open_fitted, write_fitted
from foretell.prediction.folds import FOLDS, folds_of
from foretell.spec import ColumnSpec, DataSpec, ModelSpec, Spec, SplitSpec, TrainSpec
from foretell.training.loop import fit as loop
from foretell.training.progress import silent

NUM_ROWS = 600
CODES = ["red", "green", "blue", "grey"]


def frame(seed: int = 0, *, noise: bool = False) -> pl.DataFrame:
    """Return rows whose outcome bends with a number and jumps with a category, or follows nothing."""
    rng = np.random.default_rng(seed)
    size, colour = rng.normal(50, 20, NUM_ROWS).round(1), rng.integers(0, len(CODES), NUM_ROWS)
    logits = np.zeros(NUM_ROWS) if noise else np.abs(size - 50) / 10 - 2.5 + 1.5 * (colour == 2)
    return pl.DataFrame(
        {
            "size": np.where(rng.random(NUM_ROWS) < 0.1, np.nan, size),
            "colour": [CODES[code] for code in colour],
            "clinic": [f"c{number}" for number in rng.integers(0, 40, NUM_ROWS)],
            "idle": rng.normal(size=NUM_ROWS),
            "bad": np.where(rng.random(NUM_ROWS) < 1 / (1 + np.exp(-logits)), "yes", "no"),
        }
    )


def dataset_of(folder: Path, rows: pl.DataFrame, **changes: object) -> Dataset:
    path = folder / "rows.parquet"
    rows.write_parquet(path)
    data = DataSpec(source=str(path), target="bad", **{"exclude": ("clinic",), **changes.pop("data", {})})
    made = {"model": ModelSpec(families=()), "train": TrainSpec(threads=1), **changes}
    return read(Spec(data=data, columns={"colour": ColumnSpec(kind="category")}, **made))


def climbed(folder: Path, dataset: Dataset) -> tuple[Fitted, Scored]:
    return ladder.fit(dataset.spec, dataset, split(dataset), folder=folder / "training", tell=lambda _: None)


def test_each_of_few_rows_chooses_once_and_never_for_a_model_that_it_taught(tmp_path):
    dataset = dataset_of(tmp_path, frame())
    parts = split(dataset)
    folds = folds_of(dataset, parts)
    assert len(folds) == FOLDS
    everything = np.sort(np.concatenate([parts.train, parts.valid]))
    np.testing.assert_array_equal(np.sort(np.concatenate([choose for _, choose in folds])), everything)
    rate = dataset.target[everything].mean()
    for teach, choose in folds:
        np.testing.assert_array_equal(np.sort(np.concatenate([teach, choose])), everything)
        assert abs(dataset.target[choose].mean() - rate) < 0.02


def test_no_group_is_in_two_folds(tmp_path):
    dataset = dataset_of(tmp_path, frame(), data={"group": "clinic", "exclude": ()})
    folds = folds_of(dataset, split(dataset))
    clinics = dataset.frame["clinic"].to_numpy()
    assert len(folds) == FOLDS
    assert not any({*clinics[teach]} & {*clinics[choose]} for teach, choose in folds)


def test_rows_without_a_group_are_not_one_group(tmp_path):
    nameless = pl.when(pl.int_range(NUM_ROWS) % 2 == 0).then(None).otherwise(pl.col("clinic"))
    rows = frame().with_columns(clinic=nameless)
    dataset = dataset_of(tmp_path, rows, data={"group": "clinic", "exclude": ()})
    nobody = dataset.frame["clinic"].is_null().to_numpy()
    assert all(nobody[choose].any() for _, choose in folds_of(dataset, split(dataset)))


@pytest.mark.parametrize("why", ["many rows", "time", "few outcomes"])
def test_else_the_parts_of_the_split_teach_and_choose(tmp_path, monkeypatch, why):
    rows = frame()
    if why == "many rows":
        monkeypatch.setattr(dealing, "FEW_ROWS", 100)
    if why == "time":
        rows = rows.with_columns(at=pl.datetime(2026, 1, 1) + pl.duration(hours=pl.int_range(NUM_ROWS)))
    if why == "few outcomes":
        rare = pl.int_range(NUM_ROWS) % 80 == 0
        rows = rows.with_columns(bad=pl.when(rare).then(pl.lit("yes")).otherwise(pl.lit("no")))
    dataset = dataset_of(tmp_path, rows)
    parts = split(dataset)
    ((teach, choose),) = folds_of(dataset, parts)
    np.testing.assert_array_equal(teach, parts.train)
    np.testing.assert_array_equal(choose, parts.valid)


def test_what_is_only_noise_is_not_taken_for_knowledge(tmp_path):
    """A row that taught what scores it would look easy: then the probabilities would lie far apart."""
    dataset = dataset_of(tmp_path, frame(noise=True))
    fitted, _ = climbed(tmp_path, dataset)
    rate = float(fitted.reference.labels.mean())
    entropy = -rate * np.log(rate) - (1 - rate) * np.log(1 - rate)
    assert all(each.choosing < 0.01 - entropy for each in fitted.standings)
    assert fitted.calibration(fitted.reference.logits).std() < 0.1


@pytest.fixture(scope="module")
def learned(tmp_path_factory) -> tuple[Path, Dataset, Fitted, Scored]:
    folder = tmp_path_factory.mktemp("table")
    model = ModelSpec(width=16, members=2)
    dataset = dataset_of(folder, frame(), model=model, train=TrainSpec(epochs=20, threads=1))
    return folder, dataset, *climbed(folder, dataset)


def test_the_floor_is_delivered_as_one_model_of_all_rows_and_a_family_as_the_mean_of_its_folds(learned):
    _, dataset, fitted, scored = learned
    names = [each.name for each in fitted.standings]
    assert names == ["boosting", "shallow", "extra_trees", "linear", "straight", "tabm", DELIVERED]
    assert [each.floor for each in fitted.standings[:-1]] == [True] * 5 + [False]
    for name in fitted.name.split("+"):
        members = sum(family_of(member) == name for member in fitted.families)
        assert members == (FOLDS if name == "tabm" else 1)
    assert sum(fitted.weights.values()) == pytest.approx(1)
    by_family = fitted.logits_by_family(scored.features[scored.rows])
    shares = {each.name: each.weight for each in fitted.standings[:-1] if each.weight}
    mixed = sum(share * by_family[name] for name, share in shares.items())
    np.testing.assert_allclose(mixed, scored.logits, atol=1e-9)
    assert roc_auc_score(dataset.target[scored.rows], scored.probabilities) > 0.75


def test_lines_say_the_same_as_inputs_and_as_a_table():
    rng = np.random.default_rng(0)
    x = np.column_stack(
        [rng.lognormal(size=500), rng.integers(0, 5, 500), np.ones(500), rng.integers(0, 2, 500)]
    ).astype(np.float32)
    lines = Lines.of(x, np.array([False, True, False, False]))
    asked = np.concatenate([x, 50 * x - 1]).astype(np.float32)
    asked[:, 1] = np.tile(x[:, 1], 2)
    weights = rng.normal(size=len(lines.features)).astype(np.float32)
    table = lines.table(weights[:, None])[..., 0].astype(np.float64)
    fitted = Linear(columns=np.arange(4), knots=lines.knots, table=table, bias=np.zeros(1))
    np.testing.assert_allclose(fitted.logits(asked), lines.inputs(asked) @ weights, atol=1e-4)


def straight() -> pl.DataFrame:
    """Return rows whose outcome follows the sum of many numbers."""
    rng = np.random.default_rng(1)
    numbers = rng.normal(size=(NUM_ROWS, 12))
    logits = 1.5 * numbers @ np.tile([1.0, -0.7, 0.4], 4)
    return pl.DataFrame({f"x{k}": numbers[:, k] for k in range(12)}).with_columns(
        colour=pl.lit("red"),
        clinic=pl.lit("c0"),
        bad=pl.Series(logits > rng.logistic(size=NUM_ROWS)).cast(str),
    )


def test_a_straight_truth_is_learned_better_by_straight_lines_than_by_bends_or_trees(tmp_path):
    fitted, _ = climbed(tmp_path, dataset_of(tmp_path, straight()))
    chosen = {each.name: each.choosing for each in fitted.standings}
    others = [chosen[name] for name in ("boosting", "shallow", "extra_trees", "linear")]
    assert chosen["straight"] > max(others)
    assert "straight" in fitted.families


def test_a_family_that_adds_nothing_to_many_rows_is_fitted_on_one_fold_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(rungs, "TELLING", 50)
    changes = {"model": ModelSpec(width=8, members=2), "train": TrainSpec(epochs=1, threads=1)}
    dataset, told = dataset_of(tmp_path, straight(), **changes), []
    fitted, _ = ladder.fit(
        dataset.spec, dataset, split(dataset), folder=tmp_path / "training", tell=told.append
    )
    assert "tabm" not in [each.name for each in fitted.standings]
    assert any(line.startswith("  tabm: given up") for line in told)
    assert len(list((tmp_path / "training").glob("tabm*"))) == 1


def test_what_is_delivered_loses_least_on_the_choosing_rows(learned):
    *_, fitted, _ = learned
    *rungs, delivered = fitted.standings
    assert delivered.choosing >= max(each.choosing for each in rungs)
    assert {each.measure for each in fitted.standings} == {"log_loss"}


def test_a_model_of_folds_comes_back_from_its_folder(learned):
    folder, dataset, fitted, scored = learned
    write_fitted(fitted, folder / "model", fingerprint=dataset.fingerprint, card="")
    again = open_fitted(folder / "model")
    assert again.name == fitted.name
    np.testing.assert_array_equal(again.score(dataset, scored.rows).probabilities, scored.probabilities)


def material(rows: pl.DataFrame, folder: Path) -> Material:
    dataset = dataset_of(folder, rows)
    (teach, choose), *_ = folds_of(dataset, split(dataset))
    features = featurizer(fit_schema(dataset, teach), dataset, teach, ())
    before = Snapshot.empty(features.plan)
    events = features.events(dataset, before.register)
    replayed = features.replay(events, before, keep=choose)
    sample = thinned(dataset.target, teach, np.zeros(len(teach)))
    return ladder.material_of(features, events, replayed, dataset.target, sample, choose)


def test_the_linear_floor_bends_with_a_number_and_knows_each_value_of_a_category(tmp_path):
    held = material(frame(), tmp_path)
    family = Linear.fit(held, Spec(data=DataSpec(source="rows", target="bad")), loop, None, silent)
    assert roc_auc_score(held.labels[held.choose], family.score(held, held.choose)) > 0.75
    again = Linear.restore({name: np.array(array) for name, array in family.arrays().items()})
    x = held.features[:50]
    np.testing.assert_array_equal(again.logits(x), family.logits(x))
    read_out = again.reader()
    np.testing.assert_array_equal([read_out(row) for row in x], family.logits(x))


def test_a_value_that_no_row_had_scores_between_those_that_they_had(tmp_path):
    held = material(frame(), tmp_path)
    family = Linear.fit(held, Spec(data=DataSpec(source="rows", target="bad")), loop, None, silent)
    row = held.features[:1].copy()
    colour = int(np.flatnonzero(held.categorical)[0])
    scores = []
    for code in range(len(CODES) + 1):
        row[0, colour] = code
        scores.append(float(family.logits(row)[0]))
    assert min(scores[1:]) <= scores[0] <= max(scores[1:])


@pytest.mark.parametrize("kind", SUMS)
def test_a_code_that_no_teaching_row_has_adds_what_an_unknown_value_does(kind, tmp_path):
    held = material(frame(), tmp_path)
    colour = int(np.flatnonzero(held.categorical)[0])
    teach = held.teach[held.features[held.teach, colour] != 2]
    few = replace(held, teach=teach, weights=np.ones(len(teach)))
    ((family,), _) = fit_linear([few], SUMS[kind])
    rows = np.repeat(held.features[:1], 4, axis=0)
    rows[:, colour] = [0, 1, 2, 3]
    unknown, first, lacking, third = family.logits(rows)
    assert lacking == pytest.approx(unknown, abs=1e-6)
    assert len({unknown, first, third}) == 3


def test_a_table_walks_the_whole_road(tmp_path):
    rows = frame()
    dataset = dataset_of(tmp_path, rows)
    spec = replace(dataset.spec, out=str(tmp_path / "run"), split=SplitSpec())
    done = foretell.run(spec)
    assert done.num_cases and not done.refused


def test_of_many_columns_the_strongest_are_factors_and_the_rest_is_one(tmp_path):
    rng = np.random.default_rng(0)
    many = {f"idle{number}": rng.normal(size=NUM_ROWS) for number in range(80)}
    dataset = dataset_of(tmp_path, frame().with_columns(**{k: pl.Series(v) for k, v in many.items()}))
    fitted, _ = climbed(tmp_path, dataset)
    names = [factor.name for factor in fitted.factors]
    assert len(names) == 64 and names[-1] == "others" and "size" in names
    covered = np.sort(np.concatenate([factor.columns for factor in fitted.factors]))
    np.testing.assert_array_equal(covered, np.arange(len(fitted.featurizer.factors)))
