"""The desk's questions and suggestions: for the person who is signed in, with the script and without any."""

import re

import pytest
from playwright.sync_api import sync_playwright

from case_material import decision
from desk_browser import CHROMIUM, Seat, rich, served
from desk_material import PASSWORD, House, form
from foretell.cases.people import Person
from foretell.cases.permits import Permits
from foretell.serving.case_page import offered

AGENT = "bobs-agent"
MARKUP = "<script>document.title='taken'</script><img src=x onerror=alert(1)>"
SAYS = {"accept": "text/html"}


@pytest.fixture
def house(tmp_path):
    house = House(f"sqlite:///{tmp_path / 'cases.db'}")
    house.accounts.save("root", Person(name=AGENT, roles=("viewer",), owner="bob"))
    house.store.open_cases([rich("r1", 0), rich("r2", 1)])
    yield house
    house.store.close()


def suggested(house: House, verb: str = "escalate", **more: str) -> int:
    return Permits(house.store).suggest(AGENT, "r1", decision(house.store.case("r1"), verb, AGENT, **more))


def answer_of(text: str) -> str:
    found = re.search(r'<section id="answer".*?</section>', text, re.DOTALL)
    return found[0] if found else ""


def test_each_question_that_the_page_offers_is_answered_in_supported_sentences_or_words(house):
    bob, head = house.client("bob"), house.store.head()
    assert not answer_of(bob.get("/case?id=r1").text)
    answered = 0
    for question in (*offered(), "compare with r2"):
        told = answer_of(bob.get("/case", params={"id": "r1", "ask": question}).text)
        assert 'class="claim supported"' in told or 'class="hint"' in told, question
        assert "contradicted" not in told and "unverified" not in told
        answered += 'class="claim supported"' in told
    assert answered > len(offered()) / 2
    assert "can ask" in answer_of(bob.get("/case?id=r1&ask=sing+a+song").text)
    assert house.store.head() == head


def test_what_is_asked_is_shown_and_never_followed(house):
    bob = house.client("bob")
    for question in (MARKUP, f"compare with {MARKUP}", f"what if {MARKUP} = 3", "\u202e" + "x" * 2000):
        page = bob.get("/case", params={"id": "r1", "ask": question})
        assert page.status_code == 200
        assert MARKUP not in page.text and "\u202e" not in page.text and "x" * 501 not in page.text


def test_who_is_to_judge_first_is_told_what_happened_and_nothing_of_the_score(house):
    house.policy({"blind_share": 1.0})
    house.store.open_cases([rich("r3", 2)])
    bob = house.client("bob")
    for question in (*offered(), "compare with r1"):
        page = bob.get("/case", params={"id": "r3", "ask": question}).text
        assert "90.0%" not in page and "log-odds" not in page
    assert "judged first" in answer_of(bob.get("/case?id=r3&ask=Why%3F").text)
    assert 'class="claim supported"' in answer_of(bob.get("/case?id=r3&ask=What+happened%3F").text)


def test_another_case_of_another_team_is_not_there_for_a_comparison(house):
    house.policy({"rules": [{"name": "north", "probability_from": 0.5, "team": "north"}]})
    house.store.open_cases([rich("theirs", 3)])
    bob = house.client("bob")
    there, nowhere = (
        answer_of(bob.get("/case", params={"id": "r1", "ask": f"compare with {name}"}).text)
        for name in ("theirs", "absent")
    )
    assert "claim" not in there and there.replace("theirs", "absent") == nowhere
    assert bob.get("/case?id=theirs&ask=Why%3F", headers=SAYS).status_code == 404


