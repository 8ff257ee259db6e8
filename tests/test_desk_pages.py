"""The reviewer's pages in a real browser: by keyboard, without scripts, with hostile texts, on a phone."""

import os
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import sync_playwright

from case_material import decision, proposal
from desk_browser import CHROMIUM, CONTRAST, OVERFLOW, Seat, another_text, rich, served
from desk_material import PASSWORD, House, form
from foretell.cases.permits import Permits
from foretell.cases.queue import Query
from foretell.cases.registry import Registry
from foretell.errors import DecisionError
from foretell.records import Fact
from foretell.serving.assets import assets
from foretell.serving.pages import local
from test_registry import FIRST, A, B, taught

AXE = Path(os.environ.get("FORETELL_AXE", "node_modules/axe-core/axe.min.js"))
"""Where `npm install --no-save axe-core` puts it; where it is not, the pages are checked without it."""
HTML = {"accept": "text/html"}
HOSTILE = (
    "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">",
    '"><style>body{display:none}</style><a href="javascript:alert(1)">click</a>',
    "\u202eevil \u2066order\u2069 \u200f\x00\x07\x1b[31m",
    "=HYPERLINK(\"https://elsewhere.example\",\"x\")",
    "{{ 7 * 7 }} {% raw %} ${7*7}",
)  # fmt: skip


@pytest.fixture(scope="module")
def chromium():
    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def house(tmp_path):
    house = House(f"sqlite:///{tmp_path}/cases.db")
    yield house
    house.store.close()


@pytest.fixture
def sit(chromium, house):
    """Return what opens a browser window at the desk; all of them are asked at the end what they noted."""
    seats, contexts = [], []
    with served(house.store) as base:

        def seat(**options):
            contexts.append(chromium.new_context(**options))
            seats.append(Seat(contexts[-1].new_page(), base))
            return seats[-1]

        yield seat
        for each in seats:
            assert each.hosts <= {base.removeprefix("http://")}
            assert each.complaints == []
        for context in contexts:
            context.close()


def opened(house, *rows):
    house.store.open_cases([rich(row, seed) for seed, row in enumerate(rows)])


def kinds(house, row):
    return [event.kind for event in house.store.case(row).events]


def test_a_day_of_a_reviewer_needs_the_keyboard_alone(house, sit):
    opened(house, "r1", "r2", "r3", "r4")
    bob = sit()
    bob.sign_in("bob")
    assert bob.text("h1") == "Queue"
    edits(bob, house)
    decides(bob, house)
    finds_and_leaves(bob)

    dan = sit()
    dan.sign_in("dan")
    dan.press("n")
    assert dan.at() == "r1", dan.text()
    dan.page.keyboard.press("a")
    dan.press("Enter")
    assert kinds(house, "r1") == ["opened", "edited", "approved"]


def edits(bob, house):
    """Read a sentence's facts, write what they do not support, then what they do."""
    keys = bob.page.keyboard
    bob.press("n")
    assert bob.at() == "r1"

    keys.press("j")
    keys.press("Enter")
    assert "90.0%" in bob.text(".claim[open] .basis")

    keys.press("e")
    assert bob.focused() == "edit-text"
    keys.press("Control+a")
    keys.type("It is surely fraud.")
    bob.page.wait_for_selector("#findings .mark.unverified")
    bob.tab_to("Save the text")
    bob.press("Enter")
    assert "does not support every sentence" in bob.text("[role=alert]")
    assert bob.page.input_value("#edit-text") == "It is surely fraud."
    assert kinds(house, "r1") == ["opened"]
    keys.press("e")
    keys.press("Control+a")
    keys.insert_text(another_text(house.store.case("r1")))
    bob.page.wait_for_selector("#findings .mark.supported")
    bob.tab_to("Save the text")
    bob.press("Enter")
    assert "another person must approve it" in bob.text(".notice")
    assert "You cannot approve it now" in bob.text("#approve")


def decides(bob, house):
    """Reject, snooze and comment, one case after the other."""
    keys = bob.page.keyboard
    bob.press("n")
    assert bob.at() == "r2"  # what one wrote is left to others
    keys.press("r")
    keys.type("false")
    bob.tab_to("Reject")
    bob.press("Enter")
    assert "r2: Rejected. This is the next case." in bob.text(".notice")
    assert house.store.case("r2").status == "rejected"
    assert bob.at() == "r3"
    keys.press("s")
    bob.tab_to("Snooze")
    bob.press("Enter")
    assert bob.at() == "r4"
    keys.press("c")
    keys.type("Ask her bank.")
    bob.tab_to("Comment")
    bob.press("Enter")
    assert "Ask her bank." in bob.text("table.history")


