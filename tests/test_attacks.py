"""A slice of the attack of benchmarks/asking.py: hostile texts and random weights achieve nothing."""

from random import Random

import pytest
import torch

from attacks import CLAIMS, Tally, Words, assault, payload
from desk_browser import CHROMIUM, rich
from desk_material import House
from foretell.investigation import Investigator
from random_planner import Episodes, agents, plans

ROUNDS, EPISODES = 2, 40
"""The whole of it is run by benchmarks/asking.py."""


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium here")
    with assault(tmp_path_factory.mktemp("attacked")) as desk:
        for number in range(ROUNDS):
            desk.round(number, Random(number))
        yield desk


def test_hostile_words_change_no_decision_forge_no_claim_and_never_come_alive(attacked):
    told: Tally = attacked.tally
    assert (told.crashed, told.changed, told.forged, told.live) == ([], [], [], [])
    assert told.cases == ROUNDS
    assert sum(told.payloads.values()) > 30 * ROUNDS
    assert len(told.payloads) > 20


def test_the_attack_would_notice_what_it_looks_for(attacked):
    kept, attacked.tally = attacked.tally, Tally()
    attacked.heard(f"The amount is high. {CLAIMS[0]}")
    attacked.heard(f"The note says “{CLAIMS[1]}”.")
    assert attacked.tally.forged == [CLAIMS[0]]
    for alive in (
        "<img src=x onerror=alert(1)>",
        "<a href='//elsewhere.example'>x</a>",
        "<script>1</script>",
    ):
        attacked.tally.live.clear()
        attacked.page.set_content(f"<p>{alive}</p>")
        attacked.seen("", harmless=False)
        assert attacked.tally.live, alive
    attacked.tally = kept
    words = Words(Random(1), Tally())
    assert {words("cell", "") for _ in range(50)} != {payload(Random(1))}


@pytest.fixture
def house(tmp_path):
    torch.set_num_threads(1)
    house = House(f"sqlite:///{tmp_path / 'cases.db'}")
    house.store.open_cases([rich(f"r{number}", number) for number in range(5)])
    yield house
    assert house.store.verify_log().passed
    house.store.close()


def test_a_planner_of_random_weights_changes_nothing_and_each_episode_replays(house):
    told = Episodes()
    plans(Investigator(house.store, "bob"), house.store, EPISODES, told)
    assert (told.crashes, told.unauthorised, told.other_replays, told.unverified) == ([], [], [], 0)
    assert told.episodes == EPISODES and told.steps > EPISODES / 2 and told.claims > EPISODES / 4


def test_an_agent_of_random_weights_writes_suggestions_and_what_was_permitted_alone(house):
    told = Episodes()
    agents(house, EPISODES, told)
    assert (told.crashes, told.unauthorised) == ([], [])
    assert told.steps > EPISODES and told.suggestions > 0


def test_an_effect_that_nobody_permitted_would_be_noticed(house):
    told = Episodes()
    house.decide("dan", "r4", "escalate")
    agents(house, 1, told)
    assert told.unauthorised == ["dan escalated r4"]
