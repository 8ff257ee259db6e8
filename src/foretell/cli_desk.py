"""The commands of a desk: serve it, check and sign its log, plant cases, permit acts of programs, erase."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from foretell.errors import AccessError, CheckpointError, SpecError, StoreError
from foretell.shell import database, found, run_option, say, store

if TYPE_CHECKING:
    from foretell.cases import Store
    from foretell.cases.accounts import Accounts
    from foretell.cases.inspection import LogReport

PASSWORD_VARIABLE = "FORETELL_PASSWORD"
LOOPBACK = ("127.", "::1", "localhost")
store_option = click.option("--store", "url", default="", help="URL of a store, in place of a run's.")


@click.command()
@run_option
@store_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to answer at.")
@click.option(
    "--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="0: any free one."
)
@click.option("--cert", type=Path, help="Certificate chain (PEM); the desk speaks https then.")
@click.option("--cert-key", type=Path, help="The certificate's key (PEM), where the chain does not hold it.")
@click.option(
    "--webhook-network",
    "networks",
    multiple=True,
    help="A private network that webhooks may reach, as 10.1.0.0/16; give it once for each.",
)
@click.option("--oidc", type=Path, help="File (YAML) of the provider that people may sign in by.")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder below which lies what generators may learn from over HTTP.",
)
@click.option(
    "--founder",
    default="",
    help=f"First administrator, where nobody has an account; password: ${PASSWORD_VARIABLE}.",
)
def desk(
    folder: Path | None,
    url: str,
    host: str,
    port: int,
    cert: Path | None,
    cert_key: Path | None,
    networks: tuple[str, ...],
    oidc: Path | None,
    data: Path | None,
    founder: str,
) -> None:
    """Open the desk: people sign in, work through the queue, and decide, in a browser.

    The first time it asks for the name and the password of the first administrator. With --data the folder
    of the run may be a new one, for generators that are yet to be fitted. Ctrl-C closes it.
    """
    if folder is not None and url:
        raise SpecError("--run and --store both name a store", "give one of them")
    if data is not None and url:
        raise SpecError("--data needs a folder for what learns from it", "give --run instead of --store")
    from foretell.cases.accounts import Accounts
    from foretell.outward import network_of
    from foretell.serving.oidc import Provider, spec_of
    from foretell.serving.server import bound, serve

    try:
        private = [network_of(text) for text in networks]
    except ValueError as error:
        raise SpecError(f"--webhook-network names no network: {error}", "write it as 10.1.0.0/16") from error
    provider = None if oidc is None else Provider(spec_of(oidc))
    if not host.startswith(LOOPBACK) and cert is None:
        say(f"warning: {host} can be reached by others, and http hides nothing: give --cert, or use a proxy")
    with opened(folder, url, new=data is not None) as cases, bound(host, port) as listening:
        admit(Accounts(cases), founder)
        serve(cases, listening, cert, cert_key, private=private, provider=provider, data=data, tell=say)


def opened(folder: Path | None, url: str, *, new: bool = False) -> Store:
    """Return the store that a URL names, or a run's; a folder that is named may be a `new` one."""
    from foretell.cases import Store as CaseStore

    if new and folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        return CaseStore(f"sqlite:///{folder / 'cases.db'}")
    return CaseStore(url, create=False) if url else store(folder)


def admit(accounts: Accounts, founder: str) -> None:
    """Make the first account where there is none."""
    if not accounts.empty():
        return
    given = os.environ.get(PASSWORD_VARIABLE, "") if founder else ""
    try:
        if not founder:
            say("nobody has an account at this desk yet: say who administers it")
        name = founder or click.prompt("name", err=True)
        password = given or click.prompt("password", hide_input=True, confirmation_prompt=True, err=True)
    except click.Abort as error:
        raise AccessError(
            "nobody has an account at this desk yet, and none was made",
            f"give --founder NAME, with the password in ${PASSWORD_VARIABLE}",
        ) from error
    accounts.found(name, password)
    say(f"{name} administers this desk")


@click.group()
def log() -> None:
    """The tamper-evident log."""


