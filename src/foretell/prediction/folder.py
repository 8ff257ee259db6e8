"""The model folder: a fitted model as a checkpoint, written whole or not at all, verified when opened."""

from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from numpy.typing import NDArray

from foretell.border import dump_spec, load_spec
from foretell.data.table import Schema
from foretell.errors import CheckpointError
from foretell.lookup import load
from foretell.models import FAMILIES, FLOOR
from foretell.models.several import restored
from foretell.models.stream import StreamPlan
from foretell.models.suspicion import Suspicion
from foretell.prediction.certainty import Certainty
from foretell.prediction.evening import Evening
from foretell.prediction.features import REGISTER, Featurizer, Snapshot
from foretell.prediction.fitted import Factor, Fitted, Reference, Standing, family_of
from foretell.prediction.monitor_file import plain_sketch, read_sketch
from foretell.prediction.resting import STREAM
from foretell.records import canonical, restore
from foretell.tasks.classify import Calibration
from foretell.tasks.multiclass import Coupling
from foretell.tasks.regress import Estimator
from foretell.training.checkpoint import Checkpoint, open_checkpoint, pack_arrays, save

KIND = "model"
ENTITIES = "entities.parquet"
"""The file that names every entity that the model has seen."""
SKETCH = "sketch.json"
"""The file that says what later rows are watched against."""
SUSPICION = ("columns", "knots", "values", "bias")
REFERENCE = ("logits", "labels", "background", "similar", "similar_columns", "similar_labels", "weights")
TABLES = {"past": "past.parquet", "rows": "rows.parquet"}
FACTOR = ("name", "text", "slope", "error", "size")
ABOUT = ("base_rate", "choose_from", "choose_until", "num_rows", "quartiles")


def write_fitted(fitted: Fitted, folder: Path, *, fingerprint: str, card: str) -> str:
    """Write the model folder and return its digest.

    Args:
        fingerprint: of the data the model was fitted on.
        card: the model card, Markdown.

    Raises:
        CheckpointError: when it cannot be written; what stood there before is intact.
    """
    streamed = _named(fitted.featurizer.suspicion, SUSPICION, "suspicion/")
    streamed |= _named(fitted.snapshot, STREAM, "snapshot/")
    reference = _named(fitted.reference, REFERENCE, "")
    reference |= {f"grid/{name}": grid for name, grid in fitted.reference.grids.items()}
    # Without timings, so that the same data and spec give the same digest.
    standings = [replace(s, fit_cpu_seconds=0.0, rows_per_cpu_second=0.0) for s in fitted.standings]
    files = {
        "spec.yaml": dump_spec(fitted.spec).encode(),
        "schema.json": canonical(fitted.featurizer.schema.to_plain()),
        "weights.safetensors": pack_arrays(_weights(fitted)),
        "stream.safetensors": pack_arrays(streamed),
        ENTITIES: _parquet(fitted.snapshot.register),
        **{name: _parquet(getattr(fitted.reference, part)) for part, name in TABLES.items()},
        "reference.safetensors": pack_arrays(reference),
        "calibration.json": canonical(_settings(fitted)),
        "metrics.json": canonical(standings),
        "card.md": card.encode(),
    }
    if fitted.sketch is not None:
        files[SKETCH] = canonical(plain_sketch(fitted.sketch))
    return save(folder, files, kind=KIND, data=fingerprint)


