"""The one checkpoint: a folder whose manifest carries the SHA-256 of every other file. No pickle.

A save is written aside, fsynced and renamed, so that whoever is killed, whenever, leaves the old folder or
the new one. The names on the way, beside the folder `model`:

    .model.part     being written; worthless when its writer died
    .model.new      complete and fsynced, not yet in place
    .model.old      the folder it replaces, until it is in place
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.numpy

from foretell import __version__
from foretell.errors import CheckpointError
from foretell.files import sync, write_new
from foretell.records import canonical

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
MANIFEST = "manifest.json"
Files = Mapping[str, bytes]
Upgrade = Callable[[Mapping[str, Any], Files], tuple[Mapping[str, Any], Files]]

UPGRADES: Mapping[int, Upgrade] = {}
"""Format n -> what turns its manifest and files into those of format n + 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A verified folder, held in memory: what is read from it is what was verified."""

    folder: Path
    manifest: Mapping[str, Any]
    """format, kind, data (fingerprint), versions, files (name -> bytes, sha256)."""
    digest: str
    """SHA-256 of the manifest as it stands on the disk; it names the model."""
    files: Files

    @property
    def kind(self) -> str:
        return self.manifest["kind"]

    def read(self, name: str) -> bytes:
        """Return the content of one file.

        Raises:
            CheckpointError: when the checkpoint has no such file.
        """
        if name not in self.files:
            raise CheckpointError(
                f"The checkpoint '{self.folder}' ({self.kind}) has no file '{name}'",
                f"it holds: {', '.join(sorted(self.files))}",
            )
        return self.files[name]

    def text(self, name: str) -> str:
        return self.read(name).decode()

    def json(self, name: str) -> Any:
        return json.loads(self.read(name))

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """Return the arrays of a safetensors file; needs no torch."""
        return safetensors.numpy.load(self.read(name))

    def tensors(self, name: str) -> "dict[str, Tensor]":
        """Return the tensors of a safetensors file."""
        from safetensors.torch import load

        return load(self.read(name))


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the safetensors bytes of NumPy arrays; equal arrays give equal bytes."""
    return safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def pack_tensors(tensors: "Mapping[str, Tensor]") -> bytes:
    """Return the safetensors bytes of tensors; tied ones are written once per name."""
    from safetensors.torch import save

    return save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()})


def save(folder: Path, files: Files, *, kind: str, data: str = "") -> str:
    """Write a checkpoint, replacing the one that stands there, and return its digest.

    Args:
        folder: where it will stand; its parents are made.
        files: name -> content; subfolders are not allowed.
        kind: what it is, as in `training` or `model`.
        data: fingerprint of the data it was fitted on.

    Raises:
        CheckpointError: when it cannot be written; what stood there before is intact.
    """
    manifest = canonical(
        {
            "format": FORMAT,
            "kind": kind,
            "data": data,
            "versions": {"foretell": __version__, "numpy": version("numpy"), "torch": version("torch")},
            "files": {
                name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
                for name, content in files.items()
            },
        }
    )
    _check_names(folder, files)
    folder = folder.absolute()
    part, new = _aside(folder, "part"), _aside(folder, "new")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.parent):
            _recover(folder)
            try:
                part.mkdir()
                for name, content in {**files, MANIFEST: manifest}.items():
                    write_new(part / name, content)
                sync(part)
                part.rename(new)
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise
            sync(folder.parent)
            _recover(folder)
    except OSError as error:
        size = sum(map(len, files.values())) / 1e6
        raise CheckpointError(
            f"The checkpoint '{folder}' ({size:.1f} MB) could not be written: {error.strerror or error}",
            "free some space or choose another folder; what stood there before is intact",
        ) from error
    return hashlib.sha256(manifest).hexdigest()


def open_checkpoint(folder: Path, *, without: frozenset[str] = frozenset()) -> Checkpoint:
    """Return the checkpoint after the SHA-256 of each of its files was compared with the manifest.

    Args:
        without: files that are not read, and need not be there.

    Raises:
        CheckpointError: when the folder or its manifest is missing, a file is missing, cut short or altered,
            the format is unknown, or the manifest names a file outside the folder.
    """
    folder = folder.absolute()
    if any(_aside(folder, what).exists() for what in ("part", "new", "old")):
        with suppress(PermissionError), _locked(folder.parent):
            _recover(folder)
    while True:
        raw = _read_manifest(folder)
        try:
            manifest, files = _verified(folder, raw, without)
        except CheckpointError:
            # A save may have put a new folder in place while the files of the old one were being read.
            if _read_manifest(folder) == raw:
                raise
        else:
            manifest, files = upgraded(manifest, files)
            digest = hashlib.sha256(raw).hexdigest()
            return Checkpoint(folder=folder, manifest=manifest, digest=digest, files=files)


