"""What mitigation costs: the figures of the test rows had nothing been done about groups."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from foretell.data.dataset import Dataset
from foretell.data.split import Split
from foretell.prediction import ladder
from foretell.prediction.faces import reviewed_as
from foretell.prediction.fitted import Fitted, Scored
from foretell.prediction.rungs import Tell
from foretell.prediction.watching import figures


def unmitigated(
    fitted: Fitted, dataset: Dataset, parts: Split, scored: Scored, *, folder: Path, tell: Tell
) -> Mapping[str, float]:
    """Return the figures without `review.mitigate`; none where nothing is mitigated.

    One threshold for all needs no other model; rows without their weights do, so that one more is fitted.

    Args:
        scored: the test rows.
        folder: as for `ladder.fit`.
    """
    spec = fitted.spec
    if spec.review.mitigate == "none":
        return {}
    if spec.review.mitigate == "reweigh":
        tell("fitting once more without the weights, to tell what they cost")
        plain = replace(spec, review=replace(spec.review, mitigate="none"))
        other, other_scored = ladder.fit(plain, dataset, parts, folder=folder, tell=tell)
        return figures(other, reviewed_as(other, dataset, other_scored), other_scored)
    return figures(fitted, reviewed_as(fitted, dataset, scored), replace(scored, evened=scored.evened[:0]))
