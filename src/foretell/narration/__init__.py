"""Narration: a writer drafts, the verifier judges, and only what passes is told."""

from collections.abc import Iterator
from dataclasses import replace

from foretell.errors import VerdictError
from foretell.lookup import load
from foretell.narration.embedded import write as embedded
from foretell.records import FINE, OWN, Evidence, Narrative, Verdict
from foretell.spec import NarrateSpec
from foretell.verification.verdict import lines, verify

WRITERS = {OWN: "foretell.narration.embedded:write"}
"""Name -> a function (evidence, spec, attempt) -> Narrative."""


def narrate(evidence: Evidence, spec: NarrateSpec) -> tuple[Narrative, Verdict]:
    """Return a narrative of `spec.length` that passes, with its verdict.

    Raises:
        SpecError: when the writer cannot be found.
        VerdictError: when even the embedded writer finds nothing that the evidence supports.
    """
    *_, (narrative, verdict) = drafts(evidence, spec)
    if not passes(narrative, verdict, spec):
        raise VerdictError(
            f"no writer could tell row '{evidence.id}' truthfully: {fault(narrative, verdict, spec)}",
            "see that its evidence holds a score and the terms 'row' and 'outcome'",
        )
    return narrative, verdict


def drafts(evidence: Evidence, spec: NarrateSpec) -> Iterator[tuple[Narrative, Verdict]]:
    """Yield each draft with its verdict, and end with the first that passes or when nobody drafts any more.

    The writer may offer `spec.attempts` drafts; after that the embedded writer writes instead.

    Raises:
        SpecError: when the writer cannot be found.
    """
    write = load(spec.writer, WRITERS, "writer")
    turns = [(write, attempt) for attempt in range(max(spec.attempts, 1))]
    if write is not embedded:
        turns.append((embedded, 0))
    for writer, attempt in turns:
        narrative = writer(evidence, spec, attempt)
        if writer is not embedded and narrative.writer == OWN:
            narrative = replace(narrative, writer=spec.writer)  # nobody signs for the embedded one
        verdict = verify(narrative, evidence)
        yield narrative, verdict
        if passes(narrative, verdict, spec):
            return


def passes(narrative: Narrative, verdict: Verdict, spec: NarrateSpec) -> bool:
    """Return whether a draft is true, and of the length that was asked for."""
    return verdict.passed and narrative.length == spec.length


def fault(narrative: Narrative, verdict: Verdict, spec: NarrateSpec) -> str:
    """Return the first thing that is wrong with a draft that does not pass, in words."""
    told = zip(lines(narrative, verdict), verdict.findings, strict=True)
    wrong = (line for line, finding in told if finding.status not in FINE)
    return next(wrong, f"the text is '{narrative.length}', not '{spec.length}' as was asked for")


__all__ = ["WRITERS", "drafts", "fault", "narrate", "passes"]
