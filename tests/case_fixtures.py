"""Fixtures of the tests of cases: the same store on SQLite and on a PostgreSQL of the tests' own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from case_material import BINARIES, numbered, postgresql, ticking
from foretell.cases import Store


@pytest.fixture(scope="session")
def server() -> Iterator[Callable[[], str]]:
    if not BINARIES.is_dir():
        pytest.skip("no PostgreSQL server in /usr/lib/postgresql")
    with postgresql("-c fsync=off") as fresh:
        yield fresh


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/cases.db"
    return request.getfixturevalue("server")()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(url, clock=ticking(), salt=numbered()) as opened:
        yield opened