def test_a_program_suggests_over_http_and_acts_with_the_token_that_a_person_gives_it(house):
    key = {"authorization": f"Bearer {house.accounts.make_key('bob', AGENT, 30)}"}
    program, dan = house.client(), house.client("dan")
    wanted = {"verb": "reject", "content": house.store.case("r1").content, "detail": {"code": "false_alarm"}}
    wanted["reason"] = MARKUP
    assert program.post("/api/case/decisions?id=r1", json=wanted, headers=key).status_code == 403
    made = program.post("/api/case/suggestions?id=r1", json=wanted, headers=key)
    number = made.json()["suggestion"]
    page = dan.get("/case?id=r1").text
    assert f'aria-label="Suggestion {number}"' in page and MARKUP not in page
    sent = form(dan, verb="permit", suggestion=str(number), content=wanted["content"])
    token = re.search(r"permit_[\w-]{43}", dan.post("/case?id=r1", data=sent).text)
    assert token is not None and token[0] not in dan.get("/case?id=r1").text
    assert dan.post("/case?id=r1", data=sent).status_code == 409
    acted = {**wanted, "token": token[0]}
    other = {**acted, "reason": ""}
    assert program.post("/api/case/acts?id=r1", json=other, headers=key).status_code == 403
    done = program.post("/api/case/acts?id=r1", json=acted, headers=key)
    assert done.json()["status"] == "rejected"
    assert program.post("/api/case/acts?id=r1", json=acted, headers=key).status_code in (403, 409)
    assert house.store.case("r1").events[-1].actor == "dan"
    assert house.store.verify_log().passed


def test_a_page_offers_to_permit_what_the_rules_would_admit_alone(house):
    suggested(house, "approve")
    assert "Permit it" in house.client("dan").get("/case?id=r1").text
    own = house.client("bob").get("/case?id=r1").text
    assert "You cannot permit it" in own and "Permit it" not in own and "Decline" in own
    assert "suggestion" not in house.client("vic").get("/case?id=r1").text
    house.decide("cleo", "r1", "reject", detail={"code": "false_alarm"})
    assert "Permit it" not in house.client("dan").get("/case?id=r1").text


def test_a_key_permits_nothing_and_neither_does_a_form_that_makes_no_sense(house):
    number, dan = suggested(house), house.client("dan")
    key = {"authorization": f"Bearer {house.accounts.make_key('dan', 'dan', 30)}"}
    head = house.store.head()
    program = house.client()
    for verb in ("permit", "decline"):
        answer = program.post(
            "/case?id=r1", data=form(program, verb=verb, suggestion=str(number)), headers=key
        )
        assert answer.status_code == 403
    for odd in ("", "0", "-1", "999999", "x", "9" * 40):
        answer = dan.post("/case?id=r1", data=form(dan, verb="permit", suggestion=odd))
        assert answer.status_code == 409 and "permit_" not in answer.text
    assert house.store.head() == head
    declined = dan.post("/case?id=r1", data=form(dan, verb="decline", suggestion=str(number)))
    assert "The suggestion is declined." in declined.text
    assert "suggests to" not in dan.get("/case?id=r1").text


@pytest.mark.parametrize("script", [True, False], ids=["with the script", "without any script"])
def test_asking_and_permitting_need_the_keyboard_alone(house, script):
    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium here")
    suggested(house, reason="The terminal had fraud before.")
    with sync_playwright() as playwright, served(house.store) as base:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--disable-gpu"])
        seat = Seat(browser.new_context(java_script_enabled=script).new_page(), base)
        seat.enter(house.accounts.sign_in("dan", PASSWORD))
        seat.go("/case?id=r1")
        keys = seat.page.keyboard
        if script:
            keys.press("w")
        else:
            _reach(seat, "ask")
        assert seat.focused() == "ask"
        keys.insert_text("Why not lower?")
        seat.press("Enter")
        assert seat.page.url.endswith("#answer")
        assert "raise" in seat.text("#answer")
        seat.page.focus("#answer summary")
        keys.press("Enter")
        assert "log-odds" in seat.text("#answer") and seat.page.is_visible("#answer .basis")
        seat.tab_to("Permit it")
        seat.press("Enter")
        assert seat.text("[role=status]").startswith("Permitted.")
        assert re.search(r"permit_[\w-]{43}", seat.text("[role=status]"))
        browser.close()
    assert seat.complaints == [] and seat.hosts <= {base.removeprefix("http://")}


def _reach(seat: Seat, control: str) -> None:
    for _ in range(80):
        seat.page.keyboard.press("Tab")
        if seat.page.evaluate("document.activeElement.id") == control:
            return
    raise AssertionError(f"Tab never came to {control}")
