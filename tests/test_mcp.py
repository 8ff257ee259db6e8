"""The tools over the Model Context Protocol, asked by the protocol's own client in processes of their own."""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import closing

import anyio
import httpx2
import pytest
from click.testing import CliRunner
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from case_material import decision
from desk_material import PASSWORD, House
from foretell.cases.people import Person
from foretell.cases.permits import Permits
from foretell.cli import main
from foretell.narration.answers import TOOLS

READS = {"cases", "ask", *TOOLS}


@pytest.fixture
def house(tmp_path):
    (tmp_path / "model").mkdir()
    house = House(f"sqlite:///{tmp_path / 'cases.db'}")
    house.policy({"rules": [{"name": "north", "probability_from": 0.95, "team": "north"}]})
    house.open("theirs", probability=0.97)
    house.open("ours", "mine", probability=0.9)
    yield house
    house.store.close()


def command(tmp_path, *more: str) -> list[str]:
    return [sys.executable, "-m", "foretell", "mcp", "--run", str(tmp_path), *more]


async def answered(client: Client, tool: str, **arguments: str) -> tuple[bool, str]:
    result = await client.call_tool(tool, arguments)
    return not result.is_error, "".join(part.text for part in result.content)


async def walked(client: Client, sees: bool) -> None:
    tools = (await client.list_tools()).tools
    assert {tool.name for tool in tools} == READS
    assert all(tool.annotations.read_only_hint for tool in tools)
    fine, text = await answered(client, "ask", case="ours", question="compare with mine")
    assert fine and json.loads(text)["sentences"]
    fine, text = await answered(client, "compare", case="ours", other="mine")
    assert fine and json.loads(text)["sentences"]
    fine, text = await answered(client, "cases")
    assert fine and ("theirs" in text) is sees
    fine, text = await answered(client, "facts", case="theirs")
    assert fine is sees and ("there is no case" in text) is not sees
    for tool, arguments in (("decide", {"case": "ours"}), ("ask", {"case": "ours"}), ("whatif", {"case": 3})):
        assert (await client.call_tool(tool, arguments)).is_error


def test_a_client_over_stdio_has_the_rights_of_its_key_and_changes_nothing(house, tmp_path):
    key = house.accounts.make_key("bob", "bob", 366)
    head = house.store.head()

    async def talk(given: str, sees: bool) -> None:
        run = command(tmp_path)
        environment = {**os.environ, "FORETELL_KEY": given}
        async with Client(StdioServerParameters(command=run[0], args=run[1:], env=environment)) as client:
            await walked(client, sees)

    anyio.run(talk, key, False)
    anyio.run(talk, "", True)
    assert house.store.head() == head


def test_over_http_every_request_brings_a_key_and_one_that_has_ended_is_refused(house, tmp_path):
    key = house.accounts.make_key("bob", "bob", 366)
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    served = subprocess.Popen(command(tmp_path, "--http", "--port", str(port)), stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/mcp"
    try:
        _wait(port)

        async def talk() -> None:
            http = httpx2.AsyncClient(headers={"authorization": f"Bearer {key}"})
            async with http, Client(streamable_http_client(url, http_client=http)) as client:
                await walked(client, False)

        anyio.run(talk)
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        assert httpx2.post(url, json=body).status_code == 401
        house.accounts.revoke_key("bob", house.accounts.keys("bob")[0].id)
        ended = httpx2.post(url, json=body, headers={"authorization": f"Bearer {key}"})
        assert ended.status_code == 401
    finally:
        served.terminate()
        served.wait(10)


def test_an_agent_suggests_over_stdio_and_acts_once_a_person_permitted_it(house, tmp_path):
    house.accounts.save("root", Person(name="bobs-agent", owner="bob"))
    key = house.accounts.make_key("bob", "bobs-agent", 366)
    run, kinds = command(tmp_path, "--act"), lambda: [event.kind for event in house.store.case("ours").events]

    async def talk() -> None:
        environment = {**os.environ, "FORETELL_KEY": key}
        async with Client(StdioServerParameters(command=run[0], args=run[1:], env=environment)) as client:
            tools = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}
            assert {*tools} == READS | {"suggest", "act"}
            assert tools["act"].destructive_hint and not tools["suggest"].read_only_hint
            _, told = await answered(client, "facts", case="ours")
            wanted = {"case": "ours", "act": "escalate", "content": json.loads(told)["content"]}
            for odd in ({**wanted, "act": "erase"}, {**wanted, "content": "0"}, {**wanted, "case": "theirs"}):
                assert not (await answered(client, "suggest", **odd))[0]
            fine, made = await answered(client, "suggest", **wanted)
            assert fine, made
            for forged in ("", "permit_", key):
                fine, text = await answered(client, "act", **wanted, token=forged)
                assert not fine and "permits nothing" in text
            assert kinds() == ["opened", "suggested"]
            number = json.loads(made)["suggestion"]
            given = CliRunner(env={"FORETELL_PASSWORD": PASSWORD}).invoke(
                main, ["permit", "ours", str(number), "--by", "dan", "--run", str(tmp_path)]
            )
            token = given.stdout.strip()
            assert not (await answered(client, "act", **{**wanted, "act": "approve"}, token=token))[0]
            assert not (await answered(client, "act", **wanted, reason="more", token=token))[0]
            fine, text = await answered(client, "act", **wanted, token=token)
            assert fine and json.loads(text)["status"] == "escalated"
            assert not (await answered(client, "act", **wanted, token=token))[0]

    anyio.run(talk)
    assert kinds() == ["opened", "suggested", "permitted", "escalated"]
    assert house.store.case("ours").events[-1].actor == "dan"


def test_nobody_suggests_without_a_key_and_nobody_permits_with_a_wrong_password(house, tmp_path):
    run = command(tmp_path, "--act")
    content = house.store.case("ours").content

    async def talk() -> None:
        environment = {name: value for name, value in os.environ.items() if name != "FORETELL_KEY"}
        async with Client(StdioServerParameters(command=run[0], args=run[1:], env=environment)) as client:
            fine, text = await answered(client, "suggest", case="ours", act="escalate", content=content)
            assert not fine and "FORETELL_KEY" in text

    anyio.run(talk)
    wanted = decision(house.store.case("ours"), "escalate", "bobs-script")
    number = Permits(house.store).suggest("bobs-script", "ours", wanted)
    head = house.store.head()
    for name, password in (("dan", "wrong"), ("bobs-script", PASSWORD), ("nobody", PASSWORD)):
        given = CliRunner(env={"FORETELL_PASSWORD": password}).invoke(
            main, ["permit", "ours", str(number), "--by", name, "--run", str(tmp_path)]
        )
        assert given.exit_code == 9 and "permit_" not in given.output
    assert house.store.head() == head


def _wait(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the server did not answer")
