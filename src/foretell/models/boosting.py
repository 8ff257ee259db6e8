"""Gradient boosting (LightGBM): the floor under every other family, and the teacher of where features bend.

n: rows, F: features, K: knots.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from foretell.models.trees import Trees, by_output
from foretell.spec import Spec

if TYPE_CHECKING:
    from foretell.models.family import Loop, Material, Scorer

SETTINGS: Mapping[str, Any] = {
    "objective": "binary",
    "num_leaves": 24,
    "learning_rate": 0.04,
    "min_child_samples": 20,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    # A coarse histogram puts the whole rare tail of a feature, where the positives are, into one bin.
    "max_bin": 1023,
    "min_data_in_bin": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
TABLE: Mapping[str, Mapping[str, Any]] = {
    "boosting": {"num_leaves": 24, "learning_rate": 0.05, "feature_fraction": 0.6, "min_child_samples": 20},
    "shallow": {"num_leaves": 6, "learning_rate": 0.06, "feature_fraction": 0.6, "min_child_samples": 20},
    "extra_trees": {"num_leaves": 64, "learning_rate": 0.06, "feature_fraction": 0.5, "extra_trees": True},
}
"""Kinds of trees for the rows of a table: they err in different places, so that their mean errs less."""
ALL_OF_TABLE: Mapping[str, Any] = {
    "bagging_fraction": 0.75,
    "lambda_l2": 3.0,
    "max_bin": 255,
    "cat_smooth": 20,
    "cat_l2": 20,
}
MANY_ROWS = 10_000
"""Teaching rows from which each tree sees all of them: resampling pays where rows are few, and hides the rare
values that tell most where they are many."""
MOST_TREES, STILL = 2000, 60
"""Trees at most, and how many without a gain on the choosing rows end a fit."""
FEW_CLASSES = 3
"""Every class has trees of its own: beyond so many they learn twice as fast and are fewer, and shallow ones,
which hardly ever won a share, are left out."""
FEW: Mapping[str, Any] = {"num_leaves": 12, "min_child_samples": 10, "learning_rate": 0.05}
"""For few positives: smaller trees, fewer of them."""
FEW_POSITIVES = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Boosted:
    """A fitted booster and what it tells about its features."""

    outputs: tuple[Trees, ...]
    """Those of each output: one, or one for each of several classes."""
    gains: NDArray[np.float64]
    """Summed gain of each feature's splits [F]."""
    splits: tuple[NDArray[np.float64], ...]
    """Per feature its splits as rows (threshold, gain)."""


