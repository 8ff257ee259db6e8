"""Generators and their sets over HTTP: fitted, stopped, gone on with, drawn from, refused."""

import time

import polars as pl
import pytest

from desk_material import House
from foretell.cases import Store
from foretell.cli_desk import opened
from foretell.errors import StoreError
from test_drawn_tables import people

LICENSED = {"source": "new/people.csv", "licence": "own"}
SHORT = {"budget": "2s", "checkpoint_every": 5}


@pytest.fixture
def house(tmp_path):
    """A desk over a new folder, beside data that its administrators may have generators learn from."""
    (tmp_path / "data" / "new").mkdir(parents=True)
    people(600, 0).write_csv(tmp_path / "data" / "new" / "people.csv")
    people(50, 0).write_csv(tmp_path / "other.csv")
    (tmp_path / "run").mkdir()
    house = House(f"sqlite:///{tmp_path}/run/cases.db", tmp_path / "data")
    yield house
    house.store.close()


def ended(client, answer, path):
    """Return how a request stands when its process has ended."""
    assert answer.status_code == 202, answer.text
    state = answer.json()
    while state["state"] == "running":
        time.sleep(0.2)
        state = client.get(path, params={"id": answer.json()["id"]}).json()
    return state


def test_a_generator_is_fitted_and_drawn_from_and_each_set_is_a_case(house):
    ada, bob = house.client("ada"), house.client("bob")
    asked = {"data": LICENSED, "train": SHORT, "language": "de"}
    assert bob.post("/api/generators", json=asked).status_code == 403
    begun = ada.post("/api/generators", json=asked)
    assert ada.post("/api/sets", json={"count": 20}).status_code in (404, 409)
    assert ada.post("/api/generators", json=asked).status_code == 409
    made = ended(ada, begun, "/api/generators")
    assert made["state"] == "done" and made["family"] == "next", made["said"]

    drawn = ended(ada, ada.post("/api/sets", json={"count": 20, "given": {"city": "west"}}), "/api/sets")
    assert drawn["state"] == "done", drawn["said"]
    rows = pl.read_csv(drawn["file"])
    assert len(rows) == drawn["count"] == 20 and {*rows["city"]} == {"west"}
    case = ada.get("/api/case", params={"id": drawn["case"]}).json()["case"]
    assert case["status"] == "open" and case["evidence"]["model"] == made["generator"]
    assert "umfasst 20 Stück" in "".join(part["text"] for part in case["narrative"]["claims"])
    assert ada.get("/api/sets", params={"id": "other"}).status_code == 404


def test_a_fit_that_was_stopped_goes_on(house):
    ada, checkpoint = house.client("ada"), house.store.folder / "training"
    asked = {"data": LICENSED, "train": {**SHORT, "budget": "3s"}}
    begun = ada.post("/api/generators", json=asked)
    where = {"id": begun.json()["id"]}
    while not [*checkpoint.glob("**/manifest.json")]:
        assert ada.get("/api/generators", params=where).json()["state"] == "running"
        time.sleep(0.1)
    assert ada.post("/api/generators/stop", params=where).status_code == 200
    assert ended(ada, begun, "/api/generators")["state"] == "stopped"
    assert not (house.store.folder / "model").exists()
    made = ended(ada, ada.post("/api/generators", json=asked), "/api/generators")
    assert made["state"] == "done", made["said"]
    again = ended(ada, ada.post("/api/generators", json=asked), "/api/generators")
    assert "fitted already" in again["said"] and again["generator"] == made["generator"]
    assert ada.post("/api/generators/stop", params=where).status_code == 200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "there is no '' among the data"),
        ({"data": {"source": "../other.csv"}}, "there is no '../other.csv'"),
        ({"data": {"source": "/etc/passwd"}}, "there is no '/etc/passwd'"),
        ({"data": {"source": "sqlite:///run/cases.db", "table": "events"}}, "there is no 'sqlite"),
        ({"data": {"source": "new/people.csv\0"}}, "among the data"),
        ({"data": LICENSED, "generate": {"children": {"../other.csv": "id"}}}, "generate.children"),
        ({"data": LICENSED, "generate": {"famly": "flow"}}, "family"),
        ({"data": LICENSED, "narrate": {"writer": "os:system"}}, "narrate"),
        ({"data": LICENSED, "out": "/tmp"}, "out"),
    ],
)
def test_what_cannot_be_learned_from_is_said_at_once(house, body, message):
    answer = house.client("ada").post("/api/generators", json=body)
    assert answer.status_code == 422 and message in answer.json()["error"]["message"]
    assert not (house.store.folder / "requests").exists()


def test_a_fault_that_shows_later_is_told_by_the_state(house):
    ada = house.client("ada")
    asked = {"data": {"source": "new/people.csv"}, "train": SHORT}
    state = ended(ada, ada.post("/api/generators", json=asked), "/api/generators")
    assert state["state"] == "failed" and "licence" in state["said"]


def test_a_desk_without_data_learns_nothing_and_without_a_generator_draws_nothing(tmp_path):
    house = House(f"sqlite:///{tmp_path}/cases.db")
    ada = house.client("ada")
    answer = ada.post("/api/generators", json={"data": LICENSED})
    assert answer.status_code == 404 and "--data" in answer.json()["error"]["hint"]
    answer = ada.post("/api/sets", json={"count": 20})
    assert answer.status_code == 404 and "no generator" in answer.json()["error"]["message"]
    house.store.close()


def test_a_run_that_predicts_keeps_its_model(house):
    model = house.store.folder / "model"
    model.mkdir()
    (model / "manifest.json").write_text('{"kind": "ensemble"}')
    answer = house.client("ada").post("/api/generators", json={"data": LICENSED})
    assert answer.status_code == 409 and "predicts" in answer.json()["error"]["message"]


def test_only_a_desk_with_data_opens_over_a_new_folder(tmp_path):
    with pytest.raises(StoreError, match="no case store"):
        opened(tmp_path / "run", "")
    with opened(tmp_path / "run", "", new=True) as store:
        assert isinstance(store, Store) and store.folder == tmp_path / "run"
