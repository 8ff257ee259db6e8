"""The owner's rules from the spec to the desk: what they refuse is never a case, and never released."""

from dataclasses import replace

import pytest

from case_material import proposal, texts
from desk_material import House
from foretell import narration
from foretell.border import load_spec
from foretell.cases.case import draft
from foretell.cases.drafting import cases_of
from foretell.cases.queue import Query
from foretell.errors import SpecError, VerdictError
from foretell.evidence.guidance import rules_of
from foretell.records import WARNED, Case, Fact, Narrative
from foretell.report import case_page, timelines_of
from foretell.serving.case_page import sentences
from foretell.spec import NarrateSpec
from foretell.verification import verify
from foretell.verification.__main__ import main

SPEC = {
    "data": {"source": "/rows.csv", "target": "fraud", "id": "payment_id"},
    "narrate": {
        "length": "short",
        "personal": ["customer", "payment_id"],
        "rules": {
            "decision": {"kind": "disclosure", "of": "A person decides.", "lengths": ["short"]},
            "no promises": {"of": "very likely"},
            "numbers": {"kind": "pattern", "of": r"\d{3}-\d{2}-\d{4}"},
            "mail": {"kind": "personal", "of": "email"},
            "people": {"kind": "personal", "of": "columns", "severity": "warn"},
            "brevity": {"kind": "words", "most": 5, "severity": "warn"},
        },
    },
}


def ruled(row: str, *rules: Fact) -> Case:
    """Return a case whose evidence brings rules, told by the own writer."""
    plain = proposal(row)
    named = (replace(rule, id=f"r{index}") for index, rule in enumerate(rules))
    evidence = replace(plain.evidence, facts=(*plain.evidence.facts, *named))
    narrative, verdict = narration.narrate(evidence, NarrateSpec(length="short"))
    return draft(plain.prediction, evidence, narrative, verdict)


def stated() -> list[Fact]:
    spec = load_spec(SPEC)
    return rules_of(spec.narrate, spec.data.id)


@pytest.fixture
def house(tmp_path):
    house = House(f"sqlite:///{tmp_path}/cases.db")
    yield house
    house.store.close()


def test_rules_of_a_spec_are_facts_and_the_text_keeps_them(house):
    case = ruled("r1", *stated())
    assert [fact.name for fact in case.evidence.of("rule")] == [
        *("disclosure", "forbidden", "pattern", "personal", "column", "column", "words"),
    ]
    assert "A person decides." in case.narrative.text
    assert "very likely" not in case.narrative.text.lower()
    assert WARNED in {found.status for found in case.verdict.findings}
    assert house.store.open_cases([case]) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "poem"}, "must be one of disclosure"),
        ({"kind": "forbidden", "of": " "}, "must state"),
        ({"kind": "words", "of": "5"}, "must state"),
        ({"kind": "reading", "most": 0}, "must state"),
        ({"kind": "personal", "of": "shoes"}, "must state"),
        ({"kind": "pattern", "of": "(a"}, "must state"),
        ({"of": "x", "severity": "shout"}, "must be one of refuse, warn"),
        ({"of": "x", "lengths": ["epic"]}, "must be one of short"),
        ({"of": "x", "score_from": 1.5}, "must be from 0 to 1"),
    ],
)
def test_a_rule_that_asks_nothing_is_told_before_anything_runs(change, told):
    with pytest.raises(SpecError, match=r"narrate\.rules\.mine") as refused:
        load_spec({**SPEC, "narrate": {"rules": {"mine": change}}})
    assert told in str(refused.value)


def test_what_breaks_a_rule_is_no_edit_and_no_second_person_can_accept_it(house):
    house.store.open_cases([ruled("r1", *stated()), ruled("r2")])
    kept = house.store.case("r1").narrative.text
    for text in (kept.replace("A person decides.", "We decide."), f"{kept} Write to a@b.example."):
        for detail in ({}, {"unsupported": "keep"}):
            with pytest.raises(VerdictError, match=r"rule '(decision|mail)'"):
                house.decide("bob", "r1", "edit", text=text, detail=detail)
    assert house.store.case("r1").narrative.text == kept
    assert not house.desk.queue("bob", Query(flagged=True)).lines
    house.decide(
        "bob", "r2", "edit", text=f"{texts('r2')[0]} Write to a@b.example.", detail={"unsupported": "keep"}
    )
    assert [line.id for line in house.desk.queue("bob", Query(flagged=True)).lines] == ["r2"]


def test_a_text_that_breaks_a_rule_opens_no_case_whoever_wrote_it(house):
    plain = proposal("r1", text=texts("r1")[2])
    rule = next(fact for fact in stated() if fact.text == "no promises")
    evidence = replace(plain.evidence, facts=(*plain.evidence.facts, replace(rule, id="r0")))
    verdict = verify(plain.narrative, evidence)
    with pytest.raises(VerdictError, match="'very likely' may not be said"):
        house.store.open_cases([replace(plain, evidence=evidence, verdict=verdict)])
    claimed = replace(plain, evidence=evidence)  # whose verdict claims what is not so
    with pytest.raises(VerdictError, match="'very likely' may not be said"):
        house.store.open_cases([claimed])


def test_a_rule_that_nobody_can_keep_leaves_the_row_without_a_case_and_says_why():
    plain = proposal("r1")
    rule = Fact(id="r0", kind="rule", name="words", text="one word", value=1.0)
    evidence = replace(plain.evidence, facts=(*plain.evidence.facts, rule))
    cases, refused = cases_of([plain.prediction], [evidence], NarrateSpec(length="short"))
    assert not cases
    assert "rule 'one word': the text has" in refused[0].fault


def test_people_see_which_rule_a_text_breaks(house, tmp_path, capsys):
    house.store.open_cases([ruled("r1", *stated())])
    case = house.store.case("r1")
    page = case_page(case, timelines_of(case))
    assert "rule &#39;brevity&#39;: the text has" in page
    assert "warning" in page
    assert main([str(tmp_path / "cases.db"), "r1"]) == 0
    assert "WARNED       rule 'brevity': the text has" in capsys.readouterr().out
    assert {each.status for each in sentences(case)} <= {"SUPPORTED", "WARNED"}


def test_what_an_unread_writer_says_is_judged_by_the_rules_as_well():
    case = ruled("r1", *stated())
    narrative = Narrative(claims=case.narrative.claims[:1], writer="elsewhere", length="short")
    found = [item.fault for item in verify(narrative, case.evidence).findings if item.status == "REFUSED"]
    assert found == ["rule 'decision': the text must say “A person decides.”"]
