"""Laws of the case store, on SQLite and PostgreSQL: what opens, who decides, what is told."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st

from case_material import around, behind, decision, evidence, proposal, rows, texts, ticking
from foretell.cases import Store, approved_texts, labelled_rows, narrative_from
from foretell.cases.log import GENESIS
from foretell.cases.rules import KIND_OF, RULES, refusal
from foretell.cases.tables import metadata
from foretell.errors import DecisionError, StoreError, VerdictError
from foretell.records import Case, Decision, Fact, digest

pytest_plugins = ("case_fixtures",)


# ---- opening ----


def test_an_opened_case_is_read_back_whole(store):
    case = proposal("r1")
    assert store.open_cases([case]) == 1
    found = store.case("r1")
    assert replace(found, events=(), opened_at="") == case
    assert found.opened_at == found.events[0].at == "2024-01-01T00:00:00.000000+00:00"
    assert found.content == digest(
        {"prediction": case.prediction, "evidence": case.evidence, "narrative": case.narrative}
    )


def test_no_verdict_opens_a_case_that_its_evidence_does_not_support(store):
    wrong = proposal("r1", text=texts("r1", 0.7)[0])
    forged = replace(wrong, verdict=proposal("r1").verdict)
    for case in (wrong, forged):
        with pytest.raises(VerdictError, match=r"70\.0%"):
            store.open_cases([proposal("r0"), case])
    assert store.cases() == []
    assert store.head().seq == 0


def test_evidence_of_another_row_opens_no_case(store):
    with pytest.raises(VerdictError, match="evidence about 'r2'"):
        store.open_cases([replace(proposal("r1"), evidence=evidence("r2"))])


def test_opening_again_changes_nothing_and_other_content_is_refused(store):
    assert store.open_cases([proposal("r1"), proposal("r2"), proposal("r1")]) == 2
    assert store.open_cases([proposal("r2"), proposal("r3")]) == 1
    head = store.head()
    with pytest.raises(StoreError, match=r"'r1' was opened on .* with another narrative"):
        store.open_cases([proposal("r4"), proposal("r1", text=texts("r1")[1])])
    with pytest.raises(StoreError, match="'r5' comes twice"):
        store.open_cases([proposal("r5"), proposal("r5", 0.95)])
    assert store.head() == head


@pytest.mark.parametrize("row", ["", " r", "r\n", "r\x00", "\ud800", "r" * 201])
def test_a_row_whose_id_cannot_be_written_opens_no_case(store, row):
    with pytest.raises(StoreError, match="cannot name a case"):
        store.open_cases([replace(proposal("r1"), id=row)])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_has_no_canonical_bytes_is_refused(store, value):
    case = proposal("r1")
    odd = Fact(id="f9", kind="history", name="odd", text="odd", value=value)
    with pytest.raises(StoreError, match="'r1' cannot be written"):
        store.open_cases([replace(case, evidence=replace(case.evidence, facts=(*case.evidence.facts, odd)))])


# ---- deciding ----


def test_each_decision_leads_where_the_rules_say(store):
    store.open_cases([proposal(f"r{number}") for number in range(4)])
    for row, verb, status in (("r0", "approve", "approved"), ("r1", "reject", "rejected")):
        case = store.decide(row, decision(store.case(row), verb, reason="seen"))
        assert case.status == status
        assert case == store.case(row)
        for again in ("approve", "reject", "escalate"):
            with pytest.raises(
                DecisionError, match=f"'{row}' is closed to '{again}': ann {status} it on 1 January 2024"
            ):
                store.decide(row, decision(case, again, "bob"))
    case = store.decide("r2", decision(store.case("r2"), "escalate"))
    assert store.decide("r2", decision(case, "approve", "bob")).status == "approved"
    case = store.decide("r3", decision(store.case("r3"), "comment", reason="a word"))
    assert (case.status, case.events[-1].kind) == ("open", "commented")


def test_a_decision_on_content_that_changed_is_refused_and_told_who_changed_it(store):
    store.open_cases([proposal("r1")])
    seen = store.case("r1")
    store.decide("r1", decision(seen, "edit", "bob", text=texts("r1")[1]))
    with pytest.raises(
        DecisionError, match=r"changed: bob edited its narrative on 1 January 2024 at 00:00 UTC"
    ):
        store.decide("r1", decision(seen, "approve"))


def test_an_edit_is_verified_like_any_narrative(store):
    store.open_cases([proposal("r1")])
    seen = store.case("r1")
    with pytest.raises(VerdictError, match="does not pass") as error:
        store.decide("r1", decision(seen, "edit", text=texts("r1")[0] + " The customer did it."))
    assert "The customer did it" in error.value.message
    with pytest.raises(DecisionError, match="changes nothing"):
        store.decide("r1", decision(seen, "edit", text=texts("r1")[0]))
    with pytest.raises(DecisionError, match="no text"):
        store.decide("r1", decision(seen, "edit", text=" "))
    edited = store.decide("r1", decision(seen, "edit", "bob", text=texts("r1")[2] + "\r\n"))
    assert edited == store.case("r1")
    assert edited.narrative.text == texts("r1")[2]
    assert edited.verdict.passed
    assert edited.content != seen.content


def test_an_edit_voids_the_approval_and_nobody_approves_what_they_edited(store):
    store.open_cases([proposal("r1")])
    approved = store.decide("r1", decision(store.case("r1"), "approve", "eve"))
    edited = store.decide("r1", decision(approved, "edit", "bob", text=texts("r1")[1]))
    assert edited.status == "open"
    assert [*labelled_rows(store)] == [*approved_texts(store)] == []
    with pytest.raises(DecisionError, match="bob edited case 'r1' and cannot approve it"):
        store.decide("r1", decision(edited, "approve", "bob"))
    assert store.decide("r1", decision(edited, "approve", "eve")).status == "approved"


@pytest.mark.parametrize(
    ("verb", "more", "message"),
    [
        ("aprove", {}, "unknown decision 'aprove'"),
        ("approve", {"actor": ""}, "not the name of a person"),
        ("approve", {"actor": "ann\n"}, "not the name of a person"),
        ("approve", {"text": "New text."}, "does not change the text"),
        ("comment", {}, "comment is empty"),
        ("comment", {"reason": " ", "text": ""}, "comment is empty"),
    ],
)
def test_an_incomplete_decision_is_refused(verb, more, message):
    case = proposal("r1")
    error = refusal(
        case, Decision(**{"verb": verb, "actor": "ann", "content": case.content, **more}), around()
    )
    assert error is not None
    assert message in error.message


@pytest.mark.parametrize("name", ["foretell", "Foretell", "FORETELL", "\uff46oretell", "embedded"])
def test_nobody_decides_or_erases_under_the_softwares_own_name(store, name):
    store.open_cases([proposal("r1")])
    seen = store.case("r1")
    for verb in KIND_OF:
        text = texts("r1")[1] if verb == "edit" else ""
        with pytest.raises(DecisionError, match="the software's own name"):
            store.decide("r1", decision(seen, verb, name, reason="so", text=text))
    with pytest.raises(DecisionError, match="the software's own name"):
        store.erase("r1", name)
    assert store.case("r1") == seen
    assert store.decide("r1", decision(seen, "approve", f"{name} Smith")).status == "approved"


@given(
    st.sampled_from([*KIND_OF, "", "close"]),
    st.text(max_size=3),
    st.sampled_from([proposal("r1").content, "other"]),
    st.text(max_size=3),
    st.text(max_size=3),
)
def test_the_first_rule_that_refuses_answers(verb, actor, content, reason, text):
    case = proposal("r1")
    asked = Decision(verb=verb, actor=actor, content=content, reason=reason, text=text)
    answers = []
    for rule in RULES:
        if answers and verb not in KIND_OF:
            break  # the other rules count on a known verb
        answers.append(rule(case, asked, around()))
    first = next((error for error in answers if error is not None), None)
    found = refusal(case, asked, around())
    assert (found and found.message) == (first and first.message)


@given(st.text())
def test_a_persons_text_is_kept_but_for_its_line_breaks(text):
    found = narrative_from(text, writer="ann", length="short").text
    assert found.split() == text.split()
    assert not set("\r\n") & set(found)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It is late. To check: “Call them.” It is dear.", 3),
        ("Zu prüfen: „Rufen Sie an.“ Es ist spät.", 2),
        ('To check: "Call them!" 3 payments are late.', 2),
        ("They said “Call us.” and hung up.", 1),
        ("It came to 2.5 times the mean.", 1),
    ],
)
def test_a_sentence_ends_with_a_quotation_where_another_begins(text, sentences):
    assert len(narrative_from(text, writer="ann", length="short").claims) == sentences


# ---- erasing ----


def test_erasing_takes_the_content_and_leaves_a_log_that_verifies(url, store, tmp_path):
    store.open_cases([proposal("r1"), proposal("r2")])
    case = store.decide("r1", decision(store.case("r1"), "comment", reason="Erika was seen"))
    store.erase("r1", "dpo")
    report = store.verify_log()
    assert (report.passed, report.erased, report.events) == (True, 5, 4)
    with pytest.raises(StoreError, match=r"'r1' was erased on 1 January 2024.* by dpo"):
        store.case("r1")
    with pytest.raises(StoreError, match="'r1' was erased on"):
        store.decide("r1", decision(case, "approve"))
    with pytest.raises(StoreError, match="erased already"):
        store.erase("r1", "dpo")
    assert [case.id for case in store.cases()] == ["r2"]
    assert [event.kind for event in store.events("r1")] == ["opened", "commented", "erased"]
    assert store.open_cases([proposal("r1")]) == 0
    if url.startswith("sqlite"):
        assert not any(b"Erika" in path.read_bytes() for path in (tmp_path / "new").iterdir())


# ---- reading ----


def test_pages_follow_the_order_of_opening_and_miss_nothing(store):
    names = [f"r{number}" for number in (5, 3, 9, 1, 7, 2)]
    store.open_cases(map(proposal, names))
    store.decide("r9", decision(store.case("r9"), "reject"))
    first = store.cases(limit=4)
    assert [case.id for case in first] == names[:4]
    assert [case.id for case in store.cases(after=first[-1].id, limit=4)] == names[4:]
    assert [case.id for case in store.cases("rejected")] == ["r9"]
    assert [case.id for case in store.all_cases("open")] == [name for name in names if name != "r9"]
    assert [*store.all_cases()] == [store.case(name) for name in names]
    assert [event.seq for event in store.events()] == [*range(1, 8)]
    assert [event.seq for event in store.events("r9")] == [3, 7]
    for wrong in (lambda: store.case("r8"), lambda: store.cases(after="r8")):
        with pytest.raises(StoreError, match="no case 'r8'"):
            wrong()


def test_decisions_become_labels_and_texts(store):
    store.open_cases([proposal("r1"), proposal("r2"), proposal("r3", alert=False), proposal("r4")])
    edited = store.decide("r1", decision(store.case("r1"), "edit", "bob", text=texts("r1")[3]))
    store.decide("r1", decision(edited, "approve"))
    store.decide("r2", decision(store.case("r2"), "reject"))
    store.decide("r3", decision(store.case("r3"), "approve"))
    labels = {row.id: row.label for row in labelled_rows(store)}
    assert labels == {"r1": 1, "r2": 0, "r3": 0}
    [first, third] = approved_texts(store)
    assert (first["text"], first["edited"], first["writer"]) == (texts("r1")[3], True, "bob")
    assert (third["text"], third["edited"], third["actor"]) == (texts("r3")[0], False, "ann")
    assert third["evidence"]["facts"][3]["value"] == 0.9


# ---- many at once ----


def test_threads_share_transactions_and_each_returns_after_its_own(url, tmp_path):
    writers: dict[int, int] = {}
    waiting = threading.Semaphore(0)
    ticks = ticking()

    def clock():
        writers[threading.get_ident()] = writers.get(threading.get_ident(), 0) + 1
        if (
            len(writers) == 2 and sum(writers.values()) == 31
        ):  # the first of the threads writes: the others arrive
            for _ in range(15):
                waiting.acquire(timeout=0.2)
        return ticks()

    with Store(url, clock=clock) as store:
        store.open_cases([proposal(f"r{number}") for number in range(30)])
        cases = list(store.all_cases())

        def approve(case: Case) -> bool:
            waiting.release()
            store.decide(case.id, decision(case, "approve"))
            return rows(url, f"SELECT status FROM cases WHERE id = '{case.id}'") == [("approved",)]

        with ThreadPoolExecutor(30) as pool:
            assert all(pool.map(approve, cases))
        assert store.verify_log().passed
        assert store.head().seq == 60
    assert max(list(writers.values())[1:]) >= 5


def test_threads_that_decide_on_one_case_never_both_win(store):
    store.open_cases([proposal("r1")])
    case = store.case("r1")

    def attempt(number: int) -> bool:
        try:
            store.decide("r1", decision(case, ("approve", "reject")[number % 2], f"p{number}"))
        except DecisionError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1
    assert store.verify_log().events == 2


def test_comments_of_many_threads_on_one_case_are_all_kept(store):
    store.open_cases([proposal("r1")])
    case = store.case("r1")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: store.decide("r1", decision(case, "comment", reason=f"{n}")), range(16)))
    assert len(store.case("r1").events) == 17
    assert store.verify_log().passed


# ---- the schema ----


def test_the_migrations_lead_to_the_tables(url, store):
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        options = {"version_table": "foretell_version", "compare_type": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
    engine.dispose()


def test_a_store_of_a_newer_release_is_left_alone(url, store):
    behind(url, "UPDATE foretell_version SET version_num = '0999'")
    with pytest.raises(StoreError, match="schema 0999, written by a newer release"):
        Store(url)


def test_a_database_of_something_else_is_left_alone(url):
    if "sqlite" in url:
        Path(url.removeprefix("sqlite:///")).parent.mkdir()
    behind(url, "CREATE TABLE events (name TEXT)")
    with pytest.raises(StoreError, match="not a case store, but has a table 'events'"):
        Store(url)


def test_no_store_is_made_where_none_is_wanted(url):
    with pytest.raises(StoreError, match="there is no case store"):
        Store(url, create=False)
    with Store(url):
        pass
    with Store(url, create=False) as store:
        assert store.head() == (0, GENESIS)
