"""Laws of the ladder: what cannot be fitted is told at once, and a divergence says of which family."""

from pathlib import Path

import pytest

from data_samples import payments, spec_of
from foretell.data.dataset import Dataset
from foretell.data.reading import read
from foretell.data.split import split
from foretell.errors import SpecError, TrainingError
from foretell.lookup import load
from foretell.models import FAMILIES, FLOOR
from foretell.models.family import lacking
from foretell.prediction import ladder
from foretell.spec import ColumnSpec, ModelSpec, Spec, TrainSpec

CUSTOMERS = {"customer_id": ColumnSpec(kind="entity")}


def rows_of(folder: Path, spec_changes: dict[str, object], *, entities: bool = True) -> Dataset:
    path = folder / "rows.parquet"
    payments(400).write_parquet(path)
    columns = CUSTOMERS if entities else {"customer_id": ColumnSpec(kind="category")}
    spec = spec_of(path, columns=columns, id="payment_id")
    return read(Spec(data=spec.data, columns=spec.columns, **spec_changes))


def climbed(folder: Path, families: tuple[str, ...], *, entities: bool = True, **train: float) -> list[str]:
    """Fit, and return what was told."""
    changes = {
        "model": ModelSpec(families=families, width=16, members=2),
        "train": TrainSpec(epochs=2, **train),
    }
    dataset, told = rows_of(folder, changes, entities=entities), []
    try:
        ladder.fit(dataset.spec, dataset, split(dataset), folder=folder / "training", tell=told.append)
    except (SpecError, TrainingError) as error:
        error.add_note("\n".join(told))
        raise
    return told


def fitted_before(error: BaseException) -> bool:
    return "on the validation rows" in "\n".join(error.__notes__)


def test_the_families_and_floors_have_all_that_is_asked_of_them():
    for table in (FAMILIES, FLOOR):
        for name in table:
            assert lacking(load(name, table, "model family")) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "os:path",
            "'os:path' is no model family: it has no reads_past, logits, reader, score, arrays, fit, restore",
        ),
        ("foretell.models.family:Material", "it has no reads_past, logits"),
        ("nowhere.at:All", "cannot be imported: No module named 'nowhere'"),
        ("foretell.models:Nope", "cannot be imported: .* has no attribute 'Nope'"),
        ("event_strem", "unknown model family 'event_strem'"),
    ],
)
def test_what_is_no_family_is_told_before_anything_is_fitted(tmp_path, name, words):
    with pytest.raises(SpecError, match=words) as told:
        climbed(tmp_path, ("event_stream", name))
    assert told.value.hint and not fitted_before(told.value)


@pytest.mark.parametrize("name", ["recurrent", "transformer"])
def test_a_family_that_reads_the_past_asks_for_an_entity_before_anything_is_fitted(tmp_path, name):
    with pytest.raises(
        TrainingError, match=f"'{name}' reads past events, and the data have no entity"
    ) as told:
        climbed(tmp_path, (name,), entities=False)
    assert not fitted_before(told.value)
    assert any(f"  {name}: average precision" in line for line in climbed(tmp_path, (name,)))


@pytest.mark.parametrize("name", list(FAMILIES))
@pytest.mark.parametrize("patience", [0, 1])
def test_a_divergence_names_its_family_and_what_to_lower_and_leaves_nothing_behind(tmp_path, name, patience):
    wild = {"learning_rate": 1e7, "checkpoint_every": 1, "patience": patience, "evaluate_every": 1}
    with pytest.raises(TrainingError, match=f"^{name}: The .* (exploded|became nan or infinite)") as told:
        climbed(tmp_path, (name,), **wild)
    assert told.value.hint.startswith("lower `train.learning_rate` (now 1e+07)")
    assert fitted_before(told.value)
    assert not (tmp_path / "training" / name).exists()
