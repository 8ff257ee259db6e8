"""A case: the fold of its events over their content."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from foretell.cases.log import CHECK, STATUS_AFTER, named
from foretell.errors import NotFoundError, StoreError
from foretell.records import (
    Case,
    Claim,
    Event,
    Evidence,
    Narrative,
    Prediction,
    Verdict,
    canonical,
    restore,
)
from foretell.units import instant

SENTENCE_END = re.compile(r"(?<=[.!?]) (?=\S)|(?<=[.!?][”“\"]) (?![\sa-zäöüß])")
"""Where the next sentence begins; after a quotation's end only where a sentence can begin."""


def content_digest(prediction: str, evidence: str, narrative: str) -> str:
    """Return the digest that decisions are bound to, from the three canonical JSON texts.

    It is `records.digest` of the object {"evidence": ..., "narrative": ..., "prediction": ...}.
    """
    text = f'{{"evidence":{evidence},"narrative":{narrative},"prediction":{prediction}}}'
    return hashlib.sha256(text.encode()).hexdigest()


def draft(
    prediction: Prediction, evidence: Evidence, narrative: Narrative, verdict: Verdict, opened_at: str = ""
) -> Case:
    """Return the case that a store may open; its id is the row's.

    Raises:
        ValueError: when a number is not finite or a text is not Unicode, so that no bytes can stand for it.
    """
    texts = (canonical(part).decode() for part in (prediction, evidence, narrative))
    return Case(
        id=prediction.id,
        prediction=prediction,
        evidence=evidence,
        narrative=narrative,
        verdict=verdict,
        status="open",
        opened_at=opened_at,
        content=content_digest(*texts),
    )


def fold(events: Sequence[Event], contents: Mapping[str, str]) -> Case:
    """Return the case that its events tell.

    Args:
        events: all events of one case, at least the one that opened it, in order.
        contents: salted digest -> canonical JSON text, for every piece the events name.

    Raises:
        StoreError: when content is missing, or was altered until it is no case.
        NotFoundError: when it was erased.
    """
    for event in events[1:]:
        if event.kind == "erased":
            raise NotFoundError(
                f"the content of case '{event.case}' was erased on {instant(event.at)} by {event.actor}",
                "only its events remain, in the log",
            )
    try:
        return _folded(events, contents)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"case '{events[0].case}' was altered: {error!r}", CHECK) from error


def _folded(events: Sequence[Event], contents: Mapping[str, str]) -> Case:
    first, *rest = events
    pieces = {kind: _piece(first, name, contents) for kind, name in named(first.body).items()}
    case = Case(
        id=first.case,
        prediction=restore(Prediction, json.loads(pieces["prediction"])),
        evidence=restore(Evidence, json.loads(pieces["evidence"])),
        narrative=restore(Narrative, json.loads(pieces["narrative"])),
        verdict=restore(Verdict, json.loads(pieces["verdict"])),
        status=STATUS_AFTER[""][first.kind],
        opened_at=first.at,
        content=content_digest(pieces["prediction"], pieces["evidence"], pieces["narrative"]),
        events=(first,),
    )
    for event in rest:
        case = step(case, event, contents)
    return case


def step(case: Case, event: Event, contents: Mapping[str, str]) -> Case:
    """Return the case after one more event.

    Raises:
        StoreError: when the event's content is missing.
    """
    case = replace(case, status=STATUS_AFTER[case.status][event.kind], events=(*case.events, event))
    if event.kind != "edited":
        return case
    narrative, verdict = (
        _piece(event, named(event.body)[kind], contents) for kind in ("narrative", "verdict")
    )
    texts = (canonical(part).decode() for part in (case.prediction, case.evidence))
    return replace(
        case,
        narrative=restore(Narrative, json.loads(narrative)),
        verdict=restore(Verdict, json.loads(verdict)),
        content=content_digest(*texts, narrative),
    )


def standing(events: Iterable[Event]) -> str:
    """Return the salted digest of the narrative that stands: what the log says a decision was about."""
    return [name for event in events for kind, name in named(event.body).items() if kind == "narrative"][-1]


def _piece(event: Event, name: str, contents: Mapping[str, str]) -> str:
    if name not in contents:
        raise StoreError(
            f"content of event {event.seq} of case '{event.case}' is not in the store",
            CHECK,
        )
    return contents[name]


def narrative_from(text: str, *, writer: str, length: str) -> Narrative:
    """Return the narrative that a person's text stands for: one claim per sentence, no citations.

    Line breaks and the space around them become single spaces; all else is kept, so that the narrative's
    text is the person's.

    >>> narrative_from("It is late.\\nIt is dear.", writer="ann", length="short").text
    'It is late. It is dear.'
    """
    line = re.sub(r"\s*[\r\n]\s*", " ", text).strip()
    claims = tuple(Claim(text=sentence) for sentence in SENTENCE_END.split(line) if sentence)
    return Narrative(claims=claims, writer=writer, length=length)
