"""The whole road on a small simulated world: what comes in, what comes out, what must hold between them."""

import fcntl
import json
import os
import re
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import foretell
from foretell.border import load_spec
from foretell.cases.reader import read_case, verify_log
from foretell.cli import main
from foretell.data.reading import read as read_rows
from foretell.data.split import split
from foretell.data.worlds import payments
from foretell.prediction.folder import open_fitted
from foretell.workflow import Run

SMALL = {"num_days": 100, "num_customers": 400, "num_terminals": 200, "seed": 3}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("payments")
    payments.write(folder, **SMALL)
    return folder


@pytest.fixture(scope="module")
def churn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    tenure, plan = rng.exponential(20, 3000), rng.choice(["monthly", "yearly"], 3000)
    left = rng.random(3000) < 1 / (1 + np.exp(0.15 * tenure - 1.5 * (plan == "monthly")))
    path = tmp_path_factory.mktemp("churn") / "churn.csv"
    pl.DataFrame({"tenure": tenure, "plan": plan, "left": left.astype(int)}).write_csv(path)
    return path


@pytest.fixture(scope="module")
def done(world: Path) -> Run:
    return foretell.run(load_spec(world / "payments.yaml", (f"out={world / 'run'}",)))


def test_every_alert_becomes_a_case_that_verifies_from_the_store_alone(done: Run) -> None:
    assert done.num_cases - done.num_drawn == len(done.evaluation.alerts.rows) > 50
    store = str(done.folder / "cases.db")
    with sqlite3.connect(store) as connection:
        ids = [row[0] for row in connection.execute("SELECT id FROM cases WHERE status <> 'desk'")]
    connection.close()
    assert len(ids) == done.num_cases
    for case_id in ids:
        case = read_case(store, case_id)
        assert foretell.verify(case.narrative, case.evidence).passed
    report = verify_log(store)
    assert report.passed
    assert report.events == done.num_cases + 1  # the first one registers the model
    assert report.models == (done.fitted.digest,)


def test_a_small_network_and_the_floor_find_fraud_they_never_saw(done: Run) -> None:
    base_rate = 0.01
    assert done.evaluation.metrics["average_precision"] > 10 * base_rate
    assert done.evaluation.metrics["ece"] < 0.02
    standings = {standing.name: standing for standing in done.fitted.standings}
    assert standings["delivered"].choosing >= standings["floor"].choosing


def test_attributions_name_the_true_cause(done: Run, world: Path) -> None:
    causes = pl.read_parquet(world / "causes.parquet")
    truth = dict(zip(causes["transaction_id"].cast(pl.String), causes["scheme"], strict=True))
    store = str(done.folder / "cases.db")
    fitting = {"large amount": re.compile("amount"), "compromised terminal": re.compile("@terminal")}
    named: dict[str, list[bool]] = {scheme: [] for scheme in fitting}
    dataset = read_rows(done.fitted.spec)
    for row in done.evaluation.alerts.rows:
        case_id = str(dataset.ids[row])
        scheme = truth.get(case_id, "").replace("_", " ")
        if scheme in fitting:
            strongest = read_case(store, case_id).evidence.of("attribution")[0]
            named[scheme].append(bool(fitting[scheme].search(strongest.name)))
    for scheme, hits in named.items():
        assert len(hits) >= 3, f"too few alerts of {scheme} to judge"
        assert np.mean(hits) >= 0.8, f"{scheme}: {hits}"


def test_attributions_add_up_to_the_score(done: Run) -> None:
    store = str(done.folder / "cases.db")
    dataset = read_rows(done.fitted.spec)
    for row in done.evaluation.alerts.rows[:20]:
        case = read_case(store, str(dataset.ids[row]))
        shares = case.evidence.of("attribution")
        total = shares[0].detail["base"] + sum(fact.value for fact in shares)
        assert abs(total - case.prediction.logit) < 2e-3


def test_a_counterfactual_ends_the_alert_when_it_is_scored(done: Run) -> None:
    store = str(done.folder / "cases.db")
    with sqlite3.connect(store) as connection:
        ids = [row[0] for row in connection.execute("SELECT id FROM cases WHERE status <> 'desk'")]
    connection.close()
    found = [fact for i in ids for fact in read_case(store, i).evidence.of("counterfactual")]
    assert found
    dataset = read_rows(done.fitted.spec)
    case = next(c for c in (read_case(store, i) for i in ids) if c.evidence.of("counterfactual"))
    fact = case.evidence.of("counterfactual")[0]
    row = int(np.flatnonzero(dataset.ids == case.id)[0])
    amounts = dataset.frame[fact.name].to_numpy().copy()
    amounts[row] = fact.value
    changed = replace(dataset, frame=dataset.frame.with_columns(pl.Series(fact.name, amounts)))
    scored = done.fitted.score(changed, np.array([row]))
    assert scored.probabilities[0] == pytest.approx(fact.detail["probability"], abs=1e-5)
    assert scored.probabilities[0] < case.prediction.threshold


