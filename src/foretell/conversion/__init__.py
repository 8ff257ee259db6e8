"""Conversion: a fitted model of a table as a file for other engines, written only when it says the same.

B: rows.
"""

import json
from dataclasses import asdict
from pathlib import Path

import foretell
from foretell.conversion import mlflow
from foretell.conversion.columns import features, inputs_of
from foretell.conversion.graph import Graph
from foretell.conversion.members import scores
from foretell.conversion.outcomes import outcomes, positive_of
from foretell.conversion.parity import Parity, compared
from foretell.data.dataset import Dataset
from foretell.errors import SpecError
from foretell.files import write_whole
from foretell.prediction.fitted import Fitted


def to_onnx(fitted: Fitted, dataset: Dataset, out: Path) -> Parity:
    """Write one ONNX file that takes raw columns [B] and says what `foretell predict` says.

    Inputs: each column by its name, see `columns.ABOUT`. Outputs: see `outcomes.outcomes`. The file is run
    on rows of the data first, and on rows made of them with values missing and unseen.

    Args:
        dataset: the model's own data.

    Raises:
        SpecError: when ONNX is not installed, or a column or a family cannot be expressed.
        ForetellError: when the file says something else than the model; then nothing is written.
    """
    content, parity = _compared(fitted, dataset)
    write_whole(out, content)
    return parity


def to_mlflow(fitted: Fitted, dataset: Dataset, out: Path) -> Parity:
    """Write a folder that `mlflow.pyfunc.load_model` opens, around the file that `to_onnx` writes.

    Raises:
        as `to_onnx`.
    """
    content, parity = _compared(fitted, dataset)
    mlflow.write(out, content, fitted)
    return parity


def content_of(fitted: Fitted) -> bytes:
    """Return the bytes of a model's ONNX file.

    Raises:
        SpecError: when a column or a family cannot be expressed.
    """
    graph = Graph()
    outcomes(graph, fitted, scores(graph, fitted, features(graph, fitted.featurizer)))
    about = {
        "model": fitted.digest,
        "target": fitted.spec.data.target,
        "positive": positive_of(fitted),
        "threshold": repr(fitted.threshold),
        "classes": json.dumps(fitted.coupling.names if fitted.coupling else (), ensure_ascii=False),
        "inputs": json.dumps([asdict(each) for each in inputs_of(fitted.featurizer)], ensure_ascii=False),
        "foretell": foretell.__version__,
    }
    return graph.content(about, foretell.__version__)


def _compared(fitted: Fitted, dataset: Dataset) -> tuple[bytes, Parity]:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise SpecError(
            f"a conversion needs {error.name}, which is not installed", "pip install 'foretell[export]'"
        ) from error
    content = content_of(fitted)
    return content, compared(content, fitted, dataset)
