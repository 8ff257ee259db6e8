"""`foretell write`: one text a row by a template of the owner, each read by the verifier before it counts."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from foretell.errors import SpecError, VerdictError
from foretell.shell import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from foretell.data.dataset import Dataset

OUT = "texts.jsonl"
TOLD = 3
"""Rows without a text whose faults are shown."""


@click.command()
@click.argument("template", type=Path)
@click.argument("source", metavar="DATA|SPEC")
@click.option("--unit", "units", multiple=True, metavar="COLUMN=UNIT", help="What a number counts: price=EUR")
@click.option("--language", default="", help="The template's language: en, de.")
@click.option("--seed", type=int, default=0, help="Another number words them otherwise.")
@click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Override: data.id=customer")
@click.option("--out", type=Path, default=OUT, help=f"File of the texts; {OUT} if nothing says it.")
def write(
    template: Path,
    source: str,
    units: tuple[str, ...],
    language: str,
    seed: int,
    overrides: tuple[str, ...],
    out: Path,
) -> None:
    """Write one text for each row of DATA: letters, offers, descriptions.

    TEMPLATE holds sentences with columns for slots, and when each is true of a row; see docs/narratives.md.
    Columns are named in lower case, with _ for what is no letter; two that would be called the same cannot be
    named. The file has one JSON object a row: `row` (its id, or else its number), `text`, and where no text
    of the row was verified `faults` instead.

    Exit codes: 0 every row has its text; 6 some have none.
    """
    from foretell.border import load_spec
    from foretell.data.reading import read
    from foretell.files import aside

    start: Any = Path(source) if source.endswith((".yaml", ".yml")) else {"source": source}
    measured = (f"columns.{name}.unit={json.dumps(unit)}" for name, unit in map(_pair, units))
    spec = load_spec(start, ("task.name=generate", "data.rows=0", *measured, *overrides))
    dataset = read(spec)
    for repair in dataset.repairs:
        if not repair.column:  # of whole rows, which then have no text
            say(f"  {repair.rows:,} rows: {repair.rule}, {repair.action}; for example {repair.example}")
    count, failed = 0, []
    with aside(out) as new, new.open("w", encoding="utf-8") as file:
        for told in _texts(template, dataset, language or spec.narrate.language, seed):
            count += 1
            failed += [told] if "faults" in told else []
            file.write(json.dumps(told, ensure_ascii=False) + "\n")
    say(f"{count - len(failed):,} of {count:,} rows have a verified text in {out}")
    if failed:
        shown = "; ".join(f"row {told['row']}: {told['faults'][0]}" for told in failed[:TOLD])
        raise VerdictError(
            f"{len(failed):,} of {count:,} rows have no text: {shown}",
            "give sentences that are true of these rows, too",
        )


def _texts(template: Path, dataset: Dataset, language: str, seed: int) -> Iterator[dict[str, Any]]:
    """Yield what is written of each row."""
    import polars as pl

    from foretell.narration.templates import opened

    try:
        text = template.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"the template '{template}' cannot be read: {error}", "give a text file") from error
    slots = Counter(_slot(column.name) for column in dataset.columns)
    named = {_slot(column.name): column for column in dataset.columns if slots[_slot(column.name)] == 1}
    held = opened(
        text,
        {name: column.unit if column.kind == "number" else None for name, column in named.items()},
        language,
    )
    frame = dataset.frame.select(
        pl.col(column.name).dt.to_string("iso:strict") if column.kind == "time" else pl.col(column.name)
        for column in named.values()
    ).rename({column.name: name for name, column in named.items()})
    told = held.texts(frame.iter_rows(named=True), seed=seed)
    for row, (narrative, verdict) in zip(dataset.ids.tolist(), told, strict=True):
        if verdict.passed:
            yield {"row": row, "text": narrative.text}
        else:
            yield {"row": row, "faults": [found.fault for found in verdict.findings if found.fault]}


def _slot(column: str) -> str:
    """Return what a column is called in a template.

    >>> _slot("MonthlyCharges (EUR)")
    'monthlycharges_eur'
    """
    return re.sub(r"[^a-z]+", "_", column.lower()).strip("_")


def _pair(text: str) -> tuple[str, str]:
    name, found, unit = text.partition("=")
    if not found:
        raise SpecError(f"--unit {text} names no unit", "write it as --unit price=EUR")
    return name, unit