def open_fitted(folder: Path, *, nameless: bool = False) -> Fitted:
    """Return the model of a folder, verified file by file.

    Args:
        nameless: do without the names of its entities, which scoring from an empty past does not need.

    Raises:
        CheckpointError: when the folder is incomplete, altered, or no model.
    """
    checkpoint = open_checkpoint(folder, without=frozenset({ENTITIES} if nameless else ()))
    if checkpoint.kind != KIND:
        raise CheckpointError(
            f"'{folder}' holds a {checkpoint.kind}, not a model", "name a run's model folder"
        )
    held = checkpoint.json("calibration.json")
    weights = checkpoint.arrays("weights.safetensors")
    streamed = checkpoint.arrays("stream.safetensors")
    return Fitted(
        spec=load_spec(yaml.safe_load(checkpoint.text("spec.yaml"))),
        featurizer=_featurizer(checkpoint, held, streamed),
        families={
            name: restored(
                load(family_of(name), {**FLOOR, **FAMILIES}, "model family"), _under(weights, name)
            )
            for name in held["weights"]
        },
        weights=held["weights"],
        offsets=held["offsets"],
        calibration=restore(Calibration, held["calibration"]),
        threshold=held["threshold"],
        coupling=restore(Coupling, held["coupling"]) if "coupling" in held else None,
        estimator=restore(Estimator, held["estimator"]) if "estimator" in held else None,
        factors=tuple(
            Factor(**(factor | {"columns": np.array(factor["columns"], dtype=np.int64)}))
            for factor in held["factors"]
        ),
        reference=_reference(checkpoint, held["reference"]),
        snapshot=Snapshot(
            register=pl.DataFrame(schema=REGISTER) if nameless else _table(checkpoint, ENTITIES),
            **_under(streamed, "snapshot"),  # ty: ignore[invalid-argument-type]
        ),
        standings=tuple(restore(Standing, standing) for standing in checkpoint.json("metrics.json")),
        sketch=read_sketch(checkpoint.json(SKETCH)) if SKETCH in checkpoint.files else None,
        certainty=restore(Certainty, held["certainty"]) if held.get("certainty") else None,
        evening=restore(Evening, held["evening"]) if held.get("evening") else None,
        unmitigated=held.get("unmitigated", {}),
        digest=checkpoint.digest,
    )


def _weights(fitted: Fitted) -> dict[str, NDArray[Any]]:
    return {
        f"{name}/{key}": a for name, family in fitted.families.items() for key, a in family.arrays().items()
    }


def _settings(fitted: Fitted) -> dict[str, Any]:
    """Return what is no array, or small."""
    features = fitted.featurizer
    return {
        "calibration": fitted.calibration,
        "threshold": fitted.threshold,
        **({"coupling": fitted.coupling} if fitted.coupling else {}),
        **({"estimator": fitted.estimator} if fitted.estimator else {}),
        "weights": fitted.weights,
        "offsets": fitted.offsets,
        "plan": features.plan,
        "factors": [
            {name: getattr(f, name) for name in FACTOR} | {"columns": f.columns.tolist()}
            for f in fitted.factors
        ],
        "own": {
            "names": features.own_names,
            "columns": features.own_columns,
            "categorical": features.own_categorical.tolist(),
        },
        "reference": {name: getattr(fitted.reference, name) for name in ABOUT},
        "certainty": fitted.certainty,
        "evening": fitted.evening,
        "unmitigated": fitted.unmitigated,
    }


def _featurizer(
    checkpoint: Checkpoint, held: Mapping[str, Any], streamed: Mapping[str, NDArray[Any]]
) -> Featurizer:
    own = held["own"]
    return Featurizer(
        schema=Schema.from_plain(checkpoint.json("schema.json")),
        plan=restore(StreamPlan, held["plan"]),
        suspicion=Suspicion(**_under(streamed, "suspicion")),
        own_names=tuple(own["names"]),
        own_columns=tuple(own["columns"]),
        own_categorical=np.array(own["categorical"], dtype=np.bool_),
    )


def _reference(checkpoint: Checkpoint, about: Mapping[str, Any]) -> Reference:
    arrays = checkpoint.arrays("reference.safetensors")
    quartiles = {name: (low, high) for name, (low, high) in about["quartiles"].items()}
    return Reference(
        **{name: arrays[name] for name in REFERENCE},  # ty: ignore[invalid-argument-type]
        **{**about, "quartiles": quartiles},
        **{part: _table(checkpoint, name) for part, name in TABLES.items() if name in checkpoint.files},
        grids=_under(arrays, "grid"),
    )


def _parquet(table: pl.DataFrame) -> bytes:
    written = BytesIO()
    table.write_parquet(written)
    return written.getvalue()


def _table(checkpoint: Checkpoint, name: str) -> pl.DataFrame:
    return pl.read_parquet(BytesIO(checkpoint.read(name)))


def _named(record: object, names: tuple[str, ...], prefix: str) -> dict[str, NDArray[Any]]:
    return {f"{prefix}{name}": getattr(record, name) for name in names}


def _under(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of a prefix as copies: kernels would be compiled anew for read-only ones."""
    return {
        name.removeprefix(f"{prefix}/"): array.copy()
        for name, array in arrays.items()
        if name.startswith(f"{prefix}/")
    }
