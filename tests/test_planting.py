"""Planting from a run: drawn among what waits, half of it with the model wrong; nothing else changes."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import foretell
from case_material import decision
from foretell.border import load_spec
from foretell.cases import Store
from foretell.cases.accounts import Accounts
from foretell.cases.planted import Planting
from foretell.cli import main
from foretell.errors import DataError
from foretell.planting import plant
from shared_runs import paid

PASSWORD = "a sentence is a good password"


@pytest.fixture(scope="module")
def folder() -> Path:
    return paid().folder


def test_planted_cases_are_drawn_from_what_waits_with_their_true_outcomes(folder):
    spec = load_spec(folder / "model" / "spec.yaml")
    dataset = foretell.read(spec)
    truths = dict(zip(map(str, dataset.ids), dataset.target.tolist(), strict=True))
    with Store(f"sqlite:///{folder / 'cases.db'}") as store:
        before = {case.id: case.events for case in store.all_cases()}
        first = store.cases(limit=1)[0]
        store.decide(first.id, decision(first, "approve"))
        done = plant(folder, 10, "ann", store)
        answers = Planting(store).answers("ann")
        assert len(answers) == done.num_wrong + done.num_right == 10
        assert first.id not in answers
        cases = {name: store.case(name) for name in answers}
        assert all(answers[name] == bool(truths[name]) for name in answers)
        assert done.num_wrong == sum(case.prediction.alert != answers[name] for name, case in cases.items())
        assert all(case.events == before[name] for name, case in cases.items())
        again = plant(folder, 10_000, "ann", store)
        assert Planting(store).answers("ann").keys() >= answers.keys()
        assert again.num_wrong + again.num_right == len(before) - 11
        with pytest.raises(DataError, match="tells the outcome of none of 0 untouched cases"):
            plant(folder, 5, "ann", store)
        assert store.verify_log().passed


def planted(folder: Path, url: str, by: str, password: str) -> Result:
    command = ["plant", "--count", "4", "--by", by, "--run", str(folder), "--store", url]
    return CliRunner().invoke(main, command, env={"FORETELL_PASSWORD": password})


def test_the_command_plants_for_an_administrator_who_gives_their_password(folder, tmp_path):
    url = f"sqlite:///{tmp_path}/cases.db"
    with Store(f"sqlite:///{folder / 'cases.db'}") as run, Store(url) as store:
        store.open_cases([run.case(case.id, as_opened=True) for case in run.cases(limit=12)])
        Accounts(store).found("root", PASSWORD)
        head = store.head()
        wrong = planted(folder, url, "root", "another sentence, which is wrong")
        assert wrong.exit_code == 9 and store.head() == head, wrong.output
        right = planted(folder, url, "root", PASSWORD)
        assert right.exit_code == 0 and "4 cases are planted" in right.stdout, right.output
        assert len(Planting(store).answers("root")) == 4
