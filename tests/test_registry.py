"""The registry of models: what the log tells of each, its state as people change it, and whence it comes."""

import json
import threading
from dataclasses import asdict, replace
from random import Random

import pytest
from click.testing import CliRunner

from case_material import behind
from desk_material import House
from foretell.cases.promotion import Promotions
from foretell.cases.registry import CHALLENGER, CHAMPION, RETIRED, Entry, Registry, author
from foretell.cases.store import Store
from foretell.cli import main
from foretell.errors import AccessError, NotFoundError
from foretell.training.checkpoint import digest
from test_promotion import figures

A, B, C, D = "0" * 64, "0f" * 32, "c" * 64, "d" * 64
"""The first is what the cases of the tests were scored by."""
FIRST = Entry(
    model=A, how="run", target="fraud", data="1" * 64, spec="2" * 64, code="3" * 64,
    versions={"foretell": "0.1.0"}, figures={"average_precision": 0.25, "log_loss": 0.125},
)  # fmt: skip


def taught(model: str, parent: str) -> Entry:
    return replace(
        FIRST, model=model, how="learn", parent=parent, num_decided=80, since="2026-01-05T00:00:00+00:00",
        figures={"average_precision": 0.5}, parent_figures={"average_precision": 0.25}, won=True,
    )  # fmt: skip


@pytest.fixture
def house(tmp_path):
    house = House(f"sqlite:///{tmp_path}/cases.db")
    house.url = f"sqlite:///{tmp_path}/cases.db"
    yield house
    house.store.close()


@pytest.fixture
def registry(house) -> Registry:
    registry = Registry(house.store)
    registry.register([FIRST, taught(B, A), taught(C, B)])
    return registry


def states(registry: Registry) -> list[str]:
    return [each.state for each in reversed(registry.models())]


def test_a_model_is_champion_while_it_is_in_use_retired_after_it_and_a_challenger_before(registry, house):
    promotions = Promotions(house.store)
    assert states(registry) == [CHAMPION, CHALLENGER, CHALLENGER]
    seq = promotions.propose("ada", B, A, figures(A, B))
    assert states(registry) == [CHAMPION, CHALLENGER, CHALLENGER]
    promotions.confirm("root", seq)
    assert states(registry) == [RETIRED, CHAMPION, CHALLENGER]
    promotions.withdraw("ada", promotions.propose("ada", C, B, figures(B, C)))
    assert states(registry) == [RETIRED, CHAMPION, CHALLENGER]
    promotions.confirm("root", promotions.propose("ada", A, B, {}))
    assert states(registry) == [CHAMPION, RETIRED, CHALLENGER]


def test_a_model_that_was_only_fitted_becomes_champion_when_a_run_uses_it(house):
    registry = Registry(house.store)
    registry.register([replace(FIRST, how="fit")])
    assert states(registry) == [CHALLENGER]
    registry.register([FIRST])
    assert states(registry) == [CHAMPION]
    registry.register([replace(FIRST, model=D)])
    assert states(registry) == [RETIRED, CHAMPION]


