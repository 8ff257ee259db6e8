"""Files: written whole or not at all, whoever is killed and whenever."""

import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write one file aside, fsync it and rename it: a reader sees the old file or the new one.

    Raises:
        OSError: when it cannot be written; the old file still stands then.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.new")
    aside.unlink(missing_ok=True)
    try:
        write_new(aside, content)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    sync(path.parent)


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet, and fsync it."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """Fsync a folder, so that the names in it outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
