"""The owner's pages: people, keys, the policy by two people, the log and its check, the figures."""

import re

import pytest

from case_material import behind
from desk_material import PASSWORD, House, form
from foretell.cases.journal import entries
from foretell.cases.people import Person

PAGES = ("/dashboard", "/log", "/policy", "/people", "/keys")


@pytest.fixture
def house(tmp_path):
    house = House(f"sqlite:///{tmp_path}/cases.db")
    house.url = f"sqlite:///{tmp_path}/cases.db"
    yield house
    house.store.close()


def entries_of(house, actor):
    with house.store.reading() as connection:
        return entries(connection, actor=actor)


def post(client, path, **fields):
    return client.post(path, data=form(client, **fields), follow_redirects=True)


def test_every_page_shows_names_as_text_and_has_one_heading(house):
    house.accounts.save(
        "root", Person(name="<b>Bo & Co</b>", roles=("reviewer",), teams=("<i>north",)), PASSWORD
    )
    house.policy({"rules": [{"name": "<u>all", "inputs": {"<s>": {"is": "</textarea>"}}}]})
    house.open("<em>r1")
    house.decide("<b>Bo & Co</b>", "<em>r1", "reject", reason="x")
    house.governance.propose("ada", {"salt": "<q>"})
    root = house.client("root")
    for path in PAGES:
        page = root.get(path)
        assert page.status_code == 200, path
        assert page.text.count("<h1>") == 1
        for raw in ("<b>Bo", "<i>north", "<u>all", "<s>", "<q>", "<em>r1", "</textarea>&#34;"):
            assert raw not in page.text
        assert "style=" not in page.text and "<script>" not in page.text


def test_an_account_is_made_changed_and_closed_on_the_page_of_people(house):
    root = house.client("root")
    made = post(
        root, "/people", name="eve", role_reviewer="on", teams="north, south", active="on", password=PASSWORD
    )
    assert made.status_code == 200 and "Saved" in made.text
    assert house.accounts.person("eve").teams == ("north", "south")
    eve = house.client("eve")
    again = post(root, "/people", name="eve", role_approver="on", active="on")
    assert again.status_code == 409 and "already" in again.text
    assert 'value="eve"' in root.get("/people?name=eve").text
    post(root, "/people", name="eve", change="1", role_approver="on", role_reviewer="on", active="on")
    assert house.accounts.person("eve").roles == ("reviewer", "approver")
    post(root, "/people", name="eve", change="1")
    assert not house.accounts.person("eve").active
    assert eve.get("/api/me").status_code == 401
    refused = post(root, "/people", name="root", change="1", role_approver="on", active="on")
    assert refused.status_code == 409 and "cannot change their own account" in refused.text
    unknown = post(root, "/people", name="nobody", change="1", active="on")
    assert unknown.status_code == 409


def test_a_key_is_shown_once_and_a_password_changed_ends_the_session(house):
    bob = house.client("bob")
    page = post(bob, "/keys", person="bobs-script", days="30")
    secret = re.search(r'id="secret">([^<]+)<', page.text)[1]
    assert house.accounts.key(secret).name == "bobs-script"
    assert secret not in bob.get("/keys").text
    (key,) = house.accounts.keys("bob")
    assert key.id in bob.get("/keys").text
    assert post(house.client("cleo"), "/keys/end", key=key.id).status_code == 409
    assert "is ended" in post(bob, "/keys/end", key=key.id).text
    assert house.accounts.keys("bob") == ()
    for days in ("0", "many", "99999", "-3", "²"):
        assert post(bob, "/keys", person="bob", days=days).status_code == 409
    new = "another sentence as a password"
    wrong = post(bob, "/password", old=PASSWORD, new=new, again="something else")
    assert wrong.status_code == 409 and "same twice" in wrong.text
    post(bob, "/password", old=PASSWORD, new=new, again=new)
    assert bob.get("/api/me").status_code == 401
    assert house.accounts.sign_in("bob", new)


def test_the_log_is_read_page_by_page_each_event_once_and_checked(house):
    house.open(*(f"r{number}" for number in range(130)))
    dan, seen, path = house.client("dan"), [], "/log"
    while path:
        page = dan.get(path).text
        seen += [int(seq) for seq in re.findall(r'role="rowheader" class="n">(\d+)<', page)]
        found = re.search(r'href="([^"]+)" rel="next"', page)
        path = found and found[1].replace("&amp;", "&")
    assert seen == list(range(house.store.head().seq, 0, -1))
    root_alone = dan.get("/log?actor=root").text
    assert "foretell:people" in root_alone and "r12" not in root_alone
    told = [(each.kind, each.whom) for each in entries_of(house, "root") if each.whom]
    assert told == [("person", name) for name in ("bobs-script", "vic", "dan", "cleo", "bob", "ada", "root")]
    house.accounts.make_key("bob", "bobs-script", 1)
    assert [(each.kind, each.whom) for each in entries_of(house, "bob")] == [("key", "bobs-script")]
    assert "foretell:people: <bdi>bobs-script</bdi>" in dan.get("/log?actor=bob").text
    head = str(house.store.head())
    assert "The log holds" in post(dan, "/log/check", head=head).text
    other = post(dan, "/log/check", head=head[:-1] + ("0" if head[-1] != "0" else "1")).text
    assert "does not hold" in other
    assert post(dan, "/log/check", head="7").status_code == 503
    behind(house.url, "UPDATE people SET roles = '[\"administrator\"]' WHERE name = 'bob'")
    assert "the roles of bob were altered in the table of people" in post(dan, "/log/check").text
    behind(house.url, "UPDATE contents SET body = 'no JSON' WHERE kind = 'person'")
    assert dan.get("/log?about=foretell:people").status_code == 200


def test_a_form_of_another_session_changes_nothing(house):
    root, ada = house.client("root"), house.client("ada")
    head = house.store.head()
    for path, fields in (
        ("/people", {"name": "eve", "active": "on"}),
        ("/keys", {"person": "root", "days": "9"}),
        ("/policy", {"policy": "{}"}),
    ):
        assert root.post(path, data=form(ada, **fields)).status_code == 403
        assert root.post(path, data=fields).status_code == 403
    assert house.store.head() == head