def exists(folder: Path) -> bool:
    """Return whether a checkpoint stands in the folder, or a killed save left one that can be finished."""
    return any((path / MANIFEST).exists() for path in (folder, _aside(folder, "new"), _aside(folder, "old")))


def digest(folder: Path) -> str:
    """Return the SHA-256 of the folder's manifest: the name of what the folder holds."""
    return hashlib.sha256(_read_manifest(folder)).hexdigest()


def upgraded(
    manifest: Mapping[str, Any],
    files: Files,
    *,
    upgrades: Mapping[int, Upgrade] = UPGRADES,
    wanted: int = FORMAT,
) -> tuple[Mapping[str, Any], Files]:
    """Return manifest and files in the wanted format, one upgrade after the other."""
    while manifest["format"] < wanted:
        manifest, files = upgrades[manifest["format"]](manifest, files)
    return manifest, files


def _check_names(folder: Path, names: Mapping[str, Any]) -> None:
    for name in names:
        if name in ("", ".", "..", MANIFEST) or {"/", "\\", "\0"} & set(name):
            raise CheckpointError(
                f"The checkpoint '{folder}' names the file {name!r}, which is not a plain file name",
                "use a checkpoint from a source that you trust",
            )


def _read_manifest(folder: Path) -> bytes:
    try:
        return (folder / MANIFEST).read_bytes()
    except OSError as error:
        if folder.is_dir():
            message = (
                f"The folder '{folder}' is no checkpoint: its {MANIFEST} cannot be read ({error.strerror})"
            )
        else:
            message = f"There is no checkpoint at '{folder}'"
        raise CheckpointError(message, "name the folder that `foretell fit` wrote") from error


def _verified(folder: Path, raw: bytes, without: frozenset[str]) -> tuple[dict[str, Any], dict[str, bytes]]:
    try:
        manifest = json.loads(raw)
        form, listed = manifest["format"], {**manifest["files"]}
        sums = {name: (int(entry["bytes"]), str(entry["sha256"])) for name, entry in listed.items()}
        _ = manifest["kind"], manifest["data"], manifest["versions"]
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"The manifest of '{folder}' is damaged ({type(error).__name__}: {error})", _RESTORE
        ) from error
    if form not in [FORMAT, *UPGRADES]:
        raise CheckpointError(
            f"The checkpoint '{folder}' has format {form!r}; release {__version__} reads up to {FORMAT}",
            "install the release that wrote it, or a later one",
        )
    _check_names(folder, sums)
    read = {name: wanted for name, wanted in sums.items() if name not in without}
    return manifest, {name: _content(folder, name, *wanted) for name, wanted in read.items()}


_RESTORE = "restore the folder from a copy, or fit again"


def _content(folder: Path, name: str, num_bytes: int, sha256: str) -> bytes:
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"The checkpoint '{folder}' lacks '{name}' ({error.strerror})", _RESTORE
        ) from error
    if len(content) < num_bytes:
        raise CheckpointError(
            f"'{name}' of the checkpoint '{folder}' is cut short: {len(content)} of {num_bytes} bytes",
            _RESTORE,
        )
    if hashlib.sha256(content).hexdigest() != sha256:
        raise CheckpointError(
            f"'{name}' of the checkpoint '{folder}' was altered: its SHA-256 is not the manifest's", _RESTORE
        )
    return content


def _aside(folder: Path, what: str) -> Path:
    return folder.with_name(f".{folder.name}.{what}")


@contextmanager
def _locked(parent: Path) -> Generator[None, None, None]:
    """Hold the lock on a folder: a save in progress is no leftover of a killed one."""
    handle = os.open(parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _recover(folder: Path) -> None:
    """Finish or undo what a save left: afterwards `folder` is the newest complete one, alone."""
    part, new, old = (_aside(folder, what) for what in ("part", "new", "old"))
    if part.exists():
        shutil.rmtree(part)
    if new.exists():
        if folder.exists():
            if old.exists():
                shutil.rmtree(old)
            folder.rename(old)
        new.rename(folder)
        sync(folder.parent)
    if old.exists():
        if folder.exists():
            shutil.rmtree(old)
        else:
            old.rename(folder)