def finds_and_leaves(bob):
    """Search for a case, open it, look up the shortcuts, go back and sign out."""
    keys = bob.page.keyboard
    bob.press("/")
    keys.type("r1")
    bob.press("Enter")
    keys.press("j")
    assert bob.focused() == "r1"
    bob.press("o")
    assert bob.at() == "r1"
    keys.press("?")
    assert bob.page.is_visible("#help")
    keys.press("Escape")
    keys.press("g")
    bob.press("q")
    bob.tab_to("Sign out")
    bob.press("Enter")
    bob.go("/case?id=r1")
    assert bob.text("h1") == "Sign in"


def test_an_unsupported_text_needs_a_second_person_and_no_script(house, sit):
    opened(house, "r1", "r2")
    bob, dan = sit(java_script_enabled=False), sit(java_script_enabled=False)
    dan.enter(house.accounts.sign_in("dan", PASSWORD))
    dan.go("/case?id=r1")
    page = bob.page
    bob.go("/case?id=r1")
    page.fill("#name", "bob")
    page.fill("#password", PASSWORD)
    page.click("main button")
    assert bob.text("h1") == "Payment r1"
    page.click("#act-edit summary")
    page.fill("#edit-text", "It is surely fraud.")
    page.click("#act-edit button")
    assert page.input_value("#edit-text") == "It is surely fraud."
    assert "not verified" in bob.text(".found")
    page.check("[name=unsupported]")
    page.click("#act-edit button")
    assert "flagged" in bob.text(".notice")

    dan.page.click("#approve")  # drawn before the edit
    assert "has changed" in dan.text("[role=alert]")
    assert "You cannot approve it now" in dan.text("#approve")
    dan.page.click("#act-accept summary")
    dan.page.fill("#accept-reason", "She confirmed it.")
    dan.page.click("#act-accept button")
    dan.page.click("#approve")
    assert kinds(house, "r1") == ["opened", "edited", "accepted", "approved"]
    assert dan.page.url.endswith("id=r2&done=approve&about=r1")


def test_what_a_stale_form_typed_is_kept(house, sit):
    opened(house, "r1")
    bob, cleo = sit(), sit()
    for seat, name in ((bob, "bob"), (cleo, "cleo")):
        seat.enter(house.accounts.sign_in(name, PASSWORD))
        seat.go("/case?id=r1")
    house.decide("cleo", "r1", "edit", text=another_text(house.store.case("r1")))
    bob.page.click("#act-reject summary")
    bob.page.select_option("#code", "other")
    bob.page.fill("#reject-reason", "A long and careful reason.")
    bob.page.click("#act-reject button")
    assert "cleo edited its narrative" in bob.text("[role=alert]")
    assert bob.page.input_value("#reject-reason") == "A long and careful reason."
    assert bob.page.input_value("#code") == "other"
    bob.page.click("[role=alert] a")
    assert bob.page.get_attribute("#act-reject", "open") is None


def test_a_text_is_shown_and_never_followed(house, sit):
    row = '<img src=x onerror="document.title=1">'
    extra = [
        Fact(id="", kind="input", name=f"n{at}", text=text, value=text, unit="text", source=text)
        for at, text in enumerate(HOSTILE)
    ]
    house.store.open_cases([rich(row, extra=extra, customer=HOSTILE[0], terminal=HOSTILE[2])])
    for text in HOSTILE[:2] + HOSTILE[3:]:
        house.decide("bob", row, "comment", reason=text)
        house.desk.save_view("bob", text[:80], text)
    house.decide("bob", row, "comment", reason=HOSTILE[2])
    bob = sit()
    bob.enter(house.accounts.sign_in("bob", PASSWORD))
    for path in ("/", f"/?text={HOSTILE[1]}", f"/?done={HOSTILE[0]}&case={HOSTILE[0]}"):
        bob.go(path)
        assert bob.page.title() == "Queue · Foretell desk"
    bob.go("/")
    bob.page.click("a.row")
    assert bob.at() == row
    assert bob.page.title() == f"Payment {row} · Foretell desk"
    shown = bob.page.content()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", shown)
    assert bob.page.locator("main img, main script, main style, main [href^=javascript]").count() == 0
    assert bob.text("table.history").count("document.title='taken'") == 2


def test_whom_the_policy_has_judge_first_sees_no_score(house, sit):
    opened(house, "r1")
    house.decide("cleo", "r1", "comment", reason="It scores 90.0%, clearly fraud.")
    house.policy({"blind_share": 1.0, "salt": "x"})
    bob = sit()
    bob.enter(house.accounts.sign_in("bob", PASSWORD))
    bob.go("/")
    assert "judge first" in bob.text("table")
    for path in ("/", "/case?id=r1"):
        bob.go(path)
        source = bob.page.content()
        assert "90.0%" not in source
        assert "clearly fraud" not in source
    assert "231.5" in bob.text()
    assert bob.page.locator("#approve, #act-edit, .narrative, svg.picture").count() == 0
    for verb in ("approve", "reject", "edit"):
        more = {"text": "It is surely fraud."} if verb == "edit" else {}
        with pytest.raises(DecisionError, match="your own judgement"):
            house.decide("bob", "r1", verb, **more)
    bob.page.check("[value=positive]")
    bob.page.click("text=Record my judgement")
    assert "90.0%" in bob.text(".score")
    assert kinds(house, "r1")[-1] == "judged"


