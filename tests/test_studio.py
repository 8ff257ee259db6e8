"""The studio's road: a set is drawn, measured, signed, and its release decided by people."""

import json

import polars as pl
import pytest
from click.testing import CliRunner

from foretell import provenance, studio
from foretell.border import load_spec
from foretell.cases import Store
from foretell.cli import main
from foretell.errors import CheckpointError, DataError
from foretell.generation import rows
from foretell.records import Decision
from test_drawn_tables import people


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studio")
    people(600, 0).write_csv(folder / "people.csv")
    return folder


def spec_of(folder, *overrides):
    start = {"source": str(folder / "people.csv"), "out": str(folder / "run"), "task": {"name": "generate"}}
    settings = ("data.licence=own", "generate.count=200", "train.budget=3s")
    return load_spec(start, (*settings, *overrides))


@pytest.fixture(scope="module")
def done(folder):
    return studio.generate(spec_of(folder))


def test_a_set_has_the_columns_of_the_table_and_says_what_is_known_of_it(done, folder):
    written = pl.read_csv(done.path)
    assert written.columns == people(1, 0).columns and len(written) == len(done.items) == 200
    assert written["age"].dtype == pl.Int64
    kinds = {fact.kind for fact in done.evidence.facts}
    assert kinds >= {"generated", "fidelity", "novelty", "membership", "licence"}
    assert done.case.verdict.passed and done.case.narrative.text in done.card.read_text()
    page = done.report.read_text()
    assert "<script" not in page and page.count("<svg") >= 6


@pytest.mark.parametrize("known", [12, 400])
def test_names_of_single_rows_are_not_drawn_however_few_they_are(known, tmp_path):
    frame = people(400, 0).with_columns(
        name=pl.Series([f"Ann {k}" if k < known else None for k in range(400)], dtype=pl.String)
    )
    frame.head(max(known, 20)).write_csv(tmp_path / "people.csv")
    material = rows.read(spec_of(tmp_path))
    assert material.items["name"].null_count() == len(material.items)


def test_a_private_set_tells_of_its_rows_by_its_generator_alone(folder):
    """Withholding what lies too near to real rows would tell where they lie."""
    private = ("generate.epsilon=3", "generate.count=80", "train.epochs=1", f"out={folder / 'private'}")
    done = studio.generate(spec_of(folder, *private))
    asked = done.studio.spec.generate
    assert done.items.equals(done.studio.generator.draw(80, asked, seed=asked.seed))
    text = done.case.narrative.text
    assert done.case.verdict.passed and "withheld" not in text and "epsilon" in text


def test_a_file_that_was_changed_is_known(done):
    assert provenance.read(done.path, folder=done.path.parent).state == provenance.UNALTERED
    whole = done.path.read_bytes()
    try:
        done.path.write_bytes(whole.replace(b"north", b"South", 1))
        assert provenance.read(done.path, folder=done.path.parent).state == provenance.ALTERED
    finally:
        done.path.write_bytes(whole)


def test_the_release_of_a_set_is_decided_at_the_desk(done):
    run = done.path.parent
    with Store(f"sqlite:///{run / 'cases.db'}", create=False) as store:
        case = store.case(done.case.id)
        store.decide(case.id, Decision(verb="approve", actor="ann", content=case.content))
    said = provenance.read(done.path, folder=run).said
    stands = provenance.standing(said, run / "cases.db")
    assert stands is not None and stands.released and stands.by[0][0] == "ann"


def test_a_fitted_generator_draws_again_and_the_same_seed_draws_the_same(done, folder):
    told: list[str] = []
    again = studio.generate(spec_of(folder), tell=told.append)
    assert "the generator is fitted already" in told and not any("left out" in each for each in told)
    assert again.path == done.path and again.items.equals(done.items)
    other = studio.generate(studio.spec_in(folder / "run", ("generate.seed=1",)), tell=told.append)
    assert other.path != done.path and not other.items.equals(done.items)


