"""A small world of card payments and a model fitted on it, shared by the tests of the learning wing."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from foretell.border import load_spec
from foretell.data.dataset import Dataset
from foretell.data.reading import read
from foretell.data.split import Split, split
from foretell.data.worlds import payments
from foretell.models.boosting import Boosting, fit_boosting
from foretell.models.event_stream import EventStream
from foretell.models.family import Sample
from foretell.prediction import ladder
from foretell.prediction.features import Snapshot
from foretell.prediction.fitted import Fitted, Scored
from foretell.training import loop
from foretell.training.progress import silent

OVERRIDES = (
    *("train.epochs=1", "model.width=16", "model.members=2", "model.families=[]", "train.threads=1"),
    *("explain.resamples=16", "split.test_share=0.1"),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """A fitted model, what it was fitted on, and its test rows."""

    fitted: Fitted
    dataset: Dataset
    parts: Split
    scored: Scored


@cache
def payments_fit() -> Fit:
    """Return a model of both kinds, boosting and readout, of 60 days of payments."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        path = payments.write(folder, num_days=60, num_customers=80, num_terminals=40, seed=1)
        spec = load_spec(path, OVERRIDES)
        dataset = read(spec)
        parts = split(dataset)
        fitted, _ = ladder.fit(spec, dataset, parts, folder=folder / "training", tell=lambda message: None)
        fitted = with_both(fitted, dataset, parts)
    return Fit(fitted=fitted, dataset=dataset, parts=parts, scored=fitted.score(dataset, parts.test))


def with_both(fitted: Fitted, dataset: Dataset, parts: Split) -> Fitted:
    """Return the model with trees and a readout, of all features and in equal parts, as what is delivered."""
    features = fitted.featurizer
    before = Snapshot.empty(features.plan)
    events = features.events(dataset, before.register)
    replayed = features.replay(events, before, keep=parts.test[:0])
    x, labels = replayed.features[parts.train], dataset.target[parts.train]
    weights = np.ones(len(x))
    boosted = fit_boosting(x, labels, weights, features.categorical, num_trees=40)
    sample = Sample(rows=parts.train, weights=weights, offset=0.0)
    material = ladder.material_of(features, events, replayed, dataset.target, sample, parts.valid)
    readout = EventStream.fit(replace(material, boosted=boosted), fitted.spec, loop.fit, None, silent)
    trees = Boosting(columns=np.arange(x.shape[1]), trees=boosted.outputs[0])
    return replace(
        fitted,
        families={"boosting": trees, "event_stream": readout},
        weights={"boosting": 0.5, "event_stream": 0.5},
        offsets={"boosting": 0.0, "event_stream": 0.1},
    )
