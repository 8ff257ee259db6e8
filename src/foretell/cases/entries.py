"""What is to be written: a case as it is opened, a decision as it is taken, as events with their content."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from foretell.cases.case import narrative_from, standing
from foretell.cases.ledger import AFTER_ANOTHER
from foretell.cases.listing import afterwards, at_opening
from foretell.cases.log import STATUS_AFTER, Draft, salted
from foretell.cases.names import DESK_PREFIX, is_name
from foretell.cases.policy import Handling
from foretell.cases.rules import Standing, approvers, kind_of
from foretell.cases.truths import completed
from foretell.errors import StoreError, VerdictError
from foretell.records import FINE, REFUSED, Case, Decision, Evidence, Narrative, Verdict, canonical
from foretell.verification.verdict import lines, verify

SOFTWARE = "foretell"
"""How the log calls the software itself."""


def opening_texts(case: Case) -> dict[str, str]:
    """Return the canonical texts of a case that may be opened.

    Raises:
        StoreError, VerdictError: when it may not.
    """
    if not is_name(case.id) or case.id.casefold().startswith(DESK_PREFIX):
        raise StoreError(
            f"'{case.id}' cannot name a case",
            f"give rows ids of 1 to 200 printable characters that do not begin with '{DESK_PREFIX}'",
        )
    if case.evidence.id != case.id or case.prediction.id != case.id:
        raise VerdictError(
            f"case '{case.id}' brings evidence about '{case.evidence.id}' and a prediction about "
            f"'{case.prediction.id}'",
            "open a case with what belongs to its row",
        )
    if not case.verdict.passed:
        raise failed(case.id, case.narrative, case.verdict)
    verdict = _passing(case.id, case.narrative, case.evidence)
    records = {
        "prediction": case.prediction,
        "evidence": case.evidence,
        "narrative": case.narrative,
        "verdict": verdict,
    }
    return {kind: _text(case.id, record) for kind, record in records.items()}


def opened(
    case: Case,
    texts: Mapping[str, str],
    handling: Handling,
    actor: str,
    salt: Callable[[], str],
) -> list[Draft]:
    """Return the events that open a case, and release it where the policy says so."""
    listing = at_opening(case.prediction, headline(case.narrative), handling)
    # Folded by case, so that names are found however they are written.
    words = {case.id.casefold(), *(name.casefold() for name in case.prediction.entities.values())}
    first = drafted(case.id, "opened", actor, texts, salt, listing=listing, terms=tuple(sorted(words - {""})))
    first = replace(first, due_hours=handling.due_hours)
    if not handling.released:
        return [first]
    name = next(name for name, kind, _, _ in first.pieces if kind == "narrative")
    body = {"contents": {}, "on": name, "rule": handling.rule}
    return [
        first,
        Draft(
            case=case.id,
            kind="released",
            actor=SOFTWARE,
            body=canonical(body).decode(),
            follows=AFTER_ANOTHER,
            status="released",
        ),
    ]


def decided(
    case: Case,
    decision: Decision,
    around: Standing,
    salt: Callable[[], str],
    more: Mapping[str, object] | None = None,
) -> Draft:
    """Return the event that an admitted decision becomes.

    Args:
        more: what its body says besides, in the chain.

    Raises:
        VerdictError: when an edited text does not pass, unless it is to be kept and flagged.
    """
    texts = {"reason": _text(case.id, decision.reason)} if decision.reason else {}
    kind = kind_of(case, decision, around)
    first, passed = "", True
    if decision.detail:
        texts["detail"] = _text(case.id, completed(case, decision))
    if kind == "edited":
        narrative = narrative_from(decision.text, writer=decision.actor, length=case.narrative.length)
        keep = decision.detail.get("unsupported") == "keep"
        verdict = (_judged if keep else _passing)(case.id, narrative, case.evidence)
        if any(finding.status == REFUSED for finding in verdict.findings):
            raise failed(case.id, narrative, verdict)  # nobody may accept what breaks a rule of the owner
        texts["narrative"] = _text(case.id, narrative)
        texts["verdict"] = _text(case.id, verdict)
        first, passed = headline(narrative), verdict.passed
    endorsed = len(approvers(case, around))
    listing = afterwards(kind, headline=first, passed=passed, detail=decision.detail, endorsed=endorsed)
    return drafted(case.id, kind, decision.actor, texts, salt, case, listing=listing, more=more)


def drafted(
    case_id: str,
    kind: str,
    actor: str,
    texts: Mapping[str, str],
    salt: Callable[[], str],
    before: Case | None = None,
    *,
    listing: Mapping[str, object] | None = None,
    terms: tuple[str, ...] = (),
    more: Mapping[str, object] | None = None,
) -> Draft:
    """Return an event that names its texts by salted digests."""
    pieces = []
    for piece, text in sorted(texts.items()):
        secret = salt()
        pieces.append((salted(piece, secret, text), piece, secret, text))
    body: dict[str, object] = {"contents": {piece: name for name, piece, _, _ in pieces}, **(more or {})}
    if before is not None:
        body["on"] = standing(before.events)
    return Draft(
        case=case_id,
        kind=kind,
        actor=actor,
        body=canonical(body).decode(),
        follows=0 if before is None else before.events[-1].seq,
        status=STATUS_AFTER["" if before is None else before.status][kind],
        pieces=tuple(pieces),
        listing=listing or {},
        terms=terms,
    )


def desk_draft(
    subject: str,
    kind: str,
    actor: str,
    texts: Mapping[str, str],
    more: Mapping[str, object],
    last: int,
    salt: Callable[[], str],
) -> Draft:
    """Return an event about the desk itself."""
    return replace(drafted(subject, kind, actor, texts, salt, more=more), follows=last)


def headline(narrative: Narrative) -> str:
    """Return what the queue shows of a case: its first sentence."""
    return narrative.claims[0].text if narrative.claims else ""


def failed(case_id: str, narrative: Narrative, verdict: Verdict) -> VerdictError:
    """Return the error that names each fault with the words it is about."""
    faults = (
        line
        for line, finding in zip(lines(narrative, verdict), verdict.findings, strict=True)
        if finding.status not in FINE
    )
    return VerdictError(
        "\n".join([f"the narrative of case '{case_id}' does not pass:", *faults]),
        "say only what the evidence supports",
    )


def _text(case_id: str, record: object) -> str:
    try:
        return canonical(record).decode()
    except ValueError as error:
        raise _unwritable(case_id, error) from error


def _judged(case_id: str, narrative: Narrative, evidence: Evidence) -> Verdict:
    try:
        return verify(narrative, evidence)
    except ValueError as error:
        raise _unwritable(case_id, error) from error


def _passing(case_id: str, narrative: Narrative, evidence: Evidence) -> Verdict:
    verdict = _judged(case_id, narrative, evidence)
    if not verdict.passed:
        raise failed(case_id, narrative, verdict)
    return verdict


def _unwritable(case_id: str, error: ValueError) -> StoreError:
    return StoreError(f"case '{case_id}' cannot be written: {error}", "repair the values of its row")
