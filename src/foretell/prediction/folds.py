"""Folds: which rows teach and which choose. Where rows are not too many, each of them chooses once.

A model that is fitted on four fifths of few rows and chosen by one fifth of them is chosen by chance. So the
training and validation rows are dealt into folds, and each fold chooses for the models that the others teach
(Stone, JRSS B 36, 1974).
"""

import numpy as np

from foretell.data.dataset import Dataset
from foretell.data.split import Split, groups_of
from foretell.models.family import Rows

FOLDS = 5
FEW_ROWS = 100_000
"""Training and validation rows up to which they are dealt into folds."""
Fold = tuple[Rows, Rows]
"""The rows that teach, and the rows that choose."""


def folds_of(dataset: Dataset, parts: Split) -> tuple[Fold, ...]:
    """Return the folds; the split's own two parts where rows are many, or come one after the other.

    Outcomes are as frequent in each fold, and no group is in two of them.
    """
    rows = np.sort(np.concatenate([parts.train, parts.valid]))
    labels = dataset.target[rows]
    fewest = int(np.unique(labels, return_counts=True)[1].min())
    if parts.by == "time" or dataset.inputs("entity") or len(rows) > FEW_ROWS or fewest < 2 * FOLDS:
        return ((parts.train, parts.valid),)
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    seed, group = dataset.spec.train.seed, dataset.column("group")
    if group is None:
        dealt = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(rows, labels)
    else:
        groups = groups_of(dataset.frame[group.name])[rows]
        dealt = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(rows, labels, groups)
    found = tuple((rows[teach], rows[choose]) for teach, choose in dealt)
    num_outcomes = len(np.unique(labels))
    all_of_them = all(len(np.unique(dataset.target[part])) == num_outcomes for fold in found for part in fold)
    return found if all_of_them else ((parts.train, parts.valid),)


def more_of(dataset: Dataset, more: Rows, choose: Rows) -> Rows:
    """Return the rows that only teach, without those of groups that choose."""
    group = dataset.column("group")
    if group is None or not len(more):
        return more
    codes = groups_of(dataset.frame[group.name])
    return more[~np.isin(codes[more], codes[choose])]
