"""Erasing a person: cases about them go, those that mention them are told, and the log holds as before."""

import re
from dataclasses import replace

import pytest
from click.testing import CliRunner

from desk_browser import rich
from desk_material import PASSWORD, House, form
from foretell.cases.erasure import Named, naming
from foretell.cases.store import Store
from foretell.cli import main
from foretell.records import Fact

pytest_plugins = ("case_fixtures",)
NAMES = ("Erika Muster", "Ana", "a_b%", 'O"Hara \\ Söhne')
HTML = {"accept": "text/html"}


@pytest.fixture
def house(url):
    house = House(url)
    yield house
    house.store.close()


def mention(name: str) -> Fact:
    return Fact(
        id="", kind="past_event", name="p9", text=f"the payment of 9 August 2018 by customer {name}",
        value=0.1, unit="log-odds", source="row",
        detail={"at": "2018-08-09T10:00:00+00:00", "entity": "terminal", "known": "", "sign_stability": 1.0},
    )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_found_where_it_stands_whole_and_nowhere_else(house, name):
    house.store.open_cases(
        [
            rich("r1", 1, customer=name),
            rich("r2", 2, customer=f"{name}x"),
            rich("r3", 3, extra=(mention(name),)),
            rich("r4", 4, extra=(mention(f"x{name}"),)),
            rich("r5", 5),
        ]
    )
    house.decide("bob", "r5", "comment", reason=f"I called {name}, twice.")
    found = naming(house.store, name)
    assert (found.about, found.others) == (("r1",), ("r3", "r5"))
    for case in (*found.about, *found.others):
        house.desk.erase("ada", case)
    assert naming(house.store, name) == replace(found, about=(), others=())
    assert house.store.verify_log().passed


def test_the_command_erases_a_person_for_an_administrator_and_tells_what_still_names_them(house, url):
    house.store.open_cases(
        [rich("r1", 1, customer="Ana"), rich("r2", 2, extra=(mention("Ana"),)), rich("r3", 3)]
    )

    def called(*given, by="ada", password=PASSWORD):
        command = ["erase", "--store", url, "--by", by, *given]
        return CliRunner().invoke(main, command, env={"FORETELL_PASSWORD": password}, input="n\n")

    head = house.store.head()
    for refused in (
        called("--name", "Ana"),  # asked, and answered no
        called("--name", "Ana", "--yes", password="another sentence, which is wrong"),
        called("--name", "Ana", "--yes", by="dan"),
        called("r3", "--name", "Ana", "--yes"),
        called("--yes"),
        called("r3", "--others", "--yes"),
    ):
        assert refused.exit_code != 0 and house.store.head() == head, refused.output
    done = called("--name", "Ana", "--yes")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == ["1 case erased", "'Ana' still stands in 1 case: r2"]
    assert called("--name", "Ana", "--others", "--yes").stdout.splitlines() == ["1 case erased"]
    assert naming(house.store, "Ana") == Named(about=(), others=())
    with Store(url) as store:
        assert [case.id for case in store.cases()] == ["r3"] and store.verify_log().passed


def test_a_case_is_erased_on_its_page_by_an_administrator_who_says_so_twice(house):
    house.store.open_cases([rich("r1", 1), rich("r2", 2)])
    clients = {name: house.client(name) for name in ("ada", "dan")}
    offered = {name: "act-erase" in client.get("/case?id=r1").text for name, client in clients.items()}
    assert offered == {"ada": True, "dan": False}
    ada, head = clients["ada"], house.store.head()
    assert ada.post("/case/erase?id=r1", data=form(ada), headers=HTML).status_code == 409
    sure = {"sure": "yes", "queue": "status=all"}
    assert ada.post("/case/erase?id=r1", data=sure, headers=HTML).status_code == 403
    assert clients["dan"].post("/case/erase?id=r1", data=form(clients["dan"], **sure)).status_code == 403
    assert house.store.head() == head
    told = ada.post("/case/erase?id=r1", data=form(ada, **sure), follow_redirects=True)
    assert "erased for good" in told.text and re.findall(
        r'class="row[^>]*href="/case\?id=(\w+)', told.text
    ) == ["r2"]
    assert house.store.verify_log().passed


def test_who_may_export_finds_on_the_pages_what_an_auditor_needs(house):
    house.store.open_cases([rich("r1", 1)])
    house.policy({"blind_share": 1.0, "salt": "x"})
    bob, dan, ada = (house.client(name) for name in ("bob", "dan", "ada"))
    here = "/export?id=r1"
    assert [here in client.get("/case?id=r1").text for client in (bob, dan, ada)] == [False, False, True]
    assert dan.get(here, headers=HTML).status_code == 409, "dan is to judge first"
    bundle = ada.get(here, headers=HTML)
    assert bundle.headers["content-type"] == "application/zip" and bundle.content[:2] == b"PK"
    assert 'action="/export"' in ada.get("/log").text
    assert ada.get("/export?from=2026-03-01&to=2026-03-31", headers=HTML).content[:2] == b"PK"
    assert "<h1>That did not work</h1>" in ada.get("/export?from=soon&to=later", headers=HTML).text
