"""The desk: who may come in and do what, four eyes under any name, claims, queue, policy by two people."""

import json
from datetime import timedelta
from random import Random

import pytest

from case_material import decision, proposal, texts
from desk_material import PASSWORD, House
from foretell.cases import queue
from foretell.cases.people import Person
from foretell.cases.queue import Query
from foretell.errors import AccessError, DecisionError, SpecError, StoreError

pytest_plugins = ("case_fixtures",)


@pytest.fixture
def house(url):
    house = House(url)
    yield house
    house.store.close()


def test_a_store_with_accounts_takes_decisions_from_those_who_signed_in_alone(house):
    house.open("r1")
    with pytest.raises(AccessError, match="people sign in to decide"):
        house.store.decide("r1", decision(house.store.case("r1"), "approve", "bob"))
    with pytest.raises(AccessError, match="cannot decide as 'cleo'"):
        house.store.decide("r1", decision(house.store.case("r1"), "approve", "cleo"), person="bob")
    assert house.decide("bob", "r1", "approve").status == "approved"
    assert house.store.verify_log().passed


@pytest.mark.parametrize("verb", ["approve", "reject", "escalate", "edit", "comment", "snooze"])
@pytest.mark.parametrize("name", ["vic", "ada", "nobody"])
def test_who_does_not_review_does_not_decide(house, name, verb):
    house.open("r1")
    head = house.store.head()
    with pytest.raises(AccessError):
        house.decide(name, "r1", verb, reason="x", text=texts("r1")[1] if verb == "edit" else "")
    assert house.store.head() == head


def test_a_team_sees_its_own_cases_and_those_of_nobody(house):
    house.policy({"rules": [{"name": "large", "probability_from": 0.8, "team": "north"}]})
    house.open("r1")
    house.open("r2", probability=0.7)
    assert [line.id for line in house.desk.queue("bob", Query()).lines] == ["r2"]
    for look in (
        lambda: house.desk.case("bob", "r1"),
        lambda: house.decide("bob", "r1", "approve"),
        lambda: house.desk.claim("bob", "r1"),
    ):
        with pytest.raises(StoreError, match="there is no case 'r1'"):
            look()
    assert house.desk.queue("bob", Query(text="r1")).lines == ()
    house.accounts.save("root", Person(name="bob", roles=("reviewer",), teams=("north",)))
    assert [line.id for line in house.desk.queue("bob", Query()).lines] == ["r1", "r2"]
    assert house.decide("bob", "r1", "approve").status == "approved"


def test_two_approvals_come_from_two_pairs_of_eyes_the_last_an_approvers(house):
    house.policy({"rules": [{"name": "all", "approvals": 2, "approver": "approver"}]})
    house.open("r1", "r2")
    assert house.decide("bob", "r1", "approve").status == "open"
    for again in ("bob", "bobs-script"):
        with pytest.raises(DecisionError, match="has approved case 'r1' already"):
            house.decide(again, "r1", "approve")
    assert house.decide("cleo", "r1", "approve").status == "open"
    assert house.desk.queue("bob", Query()).lines[0].approvals == 2
    assert house.decide("dan", "r1", "approve").status == "approved"


def test_an_edit_voids_approvals_and_its_author_approves_under_no_name(house):
    house.policy({"rules": [{"name": "all", "approvals": 2}]})
    house.open("r1")
    house.decide("cleo", "r1", "approve")
    house.decide("bob", "r1", "edit", text=texts("r1")[1])
    assert house.desk.case("bob", "r1").approvals == 0
    for name in ("bob", "bobs-script"):
        with pytest.raises(DecisionError, match=f"{name} edited case|edited case 'r1' and cannot approve"):
            house.decide(name, "r1", "approve")
    assert house.decide("cleo", "r1", "approve").status == "open"
    assert house.decide("dan", "r1", "approve").status == "approved"


