"""Webhooks: allowed by two administrators, told at least once, in order, signed, and nowhere else."""

import base64
import hashlib
import hmac
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from case_material import behind, proposal
from desk_material import PASSWORD, House, form
from foretell.cases.accounts import Accounts
from foretell.cases.endpoints import KINDS, MOST_ENDPOINTS, Endpoints, checked_url
from foretell.cases.outbox import GIVE_UP, LEASE, Outbox
from foretell.cases.people import Person
from foretell.cases.planted import Planting
from foretell.cases.store import Store
from foretell.errors import AccessError, DecisionError
from foretell.outward import network_of
from foretell.serving.webhooks import Sender, sending, signature
from test_desk_server import desk

pytest_plugins = ("case_fixtures",)
LOOPBACK = (network_of("127.0.0.0/8"),)


@dataclass(frozen=True, slots=True)
class Hook:
    """A receiver that runs: where it is, and what has arrived."""

    url: str
    notes: Path

    def arrived(self) -> list[dict]:
        return [json.loads(line) for line in self.notes.read_text().splitlines()]

    def taken(self) -> list[dict]:
        return [json.loads(note["body"]) for note in self.arrived() if note["did"] == "200"]


@contextmanager
def receiving(folder: Path, plan: str = "") -> Iterator[Hook]:
    command = [sys.executable, str(Path(__file__).with_name("receiver.py")), str(folder / "notes"), plan]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            yield Hook(f"http://127.0.0.1:{port}/hook", folder / "notes")
        finally:
            process.kill()


@pytest.fixture
def house(url):
    house = House(url)
    yield house
    house.store.close()


def registered(house: House, url: str, kinds=KINDS, team: str = "") -> tuple[int, str]:
    endpoints = Endpoints(house.store)
    number, secret = endpoints.propose("root", url, kinds, team)
    endpoints.confirm("ada", number)
    return number, secret


def events(house: House) -> list[tuple[int, str, str]]:
    """Return what happened to cases, as the log tells it."""
    return [
        (event.seq, event.kind, event.case)
        for event in house.store.events()
        if not event.case.startswith("foretell:")
    ]


def told(messages: list[dict]) -> list[tuple[int, str, str]]:
    return [(each["data"]["seq"], each["data"]["kind"], each["data"]["case"]) for each in messages]


def work(house: House) -> None:
    """Let five people do eight things with four cases."""
    house.open("r1", "r2", "r3", "r4")
    house.decide("bob", "r1", "comment", reason="the customer is a friend of mine")
    house.decide("bob", "r1", "approve")
    house.decide("cleo", "r2", "reject", reason="seen before")
    house.decide("dan", "r3", "escalate", reason="too large")
    house.store.erase("r4", "ada")


def drain(house: House, sender: Sender, rounds: int = 60) -> None:
    """Send until nothing is left, an hour after the other."""
    outbox = Outbox(house.store)
    for _ in range(rounds):
        for number in outbox.due():
            sender.send(number)
        if not any(pace.behind for pace in Endpoints(house.store).paces().values()):
            return
        house.clock.move(hours=1.1)


def test_a_signature_is_the_one_that_the_specification_shows():
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    made = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_endpoint_is_in_force_once_another_administrator_confirmed_it(house, tmp_path):
    house.accounts.save("ada", Person(name="roots-script", roles=("administrator",), owner="root"))
    endpoints, outbox = Endpoints(house.store), Outbox(house.store)
    for name in ("bob", "dan", "vic"):
        with pytest.raises(AccessError, match="may not see or change webhooks"):
            endpoints.propose(name, "https://example.org/hook", ["opened"])
    number, secret = endpoints.propose("root", "https://example.org/hook", ["opened"])
    house.open("r1")
    for name in ("root", "roots-script", "dan"):
        with pytest.raises(AccessError):
            endpoints.confirm(name, number)
    assert outbox.due() == () and outbox.take(number) is None
    endpoints.confirm("ada", number)
    with pytest.raises(DecisionError, match="is confirmed by ada"):
        endpoints.confirm("ada", number)
    house.open("r2")
    parcel = outbox.take(number)
    assert parcel is not None and [json.loads(each.body)["data"]["case"] for each in parcel.messages] == [
        "r2"
    ]
    endpoints.end("root", number)
    assert outbox.due() == () and outbox.take(number) is None and endpoints.paces() == {}
    assert [each.state for each in endpoints.endpoints()] == ["withdrawn"]
    assert house.store.verify_log().passed
    with house.store.reading() as connection:
        raw = connection.exec_driver_sql("SELECT body FROM events UNION ALL SELECT body FROM contents").all()
    assert secret not in str(raw) and "example.org" in str(raw)


