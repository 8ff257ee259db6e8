"""Decisions as data: labelled rows for the predictor, (evidence, approved text) pairs for the writer."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from foretell.cases.planted import planted_ids
from foretell.cases.store import Store
from foretell.cases.tables import contents, events
from foretell.cases.truths import question_of
from foretell.records import Case, Event, plain

MEANT: Mapping[str, int] = {"false_alarm": 0, "missed": 1}
"""Reason code of a rejection -> the outcome that it states."""
SILENT = frozenset({"duplicate", "not_enough_evidence"})
"""Reason codes that reject a case and say nothing of its outcome."""
MOST_WEIGHT = 100.0
"""Times the lightest row that a row may weigh: few rows that stand for thousands would teach their chance."""

_DETAILS = (
    sa.select(events.c.seq, contents.c.body)
    .join(contents, sa.and_(contents.c.seq == events.c.seq, contents.c.kind == "detail"))
    .where(events.c.kind.in_(("judged", "rejected", "approved", "endorsed")))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What people said of one row's outcome, and for how many rows it stands."""

    id: str
    label: int
    """1 positive, 0 negative; of several classes, whether it is the one that was told."""
    truth: str
    """The class or the number that it was; empty where there are two outcomes, or nobody said it."""
    said: str
    """decision or judgement."""
    inclusion: float
    """Probability with which such a row becomes a case and is labelled: it stands for 1 / inclusion rows."""
    weight: float
    """1 / inclusion, at most MOST_WEIGHT times the lightest, with a mean of 1: what a refit uses."""
    at: str
    """Instant of the decision."""
    actor: str
    content: str
    """Digest of the case as it was decided."""


def teaching_cases(store: Store) -> Iterator[Case]:
    """Yield the cases that may teach: all but the erased, and those that were planted to test people."""
    with store.reading() as connection:
        planted = planted_ids(connection)
    return (case for case in store.all_cases() if case.id not in planted)


def labelled_rows(store: Store) -> tuple[Label, ...]:
    """Return one labelled row per case of which people said what its outcome is.

    Approving an alert says that its row is positive, approving a case that was no alert says that it is
    negative; rejecting says the contrary, unless its code states the outcome, or nothing of it. An open case
    that was only judged has the outcome its judges agree on. Escalated and released cases have none.

    An alert is in for certain, a row of the audit sample with the share it was drawn with; both times the
    share of their kind that people have labelled so far.
    """
    with store.reading() as connection:
        details = {row.seq: json.loads(row.body) for row in connection.execute(_DETAILS)}
    opened: Counter[float] = Counter()
    found: list[tuple[Case, float, tuple[int, str, str, Event]]] = []
    for case in teaching_cases(store):
        share = _share(case)
        opened[share] += 1
        if (outcome := _outcome(case, details)) is not None:
            found.append((case, share, outcome))
    labelled = Counter(share for _, share, _ in found)
    chances = [share * labelled[share] / opened[share] for _, share, _ in found]
    return tuple(
        Label(
            id=case.id,
            label=label,
            truth=truth,
            said=said,
            inclusion=chance,
            weight=weight,
            at=event.at,
            actor=event.actor,
            content=case.content,
        )
        for (case, _, (label, truth, said, event)), chance, weight in zip(
            found, chances, weights(chances), strict=True
        )
    )


def weights(inclusion: Sequence[float]) -> list[float]:
    """Return the weight of each row: the inverse of its inclusion, clipped, with a mean of 1.

    Source: Horvitz and Thompson, JASA 47 (1952).

    >>> weights([1.0, 1.0, 0.25])
    [0.5, 0.5, 2.0]
    """
    if not inclusion:
        return []
    lightest = 1 / max(inclusion)
    clipped = [min(1 / chance, MOST_WEIGHT * lightest) for chance in inclusion]
    mean = sum(clipped) / len(clipped)
    return [weight / mean for weight in clipped]


def effective_size(weights: Iterable[float]) -> float:
    """Return how many rows of equal weight tell as much as these.

    Source: Kish, Survey Sampling (1965).

    >>> effective_size([1.0, 1.0]), effective_size([2.0, 1.0, 1.0])
    (2.0, 2.6666666666666665)
    """
    held = [*weights]
    return sum(held) ** 2 / sum(weight * weight for weight in held) if held else 0.0


def approved_texts(store: Store) -> Iterator[dict[str, Any]]:
    """Yield one pair of evidence and text per case that stands approved.

    Yields:
        {"id": row, "evidence": the evidence as plain data, "text": the approved text, "length": of the text,
        "drafted": the text it was opened with, "edited": whether a person wrote it,
        "writer": who wrote it, "approved_at": instant, "actor": who approved,
        "content": digest of the case as it was approved}.
    """
    for case in teaching_cases(store):
        if case.status == "approved":
            approval = _last(case, "approved")
            edited = any(event.kind == "edited" for event in case.events)
            opened = store.case(case.id, as_opened=True) if edited else case
            yield {
                "id": case.id,
                "evidence": plain(case.evidence),
                "text": case.narrative.text,
                "length": case.narrative.length,
                "drafted": opened.narrative.text,
                "edited": edited,
                "writer": case.narrative.writer,
                "approved_at": approval.at,
                "actor": approval.actor,
                "content": case.content,
            }


def _share(case: Case) -> float:
    """Return the share with which such a row becomes a case: what was not drawn stands for itself alone."""
    drawn = case.evidence.of("sample")
    return float(drawn[0].value) if drawn and isinstance(drawn[0].value, int | float) else 1.0


def _outcome(case: Case, details: Mapping[int, Mapping[str, str]]) -> tuple[int, str, str, Event] | None:
    """Return the outcome, what it was in truth, how it was said, and the event that says it."""
    question = question_of(case)
    named = question is not None and bool(question.classes)
    alert = 1 if named else int(case.prediction.alert)
    if case.status == "approved":
        said = [_truth(event, details) for event in case.events if event.kind in ("endorsed", "approved")]
        told = question.told if named and question is not None else ""
        return alert, next((one for one in reversed(said) if one), told), "decision", _last(case, "approved")
    if case.status == "rejected":
        event = _last(case, "rejected")
        code, truth = details.get(event.seq, {}).get("code", ""), _truth(event, details)
        if code in SILENT and not truth:
            return None
        label = 1 - alert if truth or named else MEANT.get(code, 1 - alert)
        return label, truth, "decision", event
    judged = [event for event in case.events if event.kind == "judged"]
    if case.status != "open" or not judged:
        return None
    said_by = {event.actor: details[event.seq] for event in judged if event.seq in details}
    views = {(said["judgement"], said.get("truth", "")) for said in said_by.values()}
    if len(views) != 1:
        return None
    [(judgement, truth)] = views
    right = judgement == "positive"
    return int(right is case.prediction.alert if named else right), truth, "judgement", judged[-1]


def _truth(event: Event, details: Mapping[int, Mapping[str, str]]) -> str:
    return details.get(event.seq, {}).get("truth", "")


def _last(case: Case, kind: str) -> Event:
    return next(event for event in reversed(case.events) if event.kind == kind)
