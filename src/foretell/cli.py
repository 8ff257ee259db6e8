"""The command line, one command a verb; heavy modules are imported inside the commands.

Data go to stdout, progress and errors to stderr. Exit codes: 0 done, 1 fault, 2 usage or spec, 3 data, 4 fit,
5 model folder, 6 verdict, 7 store, 8 decision, 9 access, 10 an alarm of `watch`, 130 interrupted.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import foretell
from foretell import (
    cli_ask,
    cli_convert,
    cli_desk,
    cli_export,
    cli_generate,
    cli_launch,
    cli_learn,
    cli_predict,
    cli_provenance,
    cli_search,
    cli_style,
    cli_watch,
    cli_write,
)
from foretell.errors import ForetellError, SpecError, StoreError
from foretell.shell import called, database, found, own_key, run_option, say, store

if TYPE_CHECKING:
    from collections.abc import Callable

    from foretell.spec import Spec
    from foretell.workflow import Run


class Commands(click.Group):
    """Commands in the order of the road, and errors written for users."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ForetellError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            again = "run the same command again: a fit goes on from its last checkpoint"
            click.echo(f"interrupted; nothing half-written is left; {again}", err=True)
            ctx.exit(130)
        except BrokenPipeError:
            raise  # whoever read the output has read enough
        except OSError as error:
            place = f"'{error.filename}': {error.strerror}" if error.filename else str(error)
            click.echo(f"error: cannot read or write: {place}\nhint: check the path and its folder", err=True)
            ctx.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(foretell.__version__, prog_name="foretell")
def main() -> None:
    """Predict, and tell why: raw data in, verified plain-language cases out.

    \b
    foretell demo                        a simulated payments desk, end to end
    foretell run data.csv --target y     the whole road on your own data
    foretell run spec.yaml               the same, with everything you want to say
    """


spec_argument = click.argument("spec", metavar="SPEC|DATA")
target_option = click.option(
    "--target", default="", help="Column to predict, when DATA is given instead of a spec."
)
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Override: train.seed=3"
)