def test_nobody_leads_events_elsewhere_by_writing_to_the_table(house, url):
    number, _ = Endpoints(house.store).propose("root", "https://example.org/hook", KINDS)
    house.open("r1")
    behind(url, "UPDATE webhooks SET next_at = ''")
    outbox = Outbox(house.store)
    assert outbox.due() == (number,) and outbox.take(number) is None


@pytest.mark.parametrize(
    "url",
    ["http://example.org/", "ftp://example.org/", "https://", "https://ann:secret@example.org/", "example",
     "https://example.org/#x", "https://example.org/a b", "https://exa\nmple.org", "https://example.org:99999/",
     "https://例え.jp/", "http://127.0.0.1.example.org/", "https://[::1", "https:\\\\example.org",
     "https://example.org/" + "x" * 2000, "javascript:alert(1)", "file:///etc/passwd"],
)  # fmt: skip
def test_an_address_that_cannot_be_told_in_private_is_refused(url):
    with pytest.raises(DecisionError):
        checked_url(url)


def test_what_cannot_stand_is_refused_and_nothing_is_written(house):
    endpoints, head = Endpoints(house.store), house.store.head()
    for kinds, team in (([], ""), (["person"], ""), (["opened"], "a\u202eb"), (["opened"], "x" * 201)):
        with pytest.raises(DecisionError):
            endpoints.propose("root", "https://example.org/", kinds, team)
    for act in (endpoints.confirm, endpoints.end, endpoints.retry):
        with pytest.raises(DecisionError, match="there is no endpoint"):
            act("root", 10**9)
    assert house.store.head() == head
    for _ in range(MOST_ENDPOINTS):
        endpoints.propose("root", "https://example.org/", ["opened"])
    with pytest.raises(DecisionError, match="end one first"):
        endpoints.propose("root", "https://example.org/", ["opened"])


def test_whatever_the_receiver_does_every_event_arrives_in_order_and_signed(house, tmp_path):
    with receiving(tmp_path, "500,429,cut,302,200,404,503,cut,200,200,500") as hook:
        _, secret = registered(house, hook.url)
        work(house)
        drain(house, Sender(house.store, LOOPBACK))
        notes = hook.arrived()
    assert told(hook.taken()) == events(house) and len(events(house)) == 9
    assert {note["path"] for note in notes} == {"/hook"}, "no redirect was followed"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    bodies = {}
    for note in notes:
        headers, body = note["headers"], note["body"]
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode()
        right = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{right}"
        assert bodies.setdefault(headers["webhook-id"], body) == body, "one id, one message"
    assert [each["data"]["status"] for each in hook.taken()] == [
        *["open"] * 5, "approved", "rejected", "escalated", "erased",
    ]  # fmt: skip


def test_a_receiver_that_asks_for_time_is_given_it(house, tmp_path):
    with receiving(tmp_path, "429") as hook:
        number, _ = registered(house, hook.url)
        house.open("r1")
        outbox, sender = Outbox(house.store), Sender(house.store, LOOPBACK)
        assert not sender.send(number)
        house.clock.move(seconds=80)
        assert outbox.due() == ()
        house.clock.move(seconds=20)
        assert outbox.due() == (number,)


def test_an_endpoint_that_fails_too_long_is_stopped_and_loses_nothing(house, tmp_path):
    endpoints = Endpoints(house.store)
    with receiving(tmp_path, ",".join(["500"] * 40)) as hook:
        number, _ = registered(house, hook.url)
        work(house)
        sender, began = Sender(house.store, LOOPBACK), house.clock.at
        drain(house, sender)
        pace = endpoints.paces()[number]
        assert pace.stopped and pace.fault == "answered 500" and house.clock.at - began > GIVE_UP
        tried = len(hook.arrived())
        assert 20 < tried < 30
        house.clock.move(days=30)
        assert Outbox(house.store).due() == ()
        with pytest.raises(AccessError):
            endpoints.retry("dan", number)
        while endpoints.paces()[number].behind:
            endpoints.retry("ada", number)
            drain(house, sender)
        assert told(hook.taken()) == events(house)


