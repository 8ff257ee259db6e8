"""Splits: which rows train, which validate, which test, and which only feed the history."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from foretell import units
from foretell.data.dataset import NEVER_US, Dataset
from foretell.errors import DataError, SpecError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Row numbers of a dataset, ascending; no row is in two parts."""

    by: str
    """time, group or random."""
    train: np.ndarray
    """int64: rows that models are fitted on."""
    valid: np.ndarray
    """int64: rows that choose, weight and calibrate the models."""
    test: np.ndarray
    """int64: rows that tell once how good the result is."""
    history: np.ndarray
    """int64: rows that only feed the history: before the training window, or with a target that was not
    known when the test began, or not at all."""
    more: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """int64: rows that only teach: of the rare outcome of a large table, beyond the rows drawn from all."""
    reason: str
    bounds: Mapping[str, str] = field(default_factory=dict)
    """Of a split by time: train_from, train_until, valid_from, ... test_until in ISO, UTC; `until` is
    exclusive."""


def split(dataset: Dataset) -> Split:
    """Return the parts that `spec.split` asks for.

    Raises:
        DataError: when a part is empty or has one class, or the rows lack the time or group it needs.
        SpecError: when a bound is no ISO instant, or `split.by` is unknown.
    """
    spec = dataset.spec.split
    group = dataset.column("group")
    if spec.by == "time" or (not spec.by and group is None and dataset.column("time")):
        parts = _by_time(dataset)
    elif spec.by == "group" or (not spec.by and group is not None):
        parts = _by_group(dataset)
    elif spec.by in ("", "random"):
        parts = _at_random(dataset)
    else:
        raise SpecError(f"unknown split '{spec.by}'", "write time, group or random under `split.by`")
    for name in ("train", "valid", "test"):
        _check(dataset, name, getattr(parts, name), parts)
    return parts


def _check(dataset: Dataset, name: str, rows: np.ndarray, parts: Split) -> None:
    window = parts.bounds.get(f"{name}_from", "")
    where = f"the {name} part" + (f" (from {window})" if window else "")
    if not len(rows):
        raise DataError(f"{where} has no rows: {_extent(dataset)}", "move the bounds or shares under `split`")
    labels = np.unique(dataset.target[rows])
    if name == "train" and len(labels) < len(dataset.classes):
        lacking = next(each for code, each in enumerate(dataset.classes) if code not in labels)
        raise DataError(
            f"{where} holds no row of '{lacking}', which stands in another part",
            "widen it with the bounds or shares under `split`, or split at random",
        )
    # Of classes and numbers a test part of one side of the question still tells how good they are.
    needed = name != "test" or not (dataset.classes or dataset.values is not None)
    if len(labels) < 2 and needed:
        column = dataset.column("target")
        label = dataset.classes[labels[0]] if dataset.classes else ""
        if column is not None and not label:
            label = column.facts["positive" if labels[0] else "negative"]
        raise DataError(
            f"{where} has one class only: '{label}' in all of {len(rows):,} rows",
            "widen it with the bounds or shares under `split`",
        )


def _extent(dataset: Dataset) -> str:
    known = int((dataset.target >= 0).sum())
    if dataset.column("time") is None:
        return f"{known:,} rows have a known target"
    first, last = _iso(dataset.at_us[0]), _iso(dataset.at_us[-1])
    return f"{known:,} rows with a known target lie between {first} and {last}"


def _by_time(dataset: Dataset) -> Split:
    """Split by instants: the newest rows test, those known before they begin train and validate."""
    spec = dataset.spec.split
    if dataset.column("time") is None:
        raise DataError(
            "the rows have no time to split by", "set `data.time`, or `split.by` to group or random"
        )
    at, known = dataset.at_us, (dataset.target >= 0) & ~dataset.beyond
    labelled = at[known]
    if not len(labelled):
        raise DataError("no row has a known target", "check `data.target`")
    test_from = _bound(spec.test_from, "test_from", _newest(labelled, spec.test_share))
    test_until = _bound(spec.test_until, "test_until", NEVER_US)
    train_from = _bound(spec.train_from, "train_from", -NEVER_US)
    train_until = _bound(spec.train_until, "train_until", test_from)
    test = known & (at >= test_from) & (at < test_until)
    window = known & (at >= train_from) & (at < min(train_until, test_from))
    usable = window & (dataset.known_at_us <= test_from)
    late = int((window & ~usable).sum())
    valid_from = _newest(at[usable], spec.valid_share) if usable.any() else test_from
    end = min(test_until, int(at[-1]) + 1)
    usable_until = int(at[usable][-1]) + 1 if usable.any() else test_from
    bounds = {
        "train_from": _iso(max(train_from, int(at[0]))),
        "train_until": _iso(valid_from),
        "valid_from": _iso(valid_from),
        "valid_until": _iso(usable_until if late else min(train_until, test_from)),
        "test_from": _iso(test_from),
        "test_until": _iso(test_until if spec.test_until else end),
    }
    delay = f"; {late:,} rows whose target was not known by then only feed the history" if late else ""
    return Split(
        by="time",
        train=np.flatnonzero(usable & (at < valid_from)),
        valid=np.flatnonzero(usable & (at >= valid_from)),
        test=np.flatnonzero(test),
        history=np.flatnonzero(~usable & ~test & (at < end) & ~dataset.beyond),
        more=np.flatnonzero(
            dataset.beyond & (at >= train_from) & (at < valid_from) & (dataset.known_at_us <= test_from)
        ),
        reason=f"by time: rows from {_told(bounds['test_from'])} on test, as use brings newer rows{delay}",
        bounds=bounds,
    )