LOOKS = {
    "wide": {},
    "phone, dark": {"viewport": {"width": 320, "height": 640}, "color_scheme": "dark"},
    "twice the size": {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2},
}


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_can_be_read(house, sit, look):
    opened(house, *(f"r{number}" for number in range(8)))
    house.policy(
        {"rules": [{"name": "all", "due_hours": 1, "approvals": 2}], "blind_share": 0.5, "salt": "y"}
    )
    opened(house, *(f"s{number}" for number in range(8)))
    house.clock.move(hours=2)
    house.decide("cleo", "r0", "edit", text="It is surely fraud.", detail={"unsupported": "keep"})
    bob = sit(**LOOKS[look])
    bob.go("/sign-in")
    assert bob.page.evaluate(OVERFLOW) <= 0
    assert bob.page.evaluate(CONTRAST)[1] == []
    bob.enter(house.accounts.sign_in("bob", PASSWORD))
    bob.go("/")
    assert "overdue by" in bob.text("table")
    assert "0 of 2" in bob.text("table")
    wanted = decision(house.store.case("r1"), "comment", "bobs-script", reason="It was abroad.")
    Permits(house.store).suggest("bobs-script", "r1", wanted)
    hidden = next(line.id for line in house.desk.queue("bob", Query()).lines if line.probability is None)
    asked = ("/case?id=r1&ask=How+sure+is+it%3F", f"/case?id={hidden}&ask=Why%3F")
    for path in ("/", "/?text=none", "/case?id=r0", f"/case?id={hidden}", "/case?id=none", *asked):
        readable(bob, path)


def test_the_owners_pages_can_be_read_on_a_phone(house, sit):
    opened(house, "r1", "r2")
    house.policy({"rules": [{"name": "large", "inputs": {"amount": {"from": 5}}, "approvals": 2}]})
    house.governance.propose("root", {"blind_share": 0.5}, "see for yourselves")
    house.accounts.make_key("ada", "ada", 30)
    Registry(house.store).register([FIRST, taught(B, A)])
    ada = sit(**LOOKS["phone, dark"])
    ada.enter(house.accounts.sign_in("ada", PASSWORD))
    for path in ("/policy", "/people?name=bob", "/keys", "/log", "/models", f"/model?id={A}"):
        readable(ada, path)


def readable(seat, path):
    """Open all that opens on a page: nothing is too wide, too faint, or hard to use otherwise."""
    seat.go(path)
    seat.page.evaluate("document.querySelectorAll('details:not(.act)').forEach(each => each.open = true)")
    seat.page.evaluate("document.querySelector('.act')?.setAttribute('open', '')")
    assert seat.page.evaluate(OVERFLOW) <= 0, path
    seen, faint = seat.page.evaluate(CONTRAST)
    assert seen > 5
    assert faint == [], path
    if AXE.exists():
        seat.page.evaluate(AXE.read_text())
        found = seat.page.evaluate("axe.run().then(result => [result.passes.length, result.violations])")
        assert found[0] > 15
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found[1]] == []


def test_a_page_comes_with_all_it_needs_in_less_than_60_kb(house, sit):
    opened(house, *(f"r{number}" for number in range(60)))
    bob = sit()
    bob.enter(house.accounts.sign_in("bob", PASSWORD))
    for path in ("/", "/case?id=r1", "/case?id=r1&ask=How+sure+is+it%3F"):
        network = bob.page.context.new_cdp_session(bob.page)
        network.send("Network.enable")
        network.send("Network.clearBrowserCache")
        sizes = []
        network.on(
            "Network.loadingFinished", lambda event, sizes=sizes: sizes.append(event["encodedDataLength"])
        )
        bob.go(path)
        bob.page.wait_for_load_state("networkidle")
        assert len(sizes) >= 3  # page, sheet, script
        assert sum(sizes) < 60_000
    bob.go("/")
    assert bob.page.locator("a.row").count() == 50
    bob.page.click("text=Next page")
    assert bob.page.locator("a.row").count() == 10
    bob.page.click("text=First page")
    assert bob.page.locator("a.row").count() == 50


def test_no_page_carries_a_style_or_a_script_of_its_own(house):
    opened(house, "r1")
    bob = house.client("bob")
    for path in ("/sign-in", "/", "/case?id=r1", "/case?id=none"):
        page = bob.get(path, headers=HTML).text
        assert not re.search(
            r"<style|\sstyle=|\son\w+=|<script(?! src=\"/static/)|javascript:|https?:", page
        ), path
        for found in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
            answer = bob.get(found)
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
    assert len(assets()["desk.js"].content) < 6 * 1024


