"""Where fits run: shared by the processes that `torchrun` started, or several at once as tasks of Ray."""

from __future__ import annotations

from contextlib import redirect_stderr, redirect_stdout
from functools import wraps
from os import devnull
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from foretell.errors import ForetellError, TrainingError
from foretell.shell import say

if TYPE_CHECKING:
    from collections.abc import Callable


def together(command: Callable[..., None]) -> Callable[..., None]:
    """Let the processes of `torchrun` share a command's fit; the first one alone writes and talks."""

    @wraps(command)
    def called(**asked: Any) -> None:
        from foretell.training import parallel

        if parallel.asked() == 1:
            return command(**asked)
        with parallel.joined():
            if parallel.leads():
                return command(**asked)
            try:
                with Path(devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
                    return command(**asked)
            except ForetellError as error:
                raise SystemExit(error.exit_code) from None  # the first process says why
            except RuntimeError:
                raise SystemExit(1) from None  # the first process is gone

    return called


@click.command()
@click.argument("specs", metavar="SPEC...", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Override in all of them.")
@click.option("--address", default="", help="Of a running Ray cluster, or auto; this machine if not given.")
def launch(specs: tuple[str, ...], overrides: tuple[str, ...], address: str) -> None:
    """Fit several specs at once as tasks of Ray, each into its own folder; print each leaderboard.

    Needs `pip install 'foretell[ray]'`. Ends with exit code 4 when a fit failed; the others are kept.
    """
    from foretell.border import load_spec
    from foretell.launching import launch as launched

    failed = []
    for done in launched([load_spec(Path(spec), overrides) for spec in specs], address=address, tell=say):
        click.echo(f"{done.folder}\n{done.leaderboard or 'failed: ' + done.fault}\n")
        failed += [done] if done.fault else []
    if failed:
        raise TrainingError(
            f"{len(failed)} of {len(specs)} fits failed", "mend what is told above, and launch again"
        )
