"""The figures of a desk: those of its decisions; measures that recover what is true of simulated people."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from case_material import proposal, texts
from desk_material import House
from foretell.cases.figures import OTHERS, figures, first_since
from foretell.cases.journal import entries
from foretell.cases.measures import FEWEST, Rate, agreement, wilson
from foretell.cases.opinions import Opinion, reviewers
from foretell.cases.people import Person
from foretell.cases.planted import Planting
from foretell.cases.standing import stamp


@pytest.fixture
def house(tmp_path):
    house = House(f"sqlite:///{tmp_path}/cases.db")
    yield house
    house.store.close()


def found(house, days=14, answers=None, person=None):
    with house.store.reading() as connection:
        return figures(connection, house.store.now(), days, answers, person)


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
    told, late = found(house), found(house, 2)
    assert told.waiting == {
        "under 4 hours": 1, "4 to 24 hours": 0, "1 to 3 days": 0, "3 to 7 days": 0, "over 7 days": 2,
    }  # fmt: skip
    assert told.days[0] == "2026-03-02" and told.days[-1] == "2026-03-10" and len(late.days) == 2
    assert told.opened == {"2026-03-02": 5, "2026-03-10": 1}
    assert told.decisions["bob"] == {"2026-03-02": 1}
    assert told.decisions["cleo"] == {"2026-03-10": 2}
    assert told.overridden == Rate(2, 3) and late.overridden == Rate(1, 2)
    assert (told.agreed.num_cases, told.agreed.share) == (2, 0.5) and told.unseen is None
    assert {pair: each.share for pair, each in told.pairs.items()} == {
        ("bob", "cleo"): 1.0,
        ("cleo", "dan"): 0.0,
    }
    (only,) = told.by_probability
    assert only.positive == Rate(1, 3) and abs(only.predicted - 0.9) < 1e-9
    assert [(each.week, each.positive) for each in told.by_week] == [
        ("2026-03-02", Rate(0, 1)),
        ("2026-03-09", Rate(1, 2)),
    ]
    assert "bob" not in late.decisions
    assert {each.name: each.overridden for each in told.reviewers} == {
        "bob": Rate(0, 1), "bobs-script": Rate(1, 1), "cleo": Rate(0, 2), "dan": Rate(1, 1),
    }  # fmt: skip


def test_judgements_count_as_unseen_only_where_the_score_was_hidden(house):
    house.open("r0")
    house.decide("bob", "r0", "judge", detail={"judgement": "positive"})
    house.decide("cleo", "r0", "judge", detail={"judgement": "positive"})
    house.policy({"blind_share": 1.0})
    house.open("r1", "r2")
    for row, said in (("r1", "negative"), ("r2", "positive")):
        house.decide("bob", row, "judge", detail={"judgement": said})
        house.decide("cleo", row, "judge", detail={"judgement": "positive"})
        house.decide("cleo", row, "approve")
    house.policy({"blind_share": 0.0})
    told = found(house)
    assert (told.unseen.num_cases, told.unseen.share) == (2, 0.5)
    assert (told.agreed.num_cases, round(told.agreed.share, 3)) == (3, 0.667)


def test_who_is_swayed_by_the_score_is_told_from_their_own_judgement(house):
    house.policy({"blind_share": 1.0})
    rows = [f"r{number}" for number in range(6)]
    house.open(*rows)
    acts = (
        ("negative", "approve"), ("negative", "approve"), ("negative", "reject"),
        ("positive", "approve"), ("positive", "reject"),
    )  # fmt: skip
    for row, (judged, verb) in zip(rows, acts, strict=False):
        house.decide("bob", row, "judge", detail={"judgement": judged})
        house.decide("bob", row, verb)
    answers = {"r0": True, "r1": False, "r4": True}
    (bob,) = found(house, answers=answers).reviewers
    assert bob.overridden == Rate(2, 5)
    assert bob.swayed == Rate(2, 3)
    assert bob.swayed_rightly == Rate(1, 2)
    assert bob.correct == Rate(1, 3)
    assert bob.found == Rate(1, 2)
    assert bob.over_reliance == Rate(1, 1)
    assert bob.under_reliance == Rate(1, 2)


def test_a_rejection_says_what_its_code_says_and_may_say_nothing(house):
    rows = ("r0", "r1", "r2", "r3")
    house.open(*rows)
    for row, code in zip(rows, ("false_alarm", "missed", "duplicate", "other"), strict=True):
        house.decide("cleo", row, "reject", detail={"code": code})
    told = found(house, answers=dict.fromkeys(rows, False))
    assert told.overridden == Rate(2, 3)
    (cleo,) = told.reviewers
    assert cleo.overridden == Rate(2, 3) and cleo.correct == Rate(2, 3)
    assert told.by_probability[0].positive == Rate(1, 3)


def test_a_case_that_was_approved_twice_counts_once(house):
    house.open("r0")
    house.decide("cleo", "r0", "approve")
    house.decide("bob", "r0", "edit", text=texts("r0")[1])
    assert found(house).overridden == Rate(0, 0)
    house.decide("cleo", "r0", "approve")
    assert found(house).overridden == Rate(0, 1)


def test_decisions_of_whom_may_know_the_answers_measure_nothing(house):
    house.accounts.save("root", Person(name="bob", roles=("reviewer", "administrator")))
    house.open("r1", "r2", "r3")
    Planting(house.store).plant("root", {"r1": True, "r2": True, "r3": True})
    house.decide("bob", "r1", "approve")
    house.decide("bobs-script", "r2", "approve")
    house.decide("cleo", "r3", "approve")
    told = {each.name: each for each in found(house, answers=Planting(house.store).answers("root")).reviewers}
    assert {name: each.correct.of for name, each in told.items()} == {"bob": 0, "bobs-script": 0, "cleo": 1}
    assert told["bob"].overridden.of == 1


OVER, UNDER = 0.7, 0.15


def followed(rng, alert, truth, over, under):
    """Return whether a simulated reviewer, whose reliance is known, takes a case to be positive."""
    follows = rng.random() < (1 - under if alert == truth else over)
    return alert if follows else not alert


def test_the_reliance_of_a_simulated_reviewer_is_recovered_through_the_whole_desk(house):
    rng = random.Random(4)
    rows = {f"r{number}": (rng.random() < 0.6, rng.random() < 0.5) for number in range(120)}
    house.store.open_cases([proposal(row, alert=alert) for row, (alert, _) in rows.items()])
    planted = {row: truth for row, (_, truth) in rows.items() if rng.random() < 0.9}
    Planting(house.store).plant("root", planted)
    for row, (alert, truth) in rows.items():
        positive = followed(rng, alert, truth, OVER, UNDER)
        if positive == alert:
            house.decide("cleo", row, "approve")
        else:
            house.decide("cleo", row, "reject", detail={"code": "missed" if positive else "false_alarm"})
    (cleo,) = found(house, answers=Planting(house.store).answers("ada")).reviewers
    wrong = sum(rows[row][0] != truth for row, truth in planted.items())
    assert cleo.over_reliance.of == wrong and cleo.under_reliance.of == len(planted) - wrong
    assert cleo.over_reliance.interval[0] <= OVER <= cleo.over_reliance.interval[1]
    assert cleo.under_reliance.interval[0] <= UNDER <= cleo.under_reliance.interval[1]
    assert found(house).reviewers[0].over_reliance == Rate(0, 0)
    page = house.client("ada").get("/dashboard").text
    assert f"{len(planted)} cases are planted" in page and "Over-reliance" in page
    assert "planted" not in house.client("dan").get("/dashboard").text


def test_intervals_of_reliance_hold_the_truth_as_often_as_they_say():
    rng, held = random.Random(5), {"over": 0, "under": 0}
    for _ in range(600):
        over, under = rng.uniform(0.05, 0.95), rng.uniform(0.05, 0.95)
        told, answers = [], {}
        for number in range(60):
            alert, truth = rng.random() < 0.5, rng.random() < 0.5
            answers[f"r{number}"] = truth
            positive = followed(rng, alert, truth, over, under)
            told.append(
                Opinion(
                    case=f"r{number}", at="", actor="x", eyes="x", decided=True, blind=False,
                    positive=positive, alert=alert, probability=0.5, stands=True,
                )
            )  # fmt: skip
        (reviewer,) = reviewers(told, answers, frozenset())
        for name, truth, rate in (("over", over, reviewer.over_reliance),
                                  ("under", under, reviewer.under_reliance)):  # fmt: skip
            low, high = rate.interval
            held[name] += low <= truth <= high
    assert all(0.925 <= count / 600 <= 0.98 for count in held.values()), held


def test_intervals_of_agreement_hold_the_truth_at_ten_cases_too():
    rng = random.Random(6)
    for prevalence, skill in ((0.5, 0.8), (0.9, 0.98), (0.7, 0.9)):
        alike = skill**2 + (1 - skill) ** 2
        positive = prevalence * skill + (1 - prevalence) * (1 - skill)
        chance = 2 * positive * (1 - positive)
        truth, held = (alike - chance) / (1 - chance), 0
        for _ in range(1000):
            cases = [rng.random() < prevalence for _ in range(FEWEST)]
            said = [[case == (rng.random() < skill) for _ in range(2)] for case in cases]
            measured = agreement(said)
            held += measured.low <= truth <= measured.high
        assert held / 1000 >= 0.9, (prevalence, skill, held)


def test_agreement_is_one_where_all_agree_and_is_not_fooled_by_what_is_common():
    assert agreement([(True, True, True)] * 5 + [(False, False)] * 5).ac1 == 1.0
    assert agreement([(True,), ()]) is None
    coins = random.Random(7)
    by_chance = agreement([[coins.random() < 0.5 for _ in range(2)] for _ in range(4000)])
    assert abs(by_chance.ac1) < 0.05
    # 19 of 20 alike, nearly all positive: kappa would be -0.03 here.
    assert agreement([(True, True)] * 19 + [(True, False)]).ac1 > 0.9


def test_a_share_of_nothing_or_all_is_not_certain():
    for n in (1, 10, 200):
        assert wilson(0.0, n)[0] == 0.0 and wilson(0.0, n)[1] > 0
        assert wilson(1.0, n)[1] == 1.0 and wilson(1.0, n)[0] < 1


def test_a_person_is_told_of_their_teams_cases_and_of_nobody_else_by_name(house):
    house.policy(
        {
            "rules": [
                {"name": "high", "probability_from": 0.8, "team": "north"},
                {"name": "low", "team": "south"},
            ]
        }
    )
    for name, teams in (("ada", ("*",)), ("bob", ("south",)), ("cleo", ("*",)), ("dan", ("north",))):
        held = next(each for each in house.accounts.people("root") if each.name == name)
        house.accounts.save("root", replace(held, teams=teams))
    house.open("r1", "r2")
    house.open("r3", "r4", "r5", probability=0.3)
    house.decide("cleo", "r1", "approve")
    house.decide("cleo", "r3", "reject")
    house.decide("bob", "r4", "approve")
    people = {each.name: each for each in house.accounts.people("root")}
    whole, bobs, dans = (found(house, person=people[name]) for name in ("ada", "bob", "dan"))
    assert [sum(told.waiting.values()) for told in (whole, bobs, dans)] == [2, 1, 1]
    assert [sum(told.opened.values()) for told in (whole, bobs, dans)] == [5, 3, 2]
    assert [told.overridden.of for told in (whole, bobs, dans)] == [3, 2, 1]
    assert {name: sum(days.values()) for name, days in bobs.decisions.items()} == {"bob": 1, OTHERS: 1}
    assert {*dans.decisions} == {"cleo"} and {*whole.decisions} == {"bob", "cleo"}
    assert [each.name for each in bobs.reviewers] == ["bob"] and bobs.pairs == {}
    page = house.client("bob").get("/dashboard").text
    assert "everybody else" in page and "cleo" not in page and 'href="/log' not in page


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


def test_the_dashboard_says_what_is_missing_while_there_is_little(house):
    empty = house.client("dan").get("/dashboard?days=365").text
    assert "No case was approved or rejected in this time." in empty
    house.open("r1")
    house.decide("bob", "r1", "approve")
    little = house.client("dan").get("/dashboard").text
    assert "1 case: too few" in little and "nan" not in little.casefold()
    assert little.count('<svg class="picture"') == 5
    assert house.client("dan").get("/dashboard?days=400").status_code == 422


def test_a_full_dashboard_is_small(house):
    house.open(*(f"r{number}" for number in range(60)))
    for number in range(60):
        if number % 4 == 0:
            house.clock.move(days=6)
        house.decide(("bob", "cleo", "dan")[number % 3], f"r{number}", "reject" if number % 5 else "approve")
    for days in (14, 90, 365):
        page = house.client("ada").get(f"/dashboard?days={days}")
        assert page.status_code == 200 and len(page.content) < 60_000
