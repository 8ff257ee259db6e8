"""The commands of the house style: how texts are worded, and which sentences are the house's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from foretell.cli_learn import opened, store_option, who
from foretell.errors import DecisionError
from foretell.shell import found, run_option

if TYPE_CHECKING:
    from foretell.narration.style import Style


NONE = "no style is in use: the grammar's own weights are"


@click.group()
def style() -> None:
    """How texts are worded, as people approved them; sentences of your own need two administrators.

    A style chooses among true wordings and makes nothing true. Who proposes or releases a sentence is known
    by a key of theirs, in $FORETELL_KEY: made at the desk, under My account.
    """


@style.command()
@run_option
@store_option
def learn(folder: Path | None, url: str) -> None:
    """Learn how the house words texts from those that were approved, and use it in the next run."""
    from foretell import styles

    with opened(folder, url) as cases:
        lesson = styles.learn(found(folder), cases)
    click.echo(f"style {lesson.path.stem[:12]}, learned from {_texts(lesson.style.num_texts)}, is in use")
    if lesson.candidates:
        number = len(lesson.candidates)
        said = "1 sentence" if number == 1 else f"{number} sentences"
        click.echo(f"{said} that people wrote could become the house's own: foretell style show")


@style.command()
@run_option
@store_option
def train(folder: Path | None, url: str) -> None:
    """Train a language model on approved texts; it stays off unless it beats the weighted grammar.

    The latest quarter of the texts is held out, and both are compared on it.
    """
    from foretell import styles
    from foretell.border import load_spec
    from foretell.champions import settled

    run = found(folder)
    with opened(folder, url) as cases:
        place, told = styles.train(run, cases, load_spec(settled(run) / "spec.yaml"))
    click.echo(f"{'writer, learned from ' + _texts(told.num_read):44}  bits per choice  first choices right")
    click.echo(f"{'weighted grammar':44}  {told.grammar:15.3f}  {told.grammar_right:19.1%}")
    click.echo(f"{'the same and a language model':44}  {told.model:15.3f}  {told.model_right:19.1%}")
    saved = f"saved on {_texts(told.num_held)} held out: {told.low:+.3f} to {told.high:+.3f} (95 %)"
    if told.won:
        click.echo(f"{saved}: the language model won\nuse it: narrate.writer: lm:{place}")
    else:
        click.echo(f"{saved}: no win, so the language model stays off")


@style.command()
@run_option
@store_option
def show(folder: Path | None, url: str) -> None:
    """Show the styles of a run, what the one in use prefers, and the sentences people wrote themselves."""
    from foretell import styles
    from foretell.cases.releases import Releases
    from foretell.narration.style import PLAIN
    from foretell.narration.style import opened as read

    place = found(folder)
    with opened(folder, url) as cases:
        used = styles.settled(place)
        for path in styles.styles(place):
            mark = "in use" if str(path) == used else ""
            click.echo(f"{path.stem[:12]}  {mark:7} {_texts(read(str(path)).num_texts)}")
        held = read(used) if used else PLAIN
        click.echo(_plans(held) if used else NONE)
        for each in Releases(cases).all():
            state = {"confirmed": "released"}.get(each.state, each.state)
            closed = f" by {each.closed_by}" if each.closed_by else ""
            click.echo(f"proposal {each.seq} by {each.actor}, {state}{closed}: {each.wording.text}")
        for one in styles.offered(cases, held.language):
            click.echo(f"{one.wording.name}  in {_texts(one.num_texts)}: {one.example}")
            click.echo(f"    worded as: {one.wording.text}")
            click.echo(f"    told only when: {' and '.join(one.conditions) or 'always'}")
        for sentence, why in styles.unoffered(cases, held.language).items():
            click.echo(f"cannot be the house's own: {sentence}\n    {why}")


@style.command()
@click.argument("name")
@run_option
@store_option
def propose(name: str, folder: Path | None, url: str) -> None:
    """Propose to use the sentence NAME (its first letters), as `show` lists it."""
    from foretell import styles
    from foretell.cases.releases import Releases
    from foretell.verification.grammar import GRAMMARS

    with opened(folder, url) as cases:
        fitting = [
            (one.wording, language)
            for language in GRAMMARS
            for one in styles.offered(cases, language)
            if name and one.wording.name.startswith(name)
        ]
        if len(fitting) != 1:
            raise DecisionError(
                f"{len(fitting)} sentences that people wrote begin with '{name}' and are not proposed yet",
                "list them: foretell style show",
            )
        seq = Releases(cases).propose(who(cases), *fitting[0])
    click.echo(f"proposal {seq}: another administrator must release it")


@style.command()
@click.argument("proposal", type=int)
@run_option
@store_option
def release(proposal: int, folder: Path | None, url: str) -> None:
    """Put a sentence into use that another administrator proposed."""
    from foretell.cases.releases import Releases

    with opened(folder, url) as cases:
        wording = Releases(cases).release(who(cases), proposal)
    click.echo(f"released: {wording.text}\nuse it: foretell style learn")


@style.command()
@click.argument("proposal", type=int)
@run_option
@store_option
def withdraw(proposal: int, folder: Path | None, url: str) -> None:
    """Take a sentence back, whether it was released or not."""
    from foretell.cases.releases import Releases

    with opened(folder, url) as cases:
        Releases(cases).withdraw(who(cases), proposal)
    click.echo(f"proposal {proposal} is withdrawn\nlearn without it: foretell style learn")


@style.command()
@click.argument("digest", default="")
@run_option
def revert(digest: str, folder: Path | None) -> None:
    """Go back to the style DIGEST (its first letters), or without one to the grammar's own weights."""
    from foretell import styles

    used = styles.adopt(found(folder), digest)
    click.echo(f"style {used[:12]} is in use" if used else NONE)


def _texts(number: int) -> str:
    return f"{number:,} approved text" + ("" if number == 1 else "s")


def _plans(held: Style) -> str:
    """Return what is told in which order, and how often where it is not always."""
    lines = []
    for length, steps in held.plans.items():
        often = [f"{group} ({shares[0]:.0%})" if shares[0] < 0.95 else group for group, shares in steps]
        lines.append(f"{length}: {', '.join(often)}")
    return "\n".join(lines)
