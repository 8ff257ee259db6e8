"""The dashboard in a real browser: readable wherever it is looked at, small, the same without scripts."""

import random

import pytest
from playwright.sync_api import sync_playwright

from case_material import proposal
from desk_browser import CHROMIUM, CONTRAST, OVERFLOW, Seat, served
from desk_material import PASSWORD, House
from foretell.cases.planted import Planting
from foretell.errors import DecisionError
from test_desk_pages import AXE

LOOKS = (
    {"viewport": {"width": 1280, "height": 900}},
    {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    {"viewport": {"width": 320, "height": 640}, "color_scheme": "dark"},
    {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2},
)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A desk of two months: reviewers who judge, approve and reject, and planted cases."""
    house = House(f"sqlite:///{tmp_path_factory.mktemp('dashboard')}/cases.db")
    rng = random.Random(1)
    house.policy({"rules": [{"name": "two", "probability_from": 0.9, "approvals": 2}], "blind_share": 0.2})
    for day in range(20):
        rows = [f"r{day}-{number}" for number in range(8)]
        scores = {row: rng.choice((0.1, 0.3, 0.6, 0.8, 0.95)) for row in rows}
        house.store.open_cases([proposal(row, score, alert=score > 0.5) for row, score in scores.items()])
        Planting(house.store).plant("root", {row: rng.random() < 0.5 for row in rows[:5]})
        for row in rows[:7]:
            for name in rng.sample(("bob", "cleo", "dan"), 2):
                blind = house.desk.case(name, row).hidden
                try:
                    if blind:
                        said = rng.choice(("positive", "negative"))
                        house.decide(name, row, "judge", detail={"judgement": said})
                    house.decide(name, row, rng.choice(("approve", "approve", "reject")))
                except DecisionError:
                    break  # the first of the two has closed it
        house.clock.move(days=3)
    yield house
    house.store.close()


@pytest.fixture(scope="module")
def sit(house):
    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium here")
    with served(house.store) as base, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--disable-gpu"])

        def seat(name, **options):
            seat = Seat(browser.new_context(**options).new_page(), base)
            seat.enter(house.accounts.sign_in(name, PASSWORD))
            return seat

        yield seat
        browser.close()


@pytest.mark.parametrize("look", LOOKS, ids=["wide", "dark", "phone, dark", "twice the size"])
def test_it_can_be_read_by_everybody_everywhere(sit, look):
    seat = sit("root", **look)
    seat.go("/dashboard?days=90")
    assert seat.page.evaluate(OVERFLOW) <= 0
    seen, faint = seat.page.evaluate(CONTRAST)
    assert seen > 60 and faint == []
    assert seat.page.locator("svg.picture").count() == 9
    for picture in seat.page.locator("svg.picture").all():
        assert len(picture.get_attribute("aria-label")) > 20
    if AXE.exists():
        seat.page.evaluate(AXE.read_text())
        found = seat.page.evaluate("axe.run().then(result => [result.passes.length, result.violations])")
        assert found[0] > 15
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found[1]] == []
    assert seat.hosts <= {seat.base.removeprefix("http://")}
    assert seat.complaints == []


def test_without_javascript_it_says_the_same(sit):
    told = []
    for javascript in (True, False):
        seat = sit("dan", java_script_enabled=javascript)
        seat.go("/dashboard?days=90")
        told.append(seat.page.locator("main").text_content())
    assert told[0] == told[1] and "Who agrees" in told[0]
    assert "planted" not in told[0]


def test_it_comes_with_all_it_needs_in_less_than_60_kb(sit):
    seat, sizes = sit("root"), []
    network = seat.page.context.new_cdp_session(seat.page)
    network.send("Network.enable")
    network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    seat.go("/dashboard?days=365")
    seat.page.wait_for_load_state("networkidle")
    assert len(sizes) >= 3  # page, sheet, script
    assert sum(sizes) < 60_000