def test_a_row_that_is_no_alert_is_told_too_and_one_of_the_fit_is_not(done: Run) -> None:
    dataset = read_rows(done.fitted.spec)
    parts = split(dataset)
    quiet = np.setdiff1d(parts.test, done.evaluation.alerts.rows)[0]
    command = ["narrate", "--run", str(done.folder), "--length", "short"]
    told = CliRunner().invoke(main, [*command, str(dataset.ids[quiet])])
    assert told.exit_code == 0, told.output
    assert "threshold" in told.output
    taught = CliRunner().invoke(main, [*command, str(dataset.ids[parts.train[0]])])
    assert taught.exit_code == 3
    assert "training or validation row" in taught.output


def test_a_model_folder_opens_to_the_same_scores(done: Run) -> None:
    opened = open_fitted(done.folder / "model")
    dataset = read_rows(opened.spec)
    rows = split(dataset).test
    again, before = opened.score(dataset, rows), done.fitted.score(dataset, rows)
    np.testing.assert_array_equal(again.probabilities, before.probabilities)
    assert opened.digest == done.fitted.digest


def test_the_command_and_python_predict_alike_and_the_alerts_are_the_cases(done: Run, tmp_path: Path) -> None:
    dataset = read_rows(done.fitted.spec)
    told = foretell.predict(done.fitted, dataset)
    assert told["id"].to_list() == [str(name) for name in dataset.ids[split(dataset).test]]
    with sqlite3.connect(done.folder / "cases.db") as connection:
        opened = {row[0] for row in connection.execute("SELECT id FROM cases WHERE status <> 'desk'")}
    connection.close()
    assert set(told.filter("alert")["id"]) < opened
    assert len(opened) == told["alert"].sum() + done.num_drawn
    assert foretell.predict(open_fitted(done.folder / "model")).equals(told)
    command = ["predict", "--run", str(done.folder)]
    assert CliRunner().invoke(main, [*command, "--out", str(tmp_path / "all.parquet")]).exit_code == 0
    assert pl.read_parquet(tmp_path / "all.parquet").equals(told)
    printed = CliRunner().invoke(main, command).stdout.splitlines()
    assert printed[0] == "id,at,probability,alert"
    assert len(printed) == len(told) + 1


def test_a_reopened_model_reads_its_features_in_the_same_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    zone, age, plan = rng.choice(["b", "a"], 2000), rng.normal(size=2000), rng.choice(["x", "y", "z"], 2000)
    left = (zone == "a").astype(int) + (plan == "z") + rng.normal(size=2000) > 1.2
    age[:50] = np.nan
    table = pl.DataFrame({"zone": zone, "age": age, "plan": plan, "left": left.astype(int)})
    table.write_csv(tmp_path / "rows.csv")
    source = {"source": str(tmp_path / "rows.csv"), "target": "left"}
    fitted = foretell.fit(load_spec(source, (f"out={tmp_path / 'run'}", "model.families=[]")))
    opened = open_fitted(tmp_path / "run" / "model")
    assert opened.featurizer.names == fitted.featurizer.names
    assert foretell.evaluate(opened).metrics == foretell.evaluate(fitted).metrics


def test_new_rows_go_on_where_the_stream_stood(done: Run, world: Path, tmp_path: Path) -> None:
    events = pl.read_parquet(world / "transactions.parquet").sort("at", maintain_order=True)
    cut = len(events) - 700
    first, second = tmp_path / "first.parquet", tmp_path / "second.parquet"
    events[:cut].write_parquet(first)
    events[cut:].write_parquet(second)
    overrides = (f"out={tmp_path / 'run'}", f"data.source={first}", "model.families=[]")
    fitted = foretell.fit(load_spec(world / "payments.yaml", overrides))
    answers = foretell.predict(fitted, second)
    going_on = answers["probability"].to_numpy()
    whole = read_rows(
        replace(fitted.spec, data=replace(fitted.spec.data, source=str(world / "transactions.parquet")))
    )
    at_once = fitted.score(whole, np.arange(cut, len(events))).probabilities
    np.testing.assert_allclose(going_on, at_once, rtol=0, atol=1e-6)
    assert answers["id"].to_list() == events["transaction_id"][cut:].cast(pl.String).to_list()
    np.testing.assert_array_equal(answers["alert"], going_on >= fitted.threshold)
    assert 0 < answers["alert"].sum() < 100


