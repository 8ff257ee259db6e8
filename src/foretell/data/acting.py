"""Acting: what the owner says of how columns may change, checked against what the columns are."""

from collections.abc import Sequence

from foretell.data.dataset import Column
from foretell.errors import DataError
from foretell.lookup import unknown
from foretell.spec import ColumnSpec, Spec


def check(columns: Sequence[Column], spec: Spec) -> None:
    """Refuse what cannot hold: a category that rises, an effect that is no number, a cause that is no input.

    Raises:
        DataError: on the first such statement.
    """
    inputs = {c.name: c for c in columns if c.role == "input" and c.kind in ("number", "category")}
    for column in columns:
        stated = spec.columns.get(column.name, ColumnSpec())
        where = f"columns.{column.name}"
        if column.kind != "number":
            if stated.change in ("rise", "fall") or stated.within:
                what = "within" if stated.within else f"change: {stated.change}"
                raise DataError(
                    f"{where} says `{what}`, but it is of kind {column.kind}",
                    "only numbers grow, shrink, or lie between others: say `free`, `never` or `follow`",
                )
            if stated.causes:
                raise DataError(
                    f"{where} has causes, but it is of kind {column.kind}", "only numbers can follow others"
                )
        if stated.change == "follow" and not stated.causes:
            raise DataError(
                f"{where} says `change: follow`, but names no causes", "name its `causes`, or say `never`"
            )
        if stated.change == "never" and stated.causes:
            raise DataError(
                f"{where} has causes, but never changes", "say `follow` where it moves with its causes alone"
            )
        for cause in stated.causes:
            if cause not in inputs:
                message, hint = unknown("number or category", cause, inputs)
                raise DataError(f"{message} ({where}.causes)", hint)
