"""A fitted model: featurizer, families, weights, calibration and the reference that evidence is drawn from.

n: rows, F: features, B: rows of a batch, S: stored reference rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from numpy.typing import NDArray

from foretell.border import dump_spec, load_spec
from foretell.data.dataset import Dataset
from foretell.data.table import Schema
from foretell.lookup import load
from foretell.models import FAMILIES, FLOOR, stream
from foretell.models.family import Family
from foretell.models.suspicion import Suspicion
from foretell.prediction.features import Featurizer, Snapshot
from foretell.records import canonical, plain
from foretell.spec import Spec
from foretell.tasks.classify import Calibration, Floats
from foretell.training.checkpoint import open_checkpoint, pack_arrays, save

MODEL = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A group of features with one meaning."""

    name: str
    """A column, or role@entity: `TX_AMOUNT@CUSTOMER_ID`, `outcomes@TERMINAL_ID`."""
    text: str
    """A noun phrase: "the amount against this customer's past"."""
    columns: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """What later facts are compared with: rows that chose and taught the model."""

    logits: Floats
    """Raw log-odds of the choosing rows, ascending."""
    labels: NDArray[np.int8]
    """Their outcomes."""
    base_rate: float
    choose_from: str
    """ISO instants between which the choosing rows lie; empty without time."""
    choose_until: str
    num_rows: int
    """Teaching rows that the quartiles and grids were taken of."""
    quartiles: Mapping[str, tuple[float, float]]
    """Number column -> first and third quartile."""
    grids: Mapping[str, Floats]
    """Number column -> values that occur, ascending: where counterfactuals are looked for."""
    background: NDArray[np.float32]
    """Typical rows [M, F], drawn without regard to the outcome."""
    similar: NDArray[np.float32]
    """Past rows with known outcome [S, F], a plain sample."""
    similar_labels: NDArray[np.int8]
    weights: Floats
    """What each feature gained the floor, summing to 1 [F]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One line of the leaderboard; metrics of the test rows, unless it is said otherwise."""

    name: str
    family: str
    metrics: Mapping[str, float]
    choosing: float
    """Average precision on the choosing rows."""
    fit_cpu_seconds: float
    rows_per_cpu_second: float
    weight: float
    """Share in what is delivered."""
    floor: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scored:
    """A data set's rows as the model sees and scores them."""

    features: NDArray[np.float32]
    """[n, F]"""
    codes: Mapping[str, NDArray[np.int64]]
    """Entity column -> code of each row's entity [n]."""
    excused: NDArray[np.float32]
    rows: NDArray[np.int64]
    """Rows that were scored."""
    logits: Floats
    """Raw log-odds of the scored rows."""
    probabilities: Floats
    states: NDArray[np.float32]
    """[scored rows, E, D] states that were read for them."""

    def states_of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the states [R, E, D] that were read for some of the scored rows."""
        return self.states[np.searchsorted(self.rows, rows)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """What `fit` delivers, and what a model folder holds."""

    spec: Spec
    featurizer: Featurizer
    families: Mapping[str, Family]
    """Delivered families by name."""
    weights: Mapping[str, float]
    """Their shares in the raw log-odds, summing to 1."""
    offsets: Mapping[str, float]
    """Added to each family's log-odds: undoes thinned teaching rows."""
    calibration: Calibration
    threshold: float
    """Probability that fills the review capacity on the choosing rows, or that costs set."""
    factors: tuple[Factor, ...]
    reference: Reference
    snapshot: Snapshot
    """Where the stream stood after the last row that was known when the model was fitted."""
    standings: tuple[Standing, ...]
    digest: str = ""
    """SHA-256 of the folder's manifest."""

    @property
    def name(self) -> str:
        """The delivered families, joined by +."""
        return "+".join(self.families)

    def logits_of(self, features: NDArray[np.float32]) -> Floats:
        """Return raw log-odds [B] of feature rows [B, F]."""
        return sum(
            (self.weights[name] * (family.logits(features) + self.offsets[name]))
            for name, family in self.families.items()
        ) + np.zeros(len(features))

    def score(self, dataset: Dataset, rows: NDArray[np.int64], *, after: Snapshot | None = None) -> Scored:
        """Replay the data set and score some of its rows.

        Args:
            dataset: rows in order of time.
            rows: which of them to score.
            after: where the stream stood before the data set's first row; empty if not given.
        """
        before = after if after is not None else Snapshot.empty(self.featurizer.plan)
        events = self.featurizer.events(dataset, before.register)
        replayed = self.featurizer.replay(events, before, keep=rows)
        return scored_rows(self, events.slots, replayed, rows)

    def features_if(
        self, features: NDArray[np.float32], state: NDArray[np.float32], number: str, values: Floats
    ) -> NDArray[np.float32]:
        """Return the row's features [K, F] had one number had other values [K]; its past stays as it was."""
        plan = self.featurizer.plan
        _, scales = plan.arrays()
        column = plan.numbers.index(number)
        changed = np.repeat(features[None], len(values), axis=0)
        numbers = (
            np.sign(features[: len(plan.numbers)]) * np.expm1(np.abs(features[: len(plan.numbers)])) * scales
        )
        for k, value in enumerate(values):
            numbers[column] = value
            stream.read_event(
                state, numbers, scales, len(plan.half_lives_seconds), changed[k, : plan.num_features]
            )
        return changed

    def store(self, folder: Path, *, fingerprint: str, card: str) -> str:
        """Write the model folder and return its digest."""
        arrays = {
            f"{name}/{key}": array
            for name, family in self.families.items()
            for key, array in family.arrays().items()
        }
        files = {
            "spec.yaml": dump_spec(self.spec).encode(),
            "schema.json": canonical(self.featurizer.schema.to_plain()),
            "weights.safetensors": pack_arrays(arrays),
            "stream.safetensors": pack_arrays(_stream_arrays(self)),
            "entities.parquet": _parquet(self.snapshot.register),
            "reference.safetensors": pack_arrays(_reference_arrays(self.reference)),
            "calibration.json": canonical(
                {
                    "calibration": self.calibration,
                    "threshold": self.threshold,
                    "weights": self.weights,
                    "offsets": self.offsets,
                    "plan": self.featurizer.plan,
                    "factors": [
                        {"name": f.name, "text": f.text, "columns": f.columns.tolist()} for f in self.factors
                    ],
                    "own": {
                        "names": self.featurizer.own_names,
                        "columns": self.featurizer.own_columns,
                        "categorical": self.featurizer.own_categorical.tolist(),
                    },
                    "reference": {
                        "base_rate": self.reference.base_rate,
                        "choose_from": self.reference.choose_from,
                        "choose_until": self.reference.choose_until,
                        "num_rows": self.reference.num_rows,
                        "quartiles": self.reference.quartiles,
                    },
                }
            ),
            # Without timings, so that the same data and spec give the same digest.
            "metrics.json": canonical(
                plain([replace(s, fit_cpu_seconds=0.0, rows_per_cpu_second=0.0) for s in self.standings])
            ),
            "card.md": card.encode(),
        }
        return save(folder, files, kind=MODEL, data=fingerprint)


