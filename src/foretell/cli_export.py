"""The commands for auditors: hand cases out with what proves them, make them again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from foretell.cli_desk import key_beside, opened, store_option
from foretell.errors import ForetellError, SpecError
from foretell.shell import found, run_option, say

if TYPE_CHECKING:
    from foretell.cases.bundle import Extra
    from foretell.replaying import Replay


@click.command()
@run_option
@store_option
@click.option("--case", "ids", multiple=True, help="A case; give it once for each.")
@click.option("--from", "since", default="", help="First day of a period, as 2026-03-01 (UTC).")
@click.option("--to", "until", default="", help="Last day of it.")
@click.option("--out", type=Path, required=True, help="The zip to write.")
@click.option("--key-file", type=Path, help="Private key (PEM) that signs; beside the store else.")
@click.option("--unsigned", is_flag=True, help="Do not sign.")
def export(
    folder: Path | None,
    url: str,
    ids: tuple[str, ...],
    since: str,
    until: str,
    out: Path,
    key_file: Path | None,
    unsigned: bool,
) -> None:
    """Write cases, or all of a period, into one zip for an auditor.

    It holds the cases with their history, what proves that the log holds it, pages to read, a check that
    needs Python alone, and, of a run, the models and the rows to make its cases again.
    """
    from foretell.cases.bundle import Choice, write_bundle

    with opened(folder, url) as cases:
        extra, shared = _pages(), {}
        if folder is not None or not url:
            from foretell.bundling import replayable
            from foretell.champions import models

            say("reading the models and their data")
            shared, rows = replayable(models(found(folder)))
            pages = extra
            extra = lambda case: {**pages(case), **rows(case)}  # noqa: E731 - two sources of files for one case
        made = write_bundle(
            cases,
            out,
            Choice(ids=ids, since=since, until=until),
            extra=extra,
            shared=shared,
            key_file=None if unsigned else key_file or key_beside(folder, url),
            tell=say,
        )
    erased = f", {made.num_erased} of them erased" if made.num_erased else ""
    what = "case" if made.num_cases == 1 else "cases"
    signed = f"signed with key {made.key}" if made.key else "not signed"
    click.echo(f"{out}: {made.num_cases:,} {what}{erased}, {made.num_events:,} events, {signed}")


def _pages() -> Extra:
    from foretell.report import case_page, timelines_of

    return lambda case: {"page.html": case_page(case, timelines_of(case)).encode()}


@click.command()
@run_option
@store_option
@click.option("--out", type=Path, help="File to write, .html or .md; Markdown to stdout if not given.")
def card(folder: Path | None, url: str, out: Path | None) -> None:
    """Write the card of a run: data, model, figures, groups, limits, review and log, as auditors ask.

    It holds what the run's folder and its log know, says which points of the EU's Annex IV that answers, and
    names those that people must write themselves.
    """
    from foretell.cards import card_of
    from foretell.files import write_whole
    from foretell.report import document_page, markdown

    if out is not None and out.suffix not in (".html", ".md"):
        raise SpecError(f"'{out}' is neither .html nor .md", "give --out a name with one of these endings")
    made = card_of(found(folder), url)
    if out is None:
        click.echo(markdown(made), nl=False)
        return
    write_whole(out, (document_page(made) if out.suffix == ".html" else markdown(made)).encode())
    click.echo(f"{out}: {len(made.sections)} sections")


@click.command()
@click.argument("case_id", default="")
@run_option
@click.option("--bundle", type=Path, help="A zip for auditors, in place of a run: each of its cases.")
def replay(case_id: str, folder: Path | None, bundle: Path | None) -> None:
    """Make a case again from the stored model and the data, and compare byte by byte.

    From a bundle, all its cases are made again from the models and rows in it. Ends with exit code 1 when a
    byte differs.
    """
    if bool(case_id) == (bundle is not None):
        raise SpecError("one case of a run is made again, or a bundle", "give CASE_ID, or --bundle FILE")
    if bundle is not None:
        from foretell.bundling import replay_bundle

        done = replay_bundle(bundle)
    else:
        from foretell.replaying import replay as made_again

        done = iter([made_again(found(folder), case_id)])
    different = [each.case for each in done if not _told(each)]
    if different:
        raise ForetellError(
            f"case '{different[0]}' does not come out the same"
            + (f", nor do {len(different) - 1:,} others" if different[1:] else ""),
            "compare the versions in the model's manifest.json",
        )


def _told(done: Replay) -> bool:
    click.echo(f"case {done.case}, model {done.model}")
    for part in done.parts:
        click.echo(f"{part.name:10}  {part.difference or f'the same {part.num_bytes:,} bytes'}")
    return done.passed
