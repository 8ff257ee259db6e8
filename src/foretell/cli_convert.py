"""`convert`: a fitted model as a file for other engines."""

from __future__ import annotations

from pathlib import Path

import click

from foretell.shell import found, run_option, say


@click.command()
@run_option
@click.option(
    "--to",
    "form",
    type=click.Choice(["onnx", "mlflow"]),
    default="onnx",
    show_default=True,
    help="One ONNX file, or a model folder of MLflow around it.",
)
@click.option("--out", type=Path, help="Where to; model.onnx or mlflow in the run's folder if not given.")
def convert(folder: Path | None, form: str, out: Path | None) -> None:
    """Write the model of a table for engines that do not know Foretell: raw columns in, predictions out.

    It is run on up to 2,000 rows of the data and as many made ones, with values missing and unseen, and is
    written only when it says what the model says, within 1e-5.
    """
    import foretell
    from foretell import conversion
    from foretell.champions import settled
    from foretell.prediction.folder import open_fitted

    run = found(folder)
    fitted = open_fitted(settled(run))
    say(f"reading {fitted.spec.data.source}, to compare on its rows")
    write, name = (conversion.to_onnx, "model.onnx") if form == "onnx" else (conversion.to_mlflow, "mlflow")
    path = out or run / name
    parity = write(fitted, foretell.read(fitted.spec), path)
    click.echo(f"{path}: {parity.num_rows:,} rows compared, largest difference {parity.largest:.1e}")