def test_an_unsupported_sentence_is_released_only_after_a_second_person_accepted_it(house):
    house.open("r1")
    text = texts("r1")[0] + " The customer is a known crook."
    with pytest.raises(Exception, match="does not pass"):
        house.decide("bob", "r1", "edit", text=text)
    house.decide("bob", "r1", "edit", text=text, detail={"unsupported": "keep"})
    assert house.desk.queue("bob", Query(flagged=True)).lines[0].id == "r1"
    with pytest.raises(DecisionError, match="does not support"):
        house.decide("dan", "r1", "approve")
    for name, error in (("cleo", AccessError), ("bobs-script", DecisionError)):
        with pytest.raises(error):
            house.decide(name, "r1", "accept")
    house.decide("dan", "r1", "accept", reason="seen on the phone list")
    assert house.decide("cleo", "r1", "approve").status == "approved"
    kinds = [event.kind for event in house.store.case("r1").events]
    assert kinds == ["opened", "edited", "accepted", "approved"]
    assert house.store.verify_log().passed


def test_a_claimed_case_is_its_holders_until_the_lease_runs_out(house):
    house.open("r1", "r2")
    house.desk.claim("bob", "r1")
    with pytest.raises(DecisionError, match="claimed by bob"):
        house.desk.claim("cleo", "r1")
    with pytest.raises(DecisionError, match="claimed by bob"):
        house.decide("cleo", "r1", "approve")
    assert house.decide("cleo", "r1", "comment", reason="look at the terminal").status == "open"
    assert house.desk.next_case("cleo", Query()) == "r2"
    house.clock.move(minutes=16)
    assert house.desk.next_case("dan", Query()) == "r1"
    assert house.decide("dan", "r1", "approve").status == "approved"


def test_own_judgement_comes_before_the_score(house):
    house.policy({"blind_share": 1.0})
    house.open("r1")
    assert house.desk.case("bob", "r1").hidden
    assert house.desk.queue("bob", Query()).lines[0].probability is None
    with pytest.raises(DecisionError, match="own judgement"):
        house.decide("bob", "r1", "approve")
    house.decide("bob", "r1", "judge", detail={"judgement": "negative"})
    assert not house.desk.case("bob", "r1").hidden
    assert house.desk.case("cleo", "r1").hidden
    assert house.decide("bob", "r1", "approve").status == "approved"


@pytest.mark.parametrize("text", ["", "r"])
@pytest.mark.parametrize("share", [0.3, 0.97])
def test_no_order_and_no_further_page_tells_a_score_that_is_to_be_judged_first(tmp_path, share, text):
    told = []
    for scores in (Random(1), Random(2)):
        house = House(f"sqlite:///{tmp_path}/{len(told)}.db")
        house.policy({"blind_share": share, "salt": "x"})
        blind = house.store.policy().sampled
        known = Random(0)
        for number in range(60):
            row, shown = f"r{number}", known.random()
            house.open(row, probability=scores.random() if blind("blind", row, share) else shown)
        pages, after = [], ""
        while not pages or after:
            pages.append(house.desk.queue("bob", Query(sort="score", text=text, limit=7, after=after)))
            after = pages[-1].next
        told.append((pages, house.desk.next_case("bob", Query(sort="score", text=text))))
        lines = [line for page in pages for line in page.lines]
        assert len({line.id for line in lines}) == len(lines) == 60
        seen = [line.probability for line in lines if line.probability is not None]
        assert 0 < len(seen) < 60
        assert share > 0.9 or seen == sorted(seen, reverse=True)
        house.store.close()
    assert told[0] == told[1]


def test_low_risk_is_released_by_the_policy_except_what_the_audit_samples(house):
    rule = {"name": "low", "probability_below": 0.95, "release": "auto"}
    house.policy({"rules": [rule], "audit_share": 0.3})
    house.open(*(f"r{number}" for number in range(100)))
    waiting = house.desk.count("bob", Query())
    assert 15 < waiting < 45
    assert house.desk.count("bob", Query(status="released")) == 100 - waiting
    assert house.store.verify_log().passed


