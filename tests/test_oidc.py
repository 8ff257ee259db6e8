"""Signing in by OpenID Connect: who has an account comes in, by a true token of their own sign-in, once."""

import base64
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from fastapi.testclient import TestClient

from desk_material import House
from foretell.cases.people import Person
from foretell.cases.store import Store
from foretell.errors import DecisionError, SpecError
from foretell.serving.app import create
from foretell.serving.oidc import Provider, spec_of
from test_desk_server import desk

DESK = "http://127.0.0.1:8765"
ACCOUNTS = {"ada@example.org": "ada", "gone@example.org": "gone", "zoe@example.org": "zoe"}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = House(f"sqlite:///{tmp_path_factory.mktemp('oidc')}/cases.db")
    for active in (True, False):
        house.accounts.save("ada", Person(name="gone", roles=("reviewer",), active=active))
    yield house
    house.store.close()


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen]:
    with subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def honest() -> Iterator[str]:
    """Run a provider written by others; each code of it holds once, and only with its verifier and nonce."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    people = [
        option
        for email in (*ACCOUNTS, "stranger@example.org")
        for option in ("--user-claims", json.dumps({"sub": email, "email": email, "email_verified": True}))
    ]
    with running("-m", "oidc_provider_mock", "-p", str(port), "-n", "true", *people):
        for _ in range(300):
            try:
                httpx2.get(f"http://127.0.0.1:{port}/")
                break
            except httpx2.TransportError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def liar() -> Iterator[str]:
    with running(str(Path(__file__).with_name("lying_provider.py"))) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"


def written(folder: Path, issuer: str, **more: object) -> Path:
    told = {"issuer": issuer, "client": "desk", "desk": DESK, "name": "Example", "accounts": ACCOUNTS, **more}
    path = folder / "oidc.yaml"
    path.write_text(json.dumps(told))
    return path


def confidential(folder: Path, issuer: str, **more: object) -> Path:
    """Write of a client that has a secret."""
    secret = folder / "secret"
    secret.write_text("a secret/of+this client\n")
    return written(folder, issuer, secret_file=str(secret), **more)


@pytest.fixture
def client(house, liar, tmp_path) -> TestClient:
    return TestClient(
        create(house.store, Provider(spec_of(written(tmp_path, liar)))),
        base_url=DESK,
        raise_server_exceptions=False,
    )


def begun(client: TestClient, target: str = "/") -> dict[str, str]:
    """Begin to sign in; return what the provider is asked."""
    answer = client.get("/oidc", params={"next": target}, follow_redirects=False)
    assert answer.status_code == 303
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def name_of(client: TestClient) -> str:
    answer = client.get("/api/me")
    return answer.json()["name"] if answer.status_code == 200 else ""


def code(asked: dict[str, str], issuer: str, how: str = "right", **more: object) -> str:
    now = int(time.time())
    claims = {"iss": issuer, "aud": "desk", "sub": "1", "exp": now + 300, "iat": now, "nonce": asked["nonce"],
              "email": "ada@example.org", "email_verified": True, **more}  # fmt: skip
    told = {"claims": {name: value for name, value in claims.items() if value is not None}, "how": how}
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode()


def test_who_has_an_account_comes_in_by_a_provider_and_goes_on_where_they_wanted(house, honest, tmp_path):
    client = TestClient(create(house.store, Provider(spec_of(confidential(tmp_path, honest)))), base_url=DESK)
    page = client.get("/sign-in?next=/case?id=r%C3%BC")
    link = re.search(r'href="(/oidc[^"]+)"', page.text)
    assert link is not None and "Sign in with <bdi>Example</bdi>" in page.text
    for email, name in (("ada@example.org", "ada"), ("stranger@example.org", ""), ("gone@example.org", "")):
        client.cookies.clear()
        sent = client.get(link[1].replace("&amp;", "&"), follow_redirects=False).headers["location"]
        back = httpx2.post(sent, data={"sub": email}).headers["location"]
        answer = client.get(back)
        assert answer.status_code == (200 if name else 403), answer.text
        assert name_of(client) == name
        if name:
            assert answer.headers["refresh"] == "0; url=/case?id=r%C3%BC"
            client.cookies.clear()
        again = client.get(back)
        assert again.status_code == 403 and "used already" in again.text and name_of(client) == ""


def test_a_code_or_an_answer_holds_once_even_for_who_kept_the_cookie(house, honest, tmp_path):
    client = TestClient(create(house.store, Provider(spec_of(confidential(tmp_path, honest)))), base_url=DESK)
    sent = client.get("/oidc", follow_redirects=False).headers["location"]
    kept = client.cookies["foretell_oidc"]
    back = httpx2.post(sent, data={"sub": "ada@example.org"}).headers["location"]
    assert client.get(back).status_code == 200
    client.cookies.clear()
    client.cookies.set("foretell_oidc", kept, path="/oidc")
    assert client.get(back).status_code == 403 and name_of(client) == ""


NOW = int(time.time())
LIES = {
    "another issuer": {"iss": "https://elsewhere.example"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "another"},
    "no audience": {"aud": None},
    "several audiences": {"aud": ["desk", "another"]},
    "another party": {"azp": "another"},
    "another nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "run out": {"exp": NOW - 3600},
    "never runs out": {"exp": None},
    "no number": {"exp": float("nan")},
    "a text for a time": {"exp": "9999999999"},
    "of the future": {"iat": NOW + 86400},
    "unverified email": {"email_verified": False},
    "verified by a text": {"email_verified": "true"},
    "no email": {"email": None},
    "an email of no text": {"email": ["ada@example.org"]},
    "a stranger": {"email": "stranger@example.org"},
    "an account's name": {"email": "root"},
    "no account": {"email": "zoe@example.org"},
    "a closed account": {"email": "gone@example.org"},
}


def test_a_true_token_signs_in(client, liar):
    asked = begun(client, "/policy")
    answer = client.get(
        "/oidc/back", params={"state": asked["state"], "code": code(asked, liar), "iss": liar}
    )
    assert answer.status_code == 200 and name_of(client) == "ada"
    assert asked["code_challenge_method"] == "S256" and "secret" not in asked


def test_why_the_provider_refuses_is_told(client):
    given = {"state": begun(client)["state"], "error": "access_denied"}
    answer = client.get("/oidc/back", params=given)
    assert answer.status_code == 403 and "access_denied" in answer.text and name_of(client) == ""


@pytest.mark.parametrize("lie", LIES)
def test_a_token_that_lies_signs_nobody_in(client, liar, lie):
    asked = begun(client)
    given = {"state": asked["state"], "code": code(asked, liar, **LIES[lie])}
    assert client.get("/oidc/back", params=given).status_code == 403
    assert name_of(client) == ""


@pytest.mark.parametrize("how", ["none", "shared", "other", "no token"])
def test_a_token_that_the_provider_did_not_sign_signs_nobody_in(client, liar, how):
    asked = begun(client)
    given = {"state": asked["state"], "code": code(asked, liar, how)}
    assert client.get("/oidc/back", params=given).status_code == 403
    assert name_of(client) == ""


def test_an_answer_to_another_browser_or_by_another_issuer_signs_nobody_in(client, house, liar, tmp_path):
    asked = begun(client)
    for wrong in ({"state": asked["state"]}, {"state": ""}, {"iss": "https://elsewhere.example"}):
        client.cookies.clear()
        other = begun(client)
        right = {"state": other["state"], "code": code(other, liar)}
        assert client.get("/oidc/back", params={**right, **wrong}).status_code == 403
        assert name_of(client) == ""
    assert client.get("/oidc/back", params={"state": begun(client)["state"]}).status_code == 403
    for cookie in (
        "",
        "x",
        "W10=",
        base64.b64encode(json.dumps(["\ud800"] * 4).encode()).decode(),
        "[" * 3000,
    ):
        client.cookies.clear()
        client.cookies.set("foretell_oidc", cookie, path="/oidc")
        assert client.get("/oidc/back", params=right).status_code == 403
    fresh = TestClient(client.app, base_url=DESK)
    assert fresh.get("/oidc/back", params=right).status_code == 403


def test_a_provider_that_is_not_there_or_calls_itself_otherwise_is_told_of(house, liar, tmp_path):
    for issuer in ("http://127.0.0.1:1", f"{liar}/other"):
        client = TestClient(create(house.store, Provider(spec_of(written(tmp_path, issuer)))), base_url=DESK)
        answer = client.get("/oidc", follow_redirects=False)
        assert answer.status_code == 403 and "Signing in with Example failed" in answer.text
    plain = TestClient(create(house.store), base_url=DESK)
    assert plain.get("/oidc").status_code == plain.get("/oidc/back").status_code == 404
    assert "Sign in with" not in plain.get("/sign-in").text


def test_what_a_file_cannot_say_is_told(tmp_path):
    for text in ("", "[]", "issuer: https://x.example", "a: b", "issuer: 4\nclient: a\ndesk: b", "{", "\x00"):
        path = tmp_path / "odd.yaml"
        path.write_text(text)
        with pytest.raises(SpecError):
            spec_of(path)
    with pytest.raises(SpecError):
        spec_of(tmp_path / "none.yaml")
    with pytest.raises(SpecError):
        Provider(spec_of(written(tmp_path, "https://x.example", secret_file=str(tmp_path / "none"))))
    with pytest.raises(DecisionError, match="without encryption"):
        Provider(spec_of(written(tmp_path, "http://x.example")))


def test_a_desk_is_opened_with_a_provider_by_its_command(honest, tmp_path):
    url = f"sqlite:///{tmp_path}/cases.db"
    Store(url).close()
    path = confidential(tmp_path, honest, accounts={"ada@example.org": "root"})
    arguments = ("--store", url, "--founder", "root", "--oidc", str(path))
    with desk(*arguments) as (_, address), httpx2.Client(base_url=address) as client:
        sent = client.get("/oidc").headers["location"]
        back = urlsplit(httpx2.post(sent, data={"sub": "ada@example.org"}).headers["location"])
        assert client.get(f"{back.path}?{back.query}").status_code == 200
        assert client.get("/api/me").json()["name"] == "root"
