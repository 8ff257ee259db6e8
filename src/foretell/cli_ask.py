"""`ask` and `mcp`: questions about cases, from people and from agents, answered in verified sentences."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from foretell.errors import SpecError
from foretell.shell import found, own_key, run_option, say, store

if TYPE_CHECKING:
    from foretell.investigation import AskModel


@click.command()
@click.argument("case_id", metavar="CASE")
@click.argument("question")
@run_option
@click.option("--facts", is_flag=True, help="Show the facts that each sentence rests on.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@click.option("--planner", default="", metavar="openai:URL#MODEL", help="A model that may choose the tools.")
def ask(case_id: str, question: str, folder: Path | None, facts: bool, as_json: bool, planner: str) -> None:
    """Ask a question about a case: "why not lower?", "what if amount = 20?", "compare with 4711".

    Every sentence of the answer follows from facts; what cannot be answered so is said to be. A planner only
    chooses among read-only tools, and no word of the answer is its own.
    """
    import json

    from foretell.investigation import Investigator, answer_data

    run = found(folder)
    plan = None
    if planner:
        from foretell.border import load_spec
        from foretell.champions import settled
        from foretell.narration.answers import PLAN_SCHEMA
        from foretell.narration.remote import server_of

        scheme, _, where = planner.partition(":")
        if scheme != "openai":
            raise SpecError(f"'{planner}' names no planner", "write openai:URL#MODEL")
        plan = server_of(where, load_spec(settled(run) / "spec.yaml").narrate, PLAN_SCHEMA)
    with store(folder) as cases:
        answer, episode = Investigator(cases, model=model_of(run), blind=False).ask(case_id, question, plan)
    if as_json:
        click.echo(json.dumps(answer_data(answer, episode), indent=2, ensure_ascii=False))
        return
    for finding in answer.verdict.findings:
        click.echo(answer.narrative.text[finding.start : finding.end])
        for name in finding.facts if facts else ():
            fact = answer.evidence.fact(name)
            click.echo(f"    [{name}] {fact.kind}: {fact.text} = {fact.value} {fact.unit}" if fact else "")
    for note in answer.notes:
        click.echo(note, err=bool(answer.narrative.claims))


@click.command()
@run_option
@click.option("--http", is_flag=True, help="Serve over streamable HTTP, to whoever brings a key of the desk.")
@click.option("--port", default=8766, show_default=True, type=click.IntRange(1, 65535), help="With --http.")
@click.option("--act", is_flag=True, help="Let agents suggest what to do, and do what a person permitted.")
def mcp(folder: Path | None, http: bool, port: int, act: bool) -> None:
    """Serve the questions to agents by the Model Context Protocol, read-only unless --act is given.

    Over stdin and stdout, with the rights of the key in $FORETELL_KEY; without one, no score is told of
    a case that people are to judge first. Needs: pip install 'foretell[mcp]'.
    """
    try:
        from foretell.mcp_server import server
    except ModuleNotFoundError as error:
        raise SpecError(f"the module '{error.name}' is missing", "pip install 'foretell[mcp]'") from error
    with store(folder) as cases:
        url = f"http://127.0.0.1:{port}" if http else ""
        key = "" if http else own_key()
        made = server(cases, model_of(found(folder)), key=key, url=url, acts=act)
        if http:
            say(f"answering at {url}/mcp; Ctrl-C closes it")
            made.run("streamable-http", host="127.0.0.1", port=port)
        else:
            made.run("stdio")


def model_of(run: Path) -> AskModel:
    """Return what asks the models of a run; the learning libraries are loaded when it is first asked."""

    @cache
    def models() -> AskModel:
        from foretell.model_tools import Models

        return Models(run)

    return lambda case, step: models()(case, step)
