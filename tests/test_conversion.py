"""Laws of conversion: the file says what the model says of any row, or there is no file."""

import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from click.testing import CliRunner

from foretell import conversion
from foretell.cli import main
from foretell.conversion.parity import compared, feed, said, session_of, spoiled
from foretell.data.dataset import Dataset
from foretell.data.reading import read
from foretell.data.split import split
from foretell.errors import ForetellError, SpecError
from foretell.models.boosting import Boosting
from foretell.models.curves import Curves
from foretell.models.linear import Linear
from foretell.models.readout import ReadoutArrays
from foretell.models.tabm import TabM
from foretell.prediction import ladder
from foretell.prediction.fitted import Fitted
from foretell.prediction.folder import write_fitted
from foretell.spec import DataSpec, ModelSpec, Spec, TrainSpec
from foretell.workflow import predict
from table_samples import NUM_ROWS, costs, kinds

TASKS = ("outcome", "number", "classes")
Models = Callable[[str], tuple[Fitted, Dataset]]


def sample(task: str) -> tuple[pl.DataFrame, str]:
    """Return rows with cells missing, those of two outcomes with instants, and the target's name."""
    frame, target = (kinds(), "kind") if task == "classes" else (costs(skewed=True), "cost")
    at = datetime(2024, 2, 28, 22, 15, tzinfo=UTC) + pl.duration(hours=7 * pl.int_range(NUM_ROWS))
    if task != "number":  # numbers are without time, and so in folds
        frame = frame.with_columns(at=at)
    if task == "outcome":
        frame = frame.with_columns(cost=frame["cost"] > 3, since=at - pl.duration(minutes=977))
    gone = np.random.default_rng(5).random((NUM_ROWS, len(frame.columns))) < 0.1
    return frame.with_columns(
        pl.when(pl.Series(gone[:, place])).then(None).otherwise(pl.col(name)).alias(name)
        for place, name in enumerate(frame.columns)
        if name not in (target, "at")
    ), target


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    @cache
    def fitted(task: str) -> tuple[Fitted, Dataset]:
        folder = tmp_path_factory.mktemp(task)
        frame, target = sample(task)
        frame.write_parquet(folder / "rows.parquet")
        data = DataSpec(source=str(folder / "rows.parquet"), target=target)
        model = ModelSpec(families=())
        dataset = read(Spec(data=data, model=model, train=TrainSpec(threads=1), out=str(folder)))
        found, _ = ladder.fit(
            dataset.spec, dataset, split(dataset), folder=folder / "training", tell=lambda _: None
        )
        digest = write_fitted(found, folder / "model", fingerprint=dataset.fingerprint, card="")
        return replace(found, digest=digest), dataset

    return fitted


def with_network(fitted: Fitted, dataset: Dataset, seed: int) -> Fitted:
    """Return the model with a network of random weights in the place of all families, as a student stands."""
    rng = np.random.default_rng(seed)
    features = fitted.featurizer
    x_BF = fitted.score(dataset, np.zeros(0, dtype=np.int64)).features
    bends = [np.unique(np.quantile(x_BF[:, f], np.linspace(0, 1, 7))) for f in range(x_BF.shape[1])]
    curves = Curves.of(x_BF, features.categorical, [each.astype(np.float32) for each in bends])
    width, members, outputs = 12, 3, len(fitted.coupling.names) if fitted.coupling else 1

    def drawn(*shape: int):
        return rng.normal(0, 0.7, shape).astype(np.float32)

    first, enter = drawn(int(curves.starts[-1]), width), drawn(width)
    shared = {
        "knots": curves.knots,
        "scale": drawn(members, width),
        "shift": drawn(members, width),
        "middle": drawn(width, width),
        "middle_bias": drawn(width),
        "plain": np.array([not (fitted.coupling is None and fitted.estimator is None)]),
    }
    readouts = tuple(
        ReadoutArrays(
            table=curves.table(np.hstack([first, drawn(len(first), 1)])),
            enter=np.append(enter, drawn(1)),
            head=drawn(members, width),
            bias=drawn(members),
            **shared,
        )
        for _ in range(outputs)
    )
    network = TabM.of(np.arange(x_BF.shape[1]), readouts)
    return replace(fitted, families={"student": network}, weights={"student": 1.0}, offsets={"student": 0.0})


@pytest.mark.parametrize("task", TASKS)
def test_the_file_says_what_the_model_says(models, task):
    fitted, dataset = models(task)
    for each in (fitted, *(with_network(fitted, dataset, seed) for seed in range(3))):
        parity = compared(conversion.content_of(each), each, dataset)
        assert parity.num_rows == 2 * NUM_ROWS
        assert parity.largest < 1e-5


def test_the_families_that_were_compared_are_all_that_tables_have(models):
    delivered = {name.split("/")[0] for task in TASKS for name in models(task)[0].families}
    assert delivered & {"linear", "straight"}
    families = models("outcome")[0].families.values()
    trees = [family.trees for family in families if isinstance(family, Boosting)]
    assert any((each.category >= 0).any() for each in trees)


def test_made_rows_miss_cells_and_hold_names_that_nobody_saw(models):
    fitted, dataset = models("outcome")
    made = spoiled(dataset, fitted, np.random.default_rng(0)).frame
    for name in ("age", "kind", "idle", "since"):
        assert made[name].null_count() > dataset.frame[name].null_count()
    assert not set(made["kind"].drop_nulls()) <= set(dataset.frame["kind"].drop_nulls())