def test_data_of_unknown_licence_need_a_word_which_is_recorded(done, folder):
    with pytest.raises(DataError, match="licence"):
        studio.generate(spec_of(folder, "data.licence="))
    permitted = studio.generate(spec_of(folder, "data.licence=", "generate.unlicensed=true"))
    (fact,) = permitted.evidence.of("licence")
    assert fact.detail["permitted"] and not fact.detail["stated"] and permitted.case.prediction.alert


def test_a_model_that_predicts_is_not_overwritten(folder, tmp_path):
    (tmp_path / "model").mkdir()
    from foretell.training.checkpoint import save

    save(tmp_path / "model", {"spec.yaml": b"a: 1\n"}, kind="model")
    with pytest.raises(CheckpointError, match="no generator"):
        studio.fit(spec_of(folder, f"out={tmp_path}"))


@pytest.mark.parametrize(
    ("lines", "message"),
    [(["a,b", "1,2", "3,4"], "2 items"), (["a,b", *["NA,NA"] * 40], "no column"), (["a,b"], "no rows")],
)
def test_what_cannot_teach_is_refused_with_a_reason(tmp_path, lines, message):
    (tmp_path / "bad.csv").write_text("\n".join(lines) + "\n")
    result = CliRunner().invoke(
        main, ["generate", str(tmp_path / "bad.csv"), "--licence", "own", "--out", str(tmp_path / "run")]
    )
    assert result.exit_code == 3 and message in result.output and "hint:" in result.output
    assert not (tmp_path / "run" / "model").exists()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["--constraint", "age > 50", "--constraint", "age < 20"], "`age > 50` and `age < 20`"),
        (["--family", "gan", "--given", "city=west"], "'gan' cannot be held to generate.given"),
    ],
)
def test_what_cannot_be_asked_is_said_before_a_fit(folder, tmp_path, asked, message):
    source = ["generate", str(folder / "people.csv"), "--licence", "own", "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(main, [*source, *asked])
    assert result.exit_code in (2, 3) and message in result.output
    assert not (tmp_path / "run" / "model").exists()


def test_none_are_not_generated(folder):
    result = CliRunner().invoke(main, ["generate", str(folder / "people.csv"), "-n", "0"])
    assert result.exit_code == 2 and "generate.count" in result.output


def test_fit_fits_a_generator_into_the_folder_and_draws_nothing(folder, tmp_path):
    asked = ["task.name=generate", "data.licence=own", "train.budget=1s"]
    settings = [part for each in asked for part in ("--set", each)]
    result = CliRunner().invoke(main, ["fit", str(folder / "people.csv"), "--out", str(tmp_path), *settings])
    assert result.exit_code == 0 and f"in {tmp_path}/model" in result.output
    assert (tmp_path / "model" / "manifest.json").exists() and not list(tmp_path.glob("*.csv"))


def test_what_was_asked_before_is_the_same_set_and_no_second_case(done, folder):
    again = studio.generate(studio.spec_in(folder / "run"))
    assert again.path == done.path and again.case.id == done.case.id


def test_the_command_line_draws_from_a_run(done, folder):
    result = CliRunner().invoke(main, ["generate", str(folder / "run"), "-n", "30", "--seed", "5"])
    assert result.exit_code == 0, result.output
    assert "holds 30 " in result.stdout and "foretell provenance" in result.stdout
    signed = json.loads((next((folder / "run").glob("rows-30-*.csv.provenance.json"))).read_text())
    assert signed["made"]["count"] == 30


def test_columns_that_are_not_drawn_are_named(tmp_path):
    frame = people(60, 0).with_columns(
        pl.Series("row_id", range(60)), pl.Series("name", [f"person of number {k}" for k in range(60)])
    )
    frame.write_csv(tmp_path / "named.csv")
    start = {"source": str(tmp_path / "named.csv"), "task": {"name": "generate"}}
    material = rows.read(load_spec(start))
    assert {"column 'row_id' is left out"} < {*material.left_out}
    assert any("'name' stays empty" in each for each in material.left_out)
    assert material.items["name"].null_count() == 60
