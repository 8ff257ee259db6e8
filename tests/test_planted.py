"""Planted cases: sealed, unseen, told to administrators alone; and a true measure of who relies on what."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import foretell.cases
from case_material import behind, proposal, quoted, rows, told
from desk_material import House
from foretell.cases.planted import Planting, planted_ids
from foretell.errors import AccessError, DecisionError, StoreError
from foretell.serving.routes import ROUTES

pytest_plugins = ("case_fixtures",)
CHECKER = Path(foretell.cases.__file__).with_name("checker.py")
ANSWERS = {"r1": True, "r2": False, "r5": True}


@pytest.fixture
def house(url):
    house = House(url)
    yield house
    house.store.close()


def ids(house):
    with house.store.reading() as connection:
        return planted_ids(connection)


def test_answers_are_sealed_in_one_event_and_come_back_to_administrators_alone(house):
    house.open(*(f"r{number}" for number in range(8)))
    before = house.store.head().seq
    planting = Planting(house.store)
    assert ids(house) == frozenset()
    planting.plant("root", ANSWERS)
    planting.plant("ada", {"r7": False})
    assert planting.answers("root") == {**ANSWERS, "r7": False}
    assert ids(house) == {*ANSWERS, "r7"}
    assert house.store.head().seq == before + 2
    assert house.store.verify_log().passed
    for name in ("bob", "dan", "vic", "bobs-script", "nobody"):
        for act in (planting.answers, planting.plantable, lambda who: planting.plant(who, {"r3": True})):
            with pytest.raises(AccessError):
                act(name)
    assert ids(house) == {*ANSWERS, "r7"}


def test_what_somebody_has_begun_to_work_on_is_not_planted(house):
    house.open("r1", "r2", "r3", "r4", "r5")
    house.decide("bob", "r1", "approve")
    house.decide("bob", "r2", "comment", reason="hm")
    house.desk.claim("bob", "r3")
    planting = Planting(house.store)
    planting.plant("root", {"r4": True})
    assert planting.plantable("ada") == {"r5": True}
    head = house.store.head()
    for row in ("r1", "r2", "r3", "r4", "r9", "foretell:people"):
        with pytest.raises(DecisionError, match=f"case '{row}' cannot be planted"):
            planting.plant("root", {"r5": True, row: True})
    with pytest.raises(DecisionError, match="cases are planted at once"):
        planting.plant("root", {})
    assert house.store.head() == head
    house.clock.move(hours=1)  # bob's claim runs out
    assert planting.plantable("ada") == {"r3": True, "r5": True}


def test_altered_or_dropped_answers_are_found_and_never_taken_for_none(house, url):
    house.open("r1", "r2", "r5")
    Planting(house.store).plant("root", ANSWERS)
    text = rows(url, "SELECT body FROM contents WHERE kind = 'answers'")[0][0]
    seq = house.store.head().seq
    for forged in (text.replace("negative", "positive"), text.replace('"r1"', '"r3"'), "{}"):
        behind(url, f"UPDATE contents SET body = {quoted(forged)} WHERE kind = 'answers'")
        assert f"the answers of event {seq} (case foretell:planted) was altered" in told(house.store)
        with pytest.raises(StoreError, match=f"event {seq} sealed were altered or dropped"):
            ids(house)
        if url.startswith("sqlite"):
            done = subprocess.run(
                [sys.executable, str(CHECKER), url.removeprefix("sqlite:///")],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 1 and f"event {seq}: its answers" in done.stdout
    behind(url, "DELETE FROM contents WHERE kind = 'answers'")
    assert f"the answers of event {seq} was dropped" in told(house.store)
    with pytest.raises(StoreError):
        ids(house)
    behind(url, f"UPDATE contents SET body = {quoted(text)} WHERE kind = 'answers'")


DIGEST = re.compile(r"[0-9a-f]{16,64}")
"""What hangs on salts and sessions: digests in full or cut to 16 places, and the tokens of forms."""
OTHER = {"r3": False, "r6": True, "r7": False}


def seen_by(house, name):
    """Return what each route tells a person, digests left out."""
    client = house.client(name)
    found = {}
    for route in ROUTES:
        if route.method != "GET" or route.path in ("/health", "/static/{name}", "/metrics"):
            continue
        if route.path in ("/case", "/api/case"):
            queries = [{"id": f"r{number}"} for number in range(8)]
        else:
            queries = [{}, {"days": "2"}, {"status": "all", "sort": "score"}, {"about": "foretell:planted"}]
        for query in queries:
            answer = client.get(route.path, params=query)
            found[route.path, *query.items()] = (answer.status_code, DIGEST.sub("#", answer.text))
    return found


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """Two desks on which the same happened; they differ in what is planted alone."""
    houses = []
    for answers in (ANSWERS, OTHER):
        houses.append(House(f"sqlite:///{tmp_path_factory.mktemp('twin')}/cases.db"))
        house = houses[-1]
        house.policy({"rules": [{"name": "two", "approvals": 2}], "blind_share": 0.4, "salt": "s"})
        house.store.open_cases([proposal(f"r{row}", alert=row % 3 > 0) for row in range(8)])
        Planting(house.store).plant("root", answers)
        for row in ("r1", "r2", "r3", "r4"):
            house.decide("bob", row, "judge", detail={"judgement": "positive"})
            house.decide("cleo", row, "judge", detail={"judgement": "negative"})
            house.decide("bob", row, "approve")
            house.decide("cleo", row, "reject" if row in ("r1", "r3") else "approve")
    yield houses
    for house in houses:
        house.store.close()


@pytest.mark.parametrize("name", ["bob", "dan", "vic"])
def test_nothing_that_a_person_sees_depends_on_which_cases_are_planted(twins, name):
    one, other = (seen_by(house, name) for house in twins)
    assert one.keys() == other.keys() and len(one) > 60
    for path in (
        "/",
        "/case",
        "/api/case",
        "/api/cases",
        "/policy",
        "/dashboard",
        *(("/log",) * (name == "dan")),
    ):
        assert {status for key, (status, _) in one.items() if key[0] == path} == {200}, path
    for key, told_here in one.items():
        assert told_here == other[key], key


def test_over_http_administrators_alone_plant_and_are_told(house):
    """The law above could hold because nobody is told anything; somebody is."""
    house.open("r1", "r2", "r5", "r6")
    said = {"r1": "positive", "r2": "negative", "r5": "positive"}
    ada, dan = house.client("ada"), house.client("dan")
    assert dan.post("/api/planted", json={"answers": said}).status_code == 403
    head = house.store.head()
    for wrong in ({}, {"r1": "maybe"}, {"r1": True}, ["r1"]):
        assert ada.post("/api/planted", json={"answers": wrong}).status_code == 422
    assert ada.post("/api/planted", json={"answers": {**said, "r9": "negative"}}).status_code == 409
    assert house.store.head() == head
    assert ada.post("/api/planted", json={"answers": said}).status_code == 200
    assert ada.post("/api/planted", json={"answers": said}).status_code == 409
    assert ada.get("/api/planted").json() == said
    assert dan.get("/api/planted").status_code == 403
