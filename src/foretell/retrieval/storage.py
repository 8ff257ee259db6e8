"""The file of an index: one safetensors file whose every byte a digest covers; no pickle.

P: passages, T: terms, K: dimensions.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save
from scipy.sparse import csr_matrix

from foretell.errors import DataError
from foretell.files import write_whole
from foretell.retrieval.documents import Document, Line
from foretell.retrieval.ranking import Space

if TYPE_CHECKING:
    from foretell.retrieval.index import Index

FORMAT = 1


def write(path: Path, index: "Index") -> None:
    """Write an index aside, fsync it and rename it."""
    told = {
        "format": FORMAT,
        "embedder": index.embedder,
        "changed": index.changed,
        "documents": [asdict(each) for each in index.documents],
        "lines": index.lines,
        "terms": list(index.terms),
    }
    arrays = {
        "told": np.frombuffer(json.dumps(told, ensure_ascii=False).encode(), np.uint8),
        "counts": np.asarray(index.counts.data, np.float32),
        "counted": np.asarray(index.counts.indices, np.int32),
        "rows": np.asarray(index.counts.indptr, np.int64),
        "basis": np.ascontiguousarray(index.space.basis),
        "vectors": np.ascontiguousarray(index.space.vectors),
    }
    write_whole(path, save({**arrays, "digest": _digest(arrays)}))


def read(path: Path) -> dict[str, Any]:
    """Return the fields of an index.

    Raises:
        DataError: when the file is missing, is no index of this format, or was altered.
    """
    try:
        arrays = load(path.read_bytes())
        whole = bool((arrays.pop("digest") == _digest(arrays)).all())
        told = json.loads(arrays["told"].tobytes())
        if not whole or told["format"] != FORMAT:
            raise ValueError("it was altered" if not whole else f"its format is {told['format']}")
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"'{path}' cannot be read as an index of documents: {error}", "delete it, so that it is made anew"
        ) from error
    lines = [Line(*line) for line in told["lines"]]
    shape = (len(lines), len(told["terms"]))
    return {
        "embedder": told["embedder"],
        "changed": told["changed"],
        "documents": tuple(_document(each) for each in told["documents"]),
        "lines": lines,
        "terms": {word: place for place, word in enumerate(told["terms"])},
        "counts": csr_matrix((arrays["counts"], arrays["counted"], arrays["rows"]), shape=shape),
        "space": Space(arrays["basis"], arrays["vectors"]),
    }


def _document(said: Mapping[str, Any]) -> Document:
    readers = said["readers"]
    return Document(
        path=said["path"],
        version=said["version"],
        title=said["title"],
        name=said["name"],
        locks=tuple(tuple(lock) for lock in said["locks"]),
        readers=None if readers is None else tuple(readers),
    )


def _digest(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    told = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        told.update(f"{name} {array.dtype} {array.shape}".encode())
        told.update(array.data)
    return np.frombuffer(told.digest(), np.uint8)
