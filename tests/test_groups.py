"""Laws of watched groups: every row is in one, cuts come from rows that taught, new rows have a place."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.border import load_spec
from foretell.data.dataset import Dataset
from foretell.data.groups import MOST, OTHERS, UNKNOWN, Grouping, groupings
from foretell.data.reading import read
from foretell.errors import DataError, SpecError


def dataset_of(folder: Path, columns: dict[str, list], *overrides: str) -> Dataset:
    path = folder / "rows.csv"
    size = len(next(iter(columns.values())))
    pl.DataFrame({**columns, "y": [number % 2 for number in range(size)]}).write_csv(path)
    return read(load_spec({"source": str(path), "target": "y"}, overrides))


def only(dataset: Dataset) -> Grouping:
    (found,) = groupings(dataset, np.arange(len(dataset)))
    return found


AGES = [float(age) for age in range(18, 90)]


@pytest.fixture(scope="module")
def aged(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("aged")
    sexes = ["female", "male"] * 36
    return dataset_of(folder, {"age": AGES, "sex": sexes}, "review.groups=[age]")


@settings(deadline=None)
@given(st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_every_number_is_in_one_group_and_groups_follow_one_another(aged, values):
    grouping = only(aged)
    codes = grouping.codes(pl.DataFrame({"age": pl.Series(values, dtype=pl.Float64)}))
    known = [(value, code) for value, code in zip(values, codes.tolist(), strict=True) if value is not None]
    assert all(grouping.names[code] != UNKNOWN for _, code in known)
    assert sum(code == len(grouping.names) - 1 for code in codes) == values.count(None)
    assert [code for _, code in sorted(known)] == sorted(code for _, code in known)


def test_quartiles_and_edges_of_the_owner(aged, tmp_path):
    grouping = only(aged)
    assert grouping.names == ("under 36", "36 to under 54", "54 to under 71", "71 or more", OTHERS, UNKNOWN)
    sizes = np.bincount(grouping.codes(aged.frame))
    assert sizes.max() - sizes[:4].min() <= 2
    cut = dataset_of(tmp_path, {"age": AGES}, "review.groups=[age]", "review.edges={age: [25, 65]}")
    assert only(cut).names[:3] == ("under 25", "25 to under 65", "65 or more")
    assert np.bincount(only(cut).codes(cut.frame)).tolist() == [7, 40, 25]


def test_numbers_that_are_codes_stand_for_themselves(tmp_path):
    dataset = dataset_of(tmp_path, {"sex": [1, 2, 2, 1], "x": [0.1, 0.7, 0.3, 0.5]}, "review.groups=[sex]")
    assert only(dataset).names[:2] == ("1", "2")
    assert only(dataset).codes(dataset.frame).tolist() == [0, 1, 1, 0]


def test_where_most_numbers_are_the_least_one_it_is_a_group(tmp_path):
    gains = [0.0] * 90 + [float(number) for number in range(100, 110)]
    dataset = dataset_of(tmp_path, {"gain": gains}, "review.groups=[gain]")
    assert np.bincount(only(dataset).codes(dataset.frame)).tolist() == [90, 10]


def test_rare_new_and_missing_names_have_a_place(tmp_path):
    names = [name for number in range(20) for name in [f"country {number:02}"] * (40 - number)]
    dataset = dataset_of(tmp_path, {"country": names}, "review.groups=[country]")
    grouping = only(dataset)
    assert len(grouping.names) == MOST + 2 and grouping.names[0] == "country 00"
    asked = pl.DataFrame({"country": ["country 03", "country 19", "nowhere", None]})
    found = [grouping.names[code] for code in grouping.codes(asked).tolist()]
    assert found == ["country 03", OTHERS, OTHERS, UNKNOWN]
    assert {grouping.names[code] for code in grouping.codes(pl.DataFrame({"x": [1, 2]}))} == {UNKNOWN}


def test_what_the_model_must_not_see_is_watched_all_the_same(tmp_path):
    columns = {"sex": ["f", "m"] * 10, "x": list(range(20))}
    seen = dataset_of(tmp_path, columns, "review.groups=[sex]", "data.exclude=[sex]")
    assert "sex" not in [column.name for column in seen.inputs()]
    assert np.bincount(only(seen).codes(seen.frame)).tolist() == [10, 10]


def test_cuts_are_taken_of_the_given_rows_alone(aged):
    (young,) = groupings(aged, np.arange(20))
    assert max(young.edges) < 38 < max(only(aged).edges)


def test_columns_without_groups_are_refused(tmp_path):
    columns = {"seen": [f"2024-01-{day:02}" for day in range(1, 21)], "sex": ["f", "m"] * 10}
    with pytest.raises(DataError, match="kind time"):
        only(dataset_of(tmp_path, columns, "review.groups=[seen]"))
    with pytest.raises(DataError, match="only numbers are cut"):
        only(dataset_of(tmp_path, columns, "review.groups=[sex]", "review.edges={sex: [1]}"))
    with pytest.raises(DataError, match=r"no column 'sx' \(review.groups\)|unknown column 'sx'"):
        dataset_of(tmp_path, columns, "review.groups=[sx]")
    empty = dataset_of(tmp_path, columns, "review.groups=[sex]")
    held = replace(empty, frame=empty.frame.with_columns(sex=pl.lit(None, dtype=pl.String)))
    with pytest.raises(DataError, match="no known value"):
        only(held)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("review.groups=[y]", "must not hold the target"),
        ("review.edges={age: [1]}", "must be of columns that review.groups names"),
        ("review={groups: [age], edges: {age: [3, 2]}}", "in rising order"),
        ("review.mitigate=recall", "needs review.groups"),
        ("review={groups: [s], mitigate: thresholds}", "must be one of none, selection"),
        (
            "review={groups: [s], mitigate: selection, cost_miss: 9, cost_review: 1}",
            "shares out review.capacity",
        ),
        ("review.miss=0", "must lie between 0 and 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(override, told):
    with pytest.raises(SpecError, match=told):
        load_spec({"source": "rows.csv", "target": "y"}, (override,))
