"""Several fits at once as tasks of Ray, which is tried where it is installed."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from foretell.border import load_spec
from foretell.cli import main
from foretell.errors import SpecError
from foretell.launching import launch
from foretell.prediction.folder import open_fitted
from foretell.spec import Spec
from table_samples import rare


def specs(folder: Path) -> list[Spec]:
    """Return two specs of one table, and one that names no column."""
    rare(6_000).write_parquet(folder / "rows.parquet")
    source = {"source": str(folder / "rows.parquet"), "target": "y"}
    return [
        load_spec(source, (f"out={folder / name}", "model.families=[]", "review.capacity=1", *more))
        for name, more in (("one", ()), ("two", ("train.seed=1",)), ("three", ("data.target=z",)))
    ]


def test_two_specs_never_write_to_one_folder(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="several specs write to"):
        list(launch(specs(tmp_path)[:1] * 2))


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed")
def test_a_missing_ray_is_told_with_how_to_install_it(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("data: {source: rows.csv, target: y}")
    done = CliRunner().invoke(main, ["launch", str(path)])
    assert done.exit_code == 2
    assert "pip install 'foretell[ray]'" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
@pytest.mark.filterwarnings("ignore")  # of Ray's own start
def test_each_task_leaves_its_model_and_a_fault_of_one_is_told(tmp_path: Path) -> None:
    done = {each.folder.name: each for each in launch(specs(tmp_path))}
    assert done.keys() == {"one", "two", "three"}
    for name in ("one", "two"):
        assert open_fitted(tmp_path / name / "model").digest == done[name].model
        assert "delivered" in done[name].leaderboard
    assert "unknown column 'z'" in done["three"].fault
    assert not (tmp_path / "three" / "model").exists()
