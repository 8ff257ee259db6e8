"""Questions that only the model and the data of a run can answer: another value's score, and drift."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from foretell import champions, workflow
from foretell.errors import DataError
from foretell.evidence.whatif import drift, whatif
from foretell.narration.answers import Step
from foretell.prediction.folder import open_fitted
from foretell.records import Case, Fact


class Models:
    """Asks the models of a run's folder, each read from disk once.

    Args:
        folder: where the run is.
    """

    def __init__(self, folder: Path) -> None:
        self._world = lru_cache(maxsize=2)(lambda model: _world(folder, model))

    def __call__(self, case: Case, step: Step) -> Sequence[Fact]:
        """Return what a tool of the model brings.

        Raises:
            ForetellError: when the model is not there, the data have changed, or it cannot be asked so.
        """
        fitted, dataset = self._world(case.prediction.model)
        if step.tool == "drift":
            return drift(fitted, dataset, case.id)
        return (whatif(fitted, dataset, case.id, step.arguments["column"], step.arguments["value"]),)


def _world(folder: Path, model: str) -> tuple[Any, Any]:
    place = champions.models(folder).get(model)
    if place is None:
        raise DataError("the model and the data of this case's run are not here", "ask with --run FOLDER")
    fitted = open_fitted(place)
    return fitted, workflow.read(fitted.spec)
