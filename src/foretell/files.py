"""Files: written whole or not at all, whoever is killed and whenever."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def aside(path: Path) -> Generator[Path, None, None]:
    """Yield where to write a file aside; when the block ends well it is fsynced and renamed.

    A reader sees the old file or the new one.

    Raises:
        OSError: when it cannot be written; the old file still stands then.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    try:
        yield new
        with new.open("rb") as file:
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    sync(path.parent)


def write_whole(path: Path, content: bytes) -> None:
    """Write one file as `aside` does.

    Raises:
        OSError: when it cannot be written; the old file still stands then.
    """
    with aside(path) as new:
        write_new(new, content)


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
