"""`foretell predict`: the scores of new rows, written as they come, or of a run's test rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

import foretell
from foretell.shell import found, run_option, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl


@click.command()
@click.argument("data", default="")
@run_option
@click.option("--out", type=Path, help="CSV or Parquet file to write; CSV to stdout if not given.")
@click.option("--reasons", is_flag=True, help="Name the factors that moved each score most, as codes.")
def predict(data: str, folder: Path | None, out: Path | None, reasons: bool) -> None:
    """Score every row of DATA (of the test rows of the run if not given), and flag the alerts.

    New rows are alerts when they reach the model's threshold. Those of a table are read, scored and written
    batch by batch, in their order, however many they are; events of entities go on where the model's data
    ended. The alerts among the test rows are the cases of the run.
    """
    from foretell import scoring
    from foretell.champions import settled
    from foretell.evidence.reasons import codes
    from foretell.prediction.folder import open_fitted
    from foretell.training.progress import counted, shown

    if out is not None:
        scoring.check(out, data)
    fitted = open_fitted(settled(found(folder)))
    used: set[str] = set()

    def noted(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for frame in frames:
            if reasons:
                used.update(code for row in frame["reasons"].to_list() for code in row.split())
            yield frame

    with shown("  scoring") as progress:
        if data:
            frames = scoring.scores(fitted, data, reasons=reasons, watch=counted(progress), tell=say)
        else:
            frames = iter([foretell.predict(fitted, reasons=reasons)])
        if out is not None:
            scoring.write(noted(frames), out)
        else:
            for number, frame in enumerate(noted(frames)):
                click.echo(frame.write_csv(include_header=not number), nl=False)
    if reasons:
        named = codes(fitted.factors)
        told = [f"{named[f.name]}  {f.text}" for f in fitted.factors if named[f.name] in used]
        say("\n".join(told))