def test_a_receiver_that_is_gone_is_asked_once(house, tmp_path):
    with receiving(tmp_path, "410") as hook:
        number, _ = registered(house, hook.url)
        work(house)
        drain(house, Sender(house.store, LOOPBACK))
        assert len(hook.arrived()) == 1
        assert Endpoints(house.store).paces()[number].stopped


def test_two_senders_never_send_the_same_while_both_live(house, url, tmp_path):
    with receiving(tmp_path) as hook, Store(url, create=False, clock=house.clock) as other:
        registered(house, hook.url)
        numbers = [registered(house, hook.url)[0] for _ in range(2)]
        house.open(*(f"r{number}" for number in range(60)))
        with sending(house.store, LOOPBACK), sending(other, LOOPBACK):
            while any(pace.behind for pace in Endpoints(house.store).paces().values()):
                time.sleep(0.02)
        ids = [note["headers"]["webhook-id"] for note in hook.arrived()]
    assert sorted(ids) == sorted([*{*ids}] * (len(numbers) + 1))
    assert len({*ids}) == 60


def test_what_a_dead_sender_had_leased_is_sent_by_another(house, tmp_path):
    with receiving(tmp_path) as hook:
        number, _ = registered(house, hook.url)
        work(house)
        outbox = Outbox(house.store)
        lost = outbox.take(number)
        assert lost is not None and outbox.take(number) is None
        house.clock.move(seconds=LEASE.total_seconds() + 1)
        drain(house, Sender(house.store, LOOPBACK))
        before = Endpoints(house.store).paces()
        outbox.settle(lost, 0)
        assert Endpoints(house.store).paces() == before, "the dead one moves nothing any more"
    assert told(hook.taken()) == events(house)


def test_only_the_chosen_kinds_and_team_are_told_and_no_planted_case(house, tmp_path):
    house.policy({"rules": [{"name": "north", "probability_from": 0.8, "team": "north"}]})
    with receiving(tmp_path) as hook:
        registered(house, hook.url, ["opened"], "north")
        house.open("r1", "r2", "planted")
        house.open("low", probability=0.3)
        Planting(house.store).plant("ada", {"planted": True})
        house.decide("dan", "low", "comment", reason="x")
        drain(house, Sender(house.store, LOOPBACK))
        assert [(each["type"], each["data"]["case"]) for each in hook.taken()] == [
            ("case.opened", "r1"),
            ("case.opened", "r2"),
        ]


def test_a_message_tells_no_words_of_people_and_no_more_than_who_judges_first_may_know(house, tmp_path):
    with receiving(tmp_path) as hook:
        registered(house, hook.url)
        work(house)
        drain(house, Sender(house.store, LOOPBACK))
        taken, text = hook.taken(), json.dumps(hook.arrived())
    for word in ("Maria", "Muster", "231.5", "friend", "seen before", "0.9", "90.0", "bob", "cleo", "dan"):
        assert word not in text
    house.policy({"blind_share": 1.0})
    house.open("r5")
    bob = house.client("bob")
    hidden = bob.get("/api/case?id=r5").json()["case"]
    known = {*hidden, *hidden["events"][0], *hidden["events"][0]["body"]}
    for each in taken:
        assert {*each} == {"type", "timestamp", "data"}
        assert {*each["data"]} <= known


def approve(address: str, contents: dict[str, str], acknowledged: list[str]) -> None:
    """Approve one case after the other until the desk is gone."""
    with httpx2.Client(base_url=address) as client, suppress(httpx2.TransportError):
        client.post("/api/session", json={"name": "bob", "password": PASSWORD})
        for case_id, content in contents.items():
            body = {"verb": "approve", "content": content}
            answer = client.post(f"/api/case/decisions?id={case_id}", json=body)
            assert answer.status_code == 200, answer.text
            acknowledged.append(case_id)


