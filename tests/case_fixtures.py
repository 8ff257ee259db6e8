"""Fixtures of the tests of cases: the same store on SQLite and on a PostgreSQL of the tests' own."""

import atexit
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from case_material import BINARIES, numbered, postgresql, ticking
from foretell.cases import Store


@cache
def _started() -> Callable[[], str]:
    """Start a server once in a process: a fixture that files import would start one for each of them."""
    held = ExitStack()
    atexit.register(held.close)
    return held.enter_context(postgresql("-c fsync=off"))


@pytest.fixture(scope="session")
def server() -> Callable[[], str]:
    if not BINARIES.is_dir():
        pytest.skip("no PostgreSQL server in /usr/lib/postgresql")
    return _started()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/cases.db"
    return request.getfixturevalue("server")()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(url, clock=ticking(), salt=numbered()) as opened:
        yield opened
