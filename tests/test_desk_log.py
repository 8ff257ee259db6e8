"""The log of a desk: what is done to its people and keys behind the store's back is found and named."""

from datetime import timedelta
from itertools import count

import pytest

from case_material import behind, numbered, proposal, quoted, rows, texts, told
from desk_material import PASSWORD, House
from foretell.cases.accounts import Accounts
from foretell.cases.endpoints import Endpoints
from foretell.cases.people import Person
from foretell.cases.store import Store
from foretell.errors import AccessError, StoreError

pytest_plugins = ("case_fixtures",)


@pytest.fixture
def house(url):
    house = House(url)
    house.accounts.make_key("bob", "bobs-script", 30)
    house.accounts.revoke_key("bob", house.accounts.keys("bob")[0].id)
    house.accounts.make_key("cleo", "cleo", 30)
    house.accounts.make_key("dan", "dan", 30)
    house.accounts.save("root", Person(name="dan", roles=("approver",), active=False))
    house.open("r1")
    assert told(house.store) == ""
    yield house
    house.store.close()


IN_TABLE = "altered in the table of people"
ALTERED = [
    ("roles", '["approver"]', f"the roles of bob were {IN_TABLE}: approver, in the log reviewer"),
    ("roles", "no json", f"the roles of bob were {IN_TABLE}: 'no json', in the log reviewer"),
    ("teams", '["*"]', f"the teams of bob were {IN_TABLE}: *, in the log none"),
    ("owner", "cleo", f"the owner of bob was {IN_TABLE}: 'cleo', in the log none"),
    ("active", "0", f"the state of bob was {IN_TABLE}: closed, in the log open"),
    ("password", "$argon2id$", f"the password of bob was {IN_TABLE}"),
    ("password", "", f"the password of bob was {IN_TABLE}"),
    ("name", "bert", "bert was inserted into the table of people: no event tells of it"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "value", "fault"), ALTERED)
def test_an_altered_line_of_the_table_of_people_is_found_and_named(house, url, column, value, fault):
    behind(url, f"UPDATE people SET {column} = {quoted(value)} WHERE name = 'bob'")
    assert fault in told(house.store)


def test_a_password_that_was_changed_since_it_was_proved_is_not_changed_again(house, url):
    bob, draws = house.accounts.person("bob"), count()

    def salt() -> str:
        """Draw a salt: the second one after the old password was proved, before the new one is written."""
        if (number := next(draws)) == 1:
            house.accounts.save("root", bob, "set by an administrator")
        return f"other {number}"

    with Store(url, salt=salt) as other, pytest.raises(AccessError, match="was changed just now"):
        Accounts(other).set_password("bob", PASSWORD, "another long password")
    assert house.accounts.sign_in("bob", "set by an administrator")
    assert told(house.store) == ""


def test_a_closed_account_that_was_opened_again_is_found(house, url):
    behind(url, "UPDATE people SET active = 1 WHERE name = 'dan'")
    assert "the state of dan was altered in the table of people: open, in the log closed" in told(house.store)


def test_people_who_came_or_went_behind_the_stores_back_are_found(house, url):
    behind(
        url,
        "INSERT INTO people (name, roles, teams, owner, active, password, failures, locked_until) "
        "VALUES ('eve', '[\"administrator\"]', '[]', '', 1, '', 0, '')",
        "DELETE FROM people WHERE name = 'vic'",
    )
    faults = told(house.store)
    assert "inserted eve was inserted into the table of people: no event tells of it" in faults
    assert "dropped vic was dropped from the table of people" in faults


def test_a_key_that_no_event_made_is_found(house, url):
    [(key, until)] = rows(url, "SELECT id, until FROM keys")
    behind(
        url,
        "INSERT INTO keys (id, person, digest, made_at, until) "
        f"VALUES ('k', 'bob', 'd', '2026', {quoted(until)})",
    )
    assert told(house.store) == "inserted key k of bob was inserted: no event made it"
    behind(url, "DELETE FROM keys WHERE id = 'k'", "UPDATE keys SET person = 'bob'")
    assert f"altered key {key} was altered: bob until {until}, in the log cleo until {until}" in told(
        house.store
    )
    behind(url, "UPDATE keys SET person = 'cleo', until = '2999'")
    assert f"key {key} was altered: cleo until 2999" in told(house.store)
    behind(url, f"UPDATE keys SET until = {quoted(until)}, digest = 'd'")
    assert told(house.store) == f"altered the secret of key {key} of cleo was altered"
    behind(url, f"DELETE FROM keys WHERE id = {quoted(key)}")
    assert told(house.store) == f"dropped key {key} of cleo was dropped"


