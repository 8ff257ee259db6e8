"""Replay: a case made again from its model and data, and compared byte by byte with what was opened."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from foretell import champions, styles, workflow
from foretell.cases import Store
from foretell.data.split import split
from foretell.errors import CheckpointError, DataError
from foretell.narration.style import SOURCE
from foretell.prediction.alerts import alerts_of
from foretell.prediction.fitted import Fitted
from foretell.prediction.folder import open_fitted
from foretell.prediction.sample import with_sample
from foretell.records import OWN, Case, Evidence, Prediction, canonical
from foretell.retrieval.citing import with_passages


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a case, as it was opened and as it was made again."""

    name: str
    """prediction, evidence or narrative."""
    num_bytes: int
    difference: str
    """The first place at which they differ, with what stands there; empty when all bytes agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What making a case again gave."""

    case: str
    model: str
    """Digest of the model folder's manifest."""
    parts: tuple[Part, ...]

    @property
    def passed(self) -> bool:
        return not any(part.difference for part in self.parts)


def replay(folder: Path, case_id: str) -> Replay:
    """Read the run's data again, score, explain and narrate one row, and compare with the opened case.

    What a person edited later is not replayed: people are not repeatable. A text that another writer than
    Foretell's own drafted is not written again either; its prediction and evidence are.

    Raises:
        StoreError: when there is no such case, or it was erased.
        CheckpointError: when the folder holds another model than the one that scored the case.
        DataError: when the data have changed, or the row is neither alert nor drawn in them.
    """
    with Store(f"sqlite:///{folder / 'cases.db'}", create=False) as store:
        opened = store.case(case_id, as_opened=True)
    place = champions.models(folder).get(opened.prediction.model, folder / "model")
    fitted = open_fitted(place)
    if fitted.digest != opened.prediction.model:
        raise CheckpointError(
            f"case '{case_id}' was scored by model {opened.prediction.model[:12]}; {place} holds "
            f"{fitted.digest[:12]}",
            "replay it in the folder of its own run",
        )
    dataset = workflow.read(fitted.spec)
    scored = fitted.score(dataset, split(dataset).test)
    alerts = with_sample(fitted, dataset, scored, alerts_of(fitted.spec, dataset, scored))
    found = np.flatnonzero(dataset.ids[alerts.rows] == case_id)
    if len(found) == 0:
        raise DataError(
            f"'{case_id}' is no alert, nor drawn at random, in {fitted.spec.data.source} as it is now",
            "replay it with the data of its run",
        )
    alone = replace(
        alerts,
        rows=alerts.rows[found],
        thresholds=alerts.thresholds[found],
        shares=alerts.shares[found] if len(alerts.shares) else alerts.shares,
    )
    (prediction,) = workflow.predictions_of(fitted, dataset, scored, alone)
    (evidence,) = workflow.explain(fitted, dataset, scored, alone)
    style = styles.told_in(folder, opened.evidence, fitted.spec.narrate.style)
    narrate = replace(fitted.spec.narrate, style=style)
    fitted = replace(fitted, spec=replace(fitted.spec, narrate=narrate))
    return compared(fitted, opened, prediction, evidence)


def compared(fitted: Fitted, opened: Case, prediction: Prediction, evidence: Evidence) -> Replay:
    """Write the text again, and compare a case with what it was opened with.

    The passages that a case quotes, and what a style brought, are given: documents change, and `verify` says
    which did.
    """
    evidence = with_passages(evidence, opened.evidence.of("passage"))
    brought = tuple(fact for fact in opened.evidence.facts if fact.source.startswith(SOURCE))
    evidence = replace(evidence, facts=(*evidence.facts, *brought))
    # A bundle says which style, and has no file of it.
    styled = bool(fitted.spec.narrate.style) or not brought
    pairs = [("prediction", opened.prediction, prediction), ("evidence", opened.evidence, evidence)]
    if opened.narrative.writer == OWN and styled:
        again, _ = workflow.narrate(evidence, replace(fitted.spec.narrate, writer=OWN))
        pairs.append(("narrative", opened.narrative, replace(again, tries=opened.narrative.tries)))
    parts = tuple(_part(name, canonical(was), canonical(now)) for name, was, now in pairs)
    return Replay(case=opened.id, model=fitted.digest, parts=parts)


def _part(name: str, was: bytes, now: bytes) -> Part:
    if was == now:
        return Part(name=name, num_bytes=len(was), difference="")
    ends = zip(was, now, strict=False)
    at = next((place for place, (one, other) in enumerate(ends) if one != other), min(len(was), len(now)))
    shown = [text[max(at - 20, 0) : at + 40].decode(errors="backslashreplace") for text in (was, now)]
    return Part(
        name=name,
        num_bytes=len(was),
        difference=f"byte {at}: opened with '...{shown[0]}...', now '...{shown[1]}...'",
    )
