"""A model takes another's place when it won and two people agree, and goes back the same way."""

import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import foretell
from desk_material import PASSWORD, House, form
from foretell import champions
from foretell.cases import Store
from foretell.cases.accounts import Accounts
from foretell.cases.people import Person
from foretell.cases.promotion import Promotions
from foretell.cases.registry import Registry
from foretell.cli import main
from foretell.errors import AccessError, CheckpointError, DecisionError
from foretell.learning import Learned
from foretell.prediction.folder import open_fitted
from foretell.replaying import replay
from foretell.training.checkpoint import save
from shared_runs import fresh
from test_learning import taught

A, B, C = "a" * 64, "b" * 64, "c" * 64


def figures(champion: str, challenger: str, *, won: bool = True) -> dict[str, Any]:
    return {"champion": champion, "challenger": challenger, "won": won, "num_rows": 100}


@pytest.fixture
def house(tmp_path) -> House:
    made = House(f"sqlite:///{tmp_path}/cases.db")
    made.accounts.save("root", Person(name="adas-script", roles=("administrator",), owner="ada"))
    return made


@pytest.fixture
def promotions(house) -> Promotions:
    return Promotions(house.store)


def test_one_person_alone_promotes_nothing_under_any_account(promotions, house):
    seq = promotions.propose("ada", B, A, figures(A, B))
    for name in ("ada", "adas-script"):
        with pytest.raises(AccessError, match="proposed this model and cannot confirm it"):
            promotions.confirm(name, seq)
    for name in ("bob", "dan", "vic", "nobody"):
        with pytest.raises(AccessError):
            promotions.confirm(name, seq)
        with pytest.raises(AccessError):
            promotions.propose(name, B, A, figures(A, B))
        with pytest.raises(AccessError):
            promotions.withdraw(name, seq)
    assert promotions.in_use() == ""
    assert promotions.confirm("root", seq) == B == promotions.in_use()
    assert house.store.verify_log().passed


@pytest.mark.parametrize(
    "told",
    [
        figures(A, B, won=False),
        figures(C, B),
        figures(A, C),
        {},
        {**figures(A, B), "won": "true"},
        {"champion": A, "challenger": B},
    ],
)
def test_a_model_that_did_not_win_against_the_one_in_use_is_never_proposed(promotions, told):
    with pytest.raises(DecisionError, match="has not won against"):
        promotions.propose("ada", B, A, told)
    assert promotions.proposals() == ()


def test_what_was_agreed_holds_only_while_the_model_in_use_is_the_one_it_was_compared_with(promotions):
    first = promotions.propose("ada", B, A, figures(A, B))
    second = promotions.propose("ada", C, A, figures(A, C))
    promotions.confirm("root", second)
    with pytest.raises(DecisionError, match="is not in use"):
        promotions.confirm("root", first)
    with pytest.raises(DecisionError, match="was confirmed by root"):
        promotions.confirm("root", second)
    promotions.withdraw("root", first)
    assert promotions.in_use() == C
    assert [each.state for each in promotions.proposals()] == ["confirmed", "withdrawn"]


def test_an_earlier_champion_comes_back_by_two_people_and_a_stranger_does_not(promotions):
    promotions.confirm("root", promotions.propose("ada", B, A, figures(A, B)))
    with pytest.raises(DecisionError, match="nor was it in use before"):
        promotions.propose("ada", C, B, {})
    back = promotions.propose("root", A, B, {})
    with pytest.raises(AccessError):
        promotions.confirm("root", back)
    promotions.confirm("ada", back)
    assert promotions.in_use() == A
    promotions.confirm("root", promotions.propose("ada", B, A, figures(A, B)))
    assert promotions.in_use() == B


def test_the_figures_that_two_people_agreed_to_stand_in_the_chain(promotions, house):
    seq = promotions.propose("ada", B, A, figures(A, B), "it learned the new channel")
    promotions.confirm("root", seq)
    told = [*house.store.events("foretell:model")]
    assert [event.kind for event in told] == ["proposed", "confirmed"]
    assert told[0].body["figures"] == figures(A, B)
    assert (told[0].body["model"], told[1].body["model"]) == (B, B)
    assert house.store.verify_log().passed


MEASURED = {"champion": 0.25, "challenger": 0.5, "low": 0.125, "high": 0.375}
COMPARED = {
    **figures(A, B),
    "until": "2026-01-05T00:00:00+00:00",
    "labels": "decisions",
    "num_decided": 80,
    "num_positives": 20,
    "average_precision": MEASURED,
    "log_loss": MEASURED,
}


