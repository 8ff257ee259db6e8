"""Narration: a writer drafts, the verifier judges, and only what passes is told."""

from foretell.errors import VerdictError
from foretell.lookup import load
from foretell.narration.embedded import write as embedded
from foretell.records import SUPPORTED, Evidence, Finding, Narrative, Verdict
from foretell.spec import NarrateSpec
from foretell.verification import verify

WRITERS = {"embedded": "foretell.narration.embedded:write"}
"""Name -> a function (evidence, spec, attempt) -> Narrative."""


def narrate(evidence: Evidence, spec: NarrateSpec) -> tuple[Narrative, Verdict]:
    """Return a narrative of `spec.length` that passes, with its verdict.

    The writer may offer `spec.attempts` drafts; after that the embedded writer writes instead.

    Raises:
        SpecError: when the writer cannot be found.
        VerdictError: when even the embedded writer finds nothing that the evidence supports.
    """
    write = load(spec.writer, WRITERS, "writer")
    drafts = [(write, attempt) for attempt in range(max(spec.attempts, 1))]
    if write is not embedded:
        drafts.append((embedded, 0))
    for writer, attempt in drafts:
        narrative = writer(evidence, spec, attempt)
        verdict = verify(narrative, evidence)
        if verdict.passed and narrative.length == spec.length:
            return narrative, verdict
    faults = [finding for finding in verdict.findings if finding.status != SUPPORTED]
    raise VerdictError(
        f"no writer could tell row '{evidence.id}' truthfully: {_told(faults)}",
        "see that its evidence holds a score and the terms 'row' and 'outcome'",
    )


def _told(faults: list[Finding]) -> str:
    return "; ".join(f"{finding.status}: {finding.fault}" for finding in faults[:3])


__all__ = ["WRITERS", "narrate"]