def test_a_snoozed_case_sleeps_until_its_time(house):
    house.open("r1", "r2")
    until = (house.clock.at + timedelta(hours=2)).isoformat()
    house.decide("bob", "r1", "snooze", detail={"until": until})
    assert [line.id for line in house.desk.queue("bob", Query()).lines] == ["r2"]
    assert len(house.desk.queue("bob", Query(snoozed=True)).lines) == 2
    house.clock.move(hours=3)
    assert len(house.desk.queue("bob", Query()).lines) == 2
    for wrong in ("tomorrow", "2020-01-01T00:00Z", "2026-03-03T00:00"):
        with pytest.raises(DecisionError):
            house.decide("bob", "r2", "snooze", detail={"until": wrong})


def test_an_hourly_limit_stops_haste(house):
    house.policy({"hourly_limit": 2})
    house.open("r1", "r2", "r3")
    house.decide("bob", "r1", "approve")
    house.decide("bob", "r2", "reject")
    with pytest.raises(DecisionError, match="within the last hour"):
        house.decide("bob", "r3", "approve")
    house.clock.move(hours=1)
    assert house.decide("bob", "r3", "approve").status == "approved"


def test_a_policy_is_confirmed_by_another_administrator_than_proposed_it(house):
    seq = house.governance.propose("root", {"hourly_limit": 7})
    assert house.store.policy().hourly_limit == 0
    for name in ("root", "bob"):
        with pytest.raises(AccessError):
            house.governance.confirm(name, seq)
    house.governance.confirm("ada", seq)
    assert house.store.policy().hourly_limit == 7
    with pytest.raises(DecisionError, match="was confirmed by ada"):
        house.governance.confirm("ada", seq)
    with pytest.raises(SpecError, match=r"rules\[0\]: 'name' is missing; policy.audit_share: '2'"):
        house.governance.propose("root", {"audit_share": 2, "rules": [{}]})
    with pytest.raises(AccessError):
        house.governance.propose("bob", {})
    assert [event.kind for event in house.store.events("foretell:policy")] == ["proposed", "confirmed"]
    assert house.store.verify_log().passed


def test_the_board_is_what_the_queue_the_count_and_the_policy_in_force_tell(house):
    house.open("r1", "r2", probability=0.9)
    house.open("r3", probability=0.2)
    house.desk.save_view("bob", "mine", "mine=on")
    for approvals in (1, 2, 3):
        rule = {"name": "high", "probability_from": 0.5, "approvals": approvals}
        house.policy({"rules": [rule, {"name": "south", "team": "south"}]})
        for query in (Query(), Query(text="r1"), Query(status="approved"), Query(sort="score", limit=2)):
            board = house.desk.board("bob", query)
            assert board.page == house.desk.queue("bob", query)
            assert board.count == house.desk.count("bob", query)
            high = {line.id: approvals if line.id != "r3" else 1 for line in board.page.lines}
            assert board.needed == high
            assert board.views == {"mine": "mine=on"}
    assert house.desk.board("root", Query()).teams == {"south"}


@pytest.mark.parametrize("limit", [7, 40])  # the larger one reads on in a team that has more than its share
@pytest.mark.parametrize("sort", ["oldest", "newest", "score", "due"])
def test_pages_hold_every_case_once_in_the_asked_order(house, sort, limit):
    rules = [
        {"name": "top", "probability_from": 0.8, "team": "a", "due_hours": 4},
        {"name": "rest", "due_hours": 2, "team": "b", "probability_from": 0.4},
    ]
    house.policy({"rules": rules})
    house.accounts.save("root", Person(name="bob", roles=("reviewer",), teams=("a", "b")))
    drafts = [proposal(f"r{n}", round(0.05 + (n * 37 % 90) / 100, 2)) for n in range(60)]
    house.store.open_cases(drafts)
    lines, query = [], Query(sort=sort, limit=limit)
    while True:
        page = house.desk.queue("bob", query)
        lines += page.lines
        if not page.next:
            break
        query = Query(sort=sort, limit=limit, after=page.next)
    assert sorted(line.id for line in lines) == sorted(case.id for case in drafts)
    key = {
        "oldest": lambda line: line.opened_at,
        "newest": lambda line: line.opened_at,
        "score": lambda line: line.probability,
        "due": lambda line: line.due_at or "~",
    }[sort]
    keys = [key(line) for line in lines]
    assert keys == sorted(keys, reverse=sort in ("newest", "score"))
    with pytest.raises(DecisionError, match="not the next page"):
        house.desk.queue("bob", Query(sort=sort, after="WzEsMl0"))


