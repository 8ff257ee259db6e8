"""Tables as a modality of the studio: rows are read, generated, measured and written. N: rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import safetensors.numpy
import torch
from numpy.typing import NDArray

from foretell.data.codecs.tables import CODERS, Names, Numbers, TableCodec
from foretell.data.dataset import Column, Dataset
from foretell.data.reading import read as read_rows
from foretell.data.split import groups_of
from foretell.errors import DataError, SpecError
from foretell.files import aside
from foretell.generation import fidelity as measures
from foretell.generation import previews
from foretell.generation.asking import rows_asked
from foretell.generation.modality import Floats, Generator, Material, Picture, Rows, Watched, held_out
from foretell.generation.novelty import Nearness
from foretell.generation.private import Spent, fit_private
from foretell.generation.steering import Steer
from foretell.generation.tables import TableGenerator
from foretell.generation.tables import fit as fit_tables
from foretell.generation.vectors import fit_vectors, opened_vectors, unsteered
from foretell.lookup import unknown
from foretell.models.columns import ColumnNet
from foretell.models.trees import Trees
from foretell.records import Fact, canonical, plain, restore
from foretell.spec import GenerateSpec, Spec
from foretell.training.checkpoint import Files, pack_arrays
from foretell.training.progress import Progress
from foretell.units import number

ENDING = ".csv"
PERSONAL = 0.5
"""Share of the rows with a value of their own from which a column of names or texts is left empty: it tells
rows apart, and what would be drawn are the real ones."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowGenerator:
    """Draws rows by the column net."""

    tables: TableGenerator
    family: str = "next"
    spent: Spent | None = None
    """What was promised of privacy; None: nothing."""

    def draw(self, count: int, asked: GenerateSpec, *, seed: int) -> pl.DataFrame:
        """Return rows in canonical dtypes, all as they are asked for; see `asking.rows_asked`."""
        return rows_asked(
            self.tables,
            count,
            given=asked.given,
            constraints=asked.constraints,
            balance=asked.balance,
            temperature=asked.temperature,
            seed=seed,
        )

    def surprise(self, items: pl.DataFrame) -> Floats:
        """Return the negative log-probability of each row [N], in nats."""
        return self.tables.surprise(items).sum(axis=1)

    def files(self) -> Files:
        codec = self.tables.codec
        told = {
            "columns": plain(codec.columns),
            "coders": {name: {"kind": each.kind, **plain(each)} for name, each in codec.coders.items()},
            "twins": {name: [of, sorted(pairs.items())] for name, (of, pairs) in codec.twins.items()},
        }
        net = {f"net/{name}": tensor.numpy() for name, tensor in self.tables.net.state_dict().items()}
        trees = {f"trees/{name}": array for name, array in self.tables.trees.arrays().items()}
        if self.spent:
            told["spent"] = plain(self.spent)
        return {"schema.json": canonical(told), "weights.safetensors": pack_arrays({**net, **trees})}


def opened(files: Files) -> Generator:
    """Return the generator whose `files` these are."""
    return opened_vectors(files) if "vectors.json" in files else opened_rows(files)


def opened_rows(files: Files) -> RowGenerator:
    """Return the column net whose `files` these are."""
    told = json.loads(files["schema.json"])
    codec = TableCodec(
        columns=tuple(restore(Column, column) for column in told["columns"]),
        coders={name: _coder(each) for name, each in told["coders"].items()},
        twins={name: (of, {int(a): int(b) for a, b in pairs}) for name, (of, pairs) in told["twins"].items()},
    )
    arrays = safetensors.numpy.load(files["weights.safetensors"])
    parts: dict[str, dict[str, Any]] = {"net": {}, "trees": {}}
    for name, array in arrays.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = array
    weights = parts["net"]
    layers = 1 + len({name.split(".")[1] for name in weights if name.startswith("rest.")})
    width, hidden = weights["first.weight"].shape[1:]
    net = ColumnNet(codec.sizes, width=width, hidden=hidden, layers=layers)
    net.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    net.eval()
    return RowGenerator(
        tables=TableGenerator(codec=codec, net=net, trees=Trees(**parts["trees"])),
        spent=restore(Spent, told["spent"]) if "spent" in told else None,
    )


def _coder(told: Mapping[str, Any]) -> Names | Numbers:
    kind = CODERS[told["kind"]]
    held: dict[str, Any] = {item.name: told[item.name] for item in fields(kind)}
    return kind(**{name: tuple(each) if isinstance(each, list) else each for name, each in held.items()})  # ty: ignore[invalid-argument-type]


def read(spec: Spec) -> Material:
    """Read the rows, name entities anew, and hold rows out: whole groups where there are any."""
    dataset = read_rows(spec)
    group = dataset.column("group")
    names = np.arange(len(dataset)) if group is None else groups_of(dataset.frame[group.name])
    columns = tuple(c for c in dataset.columns if c.role != "id" and c.name not in spec.data.exclude)
    if not any(column.role in ("input", "time", "group") for column in columns):
        raise DataError(f"{spec.data.source} has no column with values to learn", "see `foretell read`")
    teach, holdout = held_out(names, spec.split.test_share, spec.train.seed)
    frame = dataset.frame.select(unnamed(dataset.frame[column.name], column) for column in columns)
    return Material(
        items=frame,
        teach=teach,
        holdout=holdout,
        source=spec.data.source,
        fingerprint=dataset.fingerprint,
        schema=columns,
        left_out=_left_out(dataset, frame),
    )


