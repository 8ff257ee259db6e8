"""The command that learns from decisions."""

from __future__ import annotations

from pathlib import Path

import click

from foretell.shell import found, run_option, say


@click.command()
@run_option
@click.option("--store", default="", help="URL of a store, in place of the run's.")
@click.option(
    "--labels",
    type=click.Choice(["source", "decisions"]),
    default="source",
    show_default=True,
    help="Whose word counts first on an outcome: the data's where they know it, or people's.",
)
@click.option("--until", default="", help="Instant before which rows teach, and from which on they compare.")
def learn(folder: Path | None, store: str, labels: str, until: str) -> None:
    """Turn decisions into labelled rows, refit, and compare with the present model on later rows.

    Writes learning/labels.parquet, learning/pairs.jsonl and a challenger under challengers/. The present
    model stays in its place whatever comes out.
    """
    import foretell
    from foretell.terminal import compared

    click.echo(compared(foretell.learn(found(folder), labels=labels, until=until, store=store, tell=say)))