def fit_boosting(
    x_nF: NDArray[np.float32],
    aims: NDArray[Any],
    weights: NDArray[np.float64],
    categorical: NDArray[np.bool_],
    *,
    objective: str = "binary",
    num_trees: int = 250,
    learning_rate: float = 0.0,
    threads: int = 1,
    seed: int = 0,
) -> Boosted:
    """Fit trees on weighted rows of events.

    Args:
        x_nF: features; NaN where missing.
        aims: 0 or 1 [n], or scores where the objective is `regression`.
        weights: row weights [n].
        categorical: which features are codes [F].
        num_trees: halved where positives are few.
        objective: of LightGBM.
        threads: 0 leaves the choice to LightGBM.
        learning_rate: 0 for the usual one.
    """
    import lightgbm

    few = objective == "binary" and aims.sum() < FEW_POSITIVES
    parameters = {**SETTINGS, **(FEW if few else {}), "objective": objective}
    parameters |= {"num_threads": threads, "seed": seed}
    if learning_rate:
        parameters["learning_rate"] = learning_rate
    data = lightgbm.Dataset(x_nF, aims, weight=weights, **_about(categorical))
    return _boosted(lightgbm.train(parameters, data, num_trees // 2 if few else num_trees), len(categorical))


def kinds_of(num_classes: int) -> Mapping[str, Mapping[str, Any]]:
    """Return the settings of each kind of trees for a table whose target has so many classes, 0 of a number.

    >>> list(kinds_of(2)), list(kinds_of(10))
    (['boosting', 'shallow', 'extra_trees'], ['boosting', 'extra_trees'])
    """
    if num_classes <= FEW_CLASSES:
        return TABLE
    most = max(100, 2 * MOST_TREES // num_classes)
    return {
        name: {**settings, "learning_rate": 2 * settings["learning_rate"], "num_trees": most}
        for name, settings in TABLE.items()
        if name != "shallow"
    }


def fit_table(
    materials: "Sequence[Material]",
    settings: Mapping[str, Any],
    *,
    whole: "Material | None" = None,
    threads: int = 1,
    seed: int = 0,
) -> tuple[tuple[Boosted, ...], Boosted | None]:
    """Fit trees once per fold on a table's rows, as many in each as all folds together lose least by.

    One number for all is chosen by all choosing rows; a number for each fold, chosen by few, would make these
    rows look easier than they are.

    Args:
        materials: of each fold.
        settings: of LightGBM.
        whole: all rows teach. Trees that see more rows may be more: as many as the root of their share more.
        threads: 0 leaves the choice to LightGBM.

    Returns:
        The trees of each fold, and those of all rows.
    """
    # Of the trees of all rows the folds settle how many there are: they are grown alike.
    if len(materials[0].teach) >= MANY_ROWS:
        settings = {"bagging_fraction": 1.0, **settings}
    boosters, curves = zip(
        *(trained(material, settings, threads=threads, seed=seed) for material in materials), strict=True
    )
    longest, sizes = max(map(len, curves)), [len(material.choose) for material in materials]
    # A fold that ended early would hardly lose less with more trees: it goes on with its last loss.
    held = [np.pad(curve, (0, longest - len(curve)), mode="edge") for curve in curves]
    num_trees = 1 + int(np.argmin(np.average(held, axis=0, weights=sizes)))
    for booster in boosters:
        booster.best_iteration = num_trees
    num_features = materials[0].features.shape[1]
    folds = tuple(_boosted(booster, num_features) for booster in boosters)
    if whole is None:
        return folds, None
    import lightgbm

    more = np.sqrt(len(whole.teach) / np.mean([len(material.teach) for material in materials]))
    parameters, data = _posed(whole, {**settings, "num_trees": round(num_trees * more)}, threads, seed)
    return folds, _boosted(lightgbm.train(parameters, data), num_features)


def trained(
    material: "Material", settings: Mapping[str, Any], *, threads: int, seed: int
) -> tuple[Any, NDArray[np.float64]]:
    """Return LightGBM's booster of one fold, and its loss on the choosing rows after each tree."""
    import lightgbm

    parameters, data = _posed(material, settings, threads, seed)
    held_out = lightgbm.Dataset(
        np.ascontiguousarray(material.features[material.choose]),
        material.aims[material.choose],
        weight=material.choose_weights,
        reference=data,
        **_about(material.categorical),
    )
    losses: dict[str, Any] = {}
    booster = lightgbm.train(
        parameters,
        data,
        valid_sets=[held_out],
        callbacks=[lightgbm.early_stopping(STILL, verbose=False), lightgbm.record_evaluation(losses)],
        keep_training_booster=True,  # else the trees after the fold's own best one are gone
    )
    (curve,) = losses["valid_0"].values()
    return booster, np.array(curve)


def _posed(
    material: "Material", settings: Mapping[str, Any], threads: int, seed: int
) -> tuple[dict[str, Any], Any]:
    """Return what LightGBM is to do, and its data set of the teaching rows."""
    import lightgbm

    parameters = {**SETTINGS, **ALL_OF_TABLE, "num_trees": MOST_TREES, **settings}
    parameters |= {"objective": objective_of(material), "num_threads": threads, "seed": seed}
    if material.num_classes:
        parameters |= {"num_class": material.num_classes}
    data = lightgbm.Dataset(
        np.ascontiguousarray(material.features[material.teach]),
        material.aims[material.teach],
        weight=material.weights,
        **_about(material.categorical),
    )
    return parameters, data


def objective_of(material: "Material") -> str:
    """Return what trees minimise, as LightGBM calls it."""
    if material.num_classes:
        return "multiclass"
    return "binary" if material.scores is None else "regression"


def _about(categorical: NDArray[np.bool_]) -> dict[str, Any]:
    return {"categorical_feature": np.flatnonzero(categorical).tolist(), "params": {"verbosity": -1}}


def _boosted(booster: Any, num_features: int) -> Boosted:
    outputs = by_output(booster)
    feature = np.concatenate([trees.feature for trees in outputs])
    gain = np.maximum(np.concatenate([trees.gain for trees in outputs]), 0.0)
    numeric = np.concatenate([trees.category for trees in outputs]) < 0
    split_at = np.column_stack([np.concatenate([trees.threshold for trees in outputs]), gain])
    splits = tuple(split_at[numeric & (feature == each)] for each in range(num_features))
    gains = np.bincount(feature, gain, minlength=num_features).astype(np.float64)
    return Boosted(outputs=outputs, gains=gains, splits=splits)


def knots(x: NDArray[np.float32], splits: NDArray[np.float64], *, num_knots: int) -> NDArray[np.float32]:
    """Return where a feature bends [K]: its ends, its median, and quantiles of its splits weighted by gain.

    Quantiles of rows would put no knot into a rare tail; splits stand where the outcome changes. Padded with
    inf. A feature with few distinct values gets a knot at each of them.
    """
    finite = x[np.isfinite(x)]
    out = np.full(num_knots, np.inf, dtype=np.float32)
    if len(finite) == 0:
        out[0] = 0.0
        return out
    distinct = np.unique(finite)
    if len(distinct) <= num_knots:
        out[: len(distinct)] = distinct
        return out
    found = np.quantile(finite, [0.0, 0.5, 1.0])
    if len(splits):
        order = np.argsort(splits[:, 0])
        weight = np.sqrt(splits[order, 1] + 1e-9)
        share = (np.cumsum(weight) - 0.5 * weight) / weight.sum()
        found = np.append(found, np.interp(np.linspace(0.01, 0.99, num_knots - 3), share, splits[order, 0]))
    found = np.unique(found.astype(np.float32))
    out[: len(found)] = found
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Boosting:
    """The family: trees over some of the features."""

    columns: NDArray[np.int64]
    trees: Trees
    reads_past: ClassVar[bool] = False

    @classmethod
    def fit(
        cls, material: "Material", spec: Spec, loop: "Loop", folder: Path | None, progress: Any
    ) -> "Scorer":
        """Take the trees that were fitted on the material first."""
        assert material.boosted is not None, "the floor is fitted first"
        return cls.of(material.boosted, np.arange(material.features.shape[1]))

    @classmethod
    def of(cls, boosted: Boosted, columns: NDArray[np.int64]) -> "Scorer":
        """Return the family of fitted trees over some of the features; of several classes, `Several`."""
        from foretell.models.several import Several

        members = tuple(cls(columns=columns, trees=trees) for trees in boosted.outputs)
        return members[0] if len(members) == 1 else Several(members=members)

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log-odds [B] of feature rows [B, F]."""
        return self.trees.logits(features, self.columns)

    def reader(self) -> Callable[[NDArray[np.float32]], float]:
        """Return what gives the log-odds of one row of features [F]."""
        return self.trees.reader(self.columns)

    def score(self, material: "Material", rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return log-odds of some rows of the material."""
        return self.logits(material.features[rows])

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return all that `restore` needs."""
        return {"columns": self.columns, **self.trees.arrays()}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the family that `arrays` described."""
        trees = Trees(**{name: array for name, array in arrays.items() if name != "columns"})
        return cls(columns=arrays["columns"], trees=trees)