def _left_out(dataset: Dataset, frame: pl.DataFrame) -> tuple[str, ...]:
    """Return which columns are not in the set, or stay empty there."""
    gone = [f"column '{name}' is left out" for name in dataset.frame.columns if name not in frame.columns]
    empty = [name for name in frame.columns if not frame[name].count() and dataset.frame[name].count()]
    return (*gone, *(f"column '{name}' stays empty: most rows have a value of their own" for name in empty))


def unnamed(series: pl.Series, column: Column) -> pl.Series:
    """Return a column without what tells persons apart: entities by number, texts of their own left out."""
    if column.kind == "entity":
        codes = series.rank("dense").cast(pl.Int64)
        numbered = pl.select(pl.format(f"{column.text} {{}}", codes)).to_series()
        return numbered.alias(series.name)
    known = series.drop_nulls()
    if column.kind in ("category", "text") and known.n_unique() > PERSONAL * len(known):
        return pl.Series(series.name, [None] * len(series), dtype=pl.String)
    return series


def fit(material: Material, spec: Spec, *, folder: Path | None, progress: Progress) -> Generator:
    """Fit the family that the spec asks for on the teaching rows, with the privacy that it asks for.

    Raises:
        SpecError: when an epsilon or delta promises nothing, or another family than `next` is asked for one,
            or for anything of single columns.
        DataError: when no row can be as asked.
    """
    frame, asked = material.items[material.teach], spec.generate
    family = asked.family or "next"
    if family != "next":
        if asked.epsilon:
            raise SpecError(f"the family '{family}' keeps no epsilon", "use generate.family: next")
        unsteered(family, asked)
        return fit_vectors(
            frame, material.schema, spec.train, family=family, folder=folder, progress=progress
        )
    if not asked.epsilon:
        if asked.given or asked.constraints:  # what cannot be is said before the fit, not after it
            Steer.of(TableCodec.fit(frame, material.schema), asked.constraints, asked.given)
        tables = fit_tables(frame, material.schema, spec.train, folder=folder, progress=progress)
        return RowGenerator(tables=tables)
    ends = {name: (each.within[0], each.within[1]) for name, each in spec.columns.items() if each.within}
    tables, spent = fit_private(
        frame,
        material.schema,
        spec.train,
        epsilon=asked.epsilon,
        delta=asked.delta,
        ends=ends,
        progress=progress,
    )
    return RowGenerator(tables=tables, spent=spent)


def take(items: pl.DataFrame, rows: Rows) -> pl.DataFrame:
    """Return the rows of these numbers."""
    return items[rows]


def distances(items: pl.DataFrame, reference: pl.DataFrame) -> Floats:
    """Return how far each row is from the nearest one of the reference [N]; see `novelty.Nearness`."""
    return Nearness.fit(reference).distances(items, reference)


def fidelity(material: Material, items: pl.DataFrame, spec: Spec) -> tuple[Fact, ...]:
    """Return how like held-out rows the generated ones are; see `fidelity.facts`."""
    return measures.facts(
        items,
        material.items[material.teach],
        material.items[material.holdout],
        target=spec.data.target,
        seed=spec.generate.seed,
    )


def watched(material: Material, items: pl.DataFrame, spec: Spec) -> tuple[Watched, ...]:
    """Return the columns of `review.groups`, with how often the target is `task.positive` in each group."""
    target, positive = spec.data.target, spec.task.positive
    told = bool(target and positive and target in items.columns and items[target].dtype == pl.String)
    sides = (material.items, items)
    found = []
    for name in spec.review.groups:
        if name not in items.columns:
            raise DataError(*unknown("column in review.groups", name, items.columns))
        real, made = (_groups(frame[name], spec.review.edges.get(name, ())) for frame in sides)
        rates = [(frame[target] == positive).fill_null(False).to_numpy() if told else None for frame in sides]
        text = next(column.text for column in material.schema if column.name == name)
        found.append(
            Watched(
                text=text,
                real=real,
                made=made,
                outcome=f"{target} {positive}" if told else "",
                real_positive=rates[0],
                made_positive=rates[1],
            )
        )
    return tuple(found)


def _groups(series: pl.Series, edges: Sequence[float]) -> NDArray[np.object_]:
    """Return the group of each row [N]: names as they are, numbers by where they are cut."""
    if series.dtype != pl.Float64:
        return series.cast(pl.String).fill_null("unknown").to_numpy()
    cuts = [*edges] if edges else [float(series.quantile(q) or 0) for q in (0.25, 0.5, 0.75)]
    names = [f"below {number(cuts[0])}"]
    names += [f"{number(low)} to {number(high)}" for low, high in pairwise(cuts)]
    names += [f"from {number(cuts[-1])}"]
    codes = np.digitize(series.fill_null(np.nan).to_numpy(), cuts)
    return np.where(series.is_null().to_numpy(), "unknown", np.array(names, dtype=object)[codes])


def preview(material: Material, items: pl.DataFrame) -> tuple[Picture, ...]:
    """Return each column's values, and how pairs of columns hang together, real and generated."""
    return previews.pictures(material.items[material.holdout], items, material.schema)


def write(items: pl.DataFrame, path: Path) -> None:
    """Write a CSV file: whole numbers without a point, instants in UTC."""
    shown = items.with_columns(
        items[name].cast(pl.Int64)
        for name in items.columns
        if items[name].dtype == pl.Float64 and _whole(items[name])
    )
    with aside(path) as new:
        shown.write_csv(new, datetime_format="%Y-%m-%dT%H:%M:%S%.fZ")


def _whole(series: pl.Series) -> bool:
    known = series.drop_nulls()
    return bool((known == known.round(0)).all()) and bool((known.abs() < 2**53).all())
