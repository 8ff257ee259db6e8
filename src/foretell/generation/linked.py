"""Linked tables, and events as rows of entities: parents first, then the rows of each, one after another.

A parent's row is drawn together with how many rows it has in each child. Each of these is drawn given the
parent, its place among them, and the one before. Where the child has time, the gap since the one before is
drawn instead of the instant, so that time never runs backwards; that of a first row counts from the table's
first instant, and none reaches beyond the last. A name that only last rows hold never stands elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from foretell.data.codecs.tables import FREQUENT, Numbers
from foretell.data.dataset import Column
from foretell.data.kinds.time import INSTANT
from foretell.errors import DataError
from foretell.generation.steering import Steer
from foretell.generation.tables import TableGenerator, fit
from foretell.spec import TrainSpec

BEFORE, PARENT, ROWS, ROW, LEFT, GAP = "before ", "parent ", "rows of ", "row", "rows left", "gap"
"""What the columns of a table of steps are called. `LEFT` tells that a row is the last: a net does not
learn from few rows when two numbers are equal."""
PARENTS, EVENTS = "parents", "events"
"""What the table of parents is called; and of events, that of the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Rows of a child belong to rows of a parent."""

    child: str
    parent: str
    key: str
    """Column of the child that names the parent."""
    to: str
    """Column of the parent that it names."""
    time: str = ""
    """Column of the child that orders the rows of a parent; empty: they stand in the order of the table."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steps:
    """What draws the rows of one child, step by step."""

    rows: TableGenerator
    own: tuple[str, ...]
    """Columns of the child beside its key and time."""
    rules: tuple[str, ...] = ()
    """Constraints that its rows satisfy."""
    first_us: int = 0
    last_us: int = 0
    """Ends of the child's time."""
    grain_us: int = 0
    least: float = 0.0
    """The least gap that was seen, in grains."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LinkedGenerator:
    """Draws all tables, with keys that fit."""

    links: tuple[Link, ...]
    """A parent's own link comes before those of its children."""
    roots: Mapping[str, TableGenerator]
    """Tables that have no parent."""
    keys: Mapping[str, str]
    """Table -> its key column, where it is a parent."""
    steps: Mapping[str, Steps]
    """Child -> what draws its rows."""

    def draw(self, counts: Mapping[str, int], *, seed: int = 0) -> dict[str, pl.DataFrame]:
        """Return all tables in canonical dtypes; keys are the rows' own numbers.

        Args:
            counts: table without a parent -> how many of its rows to draw.
            seed: of all random choices; the same seed gives the same rows.
        """
        found = {
            name: self._keyed(name, generator.draw(counts[name], seed=seed))
            for name, generator in self.roots.items()
        }
        for place, link in enumerate(self.links):
            rows = self._rows(link, found[link.parent], seed + 7919 * (place + 1))
            found[link.child] = self._keyed(link.child, rows)
        counted = [name for name in found for link in self.links if link.parent == name]
        return {
            name: frame.drop([ROWS + link.child for link in self.links if link.parent == name])
            if name in counted
            else frame
            for name, frame in found.items()
        }

    def _keyed(self, name: str, frame: pl.DataFrame) -> pl.DataFrame:
        if name not in self.keys:
            return frame
        key = pl.int_range(1, len(frame) + 1, eager=True).cast(pl.String).alias(self.keys[name])
        return frame.select(key, pl.all())

    def _rows(self, link: Link, parents: pl.DataFrame, seed: int) -> pl.DataFrame:
        """Return the rows of all parents, parent by parent."""
        steps = self.steps[link.child]
        steer = Steer.of(steps.rows.codec, steps.rules) if steps.rules else None
        alive = parents.filter(pl.col(ROWS + link.child) >= 1)
        keys = alive[link.to]
        context = _of_parent(alive, link, self.links)
        before = pl.DataFrame({BEFORE + name: [None] * len(alive) for name in steps.own})
        if link.time:
            first = pl.Series(BEFORE + link.time, [steps.first_us] * len(alive), pl.Int64)
            before = before.with_columns(first.cast(INSTANT))
        found, place = [], 0
        while len(keys):
            place += 1
            known = context.with_columns(before.get_columns()).with_columns(
                pl.lit(float(place)).alias(ROW), (pl.col(ROWS + link.child) - place).alias(LEFT)
            )
            told = steps.rows.fill(known, seed=seed + place, keep=known.columns, steer=steer)
            kept = told.select(*steps.own)
            going = (told[ROWS + link.child] > place).to_numpy()
            if link.time:
                gap = told[GAP].round(0).cast(pl.Int64) * steps.grain_us
                at = (told[BEFORE + link.time].to_physical() + gap).alias(link.time)
                kept = kept.with_columns(at.cast(INSTANT))
                going &= (at + int(steps.least * steps.grain_us) <= steps.last_us).to_numpy()
            found.append(kept.with_columns(keys.alias(link.key), pl.lit(place).alias(ROW)))
            before = kept.filter(going).rename(lambda name: BEFORE + name)
            keys, context = keys.filter(pl.Series(going)), context.filter(going)
        if not found:
            schema = {name: steps.rows.codec.dtype(name) for name in steps.own}
            return pl.DataFrame(
                schema={link.key: pl.String(), **schema, **({link.time: INSTANT} if link.time else {})}
            )
        order = [pl.col(link.key).cast(pl.Int64), ROW]
        columns = [link.key, *([link.time] if link.time else []), *steps.own]
        return pl.concat(found).sort(order).select(columns)


