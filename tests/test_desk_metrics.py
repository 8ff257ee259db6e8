"""Figures for monitoring: they count what was answered and decided, and tell no id and no name."""

import re

import pytest

from case_material import decision
from desk_material import House
from foretell.serving.metrics import BOUNDS

LINE = re.compile(r'^([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\.)*",?)*)\})? (\d+(?:\.\d+)?(?:e-?\d+)?)$')


@pytest.fixture
def house(tmp_path):
    house = House(f"sqlite:///{tmp_path}/cases.db")
    yield house
    house.store.close()


def figures(client) -> dict[str, float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found, typed = {}, set()
    for line in answer.text.splitlines():
        if line.startswith("# TYPE "):
            typed.add(line.split()[2])
        elif not line.startswith("#"):
            match = LINE.match(line)
            assert match, line
            assert re.sub("_(bucket|sum|count)$", "", match[1]) in typed or match[1] in typed
            found[f"{match[1]}{{{match[2] or ''}}}"] = float(match[3])
    return found


def test_answers_are_counted_by_route_and_status(house):
    house.open("r1")
    bob = house.client("bob")
    before = figures(bob)
    for _ in range(3):
        bob.get("/api/case?id=r1")
    bob.get("/api/case?id=none")
    bob.get("/nowhere/Maria-Muster")
    after = figures(bob)

    def grown(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    requests = "foretell_requests_total"
    assert grown(f'{requests}{{method="GET",route="/api/case",status="200"}}') == 3
    assert grown(f'{requests}{{method="GET",route="/api/case",status="404"}}') == 1
    assert grown(f'{requests}{{method="other",route="other",status="404"}}') == 1
    assert grown('foretell_request_seconds_count{route="/api/case"}') == 4
    assert grown('foretell_request_seconds_sum{route="/api/case"}') > 0
    bins = [after[f'foretell_request_seconds_bucket{{route="/api/case",le="{bound:g}"}}'] for bound in BOUNDS]
    assert bins == sorted(bins) and bins[-1] <= 4


def test_cases_decisions_and_the_log_are_counted_as_they_stand(house):
    house.open("r1", "r2", "r3")
    bob = house.client("bob")
    first = figures(bob)
    assert first['foretell_cases{status="open"}'] == 3
    assert first['foretell_decisions_total{kind="approved"}'] == 0
    house.decide("cleo", "r1", "approve")
    house.decide("cleo", "r2", "reject", reason="x")
    for _ in range(2):
        found = figures(bob)
        assert found['foretell_cases{status="open"}'] == 1
        assert found['foretell_cases{status="approved"}'] == 1
        assert found['foretell_decisions_total{kind="approved"}'] == 1
        assert found['foretell_decisions_total{kind="rejected"}'] == 1
        assert found["foretell_log_events{}"] == house.store.head().seq


def test_no_case_and_no_person_is_named_in_a_figure(house):
    house.open("r1")
    bob = house.client("bob")
    bob.get("/api/case?id=r1")
    bob.get("/log?actor=cleo")
    bob.post("/api/case/decisions?id=r1", json={"verb": "approve", "content": "x"})
    assert figures(bob)
    text = bob.get("/metrics").text
    assert decision(house.store.case("r1"), "approve").content not in text
    for name in ("r1", "bob", "cleo", "Maria"):
        assert not re.search(rf"\b{name}\b", text)


def test_figures_are_for_those_who_may_read_by_session_or_key(house):
    assert house.client().get("/metrics").status_code == 401
    secret = house.client("bob").post("/api/keys", json={"person": "bobs-script"}).json()["secret"]
    answer = house.client().get("/metrics", headers={"authorization": f"Bearer {secret}"})
    assert answer.status_code == 200
