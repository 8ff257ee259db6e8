"""The owner's pages: people, keys, the policy by two people, the log and its check, the figures."""

import json
import re
from datetime import timedelta

import pytest

from case_material import behind, texts
from desk_material import PASSWORD, House, form
from foretell.cases.figures import figures, first_since
from foretell.cases.journal import entries
from foretell.cases.people import Person
from foretell.cases.standing import stamp

PAGES = ("/dashboard", "/log", "/policy", "/people", "/keys")


@pytest.fixture
def house(tmp_path):
    house = House(f"sqlite:///{tmp_path}/cases.db")
    house.url = f"sqlite:///{tmp_path}/cases.db"
    yield house
    house.store.close()


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


def test_a_policy_is_proposed_by_one_and_confirmed_by_another_on_its_page(house):
    root, ada = house.client("root"), house.client("ada")
    text = re.search(r"<textarea[^>]*>([^<]*)<", root.get("/policy").text)[1]
    written = json.loads(text.replace("&#34;", '"').replace("&quot;", '"'))
    written["hourly_limit"] = 7
    assert "is proposed" in post(root, "/policy", policy=json.dumps(written), reason="haste").text
    mine, theirs = root.get("/policy").text, ada.get("/policy").text
    assert "Put into force" not in mine and "Put into force" in theirs
    assert "<ins>+  &#34;hourly_limit&#34;: 7" in theirs and "<del>-  &#34;hourly_limit&#34;: 0" in theirs
    seq = re.search(r'name="proposal" value="(\d+)"', theirs)[1]
    refused = post(root, "/policy/close", proposal=seq, do="confirm")
    assert refused.status_code == 409 and "cannot confirm it" in refused.text
    assert "is in force" in post(ada, "/policy/close", proposal=seq, do="confirm").text
    assert house.store.policy().hourly_limit == 7
    for wrong in ("{", "[" * 3000, '{"rules": [{}]}', '{"audit_share": 3}'):
        page = post(root, "/policy", policy=wrong)
        assert page.status_code in (409, 422) and 'role="alert"' in page.text
        assert wrong[:40].replace('"', "&#34;") in page.text
    assert post(ada, "/policy/close", proposal=seq, do="withdraw").status_code == 409
    assert house.client("vic").get("/policy").status_code == 200
    assert "Propose a change" not in house.client("vic").get("/policy").text


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
    head = str(house.store.head())
    assert "The log holds" in post(dan, "/log/check", head=head).text
    other = post(dan, "/log/check", head=head[:-1] + ("0" if head[-1] != "0" else "1")).text
    assert "does not hold" in other
    assert post(dan, "/log/check", head="7").status_code == 503
    behind(house.url, "UPDATE people SET roles = '[\"administrator\"]' WHERE name = 'bob'")
    assert "the roles of bob were altered in the table of people" in post(dan, "/log/check").text


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


def test_the_figures_are_those_of_the_decisions(house):
    house.policy({"rules": [{"name": "all", "approvals": 2}]})
    house.open("r1", "r2", "r3", "r4", "r5")
    house.decide("bob", "r1", "approve")
    house.decide("bobs-script", "r2", "reject")
    house.clock.move(days=8)
    house.decide("cleo", "r1", "approve")
    house.decide("cleo", "r3", "approve")
    house.decide("dan", "r3", "reject")
    house.decide("dan", "r4", "edit", text=texts("r4")[1])
    house.open("r6")
    with house.store.reading() as connection:
        found = figures(connection, house.store.now(), 14)
        late = figures(connection, house.store.now(), 2)
    assert found.waiting == {
        "under 4 hours": 1, "4 to 24 hours": 0, "1 to 3 days": 0, "3 to 7 days": 0, "over 7 days": 2,
    }  # fmt: skip
    assert len(found.days) == 14 and found.days[-1] == "2026-03-10"
    assert found.decisions["bob"] == {"2026-03-02": 1}
    assert found.decisions["cleo"] == {"2026-03-10": 2}
    assert (found.num_alerts, found.num_rejected) == (3, 2)
    assert (found.num_decided, found.num_doubled) == (3, 2)
    assert (found.num_pairs, found.num_agreeing) == (2, 1)
    (only,) = found.by_probability
    assert (only.n, only.observed) == (3, 1 / 3) and abs(only.predicted - 0.9) < 1e-9
    assert [each.week for each in found.by_week] == ["2026-03-02", "2026-03-09"]
    assert late.num_alerts == 2 and "bob" not in late.decisions
    page = house.client("dan").get("/dashboard").text
    assert "66.7% of 3" in page and page.count('<svg class="picture"') == 4
    assert house.client("dan").get("/dashboard?days=400").status_code == 422


def test_an_own_judgement_that_differs_from_the_decision_is_no_agreement(house):
    house.policy({"blind_share": 1.0})
    house.open("r1", "r2")
    for row, said in (("r1", "negative"), ("r2", "positive")):
        house.decide("bob", row, "judge", detail={"judgement": said})
        house.decide("cleo", row, "judge", detail={"judgement": "positive"})
        house.decide("cleo", row, "approve")
    with house.store.reading() as connection:
        found = figures(connection, house.store.now())
    assert (found.num_pairs, found.num_agreeing) == (2, 1)


def test_the_first_event_of_a_time_is_found(house):
    start = house.clock.at
    for number in range(5):
        house.clock.move(days=1)
        house.open(f"r{number}")
    with house.store.reading() as connection:
        told = {entry.seq: entry.at for entry in entries(connection, limit=200)}
        for day in range(-1, 8):
            at = stamp(start + timedelta(days=day))
            wanted = min((seq for seq, when in told.items() if when >= at), default=max(told) + 1)
            assert first_since(connection, at) == wanted
