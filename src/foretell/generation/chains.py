"""Linked tables and events as a modality of the studio: an item is a parent with all that belongs to it.

N: parents.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from foretell.data.dataset import Column, Dataset, fingerprint
from foretell.data.kinds.time import INSTANT
from foretell.data.reading import read as read_rows
from foretell.errors import DataError, SpecError
from foretell.generation import fidelity as measures
from foretell.generation import previews, rows
from foretell.generation.linked import EVENTS, PARENTS, Link, LinkedGenerator, Steps, events_of, fit_linked
from foretell.generation.modality import Floats, Material, Picture, Rows, Watched, held_out
from foretell.generation.novelty import Nearness
from foretell.records import Fact, canonical, digest
from foretell.spec import DataSpec, GenerateSpec, Spec
from foretell.training.checkpoint import Files
from foretell.training.progress import Progress

ENDING = ""
"""A set is a folder with a file for each table."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chains:
    """Tables with keys that fit."""

    tables: Mapping[str, pl.DataFrame]
    """The parents, by `PARENTS`, and each child, in canonical dtypes."""
    links: tuple[Link, ...]
    key: str
    """The column that names a parent."""

    def __len__(self) -> int:
        return len(self.tables[PARENTS])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChainGenerator:
    """Draws parents, then what belongs to each."""

    linked: LinkedGenerator
    key: str
    family: str = "next"

    def draw(self, count: int, asked: GenerateSpec, *, seed: int) -> Chains:
        """Return so many parents with their children; their keys are new ones.

        Raises:
            SpecError: for conditions, which are kept for single tables alone.
        """
        steered = [name for name in ("given", "constraints", "balance") if getattr(asked, name)]
        if steered:
            raise SpecError(
                f"linked tables cannot be held to generate.{steered[0]}", "draw one table, or leave it out"
            )
        tables = self.linked.draw({PARENTS: count}, seed=seed)
        return Chains(tables=tables, links=self.linked.links, key=self.key)

    def surprise(self, items: Chains) -> None:
        """Return nothing: the parts have probabilities, a parent with all its rows has none here."""

    def files(self) -> Files:
        parts = {"roots": self.linked.roots, "steps": {k: each.rows for k, each in self.linked.steps.items()}}
        told = {
            "key": self.key,
            "links": [asdict(link) for link in self.linked.links],
            "steps": {
                child: {item.name: getattr(steps, item.name) for item in fields(steps) if item.name != "rows"}
                for child, steps in self.linked.steps.items()
            },
            "roots": [*self.linked.roots],
        }
        files = {"links.json": canonical(told)}
        for part, generators in parts.items():
            for number, generator in enumerate(generators.values()):
                held = rows.RowGenerator(tables=generator).files()
                files |= {f"{part}-{number}-{name}": content for name, content in held.items()}
        return files


def opened(files: Files) -> ChainGenerator:
    """Return the generator whose `files` these are."""
    told = json.loads(files["links.json"])
    links = tuple(Link(**link) for link in told["links"])

    def part(name: str, number: int) -> rows.RowGenerator:
        start = f"{name}-{number}-"
        held = {key.removeprefix(start): each for key, each in files.items() if key.startswith(start)}
        return rows.opened_rows(held)

    steps = {}
    for number, (child, held) in enumerate(told["steps"].items()):
        plain: dict[str, Any] = {**held, "own": tuple(held["own"]), "rules": tuple(held["rules"])}
        steps[child] = Steps(rows=part("steps", number).tables, **plain)
    linked = LinkedGenerator(
        links=links,
        roots={name: part("roots", number).tables for number, name in enumerate(told["roots"])},
        keys={link.parent: link.to for link in links},
        steps=steps,
    )
    return ChainGenerator(linked=linked, key=told["key"])


def read(spec: Spec) -> Material:
    """Read parents and children, or the events of groups, and hold whole parents out."""
    if spec.generate.epsilon:
        raise SpecError("no epsilon can be kept for linked tables", "generate each table by itself")
    dataset = read_rows(spec)
    chains, columns = (
        _events(dataset, spec.data.exclude) if not spec.generate.children else _family(dataset, spec)
    )
    names = np.arange(len(chains))
    teach, holdout = held_out(names, spec.split.test_share, spec.train.seed)
    return Material(
        items=chains,
        teach=teach,
        holdout=holdout,
        source=spec.data.source,
        fingerprint=digest([fingerprint(frame) for frame in chains.tables.values()]),
        schema=columns,
    )


def _drawn(dataset: Dataset, *without: str) -> tuple[Column, ...]:
    return tuple(c for c in dataset.columns if c.role not in ("id", "group") and c.name not in without)


def _unnamed(dataset: Dataset, columns: Iterable[Column]) -> pl.DataFrame:
    """Return the rows without what tells persons apart, as single tables are read."""
    return dataset.frame.with_columns(rows.unnamed(dataset.frame[column.name], column) for column in columns)


def _events(dataset: Dataset, without: Sequence[str]) -> tuple[Chains, Mapping[str, tuple[Column, ...]]]:
    """Return the rows as parents (what is the same in all rows of a group) and events."""
    group, time = dataset.column("group"), dataset.column("time")
    if group is None or time is None:
        raise DataError("events need a group and a time", "state data.group and data.time")
    columns = _drawn(dataset, group.name, *without)
    frame = _unnamed(dataset, columns).drop_nulls(group.name)
    tables, own, link = events_of(frame, columns, entity=group.name, time=time.name)
    return Chains(tables=tables, links=(link,), key=group.name), own