def fit_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add what is often asked of a fit as options of its own; each stands for an override of the spec."""

    def added(path: str) -> Callable[[click.Context, click.Parameter, str], str]:
        return lambda _context, _parameter, value: f"{path}={value}" if value else ""

    command = click.option("--out", default="", callback=added("out"), help="Folder of the run.")(command)
    command = click.option(
        "--budget",
        default="",
        metavar="TIME",
        callback=added("model.budget"),
        help="Try other shapes so long: 10m.",
    )(command)
    return click.option(
        "--deliver",
        default="",
        type=click.Choice(["", "ensemble", "student"]),
        callback=added("model.deliver"),
        help="What is used: all that won, or one small network taught by it.",
    )(command)


@main.command()
@click.argument("folder", type=Path, default=Path("runs/demo"))
@click.option("--seed", default=0, help="Another number simulates another desk.")
def demo(folder: Path, seed: int) -> None:
    """Simulate a payments desk and run the whole road on it."""
    from foretell.data.worlds import payments

    say(f"simulating customers, terminals and four fraud schemes into {folder}")
    payments.write(folder, seed=seed)
    finish(foretell.run(loaded(str(folder / "payments.yaml"), "", (f"out={folder}",)), tell=say))


@main.command()
@spec_argument
@target_option
@set_option
def check(spec: str, target: str, overrides: tuple[str, ...]) -> None:
    """Report every fault of a spec at once; print it with all defaults when there is none.

    The data are not opened: `read` tells whether they fit.
    """
    from foretell.border import dump_spec

    click.echo(dump_spec(loaded(spec, target, overrides)), nl=False)


@main.command()
@click.argument("data")
@click.option("--target", required=True, help="Column to predict.")
@set_option
@click.option("--out", type=Path, help="File to write; stdout if not given.")
def init(data: str, target: str, overrides: tuple[str, ...], out: Path | None) -> None:
    """Write a spec for DATA with each inferred value and its reason."""
    from foretell.border import initial_spec

    text = initial_spec(foretell.read(loaded(data, target, overrides)))
    if out is None:
        click.echo(text, nl=False)
    elif out.exists():
        raise SpecError(f"{out} exists", "choose another --out; nothing was written")
    else:
        out.write_text(text, encoding="utf-8")


@main.command()
@spec_argument
@target_option
@set_option
def read(spec: str, target: str, overrides: tuple[str, ...]) -> None:
    """Read the data: columns, repairs, split and its audit."""
    from foretell.terminal import describe

    click.echo(describe(foretell.read(loaded(spec, target, overrides))))


@main.command()
@spec_argument
@target_option
@fit_options
@set_option
@click.option("--store", default="", help="URL of a store to register the model in.")
@click.option("--json", "as_json", is_flag=True, help="Print what was fitted as JSON.")
@cli_launch.together
def fit(spec: str, target: str, overrides: tuple[str, ...], store: str, as_json: bool, **asked: str) -> None:
    """Fit the floor and the model families; print the leaderboard. With task.name: generate, a generator."""
    from foretell.records import canonical
    from foretell.terminal import leaderboard
    from foretell.training import parallel

    told = loaded(spec, target, (*overrides, *asked.values()))
    if told.task.name == "generate":
        from foretell import studio

        made = studio.fit(told, tell=say)
        family, place = made.generator.family, Path(told.out) / "model"
        found = {"generator": made.digest, "family": family, "folder": str(place)}
        line = f"generator {made.digest[:12]} ({family}) in {place}"
        click.echo(canonical(found) if as_json else line)
        return
    store = store if parallel.leads() else ""  # a model is registered once
    fitted = foretell.fit(told, store=store, key=own_key(), tell=say)
    click.echo(canonical({"standings": fitted.standings}) if as_json else leaderboard(fitted))


@main.command()
@run_option
def evaluate(folder: Path | None) -> None:
    """Judge a fitted model on its test rows."""
    from foretell.champions import settled
    from foretell.prediction.folder import open_fitted

    fitted = open_fitted(settled(found(folder)))
    for name, value in foretell.evaluate(fitted, foretell.read(fitted.spec)).metrics.items():
        click.echo(f"{name:24} {value:.4f}")


main.add_command(cli_predict.predict)
main.add_command(cli_generate.generate)
main.add_command(cli_write.write)


@main.command()
@click.argument("row_id")
@run_option
def explain(row_id: str, folder: Path | None) -> None:
    """Print the evidence about one test row, as JSON."""
    from foretell.records import plain
    from foretell.workflow import evidence_of

    _print_json(plain(evidence_of(found(folder), row_id)))


@main.command()
@click.argument("row_id")
@run_option
@click.option("--length", type=click.Choice(["short", "medium", "long"]), help="The run's if not given.")
@click.option("--seed", type=int, help="Another true wording; the run's if not given.")
def narrate(row_id: str, folder: Path | None, length: str | None, seed: int | None) -> None:
    """Write the verified narrative of one test row, in the house style that is in use."""
    from dataclasses import replace

    from foretell import styles
    from foretell.border import load_spec
    from foretell.champions import settled
    from foretell.narration.style import furnish
    from foretell.workflow import evidence_of

    run_folder = found(folder)
    spec = load_spec(settled(run_folder) / "spec.yaml").narrate
    spec = replace(spec, length=length or spec.length, seed=spec.seed if seed is None else seed)
    spec = replace(spec, style=styles.settled(run_folder, spec.style))
    narrative, _ = foretell.narrate(furnish(evidence_of(run_folder, row_id), spec.style), spec)
    click.echo(narrative.text)
    if narrative.tries > 1:
        click.echo(f"written by {narrative.author}", err=True)


@main.command()
@spec_argument
@target_option
@fit_options
@set_option
@cli_launch.together
def run(spec: str, target: str, overrides: tuple[str, ...], **asked: str) -> None:
    """Walk the whole road: read, fit, evaluate, predict, explain, narrate, verify, open cases, report."""
    from foretell.training import parallel

    told = loaded(spec, target, (*overrides, *asked.values()))
    finish(foretell.run(told, key=own_key(), tell=say)) if parallel.leads() else foretell.fit(told)


@main.command()
@run_option
@click.option("--status", type=click.Choice(["open", "approved", "rejected", "escalated"]))
@click.option("--limit", default=20, show_default=True)
@click.option("--after", default=None, help="Case id after which to go on.")
def cases(folder: Path | None, status: str | None, limit: int, after: str | None) -> None:
    """List cases."""
    for case in store(folder).cases(status=status, after=after, limit=limit):
        first = case.narrative.claims[0].text
        click.echo(f"{case.id:>12}  {case.status:9}  {case.prediction.probability:6.1%}  {first}")


@main.command()
@click.argument("case_id")
@run_option
@click.option("--html", type=Path, help="Write the case as one HTML page.")
def show(case_id: str, folder: Path | None, html: Path | None) -> None:
    """Show one case: text, evidence, history. `verify` shows the finding on each sentence.

    Ends with exit code 1 when the case or the chain of the log was altered.
    """
    from foretell.cases.printing import lines
    from foretell.cases.reader import read_case, verify_log

    path = str(database(folder))
    faults = verify_log(path, only=case_id).faults
    altered = ForetellError(
        f"case '{case_id}' cannot be trusted: {'; '.join(fault.text for fault in faults[:3])}",
        "compare the store with a backup; `foretell log verify` checks all of it",
    )
    try:
        case = read_case(path, case_id)
    except StoreError as error:
        raise altered if faults else error from error
    if html is None:
        click.echo("\n".join(lines(case, faults)))
    if faults:
        raise altered
    if html is not None:
        from foretell.report import case_page, timelines_of

        html.write_text(case_page(case, timelines_of(case)), encoding="utf-8")


@main.command()
@click.argument("case_id")
@run_option
def verify(case_id: str, folder: Path | None) -> None:
    """Check one case's text against its evidence again; needs the standard library only.

    Says as well which of the documents that it quotes have changed since: what was quoted stays what it was.
    """
    from foretell.cases.reader import read_case
    from foretell.retrieval.citing import changes
    from foretell.verification import verdict as judge

    case = read_case(str(database(folder)), case_id)
    verdict = judge.verify(case.narrative, case.evidence)
    click.echo("\n".join(judge.lines(case.narrative, verdict)))
    for change in changes(case.evidence):
        click.echo(f"{'CHANGED':12} {change}")
    if not verdict.passed:
        sys.exit(6)


main.add_command(cli_desk.decide)
main.add_command(cli_ask.ask)
main.add_command(cli_ask.mcp)
main.add_command(cli_desk.desk)
main.add_command(cli_desk.log)
main.add_command(cli_export.replay)
main.add_command(cli_export.export)
main.add_command(cli_export.card)
main.add_command(cli_convert.convert)
main.add_command(cli_launch.launch)
main.add_command(cli_learn.learn)
main.add_command(cli_learn.models)
main.add_command(cli_style.style)
main.add_command(cli_desk.permit)
main.add_command(cli_desk.plant)
main.add_command(cli_desk.erase)
main.add_command(cli_search.search)
main.add_command(cli_watch.watch)
main.add_command(cli_provenance.provenance)


@main.command()
def schema() -> None:
    """Print the JSON Schema of the spec."""
    from foretell.border import json_schema

    _print_json(json_schema())


def loaded(spec: str, target: str, overrides: tuple[str, ...]) -> Spec:
    """Return the spec of a YAML file, or the two-line spec of a data source and a target."""
    from foretell.border import load_spec

    overrides = tuple(filter(None, overrides))  # an option that is not given overrides nothing
    if spec.endswith((".yaml", ".yml")):
        extra = (f"data.target={target}",) if target else ()
        return load_spec(Path(spec), (*extra, *overrides))
    named = ("target=", "data.target=", "task.name=generate")
    if not target and not any(item.startswith(named) for item in overrides):
        raise SpecError(f"no target given for {spec}", "add --target COLUMN")
    return load_spec({"source": spec, "target": target}, overrides)


def finish(done: Run) -> None:
    """Say what a run found and where it is.

    Raises:
        ForetellError: when the verifier refused every narrative.
    """
    from foretell.terminal import summary

    click.echo(summary(done, called()))
    if done.refused and not done.num_cases:
        raise ForetellError(
            f"the verifier refused every narrative, {len(done.refused):,} in all",
            "see what is wrong with them above; the model and the report are in the folder",
        )


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