@log.command("verify")
@run_option
@store_option
@click.option("--head", default="", help="A head noted earlier, seq:digest, that the log must still contain.")
@click.option("--head-file", type=Path, help="File of a signed head that the log must still contain.")
@click.option("--key", default="", help="The public key that must have signed it.")
def log_verify(folder: Path | None, url: str, head: str, head_file: Path | None, key: str) -> None:
    """Find any altered, dropped, inserted or reordered event, and models that are not what was registered.

    Models are looked at in the folder of the run, where they are still there.
    """
    from foretell.cases.reader import lines

    if head_file is None:
        report = checked(folder, url, head)
    else:
        from foretell.cases.signing import same_log, signed_head_of

        try:
            signed = signed_head_of(head_file.read_text(encoding="utf-8", errors="replace"), key)
        except OSError as error:
            raise StoreError(
                f"{head_file} cannot be read: {error}", "give the file of a signed head"
            ) from error
        report = checked(folder, url, str(signed.head))
        same_log(report, signed)
        say(f"signed {signed.at} with key {signed.key}")
    for line in lines(report):
        click.echo(line, err=not report.passed)
    if not report.passed:
        place = url or database(folder)
        raise StoreError(f"the log of {place} was tampered with or damaged", "compare it with a backup")
    from foretell.champions import faults

    wrong = [*faults(found(folder), report.models)] if folder is not None or not url else []
    if wrong:
        raise CheckpointError(
            "\n".join(wrong), "restore the folder from a copy, or run again into another one"
        )


@log.command("sign")
@run_option
@store_option
@click.option(
    "--key-file", type=Path, help="Private key (PEM), made if it is not there; beside the store else."
)
def log_sign(folder: Path | None, url: str, key_file: Path | None) -> None:
    """Check the log, and print its head with a signature, to be kept elsewhere.

    `log verify --head-file` checks later that nothing before it was touched. Tell the public key to those who
    shall check it; who can read the private key can sign in its place.
    """
    from datetime import UTC, datetime

    from foretell.cases.signing import sign

    key_file = key_file or key_beside(folder, url)
    report = checked(folder, url)
    made = not key_file.exists()
    head = sign(report, datetime.now(UTC), key_file)
    if made:
        say(f"made the key {key_file}; its public part is {head.key}")
    click.echo(str(head))


@click.command()
@click.option("--count", type=click.IntRange(1, 10_000), required=True, help="Cases to plant.")
@click.option("--by", required=True, help="Who plants: an administrator of the desk.")
@run_option
@store_option
def plant(count: int, by: str, folder: Path | None, url: str) -> None:
    """Seal the known outcomes of cases that wait, to see later how far people rely on the model.

    Nobody who decides them can tell these cases from others. The administrator's password is asked for, or
    read from $FORETELL_PASSWORD.
    """
    from foretell.cases.accounts import Accounts
    from foretell.planting import plant as sealed

    run_folder = found(folder)
    with opened(run_folder, url) as cases:
        accounts = Accounts(cases)
        if not accounts.empty():
            prove(accounts, by)
        done = sealed(run_folder, count, by, cases)
    click.echo(
        f"{done.num_wrong + done.num_right:,} cases are planted: in {done.num_wrong:,} of them the model is "
        f"wrong, in {done.num_right:,} right"
    )