def test_nothing_is_said_twice_by_however_many_at_once(house):
    stores = [Store(house.url) for _ in range(4)]
    threads = [threading.Thread(target=Registry(each).register, args=([FIRST],)) for each in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [*house.store.events("foretell:model")]
    assert [event.kind for event in told] == ["registered"]
    assert house.store.verify_log().passed
    for store in stores:
        store.close()


def test_the_lineage_goes_from_a_model_to_its_oldest_ancestor(registry):
    assert [each.model for each in registry.lineage(C[:4])] == [C, B, A]
    assert [each.model for each in registry.lineage(A)] == [A]
    for wrong in ("", "e", "0", C + "c"):  # both A and B begin with 0
        with pytest.raises(NotFoundError, match=f"begins? with '{wrong[:64]}'"):
            registry.lineage(wrong)


def test_a_lineage_ends_where_its_parent_is_not_registered_or_comes_back(house):
    registry = Registry(house.store)
    registry.register([taught(C, D)])
    assert [each.model for each in registry.lineage(C)] == [C]
    registry.register([taught(D, C)])  # no digest leads to itself; a log that says so is read all the same
    assert [each.model for each in registry.lineage(C)] == [C, D]


def test_what_was_said_of_a_model_stands_in_the_chain(registry, house):
    told = registry.lineage(B)[0]
    assert {name: getattr(told, name) for name in asdict(taught(B, A))} == asdict(taught(B, A))
    report = house.store.verify_log()
    assert report.passed and report.models == (A, B, C)
    (told,) = (event for event in house.store.events("foretell:model") if event.body["model"] == B)
    for was, now in (('"num_decided":80', '"num_decided":90'), (f'"parent":"{A}"', f'"parent":"{D}"')):
        for one, other in ((was, now), (now, was)):
            behind(
                house.url,
                f"UPDATE events SET body = replace(body, '{one}', '{other}') WHERE seq = {told.seq}",
            )
            found = house.store.verify_log().faults
            assert [fault.seq for fault in found] == ([told.seq] if one == was else [])


def test_who_registers_is_whose_key_it_is_and_a_strangers_key_is_refused(house):
    key = house.accounts.make_key("ada", "ada", 1)
    assert author(house.store, key) == "ada"
    assert author(house.store, "") == "foretell"
    with pytest.raises(AccessError, match="not known"):
        author(house.store, key + "x")


def test_the_api_and_the_pages_tell_the_same_to_those_who_may_look(registry, house):
    house.open("r1")
    root, vic = house.client("root"), house.client("vic")
    told = root.get("/api/models").json()["models"]
    assert [(each["model"], each["state"]) for each in told] == [
        (C, CHALLENGER), (B, CHALLENGER), (A, CHAMPION)
    ]  # fmt: skip
    lineage = vic.get(f"/api/model?id={C}").json()["lineage"]
    assert [(each["model"], each["parent"], each["num_decided"]) for each in lineage] == [
        (C, B, 80), (B, A, 80), (A, "", 0)
    ]  # fmt: skip
    page = vic.get("/case?id=r1").text
    assert f'href="/model?id={A}"' in page and "(champion)" in page
    shown = vic.get(f"/model?id={B}").text
    for words in (A, C, FIRST.spec, FIRST.data, "0.500", "0.250", "of 80 of its rows"):
        assert words in shown
    assert f'href="/model?id={C}"' in root.get("/models").text
    assert vic.get("/models").status_code == 403
    for address in ("/api/model?id=e", "/model?id=e", "/model?id="):
        assert vic.get(address).status_code == 404


def test_a_fit_is_registered_where_it_is_told_to_be_and_says_before_it_where_it_cannot(tmp_path):
    draws = Random(0)
    rows = [(draws.random(), draws.random()) for _ in range(300)]
    text = "\n".join(["x,z,y", *(f"{x},{z},{int(x + 0.3 * draws.random() > 0.7)}" for x, z in rows)])
    (tmp_path / "rows.csv").write_text(text)
    out, url = tmp_path / "run", f"sqlite:///{tmp_path}/known.db"
    asked = ["fit", str(tmp_path / "rows.csv"), "--target", "y", "--set", f"out={out}"]
    asked += ["--set", "model.families=[]"]
    closed = CliRunner().invoke(main, [*asked, "--store", f"sqlite:///{tmp_path}/rows.csv"])
    assert (closed.exit_code, out.exists()) == (7, False), closed.output
    done = CliRunner().invoke(main, [*asked, "--store", url, "--json"])
    assert done.exit_code == 0, done.output
    assert any(
        row["weight"] == 1 and row["metrics"]["auc"] > 0.5 for row in json.loads(done.stdout)["standings"]
    )
    with Store(url) as store:
        (told,) = Registry(store).models()
    assert (told.model, told.how, told.state) == (digest(out / "model"), "fit", CHALLENGER)
    assert told.target == "y" and told.figures and told.code
    listed = CliRunner().invoke(main, ["models", "list", "--run", str(tmp_path), "--store", url])
    assert f"{told.model[:12]}  challenger" in listed.output


def test_a_case_whose_model_nobody_registered_names_it_and_leads_nowhere(house):
    house.open("r1")
    page = house.client("vic").get("/case?id=r1").text
    assert A[:12] in page and "/model?id=" not in page


@pytest.mark.parametrize("seed", range(3))
def test_however_models_come_and_go_the_states_are_those_of_a_plain_account_of_it(house, seed):
    rng, registry, promotions = Random(seed), Registry(house.store), Promotions(house.store)
    names = [f"{number:064x}" for number in range(6)]
    used: list[str] = []
    known: dict[str, set[str]] = {}
    promoted, open_ = False, []
    for _ in range(60):
        model, step = rng.choice(names), rng.choice(("run", "fit", "learn", "propose", "confirm", "withdraw"))
        if step in ("run", "fit", "learn"):
            new = step not in known.setdefault(model, set())
            known[model].add(step)
            registry.register([replace(FIRST, model=model, how=step)])
            if step == "run" and new:  # what a run scores with is in use, unless people have chosen
                used = [model, *used] if promoted else [*used, model]
        elif step == "propose" and used and model != used[-1]:
            open_.append(
                (promotions.propose("ada", model, used[-1], figures(used[-1], model)), model, used[-1])
            )
        elif step != "propose" and open_:
            seq, model, against = open_.pop(rng.randrange(len(open_)))
            if step == "withdraw" or against != used[-1]:
                promotions.withdraw("root", seq)
            else:
                promotions.confirm("root", seq)
                promoted, used = True, [*used, model]
    told = {each.model: each.state for each in registry.models()}
    assert told == {
        model: CHAMPION if used and model == used[-1] else RETIRED if model in used else CHALLENGER
        for model in known
    }


def test_who_runs_an_old_spec_again_has_its_model_in_use_again(house):
    registry = Registry(house.store)
    other = replace(FIRST, model=B)
    for entry in (FIRST, other, FIRST, FIRST):
        registry.register([entry], "foretell")
    assert {each.model: each.state for each in registry.models()} == {A: CHAMPION, B: RETIRED}
