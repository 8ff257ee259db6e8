"""Snapshots at rest: a stream's state as a checkpoint folder, bound to the model that it belongs to."""

from dataclasses import fields
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl

from foretell.errors import CheckpointError
from foretell.prediction.features import Snapshot
from foretell.prediction.memory import Remembered
from foretell.training.checkpoint import open_checkpoint, pack_arrays, save

KIND = "snapshot"
STREAM = tuple(item.name for item in fields(Snapshot) if item.name not in ("register", "remembered"))
EVENTS = tuple(item.name for item in fields(Remembered) if item.name not in ("ids", "count"))


def store_snapshot(snapshot: Snapshot, folder: Path, *, model: str) -> str:
    """Write a snapshot, whole or not at all, over the one that stands there, and return its digest.

    Args:
        model: digest of the model folder it belongs to.
    """
    held = snapshot.remembered
    arrays = {f"stream/{name}": getattr(snapshot, name) for name in STREAM}
    arrays |= {f"events/{name}": getattr(held, name) for name in EVENTS}
    arrays["count"] = np.array([held.count])
    files = {
        "stream.safetensors": pack_arrays(arrays),
        "entities.parquet": _parquet(snapshot.register),
        "events.parquet": _parquet(pl.DataFrame({"id": held.ids}, schema={"id": pl.String})),
    }
    return save(folder, files, kind=KIND, data=model)


def open_snapshot(folder: Path, *, model: str) -> Snapshot:
    """Return the snapshot of a folder, verified file by file.

    Raises:
        CheckpointError: when the folder is incomplete, altered, no snapshot, or another model's.
    """
    checkpoint = open_checkpoint(folder)
    if checkpoint.kind != KIND or checkpoint.manifest["data"] != model:
        what = "another model's snapshot" if checkpoint.kind == KIND else f"a {checkpoint.kind}"
        raise CheckpointError(
            f"{folder} holds {what}", "go on from a snapshot of this model, or from the model"
        )
    arrays = checkpoint.arrays("stream.safetensors")
    return Snapshot(
        register=pl.read_parquet(BytesIO(checkpoint.read("entities.parquet"))),
        **{name: arrays[f"stream/{name}"] for name in STREAM},
        remembered=Remembered(
            ids=tuple(pl.read_parquet(BytesIO(checkpoint.read("events.parquet")))["id"].to_list()),
            count=int(arrays["count"][0]),
            **{name: arrays[f"events/{name}"] for name in EVENTS},
        ),
    )


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()
