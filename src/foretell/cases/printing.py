"""A case as plain text for the shell; standard library only."""

from collections.abc import Iterable, Iterator

from foretell.cases.inspection import Fault
from foretell.records import Case


def lines(case: Case, faults: Iterable[Fault] = ()) -> Iterator[str]:
    """Say what a case holds: its text, who wrote it, its evidence and its history.

    Args:
        faults: what the check of its content and of the chain found; told before anything else.
    """
    return map(legible, (*_warning([*faults]), *_told(case)))


def legible(text: str) -> str:
    """Return a text that any terminal takes: bytes that are no text, as damage leaves them, are escaped."""
    return text.encode(errors="backslashreplace").decode()


def _warning(faults: list[Fault]) -> Iterator[str]:
    if faults:
        yield "NOT TO BE TRUSTED: this case or its log was altered after it was written."
        yield from (f"  {fault.kind}: {fault.text}" for fault in faults)
        yield ""


def _told(case: Case) -> Iterator[str]:
    yield f"case {case.id}, {case.status}, opened {case.opened_at}, content {case.content}"
    yield f"\n{case.narrative.text}\n\nWritten by {case.narrative.author}."
    yield f"Scored by model {case.prediction.model}.\n"
    for fact in case.evidence.facts:
        detail = ", ".join(f"{name} {value}" for name, value in fact.detail.items())
        shown = f"{fact.text}: {fact.value} {fact.unit} {detail and f'({detail})'}"
        yield f"{fact.id:>4}  {fact.kind:14} {shown}".rstrip()
    yield ""
    for event in case.events:
        yield f"{event.seq:>6}  {event.at}  {event.actor}  {event.kind}  {event.digest[:16]}"
