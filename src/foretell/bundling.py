"""Replay from a bundle: which rows of the data a case rests on, and the case made again from them alone.

A score follows from its row, the past of the row's entities, and how far each past label of theirs was
excused by its event's other entities, whose own past is not needed then. Two things are given, not worked
out: these excuses, and the cut-off of the row's period, which follows from all rows of that period.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import polars as pl

from foretell import evidence as collectors
from foretell import workflow
from foretell.cases import bundle_check
from foretell.cases.case import fold
from foretell.data.dataset import Dataset
from foretell.errors import CheckpointError, StoreError
from foretell.evidence.history import Past
from foretell.evidence.scene import Scene
from foretell.prediction.alerts import Alerts
from foretell.prediction.fitted import Fitted
from foretell.prediction.folder import ENTITIES, open_fitted
from foretell.records import Case, Event, canonical, restore
from foretell.replaying import Replay, compared
from foretell.training.checkpoint import MANIFEST

ROWS = "rows.json"
TYPES = {"Float64": pl.Float64, "String": pl.String}
Files = Mapping[str, bytes]


def replayable(models: Mapping[str, Path]) -> tuple[Files, Callable[[Case], Files]]:
    """Return the files of the models, and what gives the rows that a case rests on.

    A case of a model that is not among them, and a row that the data no longer hold, has no rows: it can be
    checked, but not be made again.

    Args:
        models: digest -> model folder.
    """
    fitted = {digest: open_fitted(folder) for digest, folder in models.items()}
    packers = {digest: _Packer(each) for digest, each in fitted.items()}
    shared = {
        f"models/{digest[:16]}/{path.name}": path.read_bytes()
        for digest, folder in models.items()
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != ENTITIES  # it names entities of no case here
    }

    def rows(case: Case) -> Files:
        packer = packers.get(case.prediction.model)
        packed = None if packer is None else packer.rows(case)
        return {} if packed is None else {ROWS: packed}

    return shared, rows


class _Packer:
    """The data of one model, stepped through once."""

    def __init__(self, fitted: Fitted) -> None:
        self._dataset = workflow.read(fitted.spec)
        scored = fitted.score(self._dataset, np.zeros(0, dtype=np.int64))
        self._excused = scored.excused
        self._pasts = [Past(scored.codes[name]) for name in fitted.featurizer.plan.entities]
        self._places = {str(name): place for place, name in enumerate(self._dataset.ids)}
        self._columns = [c.name for c in self._dataset.columns if c.role in ("input", "time", "id")]

    def rows(self, case: Case) -> bytes | None:
        """Return the case's row and the past of its entities; None when the data have no such row."""
        dataset, row = self._dataset, self._places.get(case.id)
        if row is None:
            return None
        needed = np.unique(
            np.concatenate([[row], *(past.before(row) for past in self._pasts)]).astype(np.int64)
        )
        frame = dataset.frame[needed].select(self._columns)
        drawn = case.evidence.of("sample")
        return canonical(
            {
                "row": row,
                "threshold": case.prediction.threshold,
                "share": drawn[0].value if drawn else 0.0,
                "pool": drawn[0].detail["of"] if drawn else 0,
                "fingerprint": dataset.fingerprint,
                "types": {name: str(kind).partition("(")[0] for name, kind in frame.schema.items()},
                "columns": {column.name: _plain(column) for column in frame.get_columns()},
                "ids": [str(name) for name in dataset.ids[needed]],
                "target": dataset.target[needed].tolist(),
                "at_us": dataset.at_us[needed].tolist(),
                "known_at_us": dataset.known_at_us[needed].tolist(),
                "excused": [[float(value) for value in values] for values in self._excused[needed]],
            }
        )


def _plain(column: pl.Series) -> list[Any]:
    return column.fill_nan(None).to_list() if column.dtype == pl.Float64 else column.to_physical().to_list()


def replay_bundle(file: Path) -> Iterator[Replay]:
    """Make every case of a bundle again that has its rows in it, and compare it with what was opened.

    Raises:
        StoreError: when the bundle does not hold, or no case of it has its rows.
        CheckpointError: when it lacks the model of a case.
    """
    try:
        faults = bundle_check.checked(str(file))[0].faults
        if faults:
            raise StoreError(f"the bundle does not hold: {': '.join(faults[0])}", "run check.py of it")
        with ZipFile(file) as packed, tempfile.TemporaryDirectory() as name:
            names = [PurePosixPath(each) for each in packed.namelist()]
            for model in (each for each in names if each.parts[0] == "models"):
                place = Path(name) / model.parts[1] / model.name
                place.parent.mkdir(exist_ok=True)
                place.write_bytes(packed.read(str(model)))
            folders = {_digest(folder): folder for folder in sorted(Path(name).iterdir())}
            opened: dict[str, Fitted] = {}
            whole = [each.parent for each in names if each.name == ROWS]
            if not whole:
                raise StoreError("no case of the bundle has its rows", "ask for one that can be replayed")
            for folder in whole:
                case = _case(json.loads(packed.read(f"{folder}/case.json")))
                model = case.prediction.model
                if model not in folders:
                    raise CheckpointError(f"the bundle lacks model {model[:12]}", "ask for it")
                if model not in opened:
                    opened[model] = open_fitted(folders[model], nameless=True)
                yield _again(opened[model], case, json.loads(packed.read(f"{folder}/{ROWS}")))
    except (OSError, BadZipFile) as error:
        raise StoreError(f"{file} cannot be read as a bundle: {error}", "give the zip as it came") from error


def _digest(folder: Path) -> str:
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


def _case(told: dict[str, Any]) -> Case:
    """Return the case as it was opened."""
    first = told["events"][0]
    pieces = {piece["digest"]: canonical(piece["body"]).decode() for piece in first.pop("contents")}
    return fold([restore(Event, first)], pieces)


def _again(fitted: Fitted, case: Case, held: dict[str, Any]) -> Replay:
    dataset = _dataset(fitted, held)
    place = held["ids"].index(case.id)
    rows = np.array([place], dtype=np.int64)
    excused = np.array(held["excused"], dtype=np.float32).reshape(len(dataset), -1)
    scored = fitted.score(dataset, rows, excused=excused)
    alone = Alerts(rows=rows, thresholds=np.array([held["threshold"]]))
    predictions = workflow.predictions_of(fitted, dataset, scored, alone)
    scene = Scene(
        fitted=fitted,
        dataset=dataset,
        scored=scored,
        rows=rows,
        predictions=predictions,
        shares=np.array([held["share"]]),
        places=np.array([held["row"]], dtype=np.int64),
        pool=held["pool"],
    )
    (evidence,) = collectors.explain(scene)
    return compared(fitted, case, predictions[0], evidence)


def _dataset(fitted: Fitted, held: dict[str, Any]) -> Dataset:
    columns = [
        pl.Series(name, values, dtype=TYPES.get(held["types"][name], pl.Int64))
        for name, values in held["columns"].items()
    ]
    frame = pl.DataFrame(columns).with_columns(
        pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        for name, kind in held["types"].items()
        if kind == "Datetime"
    )
    return Dataset(
        spec=fitted.spec,
        frame=frame,
        columns=fitted.featurizer.schema.columns,
        repairs=(),
        fingerprint=held["fingerprint"],
        target=np.array(held["target"], dtype=np.int8),
        at_us=np.array(held["at_us"], dtype=np.int64),
        known_at_us=np.array(held["known_at_us"], dtype=np.int64),
        ids=np.array(held["ids"], dtype=object),
        beyond=np.zeros(len(held["ids"]), dtype=np.bool_),
    )
