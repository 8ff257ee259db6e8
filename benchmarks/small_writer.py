"""A small stranger behind a real server: how many drafts pass at which try, and what that costs.

python benchmarks/small_writer.py --steps 200 --rows 60

Trains a Llama of some 300,000 weights on requests like ours (tests/small_model.py), serves it by
`transformers serve` in a process of its own, and narrates rows that it was not taught on; stored as JSON.
"""

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from evidences import evidence  # noqa: E402
from foretell import narration  # noqa: E402
from foretell.narration.asking import Asking  # noqa: E402
from foretell.narration.remote import Server  # noqa: E402
from foretell.spec import NarrateSpec  # noqa: E402
from served_model import command, served  # noqa: E402


def narrated(url: str, model: str, rows: int) -> dict:
    """Narrate rows one by one; return who told them at which try, and what was spent."""
    spec = NarrateSpec(writer=f"openai:{url}#{model}", length="short", answer_tokens=120)
    server = Server(url, model, spec, "")
    write = Asking(spec.writer, server)
    tries: Counter[str] = Counter()
    began = time.monotonic()
    for seed in range(rows):
        *_, (narrative, verdict) = narration.drafts(evidence(seed), spec, write)
        assert verdict.passed
        tries[str(narrative.tries) if narrative.writer == spec.writer else "embedded"] += 1
    return {
        "rows": rows,
        "tries": dict(tries),
        "calls": spec.run_calls - server.run.calls,
        "tokens": spec.run_tokens - server.run.tokens,
        "seconds": time.monotonic() - began,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "small_writer.json")
    options = parser.parse_args()
    if not command():
        parser.error(
            "needs `transformers serve`: pip install 'transformers[serving]', or FORETELL_TEST_SERVE"
        )
    head = ["git", "rev-parse", "HEAD"]
    shown = subprocess.run(head, cwd=ROOT, capture_output=True, text=True, check=False)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "small"
        taught = [sys.executable, str(ROOT / "tests" / "small_model.py"), str(folder), str(options.steps)]
        environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}", "OMP_NUM_THREADS": "1"}
        trained = subprocess.run(taught, env=environment, capture_output=True, text=True, check=True)
        cpu_seconds, loss = json.loads(trained.stdout.splitlines()[-1])
        with served(folder) as url:
            told = narrated(url, str(folder), options.rows)
    result = {
        "command": shlex.join(["python", *sys.argv]),
        "commit": shown.stdout.strip(),
        "machine": f"{platform.platform()}, {os.cpu_count()} CPUs",
        "steps": options.steps,
        "training_cpu_seconds": cpu_seconds,
        "loss": loss,
        **told,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
