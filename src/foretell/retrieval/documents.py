"""Documents: which files there are, who may read each, and their text; what cannot be read says why."""

import glob
import hashlib
import os
import stat
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from foretell.errors import DataError, SpecError
from foretell.retrieval.markup import MOST_BYTES, READERS, Text
from foretell.retrieval.passages import passages, quoted

HEADINGS = " › "
"""Between a heading and the one above it."""
Locks = tuple[tuple[str, ...], ...]
"""Lists of roles and teams: to read, one must hold one name of each list. None: everybody may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A file that is not part of the index."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What an index knows of one file."""

    path: str
    version: str
    """SHA-256 of its bytes when it was read."""
    title: str
    locks: Locks
    """Those of the folders that it lies in."""
    readers: tuple[str, ...] | None
    """Who may read it by its own front matter; None where it names nobody."""
    name: str = ""
    """The title; with the path, where another document has the same title."""

    def open_to(self, names: Collection[str]) -> bool:
        """Tell whether who holds these roles and teams may read it."""
        locks = self.locks if self.readers is None else (*self.locks, self.readers)
        return all(any(name in names for name in lock) for lock in locks)


class Line(NamedTuple):
    """A passage, as the index holds it."""

    document: int
    start: int
    end: int
    heading: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A document as it lies on the disk."""

    path: str
    """As the spec leads to it."""
    version: str
    """SHA-256 of its bytes."""
    locks: Locks
    """Those of the folders that it lies in."""
    data: bytes


def found(sources: Sequence[str], rights: Mapping[str, Sequence[str]]) -> Iterator[File | Skipped]:
    """Yield each document once, in the order of their paths. Links are not followed: they lead out, or round.

    Args:
        sources: files, folders or globs.
        rights: folder -> roles and teams that may read what lies in it; all folders around a file count.

    Raises:
        DataError: when a source is not there, or holds no document.
        SpecError: when a folder of `rights` holds none of them: a slip there would open what is meant shut.
    """
    folders = {os.path.realpath(folder): tuple(names) for folder, names in rights.items()}
    used: set[str] = set()
    places: dict[str, str] = {}
    for source in sources:
        paths = sorted(_paths(source))
        if not paths:
            endings = ", ".join(READERS)
            raise DataError(f"'{source}' holds no document", f"name a folder, file or glob of {endings}")
        for path in paths:
            places.setdefault(os.path.realpath(path), path)
    for real, path in sorted(places.items(), key=lambda item: item[1]):
        around = [folder for folder in folders if os.path.commonpath((folder, real)) == folder]
        used.update(around)
        yield file_at(path, tuple(folders[folder] for folder in sorted(around)))
    for folder in rights:
        if os.path.realpath(folder) not in used:
            raise SpecError(
                f"narrate.rights names '{folder}', in which no document lies", "correct the folder's name"
            )


def _paths(source: str) -> Iterator[str]:
    # Path.glob leaves out what only glob finds: patterns that are absolute
    places = glob.glob(source, recursive=True) if glob.has_magic(source) else [source]  # noqa: PTH207
    for place in map(Path, places):
        if place.is_dir():
            for folder, _, names in os.walk(place):  # which follows no link
                yield from (str(Path(folder) / name) for name in names if _is_known(name))
        elif _is_known(place.name) and os.path.lexists(place):
            yield str(place)


def _is_known(name: str) -> bool:
    return Path(name).suffix.lower() in READERS


def file_at(path: str, locks: Locks = ()) -> File | Skipped:
    """Return what lies at a path, or why it is no document: it may be a link, a pipe, or endless."""
    try:
        state = os.lstat(path)
        if stat.S_ISLNK(state.st_mode):
            return Skipped(path=path, reason="it is a link, and links are not followed")
        if not stat.S_ISREG(state.st_mode):
            return Skipped(path=path, reason="it is no plain file")
        if state.st_size > MOST_BYTES:
            size = f"{state.st_size / 1e6:,.0f} MB"
            return Skipped(path=path, reason=f"it has {size}, more than {MOST_BYTES / 1e6:,.0f}: split it")
        data = Path(path).read_bytes()
    except OSError as error:
        return Skipped(path=path, reason=f"it cannot be read: {error.strerror}")
    return File(path=path, version=hashlib.sha256(data).hexdigest(), locks=locks, data=data)


def read(file: File, number: int) -> tuple[Document, list[Line]] | Skipped:
    """Return a document with its passages, or why it has none.

    Args:
        number: the document's place among those of the index.
    """
    try:
        said = text_of(file.path, file.data)
    except DataError as error:
        return Skipped(
            path=file.path, reason=f"{error.message}: {error.hint}" if error.hint else error.message
        )
    title = said.title or Path(file.path).stem
    document = Document(
        path=file.path, version=file.version, title=title, locks=file.locks, readers=said.readers
    )
    lines = []
    for section in said.sections:
        heading = HEADINGS.join(part for part in section.heading if part != title)
        for start, end in passages(said.text, section.start, section.end):
            if any(mark.isalnum() for mark in said.text[start:end]):
                lines.append(Line(number, start, end, heading, quoted(said.text[start:end])))
    return document, lines


def text_of(path: str, data: bytes) -> Text:
    """Return what a document says.

    Raises:
        DataError: when it cannot be read; the message does not name it.
    """
    return READERS[Path(path).suffix.lower()](data)


def named(documents: Sequence[Document]) -> tuple[Document, ...]:
    """Return the documents with names that tell them apart."""
    shared = Counter(each.title for each in documents)
    return tuple(
        replace(each, name=each.title if shared[each.title] == 1 else f"{each.title} ({each.path})")
        for each in documents
    )