def test_what_a_killed_desk_had_not_sent_is_sent_by_the_next(tmp_path):
    url = f"sqlite:///{tmp_path}/cases.db"
    with Store(url) as store, receiving(tmp_path, "500") as hook:
        accounts, endpoints = Accounts(store), Endpoints(store)
        accounts.found("root", PASSWORD)
        accounts.save("root", Person(name="ada", roles=("administrator",)))
        accounts.save("root", Person(name="bob", roles=("reviewer",)), PASSWORD)
        number, _ = endpoints.propose("root", hook.url, ["approved"])
        endpoints.confirm("ada", number)
        store.open_cases(proposal(f"r{number}") for number in range(200))
        contents = {case.id: case.content for case in store.all_cases()}
        acknowledged: list[str] = []
        with desk("--store", url, "--webhook-network", "127.0.0.1") as (process, address):
            worker = threading.Thread(target=approve, args=(address, contents, acknowledged))
            worker.start()
            while not hook.taken():
                time.sleep(0.01)
            process.kill()
            worker.join()
        approved = [event.case for event in store.events() if event.kind == "approved"]
        assert {*acknowledged} <= {*approved} and len({*told(hook.taken())}) < len(approved)
        with Store(url, clock=lambda: datetime.now(UTC) + timedelta(hours=2)) as later:
            sender = Sender(later, LOOPBACK)
            while endpoints.paces()[number].behind:
                sender.send(number)
        told_of = [each["data"]["case"] for each in hook.taken()]
        ids = [note["headers"]["webhook-id"] for note in hook.arrived()]
        assert list(dict.fromkeys(told_of)) == approved, "all, in order"
        assert len({*ids}) == len(approved), "what came twice has one id"


def test_nothing_leaves_the_desk_by_a_page_or_the_api_without_two_administrators(house, tmp_path):
    root, dan = house.client("root"), house.client("dan")
    with receiving(tmp_path) as hook:
        body = {"url": hook.url, "kinds": ["opened"]}
        assert dan.post("/api/webhooks", json=body).status_code == 403
        assert root.post("/api/webhooks", json={**body, "url": "http://example.org"}).status_code == 409
        made = root.post("/api/webhooks", json=body).json()
        assert root.post(f"/api/webhooks/confirm?endpoint={made['endpoint']}").status_code == 403
        house.open("r1")
        drain(house, Sender(house.store, LOOPBACK), 3)
        assert hook.arrived() == []
        ada = house.client("ada")
        assert ada.post(f"/api/webhooks/confirm?endpoint={made['endpoint']}").status_code == 200
        house.open("r2")
        drain(house, Sender(house.store, LOOPBACK))
        assert [each["data"]["case"] for each in hook.taken()] == ["r2"]
        listed = ada.get("/api/webhooks")
        assert listed.json()[0]["pace"]["delivered"] == 1 and made["secret"] not in listed.text


def test_the_page_shows_a_secret_once_and_what_stands_still(house, tmp_path):
    root, ada = house.client("root"), house.client("ada")
    with receiving(tmp_path, "500,410") as hook:
        sent = {"url": hook.url, "kind_opened": "on", "team": "<b>north"}
        page = root.post("/webhooks", data=form(root, **sent))
        (secret,) = re.findall(r"whsec_[A-Za-z0-9+/=]+", page.text)
        assert page.status_code == 200 and "<b>north" not in page.text
        number = Endpoints(house.store).endpoints()[0].id
        for client in (root, ada):
            text = client.get("/webhooks").text
            assert secret not in text and ("Put into force" in text) is (client is ada)
        do = {"endpoint": str(number)}
        assert root.post("/webhooks/act", data=form(root, do="confirm", **do)).status_code == 409
        assert "is in force" in ada.post("/webhooks/act", data=form(ada, do="confirm", **do)).text
        house.policy({"rules": [{"name": "n", "team": "<b>north"}]})
        house.open("r1")
        sender = Sender(house.store, LOOPBACK)
        sender.send(number)
        assert "Failing" in root.get("/webhooks").text
        house.clock.move(seconds=5)
        sender.send(number)
        assert "Stopped" in root.get("/webhooks").text
        assert "tried again" in root.post("/webhooks/act", data=form(root, do="retry", **do)).text
        sender.send(number)
        assert "1 message delivered" in root.get("/webhooks").text
        assert "is ended" in root.post("/webhooks/act", data=form(root, do="end", **do)).text
        for wrong in ({"endpoint": "x", "do": "end"}, {"endpoint": "1", "do": "x"}, {"url": "https://"}):
            path = "/webhooks" if "url" in wrong else "/webhooks/act"
            assert root.post(path, data=form(root, **wrong)).status_code == 409
