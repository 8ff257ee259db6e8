"""A whole day of a reviewer by keyboard alone, in a real browser: with the desk's script and without any."""

import pytest
from playwright.sync_api import sync_playwright

from desk_browser import CHROMIUM, Seat, another_text, rich, served
from desk_material import House
from foretell.cases.queue import Query

FOCUSED = (
    "[document.activeElement.id, (document.activeElement.labels?.[0] ?? document.activeElement).innerText]"
)


WINDOWS = [
    pytest.param(True, id="with the script", marks=pytest.mark.slow),
    pytest.param(False, id="without any script"),
]


@pytest.fixture(params=WINDOWS)
def bob(tmp_path, request):
    """Return a reviewer's window at a desk where some cases are judged before their score is shown."""
    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium here")
    house = House(f"sqlite:///{tmp_path}/cases.db")
    house.policy({"blind_share": 0.4, "salt": "day"})
    house.store.open_cases([rich(f"r{number}", number) for number in range(8)])
    with sync_playwright() as playwright, served(house.store) as base:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--disable-gpu"])
        seat = Seat(browser.new_context(java_script_enabled=request.param).new_page(), base)
        seat.house = house
        yield seat
        browser.close()
    assert seat.hosts <= {base.removeprefix("http://")}
    assert seat.complaints == []
    house.store.close()


def reach(seat, *names):
    """Move on by Tab to the control with this id or label."""
    for _ in range(150):
        seat.page.keyboard.press("Tab")
        found, words = seat.page.evaluate(FOCUSED)
        if any(found == name or (words or "").strip().startswith(name) for name in names):
            return
    raise AssertionError(f"Tab never came to {names}")


def fill(seat, control, text):
    reach(seat, control)
    seat.page.keyboard.insert_text(text)


def choose(seat, control, text):
    """Choose of a list by typing how the wanted words begin."""
    reach(seat, control)
    seat.page.keyboard.type(text)


def send(seat, button):
    reach(seat, button)
    seat.press("Enter")


def unfold(seat, words):
    reach(seat, words)
    seat.page.keyboard.press("Enter")


def waiting(seat, veiled):
    lines = seat.house.desk.queue("bob", Query()).lines
    return [line.id for line in lines if (line.probability is None) is veiled]


def kinds(seat, row):
    return [event.kind for event in seat.house.store.case(row).events]


def open_case(seat, row):
    """Search the queue for a case and open it."""
    seat.go("/?status=all")
    fill(seat, "text", row)
    send(seat, "Show")
    send(seat, row)
    assert seat.at() == row


def test_a_whole_day_needs_the_keyboard_alone(bob):
    bob.sign_in("bob")
    assert bob.text("h1") == "Queue"
    first, second, third, fourth, *_ = waiting(bob, veiled=False)
    edits_what_it_read(bob, first)
    judges_and_approves(bob, waiting(bob, veiled=True)[0])
    turns_down(bob, second, third)
    talks_of(bob, fourth)
    keeps_a_view_and_leaves(bob, fourth)
    assert bob.house.store.verify_log().passed


def edits_what_it_read(bob, row):
    """Open a sentence's facts, write what they do not support, then what they do."""
    open_case(bob, row)
    unfold(bob, bob.text(".claim summary bdi")[:30])
    assert "90.0%" in bob.text(".claim[open] .basis")
    send(bob, "Claim it")
    unfold(bob, "Edit the text")
    reach(bob, "edit-text")
    bob.page.keyboard.press("Control+a")
    bob.page.keyboard.insert_text("It is surely fraud.")
    send(bob, "Save the text")
    assert "does not support every sentence" in bob.text("[role=alert]")
    assert "not verified" in bob.text(".found")
    reach(bob, "edit-text")
    bob.page.keyboard.press("Control+a")
    bob.page.keyboard.insert_text(another_text(bob.house.store.case(row)))
    send(bob, "Save the text")
    assert "another person must approve it" in bob.text(".notice")
    assert kinds(bob, row) == ["opened", "edited"]


def judges_and_approves(bob, row):
    """Say what one thinks of a case whose score is hidden, then see the score, then approve."""
    open_case(bob, row)
    assert "90.0%" not in bob.page.content()
    reach(bob, "yes, fraud")
    bob.page.keyboard.press("Space")
    send(bob, "Record my judgement")
    assert "90.0%" in bob.text(".score")
    send(bob, "Approve")
    assert f"{row}: Approved." in bob.text(".notice")
    assert kinds(bob, row) == ["opened", "judged", "approved"]


def turns_down(bob, rejected, snoozed):
    open_case(bob, rejected)
    unfold(bob, "Reject")
    choose(bob, "code", "dup")
    fill(bob, "reject-reason", "The same payment came twice.")
    send(bob, "Reject")
    assert kinds(bob, rejected) == ["opened", "rejected"]
    open_case(bob, snoozed)
    unfold(bob, "Snooze")
    choose(bob, "hours", "3 d")
    send(bob, "Snooze")
    assert f"{snoozed}: Snoozed" in bob.text(".notice")
    assert kinds(bob, snoozed) == ["opened", "snoozed"]


def talks_of(bob, row):
    """Comment, ask a colleague, and give the case to an approver."""
    open_case(bob, row)
    unfold(bob, "Comment")
    fill(bob, "comment-reason", "Ask her bank.")
    send(bob, "Comment")
    assert "Ask her bank." in bob.text("table.history")
    unfold(bob, "Ask a second reviewer")
    choose(bob, "person", "cleo")
    send(bob, "Ask")
    assert "cleo was asked" in bob.text(".tags")
    unfold(bob, "Escalate")
    fill(bob, "escalate-reason", "Large and odd.")
    send(bob, "Escalate")
    assert kinds(bob, row) == ["opened", "commented", "asked", "escalated"]


def keeps_a_view_and_leaves(bob, row):
    """Filter, save the view, use it, go on to the next case, look at one's account and sign out."""
    bob.go("/")
    choose(bob, "status", "esc")
    send(bob, "Show")
    assert bob.page.locator("a.row").all_inner_texts() == [row]
    unfold(bob, "Save this view")
    fill(bob, "view", "with the approvers")
    send(bob, "Save")
    bob.go("/")
    send(bob, "with the approvers")
    assert "status=escalated" in bob.page.url
    bob.go("/")
    send(bob, "Next case")
    assert bob.at()
    send(bob, "My account")
    assert bob.text("h1") == "My account"
    send(bob, "Sign out")
    bob.go("/")
    assert bob.text("h1") == "Sign in"
