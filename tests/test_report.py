"""Laws of the report: self-contained, readable by everyone, safe with any name, the same after storage."""

import errno
import os
import re
import stat
import time
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import report_samples as samples
from desk_browser import rich
from foretell import report as r
from foretell.errors import DataError, StoreError
from foretell.records import CONTRADICTED, Evidence, Fact, Finding, canonical
from foretell.report import case_pictures, charts
from foretell.report.views import sentences
from foretell.svg import RIGHT, Scale, spanning, time_ticks

HOSTILE = "<script>alert(1)</script>\"'></svg></style><img src=x onerror=alert(1)>{{7*7}}"
PAGES = {"full": samples.full, "bare": samples.bare}
VOID = {"meta", "br"}


class Outline(HTMLParser):
    """Reads a page: its tags with attributes, and which tags stay open at the end."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"


@pytest.fixture(scope="module")
def page() -> str:
    return r.render(samples.full())


def hostile() -> r.RunReport:
    """Return a report in which every name that comes from data tries to be markup."""
    made = samples.full()
    shown = made.examples[0]
    case = shown.case
    facts = tuple(replace(fact, text=HOSTILE, source=HOSTILE) for fact in case.evidence.facts)
    claims = (replace(case.narrative.claims[0], text=HOSTILE), *case.narrative.claims[1:])
    case = replace(
        case,
        prediction=replace(case.prediction, entities={HOSTILE: HOSTILE}, id=HOSTILE),
        evidence=replace(case.evidence, facts=facts),
        narrative=replace(case.narrative, claims=claims),
    )
    timelines = tuple(replace(past, entity=HOSTILE, role=HOSTILE, unit=HOSTILE) for past in shown.timelines)
    return replace(
        made,
        title=HOSTILE,
        row_text=HOSTILE,
        outcome_text=HOSTILE,
        spec_yaml=HOSTILE,
        limits=(HOSTILE,),
        provenance={HOSTILE: HOSTILE},
        examples=(r.Example(case=case, timelines=timelines),),
        curves=tuple(replace(curve, name=HOSTILE) for curve in made.curves),
        factors=tuple(replace(factor, name=HOSTILE) for factor in made.factors),
        leaderboard=tuple(replace(row, name=HOSTILE) for row in made.leaderboard),
    )


@pytest.mark.parametrize("make", [*PAGES.values(), hostile])
def test_every_element_is_closed_and_none_is_a_script_or_a_request(make):
    outline = Outline(r.render(make()))
    assert outline.open == []
    for tag, attributes in outline.tags:
        assert tag not in {"script", "img", "link", "iframe", "object", "form", "base"}
        assert not {"style", "src", "srcset"} & set(attributes), "the page's policy admits no inline style"
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("href", "#").startswith("#")


def test_hostile_names_stay_text():
    page = r.render(hostile())
    assert "<script" not in page and "<img" not in page and "{{7*7}}" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_name_cannot_turn_the_direction_of_its_sentence():
    page = r.render(replace(samples.bare(), title="pay\u202eliam\x00"))
    assert "\u202e" not in page and "\x00" not in page and "pay\ufffdliam\ufffd" in page


def test_five_cases_weigh_less_than_700_kilobytes(page):
    assert len(page.encode()) < 700_000


def test_a_case_page_is_drawn_within_50_milliseconds_of_processor_time():
    shown = samples.full().examples[0]
    r.case_page(shown.case, shown.timelines)
    start = time.process_time()
    for _ in range(5):
        r.case_page(shown.case, shown.timelines)
    assert (time.process_time() - start) / 5 < 0.05


def test_headings_go_down_one_step_at_a_time():
    case = samples.full().examples[0].case
    for page in (*(r.render(make()) for make in PAGES.values()), r.case_page(case)):
        levels = [int(tag[1]) for tag, _ in Outline(page).tags if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(below - above <= 1 for above, below in pairwise(levels))


def test_every_picture_says_what_it_shows_and_every_table_has_a_caption(page):
    tags = Outline(page).tags
    for tag, attributes in tags:
        assert tag != "svg" or attributes.get("aria-hidden") == "true" or attributes.get("aria-label")
    names = [tag for tag, _ in tags]
    assert names.count("table") == names.count("caption")
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_every_empty_part_says_so_in_a_sentence():
    page = r.render(samples.bare())
    for said in (
        "There are no cases: no row reached the threshold of 50.0%",
        "The rows have no time",
        "Only one model was fitted",
        "Outcomes are not known",
        "The factors were not measured",
        "No audit was made",
        "Without alerts there are no cases",
    ):
        assert said in page
    assert ">None<" not in page and "<svg" not in page


def test_a_case_without_evidence_or_past_is_still_a_page():
    row = samples.full().examples[0].case.prediction
    page = r.case_page(samples.case_of(replace(row, inputs={}), [], ()))
    assert "This case holds no evidence" in page and "there is no timeline" in page
    assert "No text was written" in page
    alone = r.case_page(samples.case_of(replace(row, at="", entities={}, inputs={}), [], ()))
    assert "timeline" not in alone, "what has no entities misses no past"


@pytest.mark.parametrize("outcome", ["churn", "the positive outcome"])
def test_the_outcome_stands_only_where_any_noun_fits(outcome):
    made = replace(samples.full(), outcome_text=outcome, row_text="order", examples=())
    page = r.render(replace(made, summary=replace(made.summary, per="thousand orders")))
    before = re.findall(r"(\w+)[ (]" + outcome + r"\b", page)
    assert len(before) > 12 and set(before) <= {"of"}
    assert "a day" not in page and "alerts per thousand orders" in page


def test_one_review_a_day_is_one_alert():
    made = samples.full()
    page = r.render(replace(made, summary=replace(made.summary, capacity=1.0)))
    assert "the highest of each day" in page and "People can review 1 alert a day" in page
    assert not re.search(r"\b1 alerts|\b1 highest", page)


def test_a_case_calls_its_entities_by_the_owners_words():
    case = samples.full().examples[0].case
    row = replace(case.prediction, entities={"CUSTOMER_ID": "7"})
    called = Fact(id="f1", kind="entity", name="CUSTOMER_ID", text="customer", value="7", unit="name")
    page = r.case_page(samples.case_of(row, [called], ()))
    assert "customer <bdi>7</bdi>" in page and "CUSTOMER_ID" not in page


@pytest.mark.parametrize(("num_rows", "told"), [(19, False), (20, True)])
def test_an_interval_of_too_few_outcomes_is_not_shown(num_rows, told):
    case = samples.full().examples[0].case
    detail = {"n": num_rows, "low": 0.207, "high": 1.0}
    record = Fact(id="f1", kind="reliability", name="like", text="past", value=9, unit="count", detail=detail)
    page = r.case_page(samples.case_of(case.prediction, [record], ()))
    assert ("20.7% to 100.0% for" in page) == told


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=30))
def test_the_name_of_a_curve_never_covers_it(pairs):
    precision, recall = sorted((pair[0] for pair in pairs), reverse=True), sorted(pair[1] for pair in pairs)
    alerts = tuple(float(1 + index) for index in range(len(pairs)))
    work = r.Workload(alerts=alerts, precision=tuple(precision), recall=tuple(recall))
    picture = str(charts.workload(work, 2.0, "day"))
    for kind in ("curve delivered", "curve other-a"):
        level = float(re.search(rf'y="([-\d.]+)"[^>]*class="label {kind}"', picture)[1])
        drawn = re.search(rf'd="M([^"]+)" class="{kind}"', picture)[1]
        places = [tuple(map(float, place.split())) for place in drawn.split("L")]
        close = [y for x, y in places if x >= RIGHT - 55]
        assert all(y > level + 2 or y < level - 9 for y in close)
        assert 20 < level < 275


def test_a_claim_shows_the_worst_that_the_verifier_found_in_it():
    case = samples.full().examples[0].case
    second = case.narrative.claims[0].text
    wrong = Finding(
        start=len(second) + 5, end=len(second) + 9, status=CONTRADICTED, fault="expected 3, found 4"
    )
    verdict = replace(case.verdict, passed=False, findings=(*case.verdict.findings, wrong))
    told = sentences(replace(case, verdict=verdict))
    assert [sentence.status == CONTRADICTED for sentence in told] == [
        index == 1 for index in range(len(told))
    ]
    page = r.case_page(replace(case, verdict=verdict))
    assert "expected 3, found 4" in page and "the text did not pass" in page and "every sentence" not in page


def test_a_claim_that_the_verifier_did_not_read_counts_as_unverified():
    case = samples.full().examples[0].case
    unread = replace(case, verdict=replace(case.verdict, findings=()))
    assert {sentence.status for sentence in sentences(unread)} == {"UNVERIFIED"}


@given(st.lists(st.floats(-8, 8), max_size=30), st.floats(-10, 10))
def test_the_steps_of_the_waterfall_always_add_up_to_the_score(shares, logit):
    facts = tuple(
        Fact(id=f"f{index}", kind="attribution", name="x", text="x", value=share, unit="log-odds")
        for index, share in enumerate(shares)
    )
    case = samples.full().examples[0].case
    case = replace(
        case,
        prediction=replace(case.prediction, logit=logit),
        evidence=Evidence(id="1", facts=facts),
    )
    base, told = case_pictures.steps(case)
    assert base + sum(step.value for step in told) == pytest.approx(logit)
    assert logit - sum(shares) == pytest.approx(base)
    assert "nan" not in case_pictures.waterfall(case)


events = st.builds(
    r.PastEvent,
    at=st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)).map(lambda at: at.isoformat() + "+00:00"),
    value=st.none() | st.floats(-10, 1e9),
    label=st.sampled_from(["positive", "negative", "unknown"]),
    known=st.booleans(),
    share=st.none() | st.floats(-5, 5),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(events, max_size=40), events)
def test_any_past_can_be_drawn_inside_the_picture(past, alert):
    line = r.Timeline(
        role="card", entity="1", alert=alert, events=tuple(past), unit="EUR", this="alert", chosen=""
    )
    picture = str(case_pictures.timeline(line, "fraud"))
    assert picture.count("<title>") == len(past)
    places = [float(place) for place in re.findall(r'cx="([-\d.]+)"', picture)]
    assert all(0 <= place <= 440 for place in places)


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.booleans())
def test_ticks_lie_inside_their_scale_in_rising_order(low, span, log):
    scale = (
        Scale(abs(low) + 1e-3, (abs(low) + 1e-3) * (1 + span), 0, 1, log=True)
        if log
        else Scale(low, low + span + abs(low) * 1e-6, 0, 1)
    )
    ticks = scale.ticks()
    assert ticks == sorted(set(ticks)) and len(ticks) <= 9
    assert all(-0.001 <= scale(tick) <= 1.001 for tick in ticks)


@given(st.integers(0, 2_000_000_000), st.floats(600, 1.5e9))
def test_instants_under_an_axis_lie_on_it_and_are_few(low, span):
    ticks = time_ticks(low, low + span)
    assert 1 <= len(ticks) <= 6
    assert all(low <= at <= low + span for at, _ in ticks)


def test_equal_values_stand_in_the_middle():
    assert spanning([3.0, 3.0], 0, 100)(3.0) == pytest.approx(50)
    assert spanning([3.0, 3.0], 0, 100, log=True)(3.0) == pytest.approx(50)


def test_the_text_says_whether_capacity_or_costs_set_the_threshold():
    made = samples.full()
    costly = replace(made, summary=replace(made.summary, by_cost=True))
    assert "the 100 highest a day" in r.render(made)
    assert "a review costs less" in r.render(costly) and "100 highest" not in r.render(costly)


def test_a_stored_report_is_drawn_again_to_the_same_page(tmp_path):
    made = samples.full()
    r.write(made, tmp_path / "deep" / "report.html")
    again = r.read(tmp_path / "deep" / "report.json")
    assert again == made and canonical(again) == canonical(made)
    assert (tmp_path / "deep" / "report.html").read_text() == r.render(again)
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["report.html", "report.json"]


def test_a_folder_that_cannot_be_written_is_named_and_keeps_the_old_page(tmp_path):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(StoreError, match="cannot write") as raised:
        r.write(samples.bare(), tmp_path / "report.html")
    assert raised.value.hint
    assert isinstance(raised.value.__cause__, OSError) and raised.value.__cause__.errno == errno.EISDIR
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_a_page_is_readable_by_those_whom_the_umask_admits(tmp_path):
    mask = os.umask(0o027)
    try:
        r.write(samples.bare(), tmp_path / "report.html")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "report.html").stat().st_mode) == 0o640


@pytest.mark.parametrize("content", ["", "{", "[]", '{"title": 1}'])
def test_a_file_that_is_no_report_is_refused_by_name(tmp_path, content):
    path = tmp_path / "report.json"
    path.write_text(content)
    with pytest.raises(DataError, match=re.escape(str(path))):
        r.read(path)


def test_a_case_is_the_same_alone_and_in_the_report(page):
    shown = samples.full().examples[0]
    alone = r.case_page(shown.case, shown.timelines)
    for claim in shown.case.narrative.claims:
        assert str(claim.text) in alone and str(claim.text) in page


def test_many_events_are_cut_to_the_newest():
    random = Random(1)
    past = samples.past(random, samples.START, 900, 40, 0)
    alert = r.PastEvent(at=samples.iso(samples.START), value=10.0)
    line = r.Timeline(role="card", entity="1", alert=alert, events=past, this="alert", chosen="")
    picture = str(case_pictures.timeline(line, "fraud"))
    assert picture.count("<title>") == case_pictures.MOST_EVENTS


def test_a_timeline_of_a_few_events_does_not_pass_for_the_whole_past():
    case = rich("r1")
    [line] = r.timelines_of(case)
    assert len(line.events) == len(case.evidence.of("past_event"))
    page = r.case_page(case, (line,))
    assert f"{len(line.events)} earlier payments, of those that moved the score most." in page
    assert "those that moved" not in r.case_page(case, (replace(line, chosen=""),))


def test_a_case_that_is_no_alert_is_not_called_one_in_its_pictures():
    case = rich("r1")
    drawn = replace(case, prediction=replace(case.prediction, alert=False))
    for each, words in ((case, "alert"), (drawn, "payment")):
        page = r.case_page(each, r.timelines_of(each))
        assert {*re.findall(r"this (alert|payment)\b(?=</text>|</li>)", page)} == {words}
