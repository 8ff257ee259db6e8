"""A checkpoint served by `transformers serve`, in a process of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

NEEDED = ("accelerate", "fastapi", "openai", "transformers", "uvicorn")


def command() -> str:
    """Return the `transformers` that can serve: of $FORETELL_TEST_SERVE, else ours; "" if none can."""
    given = os.environ.get("FORETELL_TEST_SERVE", "")
    ours = Path(sys.executable).parent / "transformers"
    return given or (str(ours) if ours.exists() and all(map(find_spec, NEEDED)) else "")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder for as long as the block runs; yield the address of its API."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [
        command(),
        "serve",
        str(folder),
        "--port",
        str(port),
        "--host",
        "127.0.0.1",
        "--device",
        "cpu",
    ]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)  # its environment may be another one
    with subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(1500):
                with socket.socket() as line:
                    if line.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert process.poll() is None, "transformers serve ended"
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