def test_the_same_data_and_spec_give_the_same_model(done: Run, world: Path, tmp_path: Path) -> None:
    spec = load_spec(world / "payments.yaml", (f"out={done.folder}",))
    fitted = foretell.fit(replace(spec, out=str(tmp_path / "again")))
    manifests = [
        json.loads((folder / "model" / "manifest.json").read_text())["files"]
        for folder in (done.folder, tmp_path / "again")
    ]
    differing = {name for name in manifests[0] if manifests[0][name] != manifests[1][name]}
    assert differing <= {"spec.yaml"}, differing  # the spec names the folder it was run into
    assert fitted.weights == done.fitted.weights


def test_the_report_stands_alone(done: Run) -> None:
    page = (done.folder / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!#)[^"]*"', page)
    assert page.count("every sentence verified") >= 5


def test_a_table_without_time_or_entities_walks_the_same_road(churn: Path, tmp_path: Path) -> None:
    command = ["run", str(churn), "--target", "left", "--set", f"out={tmp_path / 'run'}"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert "cases opened from 3,000 rows" in result.output
    listed = CliRunner().invoke(main, ["cases", "--run", str(tmp_path / "run"), "--limit", "1"])
    assert listed.exit_code == 0
    case_id = listed.output.split()[0]
    for command in (["show", case_id], ["verify", case_id], ["narrate", case_id, "--length", "long"]):
        shown = CliRunner().invoke(main, [*command, "--run", str(tmp_path / "run")])
        assert shown.exit_code == 0, shown.output
    decided = CliRunner().invoke(
        main, ["decide", case_id, "approve", "--actor", "ada", "--run", str(tmp_path / "run")]
    )
    assert "is approved" in decided.output
    assert CliRunner().invoke(main, ["log", "verify", "--run", str(tmp_path / "run")]).exit_code == 0


def test_the_spec_that_init_writes_passes_check_and_runs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    age, plan = rng.exponential(20, 1000), rng.choice(["no: #1", "yes"], 1000)
    churn = np.where(rng.random(1000) < 1 / (1 + np.exp(0.15 * age - (plan == "yes"))), "gone", "stays")
    with sqlite3.connect(tmp_path / "rows.db") as connection:
        connection.execute("CREATE TABLE people (age, plan, churn)")
        rows = zip(age.tolist(), plan.tolist(), churn.tolist(), strict=True)
        connection.executemany("INSERT INTO people VALUES (?, ?, ?)", rows)
    connection.close()
    spec, out = tmp_path / "first.yaml", f"out={tmp_path / 'run'}"
    asked = [f"sqlite:///{tmp_path / 'rows.db'}", "--target", "churn", "--set", "data.table=people"]
    made = CliRunner().invoke(main, ["init", *asked, "--out", str(spec), "--set", "model.families=[]"])
    assert made.exit_code == 0, made.output
    checked = CliRunner().invoke(main, ["check", str(spec)])
    assert checked.exit_code == 0, checked.output
    assert "positive: gone" in checked.output
    walked = CliRunner().invoke(main, ["run", str(spec), "--set", out])
    assert walked.exit_code == 0, walked.output
    assert "cases opened from 1,000 rows" in walked.output


def test_rows_come_from_a_database_as_from_a_file(done: Run, world: Path, tmp_path: Path) -> None:
    events = pl.read_parquet(world / "transactions.parquet")
    database = tmp_path / "payments.db"
    rows = events.with_columns(pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%S"))
    with sqlite3.connect(database) as connection:
        connection.execute(f"CREATE TABLE payments ({', '.join(rows.columns)})")
        marks = ", ".join("?" * rows.width)
        connection.executemany(f"INSERT INTO payments VALUES ({marks})", rows.rows())
    connection.close()
    data = replace(done.fitted.spec.data, source=f"sqlite:///{database}", table="payments")
    assert len(read_rows(replace(done.fitted.spec, data=data))) == len(events)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "nowhere.csv", "--target", "y"], 3, "nowhere.csv"),
        (["run", "{csv}", "--target", "lefft"], 3, "left"),
        (["run", "{csv}"], 2, "--target"),
        (["run", "{csv}", "--target", "left", "--set", "train.sead=3"], 2, "seed"),
        (["run", "{csv}", "--target", "same"], 3, "same"),
        (["run", "{csv}", "--target", "left", "--set", "out={file}/run"], 5, "run"),
        (["run", "{csv}", "--target", "left", "--set", "out={stored}"], 7, "cases.db"),
        (["run", "{csv}", "--target", "left", "--set", "narrate.writer=nobody:writes"], 2, "nobody"),
        (["init", "{csv}", "--target", "left", "--out", "{folder}/none/a.yaml"], 1, "none/a.yaml"),
        (["demo", "{file}"], 1, "file"),
        (["predict", "--out", "scores.txt", "--run", "{folder}"], 3, "scores.txt"),
        (["evaluate", "--run", "{file}"], 5, "checkpoint"),
        (["show", "x", "--run", "{folder}"], 7, "case store"),
        (["log", "verify", "--run", "{folder}"], 7, "cases.db"),
    ],
)
def test_wrong_input_is_told_in_words_and_an_exit_code(
    tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=600)
    table = pl.DataFrame({"x": x, "left": (x + rng.normal(size=600) > 1).astype(int), "same": [1] * 600})
    table.write_csv(tmp_path / "rows.csv")
    (tmp_path / "file").write_text("a file, no folder")
    (tmp_path / "stored" / "cases.db").mkdir(parents=True)
    places = {name: tmp_path / name for name in ("file", "stored")}
    places |= {"csv": tmp_path / "rows.csv", "folder": tmp_path}
    asked = [argument.format(**places) for argument in arguments]
    if asked[0] == "run" and not any(argument.startswith("out=") for argument in asked):
        asked += ["--set", f"out={tmp_path / 'run'}"]
    result = CliRunner().invoke(main, asked)
    assert result.exit_code == code, result.output
    assert "error: " in result.output
    assert words in result.output
    assert "hint: " in result.output
    assert "Traceback" not in result.output