def test_cases_are_found_by_the_beginning_of_an_id_or_a_name_until_they_are_erased(house):
    house.open("r1", "r2", "x9")
    assert [line.id for line in house.desk.queue("bob", Query(text="R")).lines] == ["r1", "r2"]
    assert len(house.desk.queue("bob", Query(text="maria m")).lines) == 3
    assert house.desk.queue("bob", Query(text="muster")).lines == ()
    house.store.erase("r1", "ada")
    assert len(house.desk.queue("bob", Query(text="maria")).lines) == 2


def test_a_search_that_finds_more_than_it_looks_at_says_so(house, monkeypatch):
    monkeypatch.setattr(queue, "MOST_FOUND", 3)
    house.open("r1", "r2", "s1", "s2", "s3")
    few, cut = (house.desk.queue("bob", Query(text=text)) for text in ("r", "s"))
    assert (few.total, few.cut) == (2, False)
    assert (cut.total, cut.cut) == (3, True)
    page = house.client("bob").get("/", params={"text": "s"}).text
    assert "3+ cases with these filters. A search looks at" in page
    assert "A search looks at" not in house.client("bob").get("/", params={"text": "r"}).text
    assert house.client("bob").get("/api/cases", params={"text": "s"}).json()["cut"] is True


# ---- accounts ----


def test_a_session_lasts_while_it_is_used_and_ends_with_the_account(house):
    token = house.accounts.sign_in("bob", PASSWORD)
    for _ in range(4):
        house.clock.move(minutes=20)
        assert house.accounts.session(token).name == "bob"
    house.clock.move(minutes=31)
    with pytest.raises(AccessError, match="has ended"):
        house.accounts.session(token)
    token = house.accounts.sign_in("bob", PASSWORD)
    house.accounts.save("root", Person(name="bob", roles=("reviewer",), active=False))
    with pytest.raises(AccessError):
        house.accounts.session(token)
    with pytest.raises(AccessError, match="do not fit"):
        house.accounts.sign_in("bob", PASSWORD)


def test_guessing_a_password_takes_longer_and_longer(house):
    for _ in range(5):
        with pytest.raises(AccessError, match="do not fit"):
            house.accounts.sign_in("bob", "a wrong password")
    with pytest.raises(AccessError, match="too many"):
        house.accounts.sign_in("bob", PASSWORD)
    house.clock.move(seconds=20)
    assert house.accounts.sign_in("bob", PASSWORD)
    with pytest.raises(AccessError, match="do not fit"):
        house.accounts.sign_in("no such person", PASSWORD)


def test_nobody_changes_their_own_roles_nor_those_of_their_other_accounts(house):
    for name in ("root", "bob"):
        with pytest.raises(AccessError):
            house.accounts.save("root" if name == "root" else "bob", Person(name=name, roles=("approver",)))
    with pytest.raises(DecisionError, match="already"):
        house.accounts.save("root", Person(name="Bob", roles=("reviewer",)), PASSWORD)
    with pytest.raises(DecisionError, match="already"):
        house.accounts.found("eve", PASSWORD)


def test_a_key_is_its_accounts_and_can_be_ended(house):
    secret = house.accounts.make_key("bob", "bobs-script", 30)
    assert house.accounts.key(secret).identity == "bob"
    with pytest.raises(AccessError):
        house.accounts.make_key("cleo", "bobs-script", 30)
    (key,) = house.accounts.keys("bob")
    assert house.accounts.keys("cleo") == ()
    with pytest.raises(AccessError):
        house.accounts.revoke_key("cleo", key.id)
    house.accounts.revoke_key("bob", key.id)
    with pytest.raises(AccessError):
        house.accounts.key(secret)
    log = json.dumps([event.body for event in house.store.events()])
    assert secret not in log and PASSWORD not in log
