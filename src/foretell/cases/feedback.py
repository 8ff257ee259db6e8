"""Decisions as data: labelled rows for the predictor, (evidence, approved text) pairs for the writer."""

from collections.abc import Iterable, Iterator
from typing import Any

from foretell.records import Case, plain


def labelled_rows(cases: Iterable[Case]) -> Iterator[dict[str, Any]]:
    """Yield one labelled row per case that stands approved or rejected.

    Approving an alert says that it was right, so its row is positive; rejecting says the contrary. For a case
    that was no alert it is the other way round.

    Yields:
        {"id": row, "label": 1 or 0, "decided_at": instant, "actor": who decided}.
    """
    for case in cases:
        if case.status in ("approved", "rejected"):
            decision = next(event for event in reversed(case.events) if event.kind == case.status)
            yield {
                "id": case.id,
                "label": int((case.status == "approved") == case.prediction.alert),
                "decided_at": decision.at,
                "actor": decision.actor,
            }


def approved_texts(cases: Iterable[Case]) -> Iterator[dict[str, Any]]:
    """Yield one pair of evidence and text per case that stands approved.

    Yields:
        {"id": row, "evidence": the evidence as plain data, "text": the approved text, "edited": whether a
        person wrote it, "writer": who wrote it, "approved_at": instant, "actor": who approved}.
    """
    for case in cases:
        if case.status == "approved":
            approval = next(event for event in reversed(case.events) if event.kind == "approved")
            yield {
                "id": case.id,
                "evidence": plain(case.evidence),
                "text": case.narrative.text,
                "edited": any(event.kind == "edited" for event in case.events),
                "writer": case.narrative.writer,
                "approved_at": approval.at,
                "actor": approval.actor,
            }
