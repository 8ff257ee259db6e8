"""Renders records to one self-contained HTML page: no script, no request, one hashed style sheet."""

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from foretell.errors import DataError, StoreError
from foretell.files import write_whole
from foretell.records import Case, canonical, restore
from foretell.report import case_pictures, charts, curves, group_pictures, trust
from foretell.report.contents import Example, RunReport, Timeline
from foretell.report.document import Document
from foretell.report.views import (
    board,
    capacities,
    confusions,
    decimal,
    grouped,
    interval,
    last_day,
    more,
    remarks,
    sentences,
    who,
)
from foretell.units import day, instant, number, percent, plural, write

UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control characters and those that turn the direction of text: a name must not rewrite its sentence."""


@cache
def environment() -> Environment:
    """Return the templates: everything is escaped, and a name that is not given is an error."""
    made = Environment(
        loader=PackageLoader("foretell.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    css = resources.files("foretell.report").joinpath("templates/page.css").read_text()
    code = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    names: dict[str, Any] = {
        "css": Markup(css),
        "css_hash": f"sha256-{code}",
        "charts": charts,
        "curves": curves,
        "pictures": case_pictures,
        "pictures_of_groups": group_pictures,
        "trust": trust,
        "sentences": sentences,
        "remarks": remarks,
        "grouped": grouped,
        "capacities": capacities,
        "board": board,
        "confusions": confusions,
        "interval": interval,
        "who": who,
        "alerts_name": charts.alerts_name,
    }
    made.globals.update(names)
    filters: dict[str, Callable[..., Any]] = {
        "write": write,
        "instant": instant,
        "day": day,
        "number": number,
        "percent": percent,
        "plural": plural,
        "decimal": decimal,
        "signed": lambda value, places: (
            f"{value:+.{places}f}".replace("-", "−") if round(value, places) else "none"
        ),
        "more": more,
        "last_day": last_day,
        "count": lambda value: f"{value:,.0f}",
        "capital": lambda words: words[:1].upper() + words[1:],
    }
    made.filters.update(filters)
    return made


def render(report: RunReport) -> str:
    """Return the whole report as one HTML page that needs no script and makes no request."""
    return visible(environment().get_template("report.html").render(report=report))


def case_page(case: Case, timelines: Sequence[Timeline] = (), *, outcome_text: str = "positive") -> str:
    """Return one case alone as an HTML page.

    Args:
        timelines: the past of its entities, where it is at hand.
        outcome_text: what the positive outcome is called, unless the case's own terms say it.
    """
    named = {fact.name: str(fact.value) for fact in case.evidence.of("term")}
    page = environment().get_template("case.html")
    return visible(
        page.render(
            example=Example(case=case, timelines=tuple(timelines)),
            row_text=named.get("row", "row"),
            outcome_text=named.get("outcome", outcome_text),
        )
    )


def document_page(document: Document) -> str:
    """Return a document as one HTML page."""
    return visible(environment().get_template("document.html").render(document=document))


def write_report(report: RunReport, path: str | os.PathLike[str]) -> None:
    """Write the page to `path` and the record beside it as `.json`, each whole or not at all.

    Raises:
        StoreError: when the folder cannot be written.
    """
    target = Path(path)
    _replace(target.with_suffix(".json"), canonical(report))
    _replace(target, render(report).encode())


def read_report(path: str | os.PathLike[str]) -> RunReport:
    """Return the record that `write` stored as `.json`.

    Raises:
        DataError: when the file is missing or is no report.
    """
    try:
        return restore(RunReport, json.loads(Path(path).read_bytes()))
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot read the report {path}: {error}", "write it again with `foretell run`"
        ) from error


def _replace(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}"
        raise StoreError(message, "free space, or choose another `out` folder") from error


def visible(page: str) -> str:
    return UNSEEN.sub("\ufffd", page)