def scored_rows(fitted: Fitted, slots: NDArray[np.int64], replayed: Any, rows: NDArray[np.int64]) -> Scored:
    """Return the scores of some rows of a replay whose states were kept for just these."""
    logits = fitted.logits_of(replayed.features[rows])
    return Scored(
        features=replayed.features,
        codes={entity: slots[:, e] for e, entity in enumerate(fitted.featurizer.plan.entities)},
        excused=replayed.excused,
        rows=rows,
        logits=logits,
        probabilities=fitted.calibration(logits),
        states=replayed.kept,
    )


def open_fitted(folder: Path) -> Fitted:
    """Return the model of a folder, verified file by file.

    Raises:
        CheckpointError: when the folder is incomplete, altered, or no model.
    """
    checkpoint = open_checkpoint(folder)
    held = checkpoint.json("calibration.json")
    streamed, reference = checkpoint.arrays("stream.safetensors"), checkpoint.arrays("reference.safetensors")
    plan = held["plan"]
    featurizer = Featurizer(
        schema=Schema.from_plain(checkpoint.json("schema.json")),
        plan=stream.StreamPlan(**{key: tuple(value) for key, value in plan.items()}),
        suspicion=Suspicion(**_under(streamed, "suspicion")),
        own_names=tuple(held["own"]["names"]),
        own_columns=tuple(held["own"]["columns"]),
        own_categorical=np.array(held["own"]["categorical"], dtype=np.bool_),
    )
    weights = checkpoint.arrays("weights.safetensors")
    families = {
        name: load(name, {**FLOOR, **FAMILIES}, "model family").restore(_under(weights, name))
        for name in held["weights"]
    }
    calibration = {**held["calibration"]}
    about = held["reference"]
    return Fitted(
        spec=load_spec(yaml.safe_load(checkpoint.text("spec.yaml"))),
        featurizer=featurizer,
        families=families,
        weights=held["weights"],
        offsets=held["offsets"],
        calibration=Calibration(
            raw=tuple(calibration["raw"]),
            calibrated=tuple(calibration["calibrated"]),
            method=calibration["method"],
        ),
        threshold=held["threshold"],
        factors=tuple(
            Factor(name=f["name"], text=f["text"], columns=np.array(f["columns"], dtype=np.int64))
            for f in held["factors"]
        ),
        reference=Reference(
            logits=reference["logits"],
            labels=reference["labels"],
            background=reference["background"],
            similar=reference["similar"],
            similar_labels=reference["similar_labels"],
            weights=reference["weights"],
            grids=_under(reference, "grid"),
            base_rate=about["base_rate"],
            choose_from=about["choose_from"],
            choose_until=about["choose_until"],
            num_rows=about["num_rows"],
            quartiles={name: (low, high) for name, (low, high) in about["quartiles"].items()},
        ),
        snapshot=Snapshot(
            register=pl.read_parquet(BytesIO(checkpoint.read("entities.parquet"))),
            **_under(streamed, "snapshot"),
        ),
        standings=tuple(Standing(**standing) for standing in checkpoint.json("metrics.json")),
        digest=checkpoint.digest,
    )


def _stream_arrays(fitted: Fitted) -> dict[str, NDArray[Any]]:
    suspicion = fitted.featurizer.suspicion
    names = ("columns", "knots", "values", "bias")
    arrays = {f"suspicion/{name}": getattr(suspicion, name) for name in names}
    for name in ("state", "touched", "slots", "happened_at", "arrives_at", "labels", "excused"):
        arrays[f"snapshot/{name}"] = getattr(fitted.snapshot, name)
    return arrays


def _reference_arrays(reference: Reference) -> dict[str, NDArray[Any]]:
    names = ("logits", "labels", "background", "similar", "similar_labels", "weights")
    arrays = {name: getattr(reference, name) for name in names}
    return arrays | {f"grid/{name}": grid for name, grid in reference.grids.items()}


def _under(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {
        name.removeprefix(f"{prefix}/"): array
        for name, array in arrays.items()
        if name.startswith(f"{prefix}/")
    }


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()
