"""What is generated is told by the source, and some of it is held out whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretell.border import load_spec
from foretell.border.checking import GENERATORS, MODALITIES
from foretell.data.reading import read
from foretell.errors import DataError, SpecError
from foretell.generation.modality import MODALITIES as ROWS
from foretell.generation.modality import held_out, modality_of


def spec_of(source: str, *overrides: str):
    return load_spec({"source": source, "task": {"name": "generate"}}, overrides)


@pytest.mark.parametrize(
    ("source", "modality"),
    [
        ("a.csv", "table"),
        ("a.parquet", "table"),
        ("sqlite:///a.db", "table"),
        ("b.md", "text"),
        ("c.npz", "image"),
    ],
)
def test_the_ending_of_the_source_tells_the_modality(source, modality):
    assert modality_of(spec_of(source)) == modality
    assert modality_of(spec_of("a.unknown", f"generate.modality={modality}")) == modality


def test_an_ending_that_tells_nothing_is_an_error():
    with pytest.raises(DataError, match=r"\.xyz"):
        modality_of(spec_of("a.xyz"))


def test_the_border_knows_every_modality():
    assert set(MODALITIES) == set(ROWS) and len(GENERATORS) == 4


@given(st.lists(st.integers(0, 40), min_size=30, max_size=200), st.floats(0.05, 0.5))
def test_groups_are_held_out_whole(codes, share):
    groups = np.array(codes + list(range(41, 60)))
    teach, held = held_out(groups, share, 0)
    assert len(teach) and len(held) and len(teach) + len(held) == len(groups)
    assert not set(groups[teach]) & set(groups[held])


def test_too_few_items_are_refused():
    with pytest.raises(DataError, match="2 items"):
        held_out(np.arange(2), 0.2, 0)


def test_rows_to_generate_need_no_target_and_all_columns_are_inputs(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("age,city\n" + "\n".join(f"{20 + k % 30},{'ab'[k % 2]}" for k in range(60)))
    roles = {column.name: column.role for column in read(spec_of(str(path))).columns}
    assert roles == {"age": "input", "city": "input"}
    assert read(spec_of(str(path), "data.target=city")).column("target") is None
    with pytest.raises(SpecError, match="must name the column to predict"):
        load_spec({"source": str(path)})


def test_of_a_large_table_so_many_rows_are_drawn(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("age,city\n" + "\n".join(f"{20 + k % 30},{'ab'[k % 2]}" for k in range(3000)))
    assert len(read(spec_of(str(path), "data.rows=1000"))) == 1000
