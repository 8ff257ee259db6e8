"""What holds of PostgreSQL alone: the chain has SQLite's bytes, and several stores take turns at one log."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from case_material import decision, numbered, proposal, rows, texts, ticking
from foretell.cases import Store
from foretell.errors import StoreError

pytest_plugins = ("case_fixtures",)


def scripted(url: str) -> tuple[list[tuple], list[tuple], str]:
    with Store(url, clock=ticking(), salt=numbered()) as store:
        store.open_cases(map(proposal, ("r1", "r2", "ρ3")))
        store.decide("r1", decision(store.case("r1"), "comment", reason="Größe \u2028 \x00 “so”"))
        edited = store.decide("r2", decision(store.case("r2"), "edit", "bob", text=texts("r2")[1]))
        store.decide("r2", decision(edited, "approve", "cid", reason="well put"))
        store.erase("r1", "dpo")
        store.decide("ρ3", decision(store.case("ρ3"), "escalate", "bob"))
        assert store.verify_log().passed
        head = str(store.head())
    return (
        rows(url, "SELECT * FROM events ORDER BY seq"),
        rows(url, "SELECT * FROM contents ORDER BY seq, kind"),
        head,
    )


def test_the_chain_and_the_content_have_the_same_bytes_in_both_databases(server, tmp_path):
    found = scripted(server())
    assert found == scripted(f"sqlite:///{tmp_path}/cases.db")
    assert len(found[0]) == 8


def test_several_stores_share_one_log(server):
    url = server()
    with Store(url) as first, Store(url) as second:
        first.open_cases([proposal(f"r{number}") for number in range(20)])

        def approve(number: int) -> None:
            store = (first, second)[number % 2]
            store.decide(f"r{number}", decision(store.case(f"r{number}"), "approve"))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(approve, range(20)))
        assert [event.seq for event in second.events()] == [*range(1, 41)]
        assert first.verify_log(str(second.head())).passed


def test_stores_that_are_made_at_the_same_time_are_one(server):
    url = server()
    with ThreadPoolExecutor(4) as pool:
        for store in pool.map(lambda _: Store(url), range(4)):
            store.close()
    assert rows(url, "SELECT count(*) FROM heads") == [(1,)]


def test_a_server_that_cannot_be_reached_or_refuses_is_told_without_the_password(server):
    for url, message in (
        ("postgresql://ann:geheim@127.0.0.1:1/x", "cannot be reached"),
        (
            server().partition("/postgres?")[0].replace("postgres@", "postgres:geheim@") + "/nowhere",
            "not exist",
        ),
    ):
        with pytest.raises(StoreError, match=message) as error:
            Store(url)
        assert "geheim" not in str(error.value)
