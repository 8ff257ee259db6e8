"""The commands that learn from decisions, and put a model in use."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from foretell.errors import AccessError, DecisionError, StoreError
from foretell.shell import KEY_VARIABLE, found, own_key, run_option, say

if TYPE_CHECKING:
    from foretell.cases import Store

store_option = click.option("--store", "url", default="", help="URL of a store, in place of the run's.")


@click.command()
@run_option
@store_option
@click.option(
    "--labels",
    type=click.Choice(["source", "decisions"]),
    default="source",
    show_default=True,
    help="Whose word counts first on an outcome: the data's where they know it, or people's.",
)
@click.option("--until", default="", help="Instant before which rows teach, and from which on they compare.")
def learn(folder: Path | None, url: str, labels: str, until: str) -> None:
    """Turn decisions into labelled rows, refit, and compare with the present model on later rows.

    Writes learning/labels.parquet, learning/pairs.jsonl and a challenger under challengers/. The present
    model stays in its place whatever comes out.
    """
    import foretell
    from foretell.terminal import compared

    made = foretell.learn(found(folder), labels=labels, until=until, store=url, key=own_key(), tell=say)
    click.echo(compared(made))


@click.group()
def models() -> None:
    """Which models there are, where each comes from, and which is in use; two administrators change it.

    Who proposes, confirms or withdraws is known by a key of theirs, in $FORETELL_KEY: made at the desk, under
    My account. Confirming works at the desk as well.
    """


@models.command("list")
@run_option
@store_option
def listed(folder: Path | None, url: str) -> None:
    """List the models that the store knows and what was proposed, and settle which is in use by the log."""
    from foretell.cases.promotion import Promotions
    from foretell.cases.registry import Registry
    from foretell.terminal import registry

    with opened(folder, url) as cases:
        _settle(folder, url, cases)
        click.echo(registry(Registry(cases).models()))
        for each in Promotions(cases).proposals():
            closed = f" by {each.closed_by}" if each.closed_by else ""
            click.echo(f"proposal {each.seq}: {each.model[:12]} by {each.actor}, {each.state}{closed}")


@models.command("show")
@click.argument("model")
@run_option
@store_option
def shown(model: str, folder: Path | None, url: str) -> None:
    """Show what MODEL (the first digits of its digest) was made of, and the models that it came from."""
    from foretell.cases.registry import Registry
    from foretell.terminal import lineage

    with opened(folder, url) as cases:
        click.echo(lineage(Registry(cases).lineage(model)))


@models.command()
@click.argument("model")
@run_option
@store_option
@click.option("--reason", default="", help="Why.")
def propose(model: str, folder: Path | None, url: str, reason: str) -> None:
    """Propose to use MODEL (the first digits of its digest): one that won, or one that was in use before."""
    from foretell import champions
    from foretell.cases.promotion import Promotions

    with opened(folder, url) as cases:
        used = champions.settle(found(folder), cases)
        there = champions.models(found(folder))
        fitting = [digest for digest in there if model and digest.startswith(model)]
        if len(fitting) != 1:
            raise DecisionError(
                f"{len(fitting)} models of the run begin with '{model}'", "foretell models list"
            )
        champion = next(digest for digest, place in there.items() if place == used)
        promotions, figures = Promotions(cases), champions.figures_of(there[fitting[0]])
        before = {digest for each in promotions.proposals() for digest in (each.model, each.champion)}
        if figures.get("champion") != champion and fitting[0] in before:
            figures = {}  # an earlier champion comes back on the strength of having been one
        seq = promotions.propose(who(cases), fitting[0], champion, figures, reason)
    click.echo(f"proposal {seq}: another administrator must confirm it")


@models.command()
@click.argument("proposal", type=int)
@run_option
@store_option
def confirm(proposal: int, folder: Path | None, url: str) -> None:
    """Put a model in use that another administrator proposed."""
    from foretell import champions
    from foretell.cases.promotion import Promotions

    with opened(folder, url) as cases:
        Promotions(cases).confirm(who(cases), proposal)
        click.echo(f"{champions.settle(found(folder), cases)} is in use")


@models.command()
@click.argument("proposal", type=int)
@run_option
@store_option
def withdraw(proposal: int, folder: Path | None, url: str) -> None:
    """Take a proposal back."""
    from foretell.cases.promotion import Promotions

    with opened(folder, url) as cases:
        Promotions(cases).withdraw(who(cases), proposal)
    click.echo(f"proposal {proposal} is withdrawn")


def _settle(folder: Path | None, url: str, cases: Store) -> None:
    """Settle which model of a run is in use; of another store's run, as far as there is one here."""
    from foretell import champions
    from foretell.cases.promotion import Promotions

    try:
        run = found(folder)
    except StoreError:
        return
    if folder is not None or not url or Promotions(cases).in_use() in champions.models(run):
        champions.settle(run, cases)


@contextmanager
def opened(folder: Path | None, url: str) -> Generator[Store, None, None]:
    from foretell.cases import Store as CaseStore

    with CaseStore(url or f"sqlite:///{found(folder) / 'cases.db'}", create=False) as cases:
        yield cases


def who(cases: Store) -> str:
    """Return whose key the environment holds."""
    from foretell.cases.accounts import Accounts

    secret = own_key()
    if not secret:
        raise AccessError(
            "nobody says who decides: it takes two administrators of a desk",
            f"open the desk (foretell desk), make a key under My account, and set ${KEY_VARIABLE}",
        )
    return Accounts(cases).key(secret).name