def fit_linked(
    frames: Mapping[str, pl.DataFrame],
    columns: Mapping[str, Sequence[Column]],
    links: Sequence[Link],
    train: TrainSpec,
) -> LinkedGenerator:
    """Fit tables in canonical dtypes.

    Args:
        columns: of each table, those that are to be drawn; keys are not among them, the time of a link is.
        links: each child has one parent.

    Raises:
        DataError: when a child has two parents, or names one that is not there.
    """
    links = _in_order(links)
    held = dict(frames)
    for link in links:
        parent, child = held[link.parent], held[link.child]
        orphans = child.filter(~pl.col(link.key).is_in(parent[link.to].to_list()))
        if len(orphans):
            example = orphans[link.key][0]
            raise DataError(
                f"{len(orphans)} rows of '{link.child}' have no parent, as {link.key} '{example}'",
                f"give the rows of '{link.parent}' that they name, or leave them out",
            )
        counts = child.group_by(pl.col(link.key).alias(link.to)).agg(
            pl.len().cast(pl.Float64).alias(ROWS + link.child)
        )
        held[link.parent] = parent.join(counts, on=link.to, how="left", maintain_order="left").with_columns(
            pl.col(ROWS + link.child).fill_null(0.0)
        )
    children = {link.child for link in links}
    drawn = {
        name: [*own, *(_number(ROWS + link.child) for link in links if link.parent == name)]
        for name, own in columns.items()
    }
    return LinkedGenerator(
        links=links,
        roots={name: fit(held[name], drawn[name], train) for name in frames if name not in children},
        keys={link.parent: link.to for link in links},
        steps={link.child: _steps(held, drawn, link, links, train) for link in links},
    )


def events_of(
    frame: pl.DataFrame, columns: Sequence[Column], *, entity: str, time: str
) -> tuple[dict[str, pl.DataFrame], dict[str, tuple[Column, ...]], Link]:
    """Return the events of entities as two linked tables, by `PARENTS` and `EVENTS`: frames, columns, link.

    Columns that are the same in all events of an entity are the entity's.

    Args:
        columns: those that are to be drawn, the time among them, the entity not.
    """
    names = [column.name for column in columns if column.name != time]
    most = frame.group_by(entity).agg(pl.col(names).n_unique()).select(pl.col(names).max())
    same = [name for name in names if most[name][0] == 1]
    own = {
        PARENTS: tuple(column for column in columns if column.name in same),
        EVENTS: tuple(column for column in columns if column.name not in same),
    }
    frames = {
        PARENTS: frame.group_by(entity, maintain_order=True).agg(pl.col(same).first()),
        EVENTS: frame.select(entity, *(column.name for column in own[EVENTS])),
    }
    return frames, own, Link(child=EVENTS, parent=PARENTS, key=entity, to=entity, time=time)


def _in_order(links: Sequence[Link]) -> tuple[Link, ...]:
    """Return the links, each after the one by which its parent is a child."""
    children = [link.child for link in links]
    twice = next((name for name in children if children.count(name) > 1), "")
    if twice:
        raise DataError(f"'{twice}' has two parents", "state one of the links")
    found: list[Link] = []
    left = list(links)
    while left:
        ready = [link for link in left if link.parent not in {other.child for other in left}]
        if not ready:
            raise DataError(f"'{left[0].parent}' is its own child", "leave out one of the links")
        found += ready
        left = [link for link in left if link not in ready]
    return tuple(found)


