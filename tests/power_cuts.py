"""A store's life on a disk that loses power: what it acknowledged is there after any cut, once, and whole."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from case_material import proposal, texts
from desk_material import House
from foretell.cases.store import Store
from foretell.errors import ForetellError
from power_disk import Act, Cut, Disk

NAME = "cases.db"


def lived(folder: Path, rounds: int = 2) -> list[Act]:
    """Let a desk be founded, work, close and work again; return what was done to its disk.

    Noted are the events that were acknowledged, and the texts whose erasure was.
    """
    disk = Disk(folder.resolve())
    with disk.recording():
        house = House(f"sqlite:///{disk.folder}/{NAME}")
        house.policy({"rules": [{"name": "pairs", "probability_from": 0.8, "approvals": 2}]})
        disk.note(house.store.head())
        for number in range(rounds):
            _worked(house, disk, [f"r{number}-{each}" for each in range(24)])
            house.store.close()  # the last connection empties the journal and deletes it
    return disk.acts


def _worked(house: House, disk: Disk, rows: list[str]) -> None:
    house.open(*rows)
    disk.note(house.store.head())

    def decided(row: str) -> None:
        for name, verb in (("bob", "approve"), ("cleo", "comment"), ("cleo", "approve")):
            disk.note(house.decide(name, row, verb, reason="seen").events[-1])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(decided, rows[:16]))
    for row in rows[16:20]:
        disk.note(house.decide("bob", row, "edit", text=texts(row)[1]).events[-1])
    house.store.erase(rows[0], "ada")
    disk.note(texts(rows[0])[0].encode())
    disk.note(house.store.head())
    house.desk.claim("bob", rows[20])
    disk.note(house.decide("bob", rows[20], "reject").events[-1])


def lived_on(cut: Cut, folder: Path) -> list[Act]:
    """Let the store recover from a cut, and work on; return what was done to its disk meanwhile."""
    laid(cut, folder)
    disk = Disk(folder.resolve())
    with disk.recording(), Store(f"sqlite:///{disk.folder}/{NAME}", create=not cut.noted) as store:
        store.open_cases([proposal("after one cut")])
        disk.note(store.head())
    return disk.acts


def lost(cut: Cut, folder: Path) -> str:
    """Open what a cut left with the real code; return what is wrong with it, nothing when all is there."""
    laid(cut, folder)
    if back_again(cut):
        return "erased content is on the disk again"
    try:
        # Until something was acknowledged nobody was told that there is a store.
        with Store(f"sqlite:///{folder / NAME}", create=not cut.noted) as store:
            there = {(event.seq, event.digest) for event in store.events()}
            told = [each for each in cut.noted if not isinstance(each, bytes)]
            if gone := [each.seq for each in told if (each.seq, each.digest) not in there]:
                return f"{len(gone)} of {len(told)} acknowledged events are lost, the first is {gone[0]}"
            if faults := store.verify_log().faults:  # among them: a case that was decided twice
                return faults[0].text
            if cut.after % 4 == 0:  # costs as much as all before
                store.open_cases([proposal("after the cuts")])
        return _damage(folder / NAME)
    except (ForetellError, sqlite3.DatabaseError) as error:
        return f"it cannot be opened: {error}"


def back_again(cut: Cut) -> bool:
    """Tell whether content whose erasure was acknowledged stands in a file."""
    erased = [text for text in cut.noted if isinstance(text, bytes)]
    return any(text in data for text in erased for data in cut.files.values())


def laid(cut: Cut, folder: Path) -> None:
    """Lay the files that a cut left into a folder, and nothing else."""
    for old in folder.iterdir():
        old.unlink()
    for name, data in cut.files.items():
        (folder / name).write_bytes(data)


def _damage(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        said = connection.execute("PRAGMA integrity_check(1)").fetchall()
        said += connection.execute("PRAGMA foreign_key_check").fetchall()
    return "" if said == [("ok",)] else f"the database is damaged: {said}"
