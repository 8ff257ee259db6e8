"""A token permits one act of one program on one content of one case, once, and nothing else."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from case_material import decision, texts
from desk_material import House
from foretell.cases.people import Person
from foretell.cases.permits import MOST_OPEN, PERMITTED_MINUTES, SUGGESTED, TOKEN_PREFIX, Permits, told
from foretell.errors import AccessError, DecisionError, ForetellError, NotFoundError, VerdictError

AGENT, DETAILS = "bobs-agent", {"reject": {"code": "false_alarm"}, "ask": {"person": "cleo"}}


@pytest.fixture
def house(tmp_path):
    house = House(f"sqlite:///{tmp_path / 'desk.db'}")
    house.accounts.save("root", Person(name=AGENT, roles=("viewer",), owner="bob"))
    house.open("r1", "r2")
    yield house
    assert house.store.verify_log().passed
    house.store.close()


def asked(house: House, row: str, verb: str, **more):
    """Return what the agent could suggest for a case as it stands."""
    given = {"detail": DETAILS.get(verb, {}), **more}
    if verb == "snooze":
        given["detail"] = {
            "until": house.clock.at.replace(year=house.clock.at.year).isoformat()[:10] + "T23:00+00:00"
        }
    if verb == "comment":
        given.setdefault("reason", "The customer confirmed by phone.")
    return decision(house.store.case(row), verb, AGENT, **given)


def agreed(house: House, row: str, verb: str, by: str = "dan", **more):
    """Suggest, permit, and return what was suggested with its token."""
    wanted = asked(house, row, verb, **more)
    permits = Permits(house.store)
    return wanted, permits.permit(by, row, permits.suggest(AGENT, row, wanted))


def refused(house: House, kind: type[ForetellError], work) -> str:
    """Return why something is refused, having seen that nothing was written."""
    head = house.store.head()
    with pytest.raises(kind) as caught:
        work()
    assert house.store.head() == head
    return caught.value.message


@pytest.mark.parametrize("verb", sorted({*SUGGESTED} - {"accept", "edit"}))
def test_what_a_person_permits_is_done_once_as_their_decision(house, verb):
    permits = Permits(house.store)
    wanted, token = agreed(house, "r1", verb)
    done = permits.act(AGENT, "r1", wanted, token)
    assert (done.events[-1].kind, done.events[-1].actor) == (SUGGESTED[verb], "dan")
    assert [event.kind for event in done.events[1:3]] == ["suggested", "permitted"]
    refused(house, ForetellError, lambda: permits.act(AGENT, "r1", wanted, token))


def test_an_edit_is_suggested_only_as_the_verifier_passes_it(house):
    permits, text = Permits(house.store), house.store.case("r1").narrative.text
    lie = asked(house, "r1", "edit", text=text.replace("90", "10") + " All is well.")
    refused(house, VerdictError, lambda: permits.suggest(AGENT, "r1", lie))
    kept = replace(lie, detail={"unsupported": "keep"})
    refused(house, DecisionError, lambda: permits.suggest(AGENT, "r1", kept))


def test_a_token_is_for_its_case_its_act_and_its_arguments(house):
    permits = Permits(house.store)
    wanted, token = agreed(house, "r1", "reject", reason="It was a test.")
    other = [
        replace(wanted, verb="approve", detail={}),
        replace(wanted, reason="It was a test!"),
        replace(wanted, detail={"code": "other"}),
        replace(wanted, content="0" * 64),
        replace(wanted, text="Nothing."),
    ]
    for one in other:
        refused(house, AccessError, lambda one=one: permits.act(AGENT, "r1", one, token))
    there = replace(wanted, content=house.store.case("r2").content)
    refused(house, AccessError, lambda: permits.act(AGENT, "r2", there, token))
    refused(house, NotFoundError, lambda: permits.act(AGENT, "r3", wanted, token))
    refused(house, AccessError, lambda: permits.act("bobs-script", "r1", wanted, token))
    assert permits.act(AGENT, "r1", wanted, token).status == "rejected"


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_forged_token_permits_nothing(forged, data):
    house, wanted, token = forged
    letters = st.text(st.characters(codec="utf-8"), max_size=60)
    cut = st.integers(0, len(token) - 1)
    near = cut.map(lambda at: token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :])
    made = data.draw(
        st.one_of(letters, letters.map(TOKEN_PREFIX.__add__), near, cut.map(lambda at: token[:at]))
    )
    refused(house, AccessError, lambda: Permits(house.store).act(AGENT, "r1", wanted, made))


@pytest.fixture(scope="module")
def forged(tmp_path_factory):
    house = House(f"sqlite:///{tmp_path_factory.mktemp('forged') / 'desk.db'}")
    house.accounts.save("root", Person(name=AGENT, owner="bob"))
    house.open("r1")
    yield house, *agreed(house, "r1", "escalate")
    house.store.close()


def test_of_many_who_use_a_token_at_once_one_is_heard(house):
    wanted, token = agreed(house, "r1", "comment")

    def act(_: int) -> bool:
        try:
            Permits(house.store).act(AGENT, "r1", wanted, token)
        except AccessError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(act, range(16))) == 1
    assert [event.kind for event in house.store.events("r1")].count("commented") == 1


def test_the_log_does_not_tell_the_token(house):
    _, token = agreed(house, "r1", "escalate")
    assert token not in json.dumps([event.body for event in house.store.events("r1")])


def test_a_token_runs_out_and_the_act_can_be_permitted_anew(house):
    permits = Permits(house.store)
    wanted, old = agreed(house, "r1", "escalate")
    seq = house.store.case("r1").events[1].seq
    refused(house, DecisionError, lambda: permits.permit("dan", "r1", seq))
    house.clock.move(minutes=PERMITTED_MINUTES)
    assert "ran out" in refused(house, AccessError, lambda: permits.act(AGENT, "r1", wanted, old))
    token = permits.permit("dan", "r1", seq)
    refused(house, AccessError, lambda: permits.act(AGENT, "r1", wanted, old))
    assert permits.act(AGENT, "r1", wanted, token).status == "escalated"


def test_content_that_was_edited_meanwhile_voids_the_token(house):
    wanted, token = agreed(house, "r1", "approve")
    text = house.store.case("r1").narrative.text
    house.decide("cleo", "r1", "edit", text=text.split(". ")[0] + ". " + text, detail={"unsupported": "keep"})
    refused(house, DecisionError, lambda: Permits(house.store).act(AGENT, "r1", wanted, token))
    shown = house.desk.case("dan", "r1")
    assert not shown.suggested


@pytest.mark.parametrize("closed", [AGENT, "dan"])
def test_an_account_that_was_closed_meanwhile_voids_the_token(house, closed):
    wanted, token = agreed(house, "r1", "escalate")
    person = house.accounts.person(closed)
    house.accounts.save("ada", replace(person, active=False))
    refused(house, AccessError, lambda: Permits(house.store).act(AGENT, "r1", wanted, token))


def test_a_token_does_not_come_back_with_an_account_that_is_opened_again(house):
    wanted, token = agreed(house, "r1", "escalate")
    person = house.accounts.person("dan")
    for active in (False, True):
        house.accounts.save("ada", replace(person, active=active))
    assert "closed since" in refused(
        house, AccessError, lambda: Permits(house.store).act(AGENT, "r1", wanted, token)
    )


def test_what_was_permitted_and_not_done_in_time_waits_again(house):
    permits = Permits(house.store)
    wanted, _ = agreed(house, "r1", "escalate")
    seq = house.store.case("r1").events[1].seq
    refused(house, DecisionError, lambda: permits.decline("cleo", "r1", seq))
    house.clock.move(minutes=PERMITTED_MINUTES)
    assert [one.seq for one in house.desk.case("cleo", "r1").suggested] == [seq]
    refused(house, DecisionError, lambda: permits.suggest(AGENT, "r1", wanted))
    permits.decline("cleo", "r1", seq)
    assert not house.desk.case("cleo", "r1").suggested


def test_what_a_person_may_not_do_they_cannot_permit(house):
    permits = Permits(house.store)
    seq = permits.suggest(AGENT, "r1", asked(house, "r1", "escalate"))
    for name in ("vic", "ada", "nobody"):
        refused(house, AccessError, lambda name=name: permits.permit(name, "r1", seq))
    # A program permits nothing, whatever its roles: not its own suggestion, nor another's.
    for name in (AGENT, "bobs-script"):
        refused(house, AccessError, lambda name=name: permits.permit(name, "r1", seq))
    house.desk.claim("cleo", "r1")
    assert "claimed by cleo" in refused(house, DecisionError, lambda: permits.permit("dan", "r1", seq))


def test_an_owner_is_no_second_pair_of_eyes_for_their_program(house):
    permits = Permits(house.store)
    seq = permits.suggest(AGENT, "r1", asked(house, "r1", "approve"))
    refused(house, AccessError, lambda: permits.permit("bob", "r1", seq))
    wanted = asked(house, "r1", "escalate")
    token = permits.permit("bob", "r1", permits.suggest(AGENT, "r1", wanted))
    assert permits.act(AGENT, "r1", wanted, token).events[-1].actor == "bob"
    house.policy({"rules": [{"name": "two", "probability_from": 0.5, "approvals": 2}]})
    wanted, token = agreed(house, "r2", "approve", by="cleo")
    assert permits.act(AGENT, "r2", wanted, token).status == "open"
    again = permits.suggest(AGENT, "r2", wanted)
    refused(house, DecisionError, lambda: permits.permit("cleo", "r2", again))
    token = permits.permit("dan", "r2", again)
    assert permits.act(AGENT, "r2", wanted, token).status == "approved"


def test_who_is_to_judge_first_sees_and_permits_no_suggestion(house):
    house.policy({"blind_share": 1.0})
    house.open("blind")
    permits = Permits(house.store)
    seq = permits.suggest(AGENT, "blind", asked(house, "blind", "comment", reason="It is at 90.0%."))
    shown = house.desk.case("bob", "blind")
    assert shown.hidden and not shown.suggested and "90.0%" not in repr(shown.told)
    assert "judgement" in refused(house, DecisionError, lambda: permits.permit("dan", "blind", seq))
    house.decide("dan", "blind", "judge", detail={"judgement": "positive"})
    assert permits.permit("dan", "blind", seq)
    refused(house, DecisionError, lambda: permits.suggest(AGENT, "blind", asked(house, "blind", "judge")))


def test_what_a_program_that_is_to_judge_first_suggests_is_answered_alike_whatever_the_model_said(house):
    house.accounts.save("root", Person(name=AGENT, roles=("reviewer",), owner="bob"))
    house.policy({"blind_share": 1.0})
    house.open("blind")
    assert house.desk.case(AGENT, "blind").hidden
    permits, heard = Permits(house.store), set()
    own = house.store.case("blind").narrative.text
    for text in (own, *texts("blind"), own.replace("90.0%", "91.0%"), "It is at 12.0%."):
        wanted = asked(house, "blind", "edit", text=text)
        heard.add(refused(house, DecisionError, partial(permits.suggest, AGENT, "blind", wanted)))
    assert len(heard) == 1 and "judgement" in heard.pop()


def test_a_case_of_another_team_is_not_there_to_suggest_for(house):
    house.policy({"rules": [{"name": "north", "probability_from": 0.95, "team": "north"}]})
    house.open("theirs", probability=0.97)
    permits = Permits(house.store)
    wanted = asked(house, "theirs", "escalate")
    there = refused(house, NotFoundError, lambda: permits.suggest(AGENT, "theirs", wanted))
    nowhere = refused(house, NotFoundError, lambda: permits.suggest(AGENT, "nowhere", wanted))
    assert there == nowhere.replace("nowhere", "theirs")
    refused(house, NotFoundError, lambda: permits.permit("dan", "theirs", 3))


def test_suggestions_wait_in_small_numbers_and_can_be_declined(house):
    permits = Permits(house.store)
    wanted = [asked(house, "r1", "comment", reason=f"Remark {number}.") for number in range(MOST_OPEN + 1)]
    seqs = [permits.suggest(AGENT, "r1", one) for one in wanted[:-1]]
    refused(house, DecisionError, lambda: permits.suggest(AGENT, "r1", wanted[-1]))
    refused(house, DecisionError, lambda: permits.suggest(AGENT, "r1", wanted[0]))
    refused(house, AccessError, lambda: permits.decline("vic", "r1", seqs[0]))
    permits.decline("cleo", "r1", seqs[0])
    refused(house, DecisionError, lambda: permits.permit("dan", "r1", seqs[0]))
    permits.suggest(AGENT, "r1", wanted[-1])
    assert len(house.desk.case("dan", "r1").suggested) == MOST_OPEN


def test_suggestions_about_a_text_that_was_edited_wait_no_more(house):
    permits = Permits(house.store)
    for number in range(MOST_OPEN):
        permits.suggest(AGENT, "r1", asked(house, "r1", "comment", reason=f"Remark {number}."))
    house.decide("cleo", "r1", "edit", text=texts("r1")[1])
    seq = permits.suggest(AGENT, "r1", asked(house, "r1", "comment"))
    assert [one.seq for one in house.desk.case("dan", "r1").suggested] == [seq]


def test_erasing_a_case_erases_what_was_suggested(house):
    wanted, token = agreed(house, "r1", "comment", reason="Mr Miller was abroad.")
    house.store.erase("r1", "ada")
    refused(house, NotFoundError, lambda: Permits(house.store).act(AGENT, "r1", wanted, token))
    with house.store.reading() as connection:
        bodies = connection.exec_driver_sql("SELECT body FROM contents").scalars().all()
    assert not any("Miller" in body for body in bodies)


def test_what_was_suggested_and_became_of_it_can_be_read_back(house):
    wanted, token = agreed(house, "r1", "comment")
    permits = Permits(house.store)
    permits.act(AGENT, "r1", wanted, token)
    case = house.store.case("r1")
    with house.store.reading() as connection:
        (one,) = told(connection, case)
    assert (one.state, one.by, one.decision) == ("done", "dan", wanted)
