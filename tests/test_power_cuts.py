"""Power cuts: what a desk acknowledged outlives the loss of all that its disk had not synced."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from foretell.cases import database
from power_cuts import back_again, lived, lived_on, lost
from power_disk import Act, available, cuts

pytestmark = pytest.mark.skipif(not available(), reason="this Python's SQLite does not show its file layer")

CUTS = 200


@pytest.fixture
def spare() -> Iterator[Path]:
    """A folder in memory where there is one: a store that is opened after a cut need not wait for a disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def acts(tmp_path_factory: pytest.TempPathFactory) -> list[Act]:
    return lived(tmp_path_factory.mktemp("disk"))


def test_what_a_desk_acknowledged_outlives_power_cuts(acts, spare):
    assert [(cut.after, why) for cut in cuts(acts, CUTS, seed=0) if (why := lost(cut, spare))] == []
    kinds = {act.kind for act in acts}
    assert kinds == {"create", "write", "sync", "sync folder", "truncate", "delete", "note"}


def test_a_recovery_that_is_cut_short_loses_nothing_either(acts, spare):
    for cut in [*cuts(acts[:200], 2, seed=2), *cuts(acts, 4, seed=1)]:
        more = lived_on(cut, spare)
        assert [why for again in cuts(more, 6, seed=2, before=cut) if (why := lost(again, spare))] == []


@pytest.mark.parametrize("level", ["NORMAL", "OFF"])
def test_a_store_that_syncs_less_is_found_out(level, tmp_path, spare, monkeypatch):
    right = database._set_up_sqlite

    def less(connection, record):
        right(connection, record)
        connection.execute(f"PRAGMA synchronous = {level}")

    monkeypatch.setattr(database, "_set_up_sqlite", less)
    acts = lived(tmp_path)
    assert any(lost(cut, spare) for cut in cuts(acts, 40, seed=0))


@pytest.mark.parametrize(
    "sync", [("sync folder", ""), ("sync", "cases.db-wal"), ("sync", "cases.db")], ids="-".join
)
def test_a_disk_that_leaves_out_its_syncs_is_found_out(sync, acts, spare):
    left = [act for act in acts if (act.kind, act.file) != sync]
    assert any(lost(cut, spare) for cut in cuts(left, 40, seed=0))


def test_erased_content_would_come_back_if_the_emptied_journal_were_not_synced(acts):
    place = next(
        number for number, act in enumerate(acts) if isinstance(act.data, bytes) and act.kind == "note"
    )
    journal = [number for number, act in enumerate(acts[:place]) if act[:2] == ("sync", "cases.db-wal")][-1]
    for told, again in ((acts[: place + 1], False), (acts[:journal] + acts[journal + 1 : place + 1], True)):
        assert any(back_again(cut) for cut in cuts(told, 20, seed=0, since=len(told))) is again