def test_the_page_shows_the_figures_and_puts_the_model_in_use_for_another_administrator_alone(
    house, promotions
):
    seq = str(promotions.propose("ada", B, A, COMPARED))
    ada, root, dan = (house.client(name) for name in ("ada", "root", "dan"))
    assert "Put in use" not in ada.get("/models").text
    assert "Put in use" not in dan.get("/models").text
    shown = root.get("/models").text
    for words in ("Put in use", "+0.125 to +0.375", B[:12], A[:12], "80 rows whose outcome people decided"):
        assert words in shown
    refused = ada.post("/models/close", data=form(ada, proposal=seq, do="confirm"))
    assert (refused.status_code, promotions.in_use()) == (409, "")
    assert root.post("/models/close", data=form(root, proposal=seq, do="confirm")).status_code == 200
    assert promotions.in_use() == B
    assert "is in use" in root.get("/models?done=confirm").text


def test_the_api_tells_and_decides_the_same(house, promotions):
    seq = promotions.propose("ada", B, A, COMPARED)
    ada, root = house.client("ada"), house.client("root")
    told = root.get("/api/models").json()
    assert (told["in_use"], told["proposals"][0]["figures"]) == ("", COMPARED)
    assert ada.post(f"/api/models/confirm?proposal={seq}").status_code == 403
    assert root.post(f"/api/models/confirm?proposal={seq}").json() == {"in_use": B}
    assert root.post(f"/api/models/withdraw?proposal={seq}").status_code == 409
    assert root.get("/api/models").json()["in_use"] == B


@dataclass(frozen=True)
class Desk:
    folder: Path
    learned: Learned
    keys: dict[str, str]

    def call(self, who: str, *command: str):
        return CliRunner().invoke(
            main,
            ["models", *command, "--run", str(self.folder)],
            env={"FORETELL_KEY": self.keys.get(who, "")},
        )


@pytest.fixture(scope="module")
def desk() -> Desk:
    world = fresh(taught)
    with Store(f"sqlite:///{world.folder / 'cases.db'}") as store:
        accounts = Accounts(store)
        accounts.found("root", PASSWORD)
        accounts.save("root", Person(name="ada", roles=("administrator",)), PASSWORD)
        keys = {name: accounts.make_key(name, name, 30) for name in ("root", "ada")}
    return Desk(world.folder, world.learned, keys)


def test_a_run_and_what_decisions_taught_are_registered_with_all_that_leads_to_them(desk):
    with Store(f"sqlite:///{desk.folder / 'cases.db'}") as store:
        events = [*store.events()]
        challenger, first = Registry(store).models()
    assert events[0].kind == "registered"  # before any case
    assert (first.model, first.parent, first.state) == (desk.learned.champion, "", "champion")
    assert (challenger.model, challenger.parent) == (desk.learned.challenger, first.model)
    assert challenger.num_decided == desk.learned.num_decided and challenger.won
    assert challenger.figures["average_precision"] == desk.learned.comparison.average_precision.challenger
    for each, place in ((first, desk.folder / "model"), (challenger, desk.learned.folder / "model")):
        manifest = json.loads((place / "manifest.json").read_bytes())
        assert each.model == hashlib.sha256((place / "manifest.json").read_bytes()).hexdigest()
        assert each.spec == hashlib.sha256((place / "spec.yaml").read_bytes()).hexdigest()
        assert (each.data, each.versions, each.target) == (manifest["data"], manifest["versions"], "fraud")
        assert each.code == champions.code_digest()
    shown = desk.call("", "show", challenger.model[:8]).output
    assert shown.index(f"model {challenger.model}") < shown.index(f"model {first.model}")
    assert "no model begins with 'xyz'" in desk.call("", "show", "xyz").output


def test_what_is_not_registered_yet_is_so_with_its_parents_and_only_once(desk, tmp_path):
    with Store(f"sqlite:///{tmp_path}/other.db") as store:
        known = Registry(store)
        for _ in range(2):
            known.register(champions.entries(desk.folder, desk.learned.challenger))
        assert [each.model for each in known.models()] == [desk.learned.challenger, desk.learned.champion]
        assert {each.code for each in known.models()} == {""}  # who comes later does not know it
    with pytest.raises(AccessError):
        champions.register(f"sqlite:///{desk.folder}/cases.db", "foretell_nobodys")


