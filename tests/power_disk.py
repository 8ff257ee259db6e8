"""A disk that notes what SQLite does to it, and the states in which a power cut may leave it.

SQLite's own file layer is asked to tell of every write, truncation, sync, creation and deletion, for all
connections of this process; each still happens. After a cut there is what was synced before it. Of what was
not, any part may be there, each sector by itself; so may any creation or deletion whose folder was not
synced.
"""

import _sqlite3
import ctypes
import os
import random
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

SECTOR = 512
KEPT_SHARES = (0.0, 0.1, 0.5, 0.9, 1.0)
"""How much of what was not synced survives a cut; drawn anew for each."""
MAIN, MAIN_JOURNAL, WAL = 0x100, 0x800, 0x80000
CREATE = 0x4
OK = 0

_Address = ctypes.c_void_p
_Int, _Long = ctypes.c_int, ctypes.c_int64
# Names are passed on as addresses: SQLite keeps them, and reads options that stand behind them.
_Open = ctypes.CFUNCTYPE(_Int, _Address, _Address, _Address, _Int, _Address)
_Delete = ctypes.CFUNCTYPE(_Int, _Address, _Address, _Int)
_Write = ctypes.CFUNCTYPE(_Int, _Address, _Address, _Int, _Long)
_Truncate = ctypes.CFUNCTYPE(_Int, _Address, _Long)
_Sync = ctypes.CFUNCTYPE(_Int, _Address, _Int)


class _Layer(ctypes.Structure):
    """sqlite3_vfs of version 3."""

    _fields_ = (
        ("version", _Int),
        ("file_size", _Int),
        ("longest_name", _Int),
        ("next", _Address),
        ("name", ctypes.c_char_p),
        ("data", _Address),
        ("open", _Open),
        ("delete", _Delete),
        ("others", _Address * 14),
    )


class _Methods(ctypes.Structure):
    """sqlite3_io_methods of version 3."""

    _fields_ = (
        ("version", _Int),
        ("close", _Address),
        ("read", _Address),
        ("write", _Write),
        ("truncate", _Truncate),
        ("sync", _Sync),
        ("others", _Address * 13),
    )


class Act(NamedTuple):
    """One thing that was done to the disk, or, as `note`, said about it."""

    kind: str
    """create, delete, write, truncate, sync, sync folder, note."""
    file: str = ""
    place: int = 0
    data: Any = b""


def available() -> bool:
    """Tell whether the SQLite of this Python can be listened to."""
    path = getattr(_sqlite3, "__file__", "")
    return os.name == "posix" and bool(path) and hasattr(ctypes.CDLL(path), "sqlite3_vfs_find")


class Disk:
    """What was done to the files of one folder, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.acts: list[Act] = []
        self._open: dict[int, tuple[str, bool]] = {}
        self._methods: dict[int, tuple[_Methods, _Methods]] = {}

    def note(self, what: Any) -> None:
        """Remember that something was acknowledged at this point."""
        self.acts.append(Act("note", data=what))

    @contextmanager
    def recording(self) -> Generator[None, None, None]:
        """Note all that SQLite and this process's own syncs do to the folder meanwhile."""
        library = ctypes.CDLL(_sqlite3.__file__)
        library.sqlite3_vfs_find.restype = ctypes.POINTER(_Layer)
        usual = library.sqlite3_vfs_find(None)
        layer = _Layer.from_buffer_copy(usual.contents)
        layer.name = b"recorded"
        layer.open, layer.delete = _Open(self._opened(usual)), _Delete(self._deleted(usual))
        library.sqlite3_vfs_register(ctypes.byref(layer), 1)
        fsync = os.fsync
        os.fsync = self._synced(fsync)
        try:
            yield
        finally:
            os.fsync = fsync
            library.sqlite3_vfs_register(usual, 1)
            library.sqlite3_vfs_unregister(ctypes.byref(layer))

    def _opened(self, usual: Any) -> Any:
        def opened(layer: int, name: int | None, file: int, flags: int, out: int) -> int:
            path = Path(os.fsdecode(ctypes.string_at(name))) if name else None
            ours = path is not None and path.parent == self.folder and flags & (MAIN | MAIN_JOURNAL | WAL)
            there = ours and path.exists()
            result = usual.contents.open(layer, name, file, flags, out)
            if not ours or result != OK:
                return result
            if not there and path.exists():
                self.acts.append(Act("create", path.name))
            journal = flags & CREATE and flags & (MAIN_JOURNAL | WAL)
            self._open[file] = (path.name, bool(journal))
            # The first thing in a file of SQLite's is the address of its methods.
            methods = ctypes.cast(file, ctypes.POINTER(ctypes.c_void_p))
            methods[0] = ctypes.addressof(self._noting(methods[0]))
            return result

        return opened

    def _noting(self, address: int) -> _Methods:
        """Return methods that note what they do before they do it as these do."""
        if address not in self._methods:
            usual = _Methods.from_address(address)
            noting = _Methods.from_buffer_copy(usual)

            def write(file: int, data: int, size: int, place: int) -> int:
                self.acts.append(Act("write", self._open[file][0], place, ctypes.string_at(data, size)))
                return usual.write(file, data, size, place)

            def truncate(file: int, size: int) -> int:
                self.acts.append(Act("truncate", self._open[file][0], size))
                return usual.truncate(file, size)

            def sync(file: int, flags: int) -> int:
                result = usual.sync(file, flags)
                name, journal = self._open[file]
                self.acts.append(Act("sync", name))
                if journal:  # with the first sync of a new journal SQLite syncs its folder
                    self.acts.append(Act("sync folder"))
                    self._open[file] = (name, False)
                return result

            noting.write, noting.truncate, noting.sync = _Write(write), _Truncate(truncate), _Sync(sync)
            self._methods[address] = (usual, noting)
        return self._methods[address][1]

    def _deleted(self, usual: Any) -> Any:
        def deleted(layer: int, name: int, sync: int) -> int:
            path = Path(os.fsdecode(ctypes.string_at(name)))
            ours = path.parent == self.folder and path.exists()
            result = usual.contents.delete(layer, name, sync)
            if ours and result == OK:
                self.acts.append(Act("delete", path.name))
                if sync:
                    self.acts.append(Act("sync folder"))
            return result

        return deleted

    def _synced(self, fsync: Any) -> Any:
        def synced(handle: int) -> None:
            fsync(handle)
            number = os.fstat(handle).st_ino
            if number == self.folder.stat().st_ino:
                self.acts.append(Act("sync folder"))
            for path in self.folder.iterdir():
                if path.stat().st_ino == number:
                    self.acts.append(Act("sync", path.name))

        return synced


