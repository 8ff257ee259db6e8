"""The desk over HTTP: every route behind its permission, every error a clear answer, every answer guarded."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from case_material import texts
from desk_material import PASSWORD, STAFF, House, form
from foretell.cases.people import PERMISSIONS
from foretell.serving.app import create
from foretell.serving.routes import ROUTES
from foretell.serving.security import ANYONE, HEADERS, SIGNED_IN

ROLES = {name: roles for name, roles, owner in STAFF if not owner}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = House(f"sqlite:///{tmp_path_factory.mktemp('serving')}/cases.db")
    house.open("r1", "r2", "r3")
    yield house
    house.store.close()


@pytest.fixture(scope="module")
def clients(house):
    return {name: house.client(name) for name in ("", "root", *ROLES)}


def test_what_is_served_is_in_the_table_of_routes_and_nothing_else(house):
    served = {
        (method, route.path)
        for route in create(house.store).routes
        for method in getattr(route, "methods", ())
        if method != "HEAD"
    }
    declared = {(route.method, route.path) for route in ROUTES}
    assert served == declared | {("GET", "/api/openapi.json")}
    assert {route.permission for route in ROUTES} <= {ANYONE, SIGNED_IN, *PERMISSIONS}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_each_route_answers_those_alone_who_have_its_permission(clients, route):
    if route.permission == ANYONE:
        pytest.skip("open to anybody")
    for name, client in clients.items():
        if route.path == "/sign-out" or (route.method, route.path) == ("DELETE", "/api/session"):
            continue  # it would end the session that the other routes need
        roles = ROLES.get(name, ("administrator",))
        allowed = name and (
            route.permission == SIGNED_IN or not PERMISSIONS[route.permission].isdisjoint(roles)
        )
        sent = {"data": form(client)} if route.page and route.method == "POST" else {}
        status = client.request(route.method, route.path, params={"id": "none"}, **sent).status_code
        assert (status == 401) is not bool(name), (name, status)
        if name:
            assert (status == 403) is not allowed, (name, status)
        assert status < 500


def test_every_answer_carries_the_security_headers_and_asks_nothing_of_other_hosts(clients):
    for path in ("/health", "/api/cases", "/api/nowhere", "/api/case?id=none"):
        answer = clients["bob"].get(path)
        for name, value in HEADERS:
            assert answer.headers[name] == value
        assert answer.headers["cache-control"] == "no-store"
        assert "unsafe" not in answer.headers["content-security-policy"]


def test_a_request_on_behalf_of_another_site_is_refused(clients, house):
    head = house.store.head()
    for headers in ({"origin": "https://elsewhere.example"}, {"sec-fetch-site": "cross-site"}):
        answer = clients["bob"].post("/api/case/claim?id=r1", headers=headers)
        assert answer.status_code == 403
        answer = clients[""].post("/api/session", json={"name": "bob", "password": PASSWORD}, headers=headers)
        assert answer.status_code == 403
    assert house.store.head() == head


def test_a_decision_is_durable_once_it_is_answered_and_bound_to_what_was_seen(clients, house):
    house.open("d1")
    bob, dan = clients["bob"], clients["dan"]
    shown = bob.get("/api/case?id=d1").json()["case"]
    body = {"verb": "edit", "content": shown["content"], "text": texts("d1")[1]}
    edited = bob.post("/api/case/decisions?id=d1", json=body)
    assert edited.json()["status"] == "open"
    stale = dan.post("/api/case/decisions?id=d1", json={"verb": "approve", "content": shown["content"]})
    assert stale.status_code == 409
    assert "bob edited its narrative" in stale.json()["error"]["message"]
    fresh = {"verb": "approve", "content": edited.json()["content"]}
    assert bob.post("/api/case/decisions?id=d1", json=fresh).status_code == 409
    assert dan.post("/api/case/decisions?id=d1", json=fresh).json()["status"] == "approved"
    assert house.store.case("d1").status == "approved"


def test_a_draft_is_checked_as_it_is_written_and_nothing_is_stored(clients, house):
    head = house.store.head()
    good = clients["bob"].post("/api/case/check?id=r2", json={"text": texts("r2")[1]}).json()
    assert good["verdict"]["passed"]
    bad = clients["bob"].post("/api/case/check?id=r2", json={"text": "It is surely fraud."}).json()
    assert not bad["verdict"]["passed"]
    assert house.store.head() == head


def test_a_key_works_like_a_session_and_a_wrong_one_does_not(clients, house):
    secret = clients["bob"].post("/api/keys", json={"person": "bobs-script"}).json()["secret"]
    client = house.client()
    assert client.get("/api/me", headers={"authorization": f"Bearer {secret}"}).json()["owner"] == "bob"
    assert client.get("/api/me", headers={"authorization": "Bearer wrong"}).status_code == 401


DEEP = "[" * 100_000 + "]" * 100_000
ODD = [
    ("not json", b"{", 422),
    ("deep", DEEP.encode(), (400, 422)),
    ("bad utf-8", b'{"name": "\xff", "password": "x"}', (400, 422)),
    ("lone surrogate", b'{"name": "\\ud800", "password": "x"}', (401, 403, 422)),
    ("nan", b'{"name": NaN, "password": "x"}', 422),
    ("too large", b'{"name": "' + b"x" * 300_000 + b'"}', 413),
    ("unknown field", b'{"name": "a", "password": "b", "admin": true}', 422),
]


@pytest.mark.parametrize(("what", "body", "status"), ODD, ids=[row[0] for row in ODD])
def test_a_body_that_cannot_be_read_is_refused_in_words(clients, what, body, status):
    answer = clients[""].post("/api/session", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (status if isinstance(status, tuple) else (status,)), answer.text
    assert set(answer.json()["error"]) == {"message", "hint"}


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=40), method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]), data=st.data())
def test_no_text_in_any_parameter_breaks_the_server(clients, text, method, data):
    route = data.draw(st.sampled_from([route for route in ROUTES if route.method == method]))
    if "session" in route.path or "password" in route.path:
        return
    names = ("id", "text", "after", "team", "sort", "status", "limit", "key", "proposal", "head")
    params = {name: data.draw(st.one_of(st.just(text), st.text(max_size=8))) for name in names}
    safe = {name: value.encode(errors="ignore").decode() for name, value in params.items()}
    json_values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    )
    body = json.dumps(data.draw(json_values)) if method != "GET" else None
    answer = clients["root"].request(
        method, route.path, params=safe, content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code < 500, answer.text