@click.command()
@click.argument("ids", metavar="[CASE]...", nargs=-1)
@click.option("--name", default="", help="A customer, a device ...: all cases that are about it.")
@click.option("--others", is_flag=True, help="With --name: those that only mention it as well.")
@click.option("--by", required=True, help="Who erases: an administrator of the desk.")
@click.option("--yes", is_flag=True, help="Do not ask whether they are to be erased.")
@run_option
@store_option
def erase(
    ids: tuple[str, ...], name: str, others: bool, by: str, yes: bool, folder: Path | None, url: str
) -> None:
    """Erase all content of cases for good, or of all that are about a name; the log holds as before.

    Without --others, cases that only mention the name are listed. The administrator's password is asked for,
    or read from $FORETELL_PASSWORD.
    """
    from foretell.cases.accounts import Accounts
    from foretell.cases.desk import Desk
    from foretell.cases.erasure import naming

    if bool(ids) == bool(name) or (others and not name):
        raise SpecError("cases are erased by their ids, or by a name", "give CASE, or --name NAME")
    with opened(folder, url) as cases:
        accounts = Accounts(cases)
        people = not accounts.empty()
        if people:
            prove(accounts, by)
        named = naming(cases, name) if name else None
        wanted = ids if named is None else named.about + named.others * others
        if wanted and not yes:
            click.confirm(
                f"erase {_counted(len(wanted))} for good: {', '.join(wanted)}", abort=True, err=True
            )
        for case_id in wanted:
            if people:
                Desk(cases).erase(by, case_id)
            else:
                cases.erase(case_id, by)
    click.echo(f"{_counted(len(wanted))} erased")
    if named is not None and named.others and not others:
        click.echo(f"'{name}' still stands in {_counted(len(named.others))}: {', '.join(named.others)}")


def _counted(number: int) -> str:
    return f"{number:,} case{'' if number == 1 else 's'}"


@click.command()
@click.argument("case_id")
@click.argument("verb", type=click.Choice(["approve", "edit", "reject", "escalate", "comment"]))
@run_option
@click.option("--actor", required=True, help="Who decides.")
@click.option("--reason", default="", help="Why.")
@click.option("--text", default="", help="The whole new text, for edit.")
@click.option("--truth", default="", help="The class or the number that it was, to approve or to reject.")
@click.option(
    "--content", default="", help="Content that was seen, as `show` prints it; the present one if not given."
)
def decide(
    case_id: str, verb: str, folder: Path | None, actor: str, reason: str, text: str, truth: str, content: str
) -> None:
    """Decide a case: approve, edit, reject, escalate or comment."""
    from foretell.records import Decision

    cases, detail = store(folder), {"truth": truth} if truth else {}
    seen = content or cases.case(case_id).content
    decision = Decision(verb=verb, actor=actor, content=seen, reason=reason, text=text, detail=detail)
    case = cases.decide(case_id, decision)
    click.echo(f"case {case.id} is {case.status}")


@click.command()
@click.argument("case_id", metavar="CASE")
@click.argument("number", type=int, metavar="SUGGESTION")
@click.option("--by", required=True, help="Who permits it: a person with an account at the desk.")
@click.option("--minutes", default=60, show_default=True, help="How long the token holds.")
@run_option
@store_option
def permit(case_id: str, number: int, by: str, minutes: int, folder: Path | None, url: str) -> None:
    """Permit what a program suggests to do with a case, and print the token for it.

    It counts as a decision of the person who permits it. The token is for that program, act and content of
    the case, once. The password is asked for, or read from $FORETELL_PASSWORD.
    """
    from foretell.cases.accounts import Accounts
    from foretell.cases.permits import Permits

    with opened(folder, url) as cases:
        prove(Accounts(cases), by)
        token = Permits(cases).permit(by, case_id, number, minutes)
    say(f"{by} permits suggestion {number} for case {case_id} for {minutes} minutes")
    click.echo(token)


def prove(accounts: Accounts, name: str) -> None:
    """Ask for an account's password, or read it from the environment.

    Raises:
        AccessError: when it is wrong.
    """
    password = os.environ.get(PASSWORD_VARIABLE) or click.prompt("password", hide_input=True, err=True)
    accounts.sign_out(accounts.sign_in(name, password))


def key_beside(folder: Path | None, url: str) -> Path:
    """Return where the private key of a store lies: beside its file."""
    if url and not url.startswith("sqlite:///"):
        raise SpecError("a database has no place for the key", "give --key-file")
    path = Path(url.removeprefix("sqlite:///")) if url else database(folder)
    return path.with_name(f"{path.name}.key")


def checked(folder: Path | None, url: str, head: str = "") -> LogReport:
    """Return what the check of a log finds; a file is read with the standard library alone."""
    if url and not url.startswith("sqlite:///"):
        with opened(folder, url) as cases:
            return cases.verify_log(head)
    from foretell.cases.reader import verify_log

    return verify_log(url.removeprefix("sqlite:///") or str(database(folder)), head)
