"""A model folder of MLflow, written without MLflow: YAML, the ONNX file, and the few lines that load it."""

import json
import platform
from pathlib import Path
from typing import Any

import yaml

from foretell.conversion.columns import inputs_of
from foretell.files import write_whole
from foretell.prediction.fitted import Fitted

MODEL, LOADER, SIGN = "model.onnx", "foretell_model", "MLmodel"
ANY = "any"
"""Type of each column. MLflow refuses whole numbers where it was told of doubles; the loader reads both."""


def write(folder: Path, content: bytes, fitted: Fitted) -> None:
    """Write the folder around the bytes of an ONNX file; without its sign, the last file, it is no model.

    Raises:
        OSError: when it cannot be written.
    """
    import onnx
    import onnxruntime

    code = folder / "code"
    code.mkdir(parents=True, exist_ok=True)
    (folder / SIGN).unlink(missing_ok=True)
    needed = [f"onnxruntime=={onnxruntime.__version__}", "pandas"]
    python = platform.python_version()
    write_whole(folder / MODEL, content)
    write_whole(code / f"{LOADER}.py", Path(__file__).with_name("served.py").read_bytes())
    write_whole(folder / "requirements.txt", "".join(f"{each}\n" for each in needed).encode())
    write_whole(
        folder / "python_env.yaml", _yaml({"python": python, "dependencies": ["-r requirements.txt"]})
    )
    about = {
        "flavors": {
            "onnx": {"data": MODEL, "onnx_version": onnx.__version__, "providers": ["CPUExecutionProvider"]},
            "python_function": {
                "loader_module": LOADER,
                "code": code.name,
                "data": MODEL,
                "env": {"virtualenv": "python_env.yaml"},
                "python_version": python,
            },
        },
        "metadata": {"foretell_model": fitted.digest, "target": fitted.spec.data.target},
        "model_uuid": fitted.digest[:32],
        "signature": {"inputs": json.dumps(_columns(fitted), ensure_ascii=False)},
    }
    write_whole(folder / SIGN, _yaml(about))


def _columns(fitted: Fitted) -> list[dict[str, Any]]:
    return [{"name": each.name, "type": ANY, "required": True} for each in inputs_of(fitted.featurizer)]


def _yaml(held: Any) -> bytes:
    return yaml.safe_dump(held, sort_keys=False, allow_unicode=True).encode()