def test_a_webhooks_secret_that_no_event_told_is_found(house, url):
    endpoints = Endpoints(house.store)
    number, _ = endpoints.propose("root", "https://example.org/hook", ("approved",))
    ended, _ = endpoints.propose("root", "https://example.org/other", ("approved",))
    endpoints.confirm("ada", number)
    endpoints.end("ada", ended)
    assert told(house.store) == ""
    [(secret,)] = rows(url, "SELECT secret FROM webhooks")
    behind(url, "UPDATE webhooks SET secret = 'whsec_AAAA'")
    table = "the table of webhooks"
    assert told(house.store) == f"altered the secret of endpoint {number} was altered in {table}"
    behind(url, f"UPDATE webhooks SET secret = {quoted(secret)}, id = {ended}")
    assert told(house.store) == (
        f"inserted endpoint {ended} was inserted into {table}: no event proposed it\n"
        f"dropped endpoint {number} was dropped from {table}"
    )
    behind(url, f"UPDATE webhooks SET id = {number}, sent = 0")
    assert told(house.store) == ""


def test_a_store_that_never_had_a_desk_holds_without_its_tables(store, url):
    store.open_cases([proposal("r1")])
    behind(url, "DROP TABLE sessions", "DROP TABLE keys", "DROP TABLE people")
    if url.startswith("sqlite"):
        assert store.verify_log().passed


def test_dropped_tables_of_a_desk_are_found(house, url):
    if not url.startswith("sqlite"):
        pytest.skip("the server itself refuses then")
    behind(url, "DROP TABLE sessions", "DROP TABLE keys", "DROP TABLE people")
    assert "dropped bob was dropped from the table of people" in told(house.store)


@pytest.mark.parametrize("subject", ["foretell:people", "foretell:policy"])
def test_what_the_log_tells_of_the_desk_is_never_erased(house, subject):
    house.policy({"hourly_limit": 7})
    head = house.store.head()
    with pytest.raises(StoreError, match="there is no case"):
        house.store.erase(subject, "ada")
    assert house.store.head() == head


SHOWN = [
    ("team", "south"),
    ("headline", "All is well."),
    ("probability", 0.1),
    ("alert", 0),
    ("happened_at", "2030"),
    ("opened_at", "2030"),
    ("due_at", "2030"),
    ("wakes_at", "2030"),
    ("asked", "eve"),
    ("approvals", 1),
    ("flagged", 1),
    ("rule", "low"),
]


@pytest.mark.parametrize("row", ["r3", "r4"])
def test_what_the_list_shows_of_a_case_is_held_against_the_log(house, url, row):
    rules = [{"name": "all", "approvals": 2, "team": "north", "due_hours": 4}]
    house.policy({"rules": rules})
    house.open("r2", "r3", "r4")
    house.accounts.save("root", Person(name="bob", roles=("reviewer",), teams=("north",)))
    house.accounts.save("root", Person(name="cleo", roles=("reviewer",), teams=("north",)))
    until = (house.clock.at + timedelta(hours=2)).isoformat()
    house.decide("bob", "r3", "snooze", detail={"until": until})
    house.decide("bob", "r3", "ask", detail={"person": "cleo"})
    house.decide("bob", "r3", "approve")
    house.decide("cleo", "r3", "edit", text=texts("r3")[1])
    house.decide("bob", "r4", "approve")
    house.store.erase("r4", "ada")
    assert told(house.store) == ""
    for column, value in SHOWN:
        [(before,)] = rows(url, f"SELECT {column} FROM cases WHERE id = '{row}'")
        if value == before:
            value = 7
        for other in (value, before):
            behind(url, f"UPDATE cases SET {column} = {_literal(other)} WHERE id = '{row}'")
            faults = told(house.store)
            assert faults.count(f"of case {row} was altered in the list of cases") == (other != before), (
                column
            )


def test_cases_are_opened_by_the_policy_that_is_in_force_when_they_are_written(house, url):
    seq = house.governance.propose("root", {"rules": [{"name": "all", "team": "north"}]})
    meanwhile, salts = [lambda: house.governance.confirm("ada", seq)], numbered()

    def salt() -> str:
        """Draw a salt: after the policy was read, before the case is written."""
        if meanwhile:
            meanwhile.pop()()
        return f"other {salts()}"

    with Store(url, salt=salt) as other:
        other.open_cases([proposal("r9")])
    assert rows(url, "SELECT team FROM cases WHERE id = 'r9'") == [("north",)]
    assert told(house.store) == ""


def _literal(value):
    return quoted(value) if isinstance(value, str) else repr(value)