@dataclass(slots=True)
class _File:
    """Bytes that a cut cannot take, and what was done since to them."""

    held: bytearray = field(default_factory=bytearray)
    since: list[Act] = field(default_factory=list)

    def after(self, draw: random.Random, share: float) -> bytes:
        found = bytearray(self.held)
        for act in self.since:
            if act.kind == "truncate":
                if draw.random() < share:
                    _apply(found, act)
                continue
            start = 0
            while start < len(act.data):
                end = min(start + SECTOR - (act.place + start) % SECTOR, len(act.data))
                if draw.random() < share:
                    _apply(found, act._replace(place=act.place + start, data=act.data[start:end]))
                start = end
        return bytes(found)

    def sync(self) -> None:
        for act in self.since:
            _apply(self.held, act)
        self.since.clear()


def _apply(data: bytearray, act: Act) -> None:
    end = act.place + len(act.data)
    data.extend(bytes(max(0, end - len(data))))
    if act.kind == "truncate":
        del data[act.place :]
    else:
        data[act.place : end] = act.data


class Cut(NamedTuple):
    """What one power cut left."""

    after: int
    """Acts that had happened."""
    files: dict[str, bytes]
    noted: list[Any]
    """What had been acknowledged."""


NOTHING = Cut(0, {}, [])


def cuts(acts: list[Act], number: int, seed: int, before: Cut = NOTHING, since: int = 0) -> Iterator[Cut]:
    """Yield the disks that this many cuts, anywhere in what was recorded, leave.

    Args:
        before: what an earlier cut had left, when the recording began.
        since: the acts that happen before any cut.
    """
    draw = random.Random(seed)
    places = sorted(draw.randrange(since, len(acts) + 1) for _ in range(number))
    listed = {name: _File(bytearray(data)) for name, data in before.files.items()}
    held = dict(listed)
    moves: list[tuple[str, _File | None]] = []
    noted = [*before.noted]
    done = 0
    for place in places:
        for act in acts[done:place]:
            if act.kind == "note":
                noted.append(act.data)
            elif act.kind == "create":
                listed[act.file] = _File()
                moves.append((act.file, listed[act.file]))
            elif act.kind == "delete":
                moves.append((act.file, None))
                del listed[act.file]
            elif act.kind == "sync folder":
                _move(held, moves)
                moves.clear()
            elif act.kind == "sync":
                listed[act.file].sync()
            else:
                listed[act.file].since.append(act)
        done = place
        share = draw.choice(KEPT_SHARES)
        there = dict(held)
        _move(there, [change for change in moves if draw.random() < share])
        files = {name: file.after(draw, share) for name, file in there.items()}
        yield Cut(place, files, [*noted])  # the shared memory of a journal does not outlive a cut


def _move(listed: dict[str, _File], changes: list[tuple[str, _File | None]]) -> None:
    for name, file in changes:
        if file is None:
            listed.pop(name, None)
        else:
            listed[name] = file
