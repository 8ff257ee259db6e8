"""`foretell generate`: more of the same, measured, marked, and laid before people for its release."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from foretell.shell import called, own_key, say

if TYPE_CHECKING:
    from foretell.spec import Spec
    from foretell.studio import GeneratedSet

OUT = "runs/generated"


@click.command()
@click.argument("source", metavar="DATA|SPEC|RUN")
@click.option("-n", "--count", type=int, help="How many; 1,000 if nothing says it.")
@click.option("--family", default="", help="next, flow, vae or gan; what suits the data if not given.")
@click.option("--given", multiple=True, metavar="COLUMN=VALUE", help="What is fixed in all of them.")
@click.option("--constraint", multiple=True, metavar="RULE", help="What holds in each: 'start <= end'.")
@click.option("--prompt", default="", help="How each text begins; what images show.")
@click.option("--seed", type=int, help="Another number draws others.")
@click.option("--budget", default="", metavar="TIME", help="Longest time of the fit: 60s, 10m.")
@click.option("--licence", default="", help="The licence of the data: CC-BY-4.0, own.")
@click.option("--unlicensed", is_flag=True, help="Permit data whose licence is not known; this is recorded.")
@click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Override: train.seed=3")
@click.option("--json", "as_json", is_flag=True, help="Print what was drawn as JSON.")
@click.option("--out", default="", help=f"Folder of the run; {OUT} if nothing says it.")
def generate(
    source: str,
    overrides: tuple[str, ...],
    out: str,
    given: tuple[str, ...],
    constraint: tuple[str, ...],
    as_json: bool,
    **asked: object,
) -> None:
    """Learn from DATA, and generate more of the same: rows of a table, texts, images.

    DATA is a table (CSV, Parquet, a SQL URL), text (.txt, .md, .py, .jsonl) or images (.npz, a folder of .png
    or .jpg). RUN is the folder of a run that generated before: its generator draws again, nothing is fitted.

    \b
    foretell generate customers.csv -n 10000 --licence own
    foretell generate runs/generated -n 500 --seed 2 --given city=Bern
    foretell generate spec.yaml

    Whatever lies nearer to a row that taught than held-out rows do is withheld. What is measured stands in
    the report and the card; the release of the set is a case at the desk; `foretell provenance FILE` reads
    what is signed of the file.
    """
    from foretell import studio

    settings = _settings(given, constraint, asked)
    done = studio.generate(asked_for(source, (*settings, *overrides), out), key=own_key(), tell=say)
    if as_json:
        told = {"case": done.case.id, "count": len(done.items), "withheld": done.withheld}
        places = {"file": done.path, "report": done.report, "card": done.card}
        click.echo(json.dumps({**told, **{name: str(place) for name, place in places.items()}}))
    else:
        click.echo(summary(done))


def _settings(given: tuple[str, ...], constraint: tuple[str, ...], asked: dict[str, object]) -> list[str]:
    """Return the options as overrides of the spec; those that were not given override nothing."""
    places = {"licence": "data.licence", "budget": "train.budget"}
    told = [
        f"{places.get(name, f'generate.{name}')}={json.dumps(value, ensure_ascii=False)}"
        for name, value in asked.items()
        if not (value is None or value is False or value == "")
    ]
    rules = [f"generate.constraints={json.dumps(constraint, ensure_ascii=False)}"] if constraint else []
    return [*told, *rules, *(f"generate.given.{each}" for each in given)]


def asked_for(source: str, overrides: tuple[str, ...], out: str) -> Spec:
    """Return the spec of a file of data, of a YAML file, or of the generator in the folder of a run."""
    from foretell.border import load_spec
    from foretell.studio import spec_in

    placed = (f"out={out}",) if out else ()
    if source.endswith((".yaml", ".yml")):
        return load_spec(Path(source), ("task.name=generate", *overrides, *placed))
    if (Path(source) / "model").is_dir():
        return spec_in(Path(source), overrides)
    start = {"source": source, "task": {"name": "generate"}, "out": OUT}
    return load_spec(start, (*overrides, *placed))


def summary(done: GeneratedSet) -> str:
    """Return what was drawn, what is known of it, and where it lies."""
    again = called()
    withheld = f"; {done.withheld:,} lay too near to what taught, and were withheld" if done.withheld else ""
    return "\n".join(
        [
            done.case.narrative.text,
            "",
            f"{len(done.items):,} in {done.path}{withheld}",
            f"report  {done.report}",
            f"card    {done.card}",
            f"release {again} decide {done.case.id} approve --actor NAME --run {done.path.parent}",
            f"origin  {again} provenance {done.path}",
        ]
    )