def test_who_is_not_signed_in_is_asked_to_be_and_comes_back_to_this_host_alone(house):
    opened(house, "r1")
    nobody = house.client()
    answer = nobody.get("/case?id=r1", headers=HTML, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Fcase%3Fid%3Dr1")
    for path in (
        "//elsewhere.example",
        "https://elsewhere.example",
        "/\\elsewhere.example",
        "\t//x",
        "x",
        "",
    ):
        assert local(path) == "/"
        fields = {"name": "bob", "password": PASSWORD, "next": path}
        answer = nobody.post("/sign-in", data=fields, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
    wrong = nobody.post("/sign-in", data={"name": "bob", "password": "wrong"}, headers=HTML)
    assert wrong.status_code == 403
    assert "do not fit" in wrong.text


def test_a_form_of_another_session_or_site_does_nothing_and_loses_nothing(house):
    opened(house, "r1")
    bob, before = house.client("bob"), house.store.head()
    fields = {"verb": "comment", "reason": "typed with care", "content": house.store.case("r1").content}
    for more, headers in (
        ({}, HTML),
        (form(house.client("cleo")), HTML),
        (form(bob), {**HTML, "origin": "https://elsewhere.example"}),
        (form(bob), {**HTML, "sec-fetch-site": "cross-site"}),
    ):
        answer = bob.post("/case?id=r1", data={**fields, **more}, headers=headers)
        assert answer.status_code == 403
    assert house.store.head() == before
    old = bob.post("/case?id=r1", data=fields, headers=HTML)
    assert "typed with care" in old.text
    gone = house.client().post("/case?id=r1", data=fields, headers=HTML)
    assert gone.status_code == 401
    assert "typed with care" in gone.text
    bob.post("/case?id=r1", data={**fields, **form(bob)}, headers=HTML)
    assert kinds(house, "r1") == ["opened", "commented"]


def test_a_page_offers_nothing_that_the_rules_would_refuse(house):
    opened(house, "r1")
    offered = {}
    for name in ("bob", "vic", "dan"):
        page = house.client(name).get("/case?id=r1", headers=HTML).text
        offered[name] = set(re.findall(r'name="verb" value="(\w+)"', page))
    free = {"claim", "approve", "reject", "edit", "escalate", "ask", "snooze", "comment"}
    assert offered == {"bob": free, "dan": free, "vic": set()}
    house.desk.claim("cleo", "r1")
    page = house.client("bob").get("/case?id=r1", headers=HTML).text
    assert set(re.findall(r'name="verb" value="(\w+)"', page)) == {"ask", "comment"}
    assert "cleo" in page
    house.policy({"blind_share": 1.0, "salt": "x"})
    page = house.client("bob").get("/case?id=r1", headers=HTML).text
    assert "You cannot judge it now" in page and 'value="judge"' not in page
    house.desk.release("cleo", "r1")
    assert 'value="judge"' in house.client("bob").get("/case?id=r1", headers=HTML).text
    house.decide("bob", "r1", "judge", detail={"judgement": "positive"})
    house.decide("bob", "r1", "escalate")
    page = house.client("bob").get("/case?id=r1", headers=HTML).text
    assert "it needs the role approver" in page


def test_an_alert_says_what_would_have_cleared_it_or_that_nothing_is_known(house):
    opened(house, "r1")
    house.open("r2")
    house.store.open_cases([proposal("r3", 0.1, alert=False)])
    for row, known in (("r1", True), ("r2", False), ("r3", None)):
        assert bool(house.store.case(row).evidence.of("counterfactual")) is bool(known)
        page = house.client("bob").get(f"/case?id={row}", headers=HTML).text
        assert page.count("What would have cleared it") == (known is not None)
        assert ("No likely change of up to three of its values is known" in page) is (known is False)


def test_an_error_is_a_page_for_people_and_a_record_for_programs(house):
    client: TestClient = house.client("bob")
    for path, status in (("/case?id=none", 404), ("/nowhere", 404), ("/case", 422), ("/static/none", 404)):
        page = client.get(path, headers=HTML)
        assert page.status_code == status
        assert "<h1>That did not work</h1>" in page.text
        assert client.get(path).json()["error"]["message"]
    assert "foretell cases" not in client.get("/case?id=none", headers=HTML).text
    opened(house, "r1")
    house.store.erase("r1", "root")
    page = client.get("/case?id=r1", headers=HTML).text
    assert "was erased on" in page and "only its events remain" in page.lower()
    assert "another team" not in page
    assert client.get("/api/case?id=none", headers=HTML).json()["error"]["hint"]