def test_two_runs_never_write_to_one_folder(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(600, 2))
    pl.DataFrame({"x": x[:, 0], "left": (x.sum(1) > 1).astype(int)}).write_csv(tmp_path / "rows.csv")
    (tmp_path / "run").mkdir()
    command = ["run", str(tmp_path / "rows.csv"), "--target", "left", "--set", f"out={tmp_path / 'run'}"]
    with (tmp_path / "run" / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 7
    assert "another run" in refused.output
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]
    assert CliRunner().invoke(main, [*command, "--set", "model.families=[]"]).exit_code == 0


def test_a_run_interrupted_after_its_fit_goes_on_from_its_checkpoints(
    churn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = load_spec({"source": str(churn), "target": "left"}, (f"out={tmp_path / 'run'}", "train.epochs=2"))

    def interrupt(message: str) -> None:
        if message.startswith("explaining"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        foretell.run(spec, tell=interrupt)
    assert "tabm: step" in capsys.readouterr().err
    assert [*(tmp_path / "run" / "training").iterdir()]
    foretell.run(spec)
    assert "tabm: step" not in capsys.readouterr().err
    assert not (tmp_path / "run" / "training").exists()


def test_an_altered_model_is_refused(done: Run, tmp_path: Path) -> None:
    model = tmp_path / "run" / "model"
    model.mkdir(parents=True)
    for file in (done.folder / "model").iterdir():
        (model / file.name).write_bytes(file.read_bytes())
    weights = bytearray((model / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (model / "weights.safetensors").write_bytes(weights)
    result = CliRunner().invoke(main, ["predict", "--run", str(tmp_path / "run")])
    assert result.exit_code == 5
    assert "weights.safetensors" in result.output


@pytest.mark.slow
def test_a_second_run_with_another_model_keeps_the_first_store(world: Path, tmp_path: Path) -> None:
    base = (f"out={tmp_path / 'run'}", "model.families=[]")
    first = foretell.run(load_spec(world / "payments.yaml", base))
    told: list[str] = []
    again = foretell.run(load_spec(world / "payments.yaml", base), tell=told.append)
    assert f"  {first.num_cases} of {first.num_cases} cases were there already" in "\n".join(told)
    assert again.fitted.digest == first.fitted.digest
    assert len(list((tmp_path / "run").glob("cases*.db"))) == 1
    foretell.run(load_spec(world / "payments.yaml", (*base, "train.seed=1")))
    assert len(list((tmp_path / "run").glob("cases*.db"))) == 2


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_model(world: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "foretell", "run", str(world / "payments.yaml"), "--set"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for folder, kills in ((tmp_path / "a", 0), (tmp_path / "b", 6)):
        arguments = [*command, f"out={folder}", "--set", "train.checkpoint_every=5"]
        for kill in range(kills):
            process = subprocess.Popen(arguments, env=environment, stderr=subprocess.DEVNULL)
            try:
                process.wait(timeout=6 + 2 * kill)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        subprocess.run(arguments, env=environment, check=True, capture_output=True)
    files = [json.loads((tmp_path / n / "model" / "manifest.json").read_text())["files"] for n in "ab"]
    assert {k: v for k, v in files[0].items() if k != "spec.yaml"} == {
        k: v for k, v in files[1].items() if k != "spec.yaml"
    }