def test_marks_of_what_is_missing_are_read_as_the_product_reads_them(models):
    fitted, dataset = models("outcome")
    one = dataset.take(np.zeros(1, dtype=np.int64))
    session = session_of(conversion.content_of(fitted))
    told = {}
    for mark in ("", "NA", "n/A", "NULL", "?", "k1", "k2", "other"):
        cells = feed(fitted, one) | {"kind": np.array([mark], dtype=object)}
        told[mark] = float(session.run(["probability"], cells)[0][0])
    assert told[""] == told["NA"] == told["n/A"] == told["NULL"] == told["?"]
    assert len({told[name] for name in ("k1", "k2", "other")}) > 1
    infinite = feed(fitted, one) | {"age": np.array([np.inf])}
    missing = feed(fitted, one) | {"age": np.array([np.nan])}
    assert session.run(None, infinite)[0] == session.run(None, missing)[0]


class Crooked(Linear):
    """A family that says a little more than its curves do."""

    def logits(self, features):
        return super().logits(features) + 1e-3


def test_a_file_that_says_something_else_is_never_there(models, tmp_path):
    fitted, dataset = models("number")
    name = next(name for name, family in fitted.families.items() if isinstance(family, Linear))
    crooked = Crooked(**fitted.families[name].arrays())
    lying = replace(fitted, families={**fitted.families, name: crooked})
    out = tmp_path / "model.onnx"
    for write, path in ((conversion.to_onnx, out), (conversion.to_mlflow, tmp_path / "mlflow")):
        with pytest.raises(ForetellError, match="instead of"):
            write(lying, dataset, path)
    assert not list(tmp_path.iterdir())
    out.write_bytes(b"an earlier one")
    with pytest.raises(ForetellError, match="another"):
        conversion.to_onnx(lying, dataset, out)
    assert out.read_bytes() == b"an earlier one" and len(list(tmp_path.iterdir())) == 1


def test_what_nodes_cannot_say_is_refused_by_name(models):
    fitted, _ = models("outcome")
    schema = fitted.featurizer.schema
    text = [replace(c, kind="text") if c.name == "kind" else c for c in schema.columns]
    states = {**schema.states, "kind": {"words": ["oak"], "weights": [1.0], "components": [[1.0]]}}
    worded = replace(fitted.featurizer, schema=replace(schema, columns=tuple(text), states=states))
    with pytest.raises(SpecError, match="column 'kind' is free text"):
        conversion.content_of(replace(fitted, featurizer=worded))
    past = replace(fitted.featurizer, plan=replace(fitted.featurizer.plan, entities=("card",)))
    with pytest.raises(SpecError, match="past of 'card'"):
        conversion.content_of(replace(fitted, featurizer=past))
    columns = [replace(c, name="probability") if c.name == "since" else c for c in schema.columns]
    states = {"probability" if name == "since" else name: held for name, held in schema.states.items()}
    renamed = replace(fitted.featurizer, schema=replace(schema, columns=tuple(columns), states=states))
    with pytest.raises(SpecError, match="column 'probability' bears the name"):
        conversion.content_of(replace(fitted, featurizer=renamed))
    other = replace(fitted, families=dict.fromkeys(fitted.families, object()))
    with pytest.raises(SpecError, match=r"deliver=student"):
        conversion.content_of(other)


def test_without_the_extra_it_is_said_what_to_install(models, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(SpecError, match=r"needs onnxruntime[^$]*foretell\[export\]"):
        conversion.to_onnx(*models("outcome"), tmp_path / "model.onnx")


def test_the_command_leaves_one_file_that_says_of_which_model_it_is(models, tmp_path):
    fitted, dataset = models("classes")
    folder = fitted.spec.out
    done = CliRunner().invoke(main, ["convert", "--run", folder])
    assert done.exit_code == 0, done.output
    assert f"{2 * NUM_ROWS:,} rows compared" in done.stdout
    content = (Path(folder) / "model.onnx").read_bytes()
    assert content == conversion.content_of(fitted)
    session = session_of(content)
    about = session.get_modelmeta().custom_metadata_map
    assert (about["model"], about["target"]) == (fitted.digest, "kind")
    assert [each["name"] for each in json.loads(about["inputs"])] == [
        each.name for each in session.get_inputs()
    ]
    told = dict(
        zip(
            ("class", "probability"),
            session.run(["class", "probability"], feed(fitted, dataset)),
            strict=True,
        )
    )
    lines = predict(fitted, dataset)
    test = split(dataset).test
    assert told["class"][test].tolist() == lines["class"].to_list()
    np.testing.assert_allclose(told["probability"][test], lines["probability"], atol=1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_the_folder_for_mlflow_reads_what_pandas_reads(models, tmp_path, task):
    fitted, dataset = models(task)
    conversion.to_mlflow(fitted, dataset, tmp_path)
    flavour = yaml.safe_load((tmp_path / "MLmodel").read_text())["flavors"]["python_function"]
    code = tmp_path / flavour["code"] / f"{flavour['loader_module']}.py"
    found = importlib.util.spec_from_file_location(flavour["loader_module"], code)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    frame = pl.read_parquet(fitted.spec.data.source).to_pandas()
    told = module._load_pyfunc(str(tmp_path / flavour["data"])).predict(frame)
    expected = said(fitted, fitted.score(dataset, np.arange(NUM_ROWS)).logits)
    for code, values in enumerate(expected.pop("probabilities", np.zeros((0, 0))).T):
        expected[f"p_{fitted.coupling.names[code]}"] = values
    assert set(told.columns) == set(expected)
    for name, values in expected.items():
        if name == "class":
            assert told[name].tolist() == values.tolist()
        else:
            np.testing.assert_allclose(told[name], values, rtol=1e-5, atol=1e-6)
