"""The API against its own description: what fits `/api/openapi.json`, and much that does not, is answered."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from desk_browser import served
from desk_material import House

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ROWS = ("r1", "r2", "=cmd|'/c calc'!A1", "<img src=x onerror=alert(1)>")
NAMES = ("", "root", "bob", "dan", "vic")


LONGEST_HEAD = 60_000
"""Bytes of an address from which the server may refuse the request by itself, in plain text."""


@dataclass(frozen=True, slots=True)
class Served:
    schema: Any
    address: str
    keys: dict[str, str]


@pytest.fixture(scope="module")
def api(tmp_path_factory) -> Iterator[Served]:
    house = House(f"sqlite:///{tmp_path_factory.mktemp('schema')}/cases.db")
    house.open(*ROWS)
    keys = {name: house.accounts.make_key(name, name, 300) for name in NAMES if name}
    with served(house.store) as address:
        yield Served(schemathesis.openapi.from_url(f"{address}/api/openapi.json"), address, keys)
    house.store.close()


def asked(api: Served, name: str, each: int) -> int:
    """Ask every operation that often, with what fits and what does not; return the number of requests."""
    session, num_asked = requests.Session(), 0
    session.trust_env = False
    for result in api.schema.get_all_operations():
        operation = result.ok()
        modes = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]

        @settings(
            max_examples=each,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=[*HealthCheck],
        )
        @given(case=st.one_of(modes), row=st.one_of(st.none(), st.sampled_from(ROWS)))
        def ask(case: schemathesis.Case, row: str | None) -> None:
            nonlocal num_asked
            if row is not None and case.query and "id" in case.query:
                case.query["id"] = row
            headers = {"authorization": f"Bearer {api.keys[name]}"} if name else {}
            answer = case.call(session=session, headers=headers)
            num_asked += 1
            if len(answer.request.path_url) > LONGEST_HEAD:  # never reaches the desk
                assert answer.status_code == 400
                return
            case.validate_response(answer, checks=CHECKS)

        ask()
    return num_asked


@pytest.mark.parametrize("name", NAMES)
def test_every_answer_is_as_the_description_says(api, name):
    assert asked(api, name, 2) > 50


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_answer_is_as_the_description_says_for_long(api, name):
    assert asked(api, name, 300) > 5000
