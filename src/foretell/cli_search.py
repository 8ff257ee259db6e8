"""`search`: look through the documents that the cases of a run quote from, or through others."""

from __future__ import annotations

import textwrap
from pathlib import Path

import click

from foretell.errors import DataError
from foretell.shell import found, run_option, say


@click.command()
@click.argument("query", metavar="WORDS")
@run_option
@click.option("--in", "sources", multiple=True, metavar="PATH", help="Folder, file or glob to read instead.")
@click.option("--as", "readers", multiple=True, metavar="NAME", help="A role or team of who asks.")
@click.option("--limit", default=5, show_default=True, help="Passages to print.")
def search(
    query: str, folder: Path | None, sources: tuple[str, ...], readers: tuple[str, ...], limit: int
) -> None:
    """Find passages of the owner's documents by words and by meaning; each is an exact quotation.

    Documents that only some roles or teams may read are searched for these alone: say which with --as.
    """
    from foretell.retrieval import Index
    from foretell.retrieval.citing import FILE, SHOWN

    path = None if sources else found(folder) / FILE
    if path is not None and not path.exists():
        raise DataError(
            f"there is no index of documents at {path}", "name them in narrate.documents, or with --in PATH"
        )
    index = Index.build(sources) if path is None else Index.open(path)
    for each in index.skipped:
        say(f"left out: '{each.path}': {each.reason}")
    passages = index.search(query, readers, top=limit)
    for passage in passages:
        place = f"{passage.document}, characters {passage.start} to {passage.end}"
        click.echo(f"{passage.rank}. {passage.name}")
        click.echo(textwrap.indent(textwrap.fill(passage.text, 92), "   "))
        click.echo(f"   [{place}, version {passage.version[:SHOWN]}]")
    if not passages:
        say(f"no passage of {len(index.documents):,} documents fits; try other words, or --as NAME")
