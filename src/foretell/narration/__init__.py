"""Narration: a writer drafts, the verifier judges, and only what passes is told."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from foretell.errors import VerdictError
from foretell.lookup import load
from foretell.narration.asking import NoDraftError
from foretell.narration.embedded import write as embedded
from foretell.records import FINE, OWN, UNVERIFIED, Evidence, Finding, Narrative, Verdict
from foretell.spec import NarrateSpec
from foretell.verification.verdict import lines, verify

WRITERS = {OWN: "foretell.narration.embedded:write"}
"""Name -> a function (evidence, spec, attempt) -> Narrative."""
MAKERS = {
    "openai": "foretell.narration.remote:remote",
    "hf": "foretell.narration.local:local",
    "lm": "foretell.schooling:writer",
}
"""What stands before the colon -> a function (what stands behind it, spec) -> such a writer, for one run."""

Writer = Callable[[Evidence, NarrateSpec, int], Narrative]


def writer_of(spec: NarrateSpec) -> Writer:
    """Return the writer that a spec names, for the whole of one run; one that is remote is not asked yet.

    Raises:
        SpecError: when it cannot be found, or may not be asked.
    """
    scheme, _, rest = spec.writer.partition(":")
    if rest and scheme in MAKERS:
        return load(scheme, MAKERS, "writer")(rest, spec)
    return load(spec.writer, WRITERS, "writer")


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


def drafts(
    evidence: Evidence, spec: NarrateSpec, write: Writer | None = None
) -> Iterator[tuple[Narrative, Verdict]]:
    """Yield each draft with its verdict, and end with the first that passes or when nobody drafts any more.

    The writer, `write` or else the one that the spec names, may offer `spec.attempts` drafts; after that the
    embedded writer writes instead. A draft that never came is an empty one, whose verdict says why.

    Raises:
        SpecError: when the writer cannot be found.
    """
    write = write or writer_of(spec)
    turns = [(write, attempt) for attempt in range(max(spec.attempts, 1))]
    if write is not embedded:
        turns.append((embedded, 0))
    tries = 0
    while turns:
        writer, attempt = turns.pop(0)
        tries += 1
        try:
            narrative = writer(evidence, spec, attempt)
        except NoDraftError as error:
            turns = turns[-1:] if error.final else turns
            yield _missing(evidence, spec, error)
            continue
        if writer is not embedded and narrative.writer == OWN:
            narrative = replace(narrative, writer=spec.writer)  # nobody signs for the embedded one
        narrative = replace(narrative, tries=tries)
        verdict = verify(narrative, evidence)
        yield narrative, verdict
        if passes(narrative, verdict, spec):
            return


def _missing(evidence: Evidence, spec: NarrateSpec, error: NoDraftError) -> tuple[Narrative, Verdict]:
    """Return what stands for a draft that never came."""
    narrative = Narrative(claims=(), writer=spec.writer, length=spec.length, seed=spec.seed)
    verdict = verify(narrative, evidence)
    why = Finding(start=0, end=0, status=UNVERIFIED, fault=error.message)
    return narrative, replace(verdict, passed=False, findings=(why, *verdict.findings))


def passes(narrative: Narrative, verdict: Verdict, spec: NarrateSpec) -> bool:
    """Return whether a draft is true, and of the length that was asked for."""
    return verdict.passed and narrative.length == spec.length


def fault(narrative: Narrative, verdict: Verdict, spec: NarrateSpec) -> str:
    """Return the first thing that is wrong with a draft that does not pass, in words."""
    told = zip(lines(narrative, verdict), verdict.findings, strict=True)
    wrong = (line for line, finding in told if finding.status not in FINE)
    return next(wrong, f"the text is '{narrative.length}', not '{spec.length}' as was asked for")


__all__ = ["MAKERS", "WRITERS", "Writer", "drafts", "fault", "narrate", "passes", "writer_of"]
