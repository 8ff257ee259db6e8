"""A model behind a server: whatever it does, a verified text within budget; no personal value leaves."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidences import HOSTILE, evidence
from foretell import narration
from foretell.errors import SpecError
from foretell.narration.asking import INSTRUCTIONS, request, sentences_of
from foretell.narration.personal import Personal
from foretell.narration.remote import KEY
from foretell.records import Evidence, Fact
from foretell.spec import NarrateSpec
from foretell.verification import verify

QUICK = {"row_time": "4s", "row_calls": 6}


@dataclass
class Peer:
    url: str
    notes: Path

    @property
    def asked(self) -> list[dict]:
        return [json.loads(line) for line in self.notes.read_text().splitlines()]

    def spec(self, **more) -> NarrateSpec:
        return NarrateSpec(**{"writer": f"openai:{self.url}#small", **QUICK, **more})


@contextmanager
def peer(folder: Path, plan: str) -> Iterator[Peer]:
    notes = folder / f"{plan[:40]}.jsonl"
    script = str(Path(__file__).parent / "lying_model.py")
    with subprocess.Popen([sys.executable, script, str(notes), plan], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield Peer(f"http://127.0.0.1:{int(process.stdout.readline())}/v1", notes)
        finally:
            process.kill()


@pytest.mark.parametrize("way", ["good", "free"])
@pytest.mark.parametrize("length", ["short", "medium", "long"])
def test_what_a_model_chooses_is_told_in_its_name(tmp_path, way, length):
    with peer(tmp_path, way) as model:
        for seed in range(6):
            facts = evidence(seed, language=("en", "de")[seed % 2])
            narrative, verdict = narration.narrate(facts, model.spec(length=length))
            assert verdict.passed and verdict == verify(narrative, facts)
            assert (narrative.writer, narrative.tries) == (model.spec().writer, 1)
            assert narrative.author == model.spec().writer
        assert len(model.asked) == 6


@pytest.mark.parametrize(
    "plan",
    ["429+0,429+1,good", "500,good", "number,direction,good", "entity,good", "inject,quote,good", "cut,good",
     "html,good", "list,numbers,good", "deep,good", "nested,good", "prose,good", "long,good", "nothing,good",
     "surrogate,good", "400,good", "422,400,good", "liar,good", "503,502,good", "huge,good"],
)  # fmt: skip
def test_a_model_that_comes_to_its_senses_is_told_in_its_name(tmp_path, plan):
    facts = evidence(4)
    with peer(tmp_path, plan) as model:
        narrative, verdict = narration.narrate(facts, model.spec(row_time="5m"))
        assert verdict.passed
        assert narrative.writer == model.spec().writer
        assert len(model.asked) == plan.count(",") + 1
        rest = [each for each in plan.split(",")[:-1] if not each[0].isdigit()]
        assert narrative.tries == 1 + len(rest)
        assert ("in vain" in narrative.author) == bool(rest)


@pytest.mark.parametrize(
    "plan",
    ["429", "429+3600", "429+99999999999", "500", "cut", "drip", "huge", "html", "deep", "prose", "long",
     "number", "direction", "entity", "inject", "quote", "nothing", "302", "401", "404", "400", "liar"],
)  # fmt: skip
def test_whatever_a_model_does_a_verified_text_comes_within_the_budget(tmp_path, plan):
    facts = evidence(4)
    with peer(tmp_path, plan) as model:
        began = time.monotonic()
        drafts = [*narration.drafts(facts, model.spec())]
        narrative, verdict = drafts[-1]
        assert verdict.passed and verdict == verify(narrative, facts)
        assert narrative.writer == "embedded"
        assert narrative.tries == len(drafts) > 1
        assert len(model.asked) <= QUICK["row_calls"]
        assert (
            time.monotonic() - began < 4 + 20
        )  # a busy machine; a drip would take 50 s, a draft without end more
        assert all(note["path"] == "/v1/chat/completions" for note in model.asked)


@settings(max_examples=8, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["429+0", "cut", "html", "prose", "number", "inject", "entity", "good", "400", "deep"]
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 10**6),
)
def test_in_whatever_order_a_model_fails_the_text_is_true(tmp_path_factory, plan, seed):
    facts = evidence(seed, hostile=True)
    with peer(tmp_path_factory.mktemp("peer"), ",".join(plan)) as model:
        narrative, verdict = narration.narrate(facts, model.spec(length="short"))
        assert verdict.passed and verdict == verify(narrative, facts)
        assert len(model.asked) <= QUICK["row_calls"]


def test_a_server_that_keeps_failing_is_asked_no_more_in_a_run(tmp_path):
    with peer(tmp_path, "html,cut") as model:
        spec = model.spec()
        write = narration.writer_of(spec)
        for seed in range(10):
            *_, (narrative, verdict) = narration.drafts(evidence(seed), spec, write)
            assert (narrative.writer, verdict.passed) == ("embedded", True)
        assert len(model.asked) == 5


@pytest.mark.parametrize(
    ("limits", "calls"),
    [({"run_calls": 4}, 4), ({"run_tokens": 6_000}, 10), ({"row_calls": 1}, 5),
     ({"row_tokens": 900}, 0), ({"run_time": "1ms"}, 1)],
)  # fmt: skip
def test_a_run_spends_no_more_than_its_budgets(tmp_path, limits, calls):
    with peer(tmp_path, "prose") as model:
        spec = model.spec(**limits)
        write = narration.writer_of(spec)
        for seed in range(5):
            *_, (narrative, verdict) = narration.drafts(evidence(seed), spec, write)
            assert (narrative.writer, verdict.passed) == ("embedded", True)
        assert len(model.asked) <= calls
        assert bool(model.asked) == bool(calls) or "run_time" in limits


def test_a_refused_draft_is_answered_with_its_faults(tmp_path):
    facts = evidence(4)
    with peer(tmp_path, "inject,good") as model:
        narration.narrate(facts, model.spec())
        first, second = (json.loads(note["body"])["messages"] for note in model.asked)
        assert [message["role"] for message in second] == ["system", "user", "assistant", "user"]
        assert second[:2] == first
        faults = json.loads(second[3]["content"])["faults"]
        assert {fault["sentence"] for fault in faults} == {0, 1, 2, 3}
        assert any("there is no fact f99" in fault["fault"] for fault in faults)


SECRETS = ("Ann-Marie O'Neil", "DE89 3704 0044 0532 0130 00", "ann.oneil@example.org", "4711-XK-99")


def private(seed: int, hidden: str) -> tuple[Evidence, set[str]]:
    """Return evidence with personal values in its id, its entities and a column, and which.

    Other texts of it speak of them.
    """
    facts, held = evidence(seed), {SECRETS[0]}
    first: list[Fact] = []
    for fact, secret in zip(facts.facts, SECRETS * 20, strict=False):
        named = fact.kind == "entity" or (fact.kind, fact.name) == ("term", "id")
        if named or (fact.kind, fact.name) == ("input", hidden):
            held.add(secret)
            fact = replace(fact, value=secret)
        first.append(fact)
    one, *_, other = sorted(held) * 2
    turned = one.upper().replace("-", " ").replace(".", " ")
    spoken = {
        "input": {"value": f"{turned} called"},
        "check": {"value": f"Call {one.lower()} at {other}."},
        "glossary": {"value": f"Known to {other}."},
        "past_event": {"text": f"the visit of {turned}"},
        "attribution": {"text": f"the habits of {base64.b64encode(other.encode()).decode()}"},
        "history": {"text": f"the past of {one.replace('-', '%2D')[::-1]}"},
    }
    for index, fact in enumerate(first):
        free = fact.kind != "input" or (
            isinstance(fact.value, str) and fact.unit == "" and fact.name != hidden
        )
        if fact.kind in spoken and free:
            text = spoken[fact.kind].get("text")
            more = {"text": f"{text} {index}"} if text else spoken[fact.kind]
            first[index] = replace(fact, **more, source=other)
    return replace(facts, id=SECRETS[0], facts=tuple(first)), held


def traces(value: str) -> set[str]:
    """Return all the forms in which a value could show in a text without spaces, marks and case."""
    bare = "".join(filter(str.isalnum, value.casefold()))
    coded = base64.b64encode(value.encode()).decode().casefold().strip("=")
    words = [
        word for word in "".join(c if c.isalnum() else " " for c in value.casefold()).split() if len(word) > 3
    ]
    return {bare, bare[::-1], value.encode().hex(), "".join(filter(str.isalnum, coded)), *words}


@pytest.mark.parametrize("seed", range(12))
def test_no_personal_value_crosses_the_wire_and_all_stand_in_the_text(tmp_path, seed):
    hidden = next((f.name for f in evidence(seed).of("input") if isinstance(f.value, str) and not f.unit), "")
    facts, held = private(seed, hidden)
    with peer(tmp_path, "inject,prose,free") as model:
        narrative, verdict = narration.narrate(facts, model.spec(personal=(hidden,), length="long"))
        assert verdict.passed
        assert all(str(fact.value) in narrative.text for fact in facts.of("entity"))
        assert len(model.asked) == 3
        for note in model.asked:
            body = json.loads(note["body"])
            inner = " ".join(message["content"] for message in body["messages"])
            wire = json.dumps([body, note["headers"], note["path"]], ensure_ascii=False)
            for told in (wire, inner, unquote(inner), inner.encode().decode("unicode_escape")):
                squeezed = "".join(filter(str.isalnum, told.casefold()))
                for secret in held:
                    assert not {trace for trace in traces(secret) if trace in squeezed}


@pytest.mark.parametrize(
    ("value", "disguise"),
    [("Ann-Marie O'Neil", "Oneil"), ("Ann-Marie O'Neil", "ONEIL-2"), ("Ann-Marie O'Neil", "AnnMarie"),
     ("Ann-Marie O'Neil", "ann_marie"), ("Jürgen Müller", "Mueller"), ("Jürgen Müller", "muller"),
     ("Jorgen Mueller", "jörgen"), ("José Peña", "PENA"),
     ("Moriarty", "Mor\u0456arty"), ("Moriarty", "ytrairom"),
     ("Moriarty", "4d6f726961727479"), ("Moriarty", "TW9yaWFydHk"), ("4711-XK-99", "x4711xk99x"),
     ("Li Bo", "Bo")],
)  # fmt: skip
def test_a_personal_value_in_disguise_in_another_column_stays_here(value, disguise):
    facts = evidence(4)
    column = next(f.name for f in facts.of("input") if isinstance(f.value, str) and not f.unit)
    held = tuple(replace(f, value=disguise) if f.name == column else f for f in facts.facts)
    held += (Fact(id="f999", kind="input", name="holder", text="holder", value=value, unit="name"),)
    told = [Personal(replace(facts, facts=held), ("holder",)).told(fact) for fact in held]
    assert disguise not in json.dumps(told, ensure_ascii=False)
    plain = [Personal(replace(facts, facts=held[:-1]), ()).told(fact) for fact in held[:-1]]
    assert disguise in json.dumps(plain, ensure_ascii=False) or not disguise.isascii()


def test_values_that_a_draft_draws_out_do_not_come_back_with_its_faults(tmp_path):
    facts = evidence(4)
    facts = replace(facts, facts=tuple(
        replace(f, value="Zyxwv utsrq")
        if f.kind in ("check", "glossary") or (f.kind == "input" and isinstance(f.value, str) and not f.unit)
        else f
        for f in facts.facts
    ))  # fmt: skip
    with peer(tmp_path, "peek") as model:
        assert narration.narrate(facts, model.spec())[1].passed
        assert len(model.asked) == 3
        assert not [note for note in model.asked if "zyxwv" in note["body"].casefold()]


def test_figures_of_a_personal_column_stay_here():
    facts = evidence(5)
    column = next(fact.name for fact in facts.of("input") if isinstance(fact.value, float))
    for columns, told in (((), True), ((column,), False)):
        asked, _ = request(facts, NarrateSpec(length="long"), Personal(facts, columns))
        about = [f for f in asked["facts"] if f["kind"] == "input" and facts.fact(f["id"]).name == column]
        assert about and all(("value" in each) == told for each in about)


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_text_is_told_as_data_or_not_at_all_and_instructions_never_change(tmp_path, value):
    plain = evidence(4)
    facts = replace(
        plain,
        id=value or "x",
        facts=tuple(
            replace(fact, value=value)
            if fact.kind in ("entity", "check", "glossary") or (fact.kind == "input" and not fact.unit)
            else fact
            for fact in plain.facts
        ),
    )
    with peer(tmp_path, "good") as model:
        for told in (plain, facts):
            assert narration.narrate(told, model.spec(length="long"))[1].passed
        first, second = (json.loads(note["body"]) for note in model.asked)
        assert first["messages"][0] == second["messages"][0] == {"role": "system", "content": INSTRUCTIONS}
        asked = json.loads(second["messages"][1]["content"])
        assert asked.keys() == {"facts", "offered"}
        assert second["messages"][1]["content"].isascii()
        if len(value) > 3:
            assert value not in json.dumps(asked, ensure_ascii=False)


def test_the_key_goes_to_the_server_alone(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY, "sk-secret-1")
    with peer(tmp_path, "401,echo,good") as model:
        for seed in range(2):
            drafts = [*narration.drafts(evidence(seed), model.spec())]
            assert "sk-secret" not in repr(drafts)
        assert [note["headers"]["authorization"] for note in model.asked] == ["Bearer sk-secret-1"] * 3
    monkeypatch.setenv(KEY, "sk-secret-1\r\nx: y")
    with pytest.raises(SpecError) as refused:
        narration.writer_of(model.spec())
    assert KEY in refused.value.message and "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("where", "fault"),
    [
        ("http://example.org/v1#m", "without encryption"),
        ("https://example.org/v1#m", "'example.org' is not allowed"),
        ("https://user:word@localhost/v1#m", "no address"),
        ("http://localhost:8000/v1", "names no model"),
        ("http://localhost:99999/v1#m", "no address"),
        ("localhost#m", "no address"),
        ("http://169.254.169.254/v1#m", "without encryption"),
        ("http://localhost.example.org/v1#m", "without encryption"),
        ("http://localhost/v1?key=secret-word#m", "no query"),
        ("https://user:secret-word@example.org/v1#m", "no address"),
        ("http://localhost/v1\r\nx: y#m", "no address"),
        ("http://localhost/v1#m\r\nx: y", "no name"),
        ("http://localhost/v1#\x1b[31mred", "no name"),
        ("http://localhost/v1#" + "m" * 201, "no name"),
    ],
)
def test_a_server_that_may_not_be_asked_is_refused_before_anything_is_sent(where, fault):
    with pytest.raises(SpecError, match=fault) as refused:
        narration.writer_of(NarrateSpec(writer=f"openai:{where}"))
    assert "word" not in str(refused.value) and refused.value.message.isprintable()


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.1", "[fd00:ec2::254]", "[::ffff:127.0.0.1]"])
def test_an_allowed_host_is_still_not_reached_where_it_must_not_be(host):
    spec = NarrateSpec(writer=f"openai:https://{host}/v1#m", hosts=(host.strip("[]"),))
    drafts = [*narration.drafts(evidence(1), spec)]
    told = [verdict.findings[0].fault for _, verdict in drafts[:-1]]
    assert told and all("not public" in fault or "secrets" in fault for fault in told)
    assert drafts[-1][0].writer == "embedded"


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))
def test_any_answer_can_be_read(answer):
    assert all(isinstance(text, str) and text.strip() for text in sentences_of(answer))
