"""Timelines drawn from the evidence alone: the past events whose share in the score was measured."""

from foretell.records import Case, Fact
from foretell.report.contents import PastEvent, Timeline


def timelines_of(case: Case) -> tuple[Timeline, ...]:
    """Return one timeline per entity of the case that has measured past events."""
    evidence = case.evidence
    inputs = [fact for fact in evidence.of("input") if isinstance(fact.value, float)]
    number = inputs[0] if inputs else None
    alert = PastEvent(at=case.prediction.at, value=_float(number.value) if number else None)
    terms = {fact.name: fact.value for fact in evidence.of("term")}
    timelines = []
    for entity in evidence.of("entity"):
        events = [f for f in evidence.of("past_event") if f.detail.get("entity") == entity.name]
        if not events or not case.prediction.at:
            continue
        past = sorted(
            (_event(fact, str(terms.get("outcome", ""))) for fact in events), key=lambda event: event.at
        )
        timelines.append(
            Timeline(
                role=entity.text,
                entity=str(entity.value),
                alert=alert,
                events=tuple(past),
                value_text=number.text if number else "",
                unit=number.unit if number else "",
                this="alert" if case.prediction.alert else str(terms.get("row", "row")),
                chosen="of those that moved the score most",
            )
        )
    return tuple(timelines)


def _event(fact: Fact, outcome: str) -> PastEvent:
    known = str(fact.detail.get("known", ""))
    return PastEvent(
        at=str(fact.detail["at"]),
        value=_float(fact.detail.get("value")),
        label="unknown" if not known else "positive" if known == outcome else "negative",
        known=bool(known),
        share=_float(fact.value),
    )


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, float | int) else None