def _family(dataset: Dataset, spec: Spec) -> tuple[Chains, Mapping[str, tuple[Column, ...]]]:
    """Return the parents and the tables of their children, as the spec links them."""
    row_id = dataset.column("id")
    if row_id is None:
        raise DataError("the parents have no column that names them", "state it in data.id")
    columns = _drawn(dataset, *spec.data.exclude)
    tables = {PARENTS: _unnamed(dataset, columns).select(row_id.name, *(column.name for column in columns))}
    own, links = {PARENTS: columns}, []
    for source, key in spec.generate.children.items():
        data = DataSpec(source=source, group=key, missing=spec.data.missing)
        child = read_rows(replace(spec, data=data, columns={}, review=replace(spec.review, groups=())))
        name, time = Path(source).stem, child.column("time")
        columns = _drawn(child, key)
        tables[name] = _unnamed(child, columns).select(key, *(column.name for column in columns))
        own[name] = columns
        ordered = time.name if time else ""
        links.append(Link(child=name, parent=PARENTS, key=key, to=row_id.name, time=ordered))
    return Chains(tables=tables, links=tuple(links), key=row_id.name), own


def fit(material: Material, spec: Spec, *, folder: Path | None, progress: Progress) -> ChainGenerator:
    """Fit what draws the parents and what draws each kind of rows of theirs."""
    taught = take(material.items, material.teach)
    linked = fit_linked(taught.tables, material.schema, taught.links, spec.train)
    return ChainGenerator(linked=linked, key=taught.key)


def take(items: Chains, numbers: Rows) -> Chains:
    """Return the parents of these numbers, with what belongs to them."""
    parents = items.tables[PARENTS][numbers]
    keys = parents[items.key].to_list()
    children = {
        link.child: items.tables[link.child].filter(pl.col(link.key).is_in(keys)) for link in items.links
    }
    return replace(items, tables={PARENTS: parents, **children})


def summaries(items: Chains) -> pl.DataFrame:
    """Return a row for each parent [N]: its own columns, and of each child its rows, means, first names."""
    told = items.tables[PARENTS]
    for link in items.links:
        child = items.tables[link.child]
        values = [name for name in child.columns if name not in (link.key, link.time)]
        numbers = [name for name in values if child[name].dtype == pl.Float64]
        parts = [pl.len().cast(pl.Float64).alias(f"{link.child} rows")]
        parts += [pl.col(name).mean().alias(f"{link.child} {name}") for name in numbers]
        names = [name for name in values if child[name].dtype == pl.String]
        parts += [pl.col(name).first().alias(f"{link.child} {name}") for name in names]
        if link.time:
            at = pl.col(link.time).to_physical()
            parts.append(((at.max() - at.min()) / 86_400e6).alias(f"{link.child} days"))
        counted = child.group_by(pl.col(link.key).alias(items.key)).agg(parts)
        told = told.join(counted, on=items.key, how="left", maintain_order="left")
        told = told.with_columns(pl.col(f"{link.child} rows").fill_null(0.0))
    return told.drop(items.key)


def distances(items: Chains, reference: Chains) -> Floats:
    """Return how far each parent, with a summary of its rows, is from the nearest other [N]."""
    own, others = summaries(items), summaries(reference)
    return Nearness.fit(others).distances(own, others)


def fidelity(material: Material, items: Chains, spec: Spec) -> tuple[Fact, ...]:
    """Return how like held-out parents, with a summary of their rows, the generated ones are."""
    taught, held = (summaries(take(material.items, part)) for part in (material.teach, material.holdout))
    found = measures.facts(summaries(items), taught, held, seed=spec.generate.seed)
    return tuple(fact for fact in found if fact.kind == "fidelity")


def watched(material: Material, items: Chains, spec: Spec) -> tuple[Watched, ...]:
    """Return the columns of `review.groups` among those of the parents."""
    return rows.watched(
        replace(material, items=material.items.tables[PARENTS], schema=material.schema[PARENTS]),
        items.tables[PARENTS],
        spec,
    )


def preview(material: Material, items: Chains) -> tuple[Picture, ...]:
    """Return each column's values of parents and children, and of their summaries."""
    held, found = take(material.items, material.holdout), []
    real, made = summaries(held), summaries(items)
    columns = []
    for name in real.columns:
        kind = "category" if real[name].dtype == pl.String else "number"
        if real[name].dtype != INSTANT:
            columns.append(Column(name=name, kind=kind, role="input", text=name, reason=""))
    found += previews.pictures(real, made, columns)
    for link in items.links:
        own = [column for column in material.schema[link.child] if column.name != link.time]
        found += previews.pictures(held.tables[link.child], items.tables[link.child], own)
    return tuple(found)


def write(items: Chains, path: Path) -> None:
    """Write a folder with one CSV file for each table; events have the columns of their group again."""
    path.mkdir(parents=True, exist_ok=True)
    if [link.child for link in items.links] == [EVENTS]:
        joined = items.tables[EVENTS].join(
            items.tables[PARENTS], on=items.key, how="left", maintain_order="left"
        )
        rows.write(joined, path / f"{EVENTS}.csv")
        return
    for name, frame in items.tables.items():
        rows.write(frame, path / f"{name}.csv")
