"""From predictions and their evidence to the cases that may be opened, and the drafts that were in vain."""

from collections.abc import Iterable
from dataclasses import dataclass

from foretell import narration
from foretell.cases.case import draft
from foretell.records import OWN, Case, Evidence, Prediction
from foretell.spec import NarrateSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The drafts about one row that were in vain, by what was wrong with the last of them."""

    id: str
    """The row's identifier."""
    writer: str
    """Whose drafts were refused."""
    fault: str
    """The first finding that is not SUPPORTED, with the words it is about; or why no draft came."""
    told: bool
    """Whether Foretell's own writer told the row instead; if not, the row has no case."""
    silent: bool = False
    """Whether the writer gave no draft at all, so that there was nothing to refuse."""


def cases_of(
    predictions: Iterable[Prediction],
    evidence: Iterable[Evidence],
    spec: NarrateSpec,
    write: narration.Writer | None = None,
) -> tuple[tuple[Case, ...], tuple[Refusal, ...]]:
    """Return a case for each row that some writer told truthfully, and what was refused.

    Args:
        write: the run's writer, so that its budgets are the run's; if not given, the one that the spec names.

    Raises:
        SpecError: when the writer cannot be found.
    """
    cases, refused = [], []
    write = write or narration.writer_of(spec)
    for prediction, facts in zip(predictions, evidence, strict=True):
        drafts = [*narration.drafts(facts, spec, write)]
        narrative, verdict = drafts[-1]
        told = narration.passes(narrative, verdict, spec)
        if told:
            cases.append(draft(prediction, facts, narrative, verdict))
        replaced = told and narrative.writer == OWN and drafts[0][0].writer != OWN
        if replaced or not told:
            last, denied = drafts[-2] if replaced else drafts[-1]
            silent = replaced and not any(narrative.claims for narrative, _ in drafts[:-1])
            fault = denied.findings[0].fault if silent else narration.fault(last, denied, spec)
            refused.append(
                Refusal(id=prediction.id, writer=last.writer, fault=fault, told=told, silent=silent)
            )
    return tuple(cases), tuple(refused)
