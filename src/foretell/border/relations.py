"""What the fields of a spec must satisfy together: one table of relations."""

from collections.abc import Callable
from dataclasses import dataclass

from foretell.border.checking import instant
from foretell.spec import DataSpec, Spec, TaskSpec


@dataclass(frozen=True, slots=True)
class Relation:
    """What several fields must satisfy together; the fault is told at the first of `paths`."""

    paths: tuple[str, ...]
    holds: Callable[[Spec], bool]
    must: str


def _acyclic(spec: Spec) -> bool:
    """Say whether no column is among its own causes, directly or through others."""
    causes = {name: {*column.causes} for name, column in spec.columns.items() if column.causes}
    while settled := [name for name, above in causes.items() if not above & causes.keys()]:
        for name in settled:
            del causes[name]
    return not causes


def _in_order(first: str, second: str) -> Relation:
    """Instants of `split`: the first, where both are stated, comes before the second."""

    def holds(spec: Spec) -> bool:
        low, high = instant(getattr(spec.split, first)), instant(getattr(spec.split, second))
        return low is None or high is None or low < high

    return Relation((f"split.{second}", f"split.{first}"), holds, f"must come after split.{first}")


def _apart(field: str) -> Relation:
    return Relation(
        (f"data.{field}", "data.target"),
        lambda spec: getattr(spec.data, field) != spec.data.target or not spec.data.target,
        "must not be the target",
    )


def _worded(spec: Spec) -> bool:
    """Return whether the owner named the row and the outcome: what stands there unasked is English.

    What is told of a generated set names neither.
    """
    if spec.task.name == "generate":
        return True
    return spec.data.row_text != DataSpec().row_text and spec.task.positive_text != TaskSpec().positive_text


RELATIONS: tuple[Relation, ...] = (
    Relation(
        ("data.target",),
        lambda spec: bool(spec.data.target) or spec.task.name == "generate",
        "must name the column to predict",
    ),
    _apart("id"),
    _apart("time"),
    _apart("group"),
    Relation(
        ("data.exclude", "data.target"),
        lambda spec: spec.data.target not in spec.data.exclude,
        "must not hold the target",
    ),
    Relation(("columns",), _acyclic, "must not hold a column that is a cause of itself, or of its causes"),
    Relation(
        ("split.by", "data.group"),
        lambda spec: spec.split.by != "group" or bool(spec.data.group),
        "needs data.group, the column whose values stay together",
    ),
    Relation(
        ("split.by", "split.test_from", "split.train_until"),
        lambda spec: spec.split.by in ("", "time") or not (spec.split.test_from or spec.split.train_until),
        "must be time when split.test_from or split.train_until is stated",
    ),
    _in_order("train_from", "train_until"),
    _in_order("test_from", "test_until"),
    _in_order("train_from", "test_from"),
    Relation(
        ("split.test_from", "split.train_until"),
        lambda spec: (
            (start := instant(spec.split.test_from)) is None
            or (end := instant(spec.split.train_until)) is None
            or end <= start
        ),
        "must not come before split.train_until",
    ),
    Relation(
        ("narrate.rights", "narrate.documents"),
        lambda spec: not spec.narrate.rights or bool(spec.narrate.documents),
        "needs narrate.documents, where the documents are",
    ),
    Relation(
        ("review.retire_known", "review.entity"),
        lambda spec: not spec.review.retire_known or bool(spec.review.entity),
        "needs review.entity, the column whose values are left out",
    ),
    Relation(
        ("review.cost_miss", "review.cost_review"),
        lambda spec: (spec.review.cost_miss > 0) == (spec.review.cost_review > 0),
        "must come together with review.cost_review: state both above 0, or neither",
    ),
    Relation(
        ("review.groups", "data.target"),
        lambda spec: spec.data.target not in spec.review.groups or not spec.data.target,
        "must not hold the target",
    ),
    Relation(
        ("review.edges", "review.groups"),
        lambda spec: set(spec.review.edges) <= set(spec.review.groups),
        "must be of columns that review.groups names",
    ),
    Relation(
        ("review.mitigate", "review.groups"),
        lambda spec: spec.review.mitigate == "none" or bool(spec.review.groups),
        "needs review.groups, whose first column is meant",
    ),
    Relation(
        ("review.mitigate", "review.cost_miss"),
        lambda spec: spec.review.mitigate not in ("selection", "recall") or not spec.review.cost_miss,
        "shares out review.capacity, and costs would set one threshold for all: state one of them",
    ),
    Relation(
        ("narrate.language", "data.row_text", "task.positive_text"),
        lambda spec: spec.narrate.language == "en" or _worded(spec),
        "needs data.row_text and task.positive_text in that language",
    ),
)