def spoilt(folder: Path, file: str, content: bytes) -> None:
    (folder / file).write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda run, other: spoilt(run / "model", "card.md", b"better"), "'card.md' of the checkpoint"),
        (lambda run, other: spoilt(other, "manifest.json", b"{}"), "is damaged"),
        (lambda run, other: (other / "spec.yaml").unlink(), "lacks 'spec.yaml'"),
        (lambda run, other: replaced(other, run / "model"), ", which is registered"),
        (lambda run, other: strange(run / "model"), "which nobody registered"),
        (lambda run, other: shutil.rmtree(other), ""),
        (lambda run, other: shutil.rmtree(run / "model"), ""),
    ],
)
def test_the_check_of_a_log_names_a_model_that_is_not_what_was_registered_where_it_is_still_there(
    desk, tmp_path, harm, told
):
    run = tmp_path / "run"
    shutil.copytree(desk.folder, run)
    check = ["log", "verify", "--run", str(run)]
    assert CliRunner().invoke(main, check).exit_code == 0
    harm(run, run / "challengers" / desk.learned.folder.name / "model")
    found = CliRunner().invoke(main, check)
    assert "the log holds" in found.output and told in found.output
    assert found.exit_code == (5 if told else 0)


def replaced(place: Path, other: Path) -> None:
    shutil.rmtree(place)
    shutil.copytree(other, place)


def strange(place: Path) -> None:
    """Write a model that is whole, and another one."""
    files = {path.name: path.read_bytes() for path in place.iterdir() if path.name != "manifest.json"}
    save(place, {**files, "card.md": b"better"}, kind="model", data="")


def test_a_promoted_model_scores_what_comes_and_cases_of_the_one_before_stay(desk):
    before = champions.settled(desk.folder)
    alone = desk.call("", "propose", desk.learned.challenger[:8])
    assert alone.exit_code == 9, alone.output
    made = desk.call("root", "propose", desk.learned.challenger[:8])
    assert made.exit_code == 0, made.output
    seq = made.output.split()[1].rstrip(":")
    assert desk.call("root", "confirm", seq).exit_code == 9
    assert champions.settled(desk.folder) == before == desk.folder / "model"
    # Killed between the log and the pointer: the log decides, and whoever asks next settles it.
    with Store(f"sqlite:///{desk.folder / 'cases.db'}") as store:
        Promotions(store).confirm("ada", int(seq))
    assert champions.champion(desk.folder) == before
    assert champions.settled(desk.folder) == desk.learned.folder / "model" == champions.champion(desk.folder)

    told = CliRunner().invoke(main, ["predict", "--run", str(desk.folder)])
    challenger = open_fitted(desk.learned.folder / "model")
    assert told.stdout == foretell.predict(challenger).write_csv()
    with Store(f"sqlite:///{desk.folder / 'cases.db'}") as store:
        old = {case.id: case for case in store.all_cases()}
    with pytest.raises(CheckpointError, match="people put a model in use"):
        foretell.fit(replace(challenger.spec, out=str(desk.folder)))
    done = foretell.run(challenger.spec)
    assert done.fitted.digest == desk.learned.challenger
    with Store(f"sqlite:///{desk.folder / 'cases.db'}") as store:
        cases = {case.id: case for case in store.all_cases()}
        assert store.verify_log().passed
    assert {name: cases[name] for name in old} == old
    new = [case for name, case in cases.items() if name not in old]
    assert new
    assert {case.prediction.model for case in new} == {desk.learned.challenger}
    assert replay(desk.folder, new[0].id).passed
    assert replay(desk.folder, next(iter(old))).passed


def test_back_to_the_model_before_by_two_people(desk):
    base = open_fitted(desk.folder / "model").digest
    if champions.settled(desk.folder) != desk.learned.folder / "model":
        pytest.skip("needs the promotion of the test before")
    made = desk.call("ada", "propose", base[:12], "--reason", "too many alarms")
    assert made.exit_code == 0, made.output
    assert desk.call("root", "confirm", made.output.split()[1].rstrip(":")).exit_code == 0
    assert champions.champion(desk.folder) == desk.folder / "model"
    listed = desk.call("", "list")
    assert f"{base[:12]}  champion" in listed.output
    assert f"{desk.learned.challenger[:12]}  retired, won" in listed.output
    assert json.loads((desk.folder / champions.POINTER).read_text()) == {"model": base}


def test_a_pointer_to_a_model_that_is_gone_is_told_and_not_passed_over(tmp_path):
    (tmp_path / champions.POINTER).write_text('{"model":"' + A + '"}')
    with pytest.raises(CheckpointError, match="names no model of this run"):
        champions.champion(tmp_path)
