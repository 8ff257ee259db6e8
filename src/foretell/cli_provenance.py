"""`provenance`: what made a generated file, whether it was altered since, and whether it was released."""

from __future__ import annotations

from pathlib import Path

import click

from foretell.errors import DecisionError, ForetellError, StoreError


@click.command()
@click.argument("file", type=Path)
@click.option(
    "--run", "folder", type=Path, help="Folder of the run that made it: its key, and what was decided."
)
@click.option("--key", "signer", default="", help="Public key that must have signed it; any if not given.")
def provenance(file: Path, folder: Path | None, signer: str) -> None:
    """Say what made FILE (or a folder of files), and check its signature; nothing is asked of a network.

    With --run, says who released it, and looks for the keyed mark in a text.

    Exit codes: 0 as it was signed, and released where --run is given; 1 altered, or signed with another key
    than --key; 3 nothing was signed of it; 8 not released.
    """
    from foretell import provenance as origins

    origin = origins.read(file, folder=folder, signer=signer)
    stands = found = None
    if folder is not None:
        if not folder.is_dir():
            raise StoreError(
                f"there is no run at '{folder}'", "give the folder of the run that made the file"
            )
        stands = origins.standing(origin.said, folder / "cases.db")
        found = origins.look(origin, folder)
    click.echo("\n".join(origins.lines(origin, stands, found)))
    if origin.state == origins.ALTERED:
        raise ForetellError(
            f"'{file.name}' was altered after it was signed", "use the file as it was generated"
        )
    if signer and not origin.known:
        raise ForetellError(
            f"'{file.name}' was not signed with the key {signer[:16]}…",
            "ask whose key it is before you trust it",
        )
    if folder is not None and (stands is None or not stands.released):
        status = "has no case there" if stands is None else f"is {stands.status}"
        raise DecisionError(
            f"'{file.name}' {status}, not released", f"approve it: foretell desk --run {folder}"
        )