def _steps(
    held: Mapping[str, pl.DataFrame],
    drawn: Mapping[str, Sequence[Column]],
    link: Link,
    links: Sequence[Link],
    train: TrainSpec,
) -> Steps:
    """Fit what draws the rows of a child."""
    of, mine = drawn[link.parent], drawn[link.child]
    own = tuple(column.name for column in mine if column.name != link.time)
    child = held[link.child].sort(link.time, maintain_order=True) if link.time else held[link.child]
    child = child.with_columns(
        pl.int_range(1, pl.len() + 1).over(link.key).cast(pl.Float64).alias(ROW),
        *(pl.col(name).shift(1).over(link.key).alias(BEFORE + name) for name in own),
    )
    keyed = held[link.parent].rename({link.to: link.key}) if link.to != link.key else held[link.parent]
    parents = _of_parent(keyed, link, links).with_columns(keyed[link.key])
    table = child.join(parents, on=link.key, how="left", maintain_order="left").with_columns(
        (pl.col(ROWS + link.child) - pl.col(ROW)).alias(LEFT)
    )
    told: dict[str, Any] = {}
    texts = _only_last(table, link, mine)
    if link.time:
        grain = Numbers.fit(child[link.time]).grain_us
        instants = child[link.time].to_physical().to_numpy()
        first, last = int(instants.min()), int(instants.max())
        at = pl.col(link.time).shift(1).over(link.key).fill_null(pl.lit(first).cast(INSTANT))
        table = table.with_columns(at.alias(BEFORE + link.time))
        gap = (pl.col(link.time).to_physical() - pl.col(BEFORE + link.time).to_physical()) // grain
        table = table.with_columns(gap.cast(pl.Float64).alias(GAP))
        gaps = table.filter(pl.col(ROW) > 1)[GAP].to_numpy()
        least = float(gaps.min()) if len(gaps) else 0.0
        told = {"first_us": first, "last_us": last, "grain_us": grain, "least": least}
        end = f"{pl.Series([last]).cast(INSTANT)[0].isoformat()}"
        texts += [f"`{BEFORE}{link.time}` + `{GAP}` * {float(grain)} <= '{end}'"]
        texts += [f"`{GAP}` >= {told['least']} if `{ROW}` > 1"]
    context = [_called(column, PARENT + column.name) for column in of if not column.name.startswith(ROWS)]
    context += [_number(ROWS + link.child), _number(ROW), _number(LEFT)]
    context += [_called(column, BEFORE + column.name) for column in mine]
    drawn_columns = [
        *context,
        *([_number(GAP)] if link.time else []),
        *(c for c in mine if c.name != link.time),
    ]
    rows = fit(table.select(c.name for c in drawn_columns), drawn_columns, train)
    return Steps(rows=rows, own=own, rules=tuple(texts), **told)


def _of_parent(parents: pl.DataFrame, link: Link, links: Sequence[Link]) -> pl.DataFrame:
    """Return what a child's rows see of their parents, and how many they are."""
    others = [ROWS + each.child for each in links]
    plain = [name for name in parents.columns if name not in (link.to, link.key, *others)]
    own = [each.key for each in links if each.child == link.parent]
    return parents.select(
        *(pl.col(name).alias(PARENT + name) for name in plain if name not in own), pl.col(ROWS + link.child)
    )


def _only_last(table: pl.DataFrame, link: Link, columns: Sequence[Column]) -> list[str]:
    """Return constraints that keep names to the last rows of a parent, where only those hold them."""
    if not link.time:
        return []
    last = pl.col(ROW) == pl.col(ROWS + link.child)
    texts = []
    for column in columns:
        if table[column.name].dtype != pl.String:
            continue
        seen = table.group_by(column.name).agg(pl.len(), last.all().alias("last"))
        ends = seen.filter(pl.col("last") & (pl.col("len") >= FREQUENT))[column.name].drop_nulls().to_list()
        if ends:
            told = ", ".join(map(repr, sorted(ends)))
            texts.append(f"`{column.name}` not in ({told},) if `{ROW}` < `{ROWS}{link.child}`")
    return texts


def _called(column: Column, name: str) -> Column:
    return Column(name=name, kind=column.kind, role="input", text=name, reason=column.reason)


def _number(name: str) -> Column:
    return Column(name=name, kind="number", role="input", text=name, reason="it counts")