def _newest(at: np.ndarray, share: float) -> int:
    """Return the instant from which about `share` of the ascending instants lie; equal ones stay together."""
    return int(at[min(int(np.floor(len(at) * (1 - share))), len(at) - 1)])


def _bound(text: str, name: str, default: int) -> int:
    if not text:
        return default
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise SpecError(
            f"split.{name} '{text}' is no instant", "write it as 2018-08-08 or 2018-08-08T14:00"
        ) from error
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (at - EPOCH) // timedelta(microseconds=1)


def _iso(us: int) -> str:
    return (EPOCH + timedelta(microseconds=int(us))).isoformat()


def _told(bound: str) -> str:
    """Write a bound for people; one at midnight as its date."""
    return units.instant(bound.removesuffix("T00:00:00+00:00"))


def _by_group(dataset: Dataset) -> Split:
    """Split so that no group is in two parts; rows without a group are groups of their own."""
    group = dataset.column("group")
    if group is None:
        raise DataError("the rows have no group to split by", "set `data.group`")
    spec, rows = dataset.spec.split, np.flatnonzero((dataset.target >= 0) & ~dataset.beyond)
    all_codes = groups_of(dataset.frame[group.name])
    codes = all_codes[rows]
    groups = np.random.default_rng(dataset.spec.train.seed).permutation(np.unique(codes))
    num_test = max(1, round(spec.test_share * len(groups)))
    num_valid = max(1, round(spec.valid_share * (len(groups) - num_test)))
    test = np.isin(codes, groups[:num_test])
    valid = np.isin(codes, groups[num_test : num_test + num_valid])
    return Split(
        by="group",
        train=rows[~test & ~valid],
        valid=rows[valid],
        test=rows[test],
        history=np.flatnonzero(dataset.target < 0),
        more=np.flatnonzero(dataset.beyond & ~np.isin(all_codes, groups[: num_test + num_valid])),
        reason=f"by group: no {group.text} of {len(groups):,} is in two parts",
    )


def groups_of(names: pl.Series) -> np.ndarray:
    """Return the code of each row's group [n]; rows without a group are groups of their own."""
    own = pl.Series([f"\0{row}" for row in range(len(names))]) if names.has_nulls() else names
    return names.fill_null(own).rank("dense").to_numpy()


def _at_random(dataset: Dataset) -> Split:
    """Split at random, with the shares of the outcomes the same in each part."""
    spec = dataset.spec.split
    why = "the spec states" if spec.by else "the rows have neither time nor group to split by"
    rng = np.random.default_rng(dataset.spec.train.seed)
    parts: dict[str, list[np.ndarray]] = {"train": [], "valid": [], "test": []}
    for label in np.unique(dataset.target[dataset.target >= 0]).tolist():
        rows = rng.permutation(np.flatnonzero((dataset.target == label) & ~dataset.beyond))
        num_test = round(spec.test_share * len(rows))
        num_valid = round(spec.valid_share * (len(rows) - num_test))
        parts["test"].append(rows[:num_test])
        parts["valid"].append(rows[num_test : num_test + num_valid])
        parts["train"].append(rows[num_test + num_valid :])
    return Split(
        by="random",
        train=np.sort(np.concatenate(parts["train"])),
        valid=np.sort(np.concatenate(parts["valid"])),
        test=np.sort(np.concatenate(parts["test"])),
        history=np.flatnonzero(dataset.target < 0),
        more=np.flatnonzero(dataset.beyond),
        reason=f"at random, stratified by the target, as {why}",
    )
