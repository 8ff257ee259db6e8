"""Characters of Shakespeare: nats per held-out character after some CPU-seconds, and how fast text is drawn.

python benchmarks/text.py TEXT --budget 26s --seeds 0 1 2

The last tenth of the text validates, as everywhere. Two protocols: the whole of it by windows of 256
characters that overlap by a quarter, and nanoGPT's: blocks of 256 at random places, each read by itself, in
200 batches (of 2 blocks here). Budgets are of CPU time on one thread; what is told includes the counting.
`--join` puts files of several runs together.
"""

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))
os.environ.setdefault("OMP_NUM_THREADS", "1")
time.perf_counter = time.process_time  # other programs run beside: budgets are of this one's own time

import numpy as np  # noqa: E402
import torch  # noqa: E402

from foretell.data.codecs.texts import Characters  # noqa: E402
from foretell.generation import continuing  # noqa: E402
from foretell.generation.texts import distances  # noqa: E402
from foretell.models.counts import Counts  # noqa: E402
from foretell.spec import GenerateSpec, TrainSpec  # noqa: E402

BATCHES, BLOCKS, CONTEXT = 200, 2, 256
GOALS = {"60 s": 1.4697, "180 s": 1.43}


def run(text: str, budget: str, seed: int) -> dict:
    """Fit on the first nine tenths, and measure on the last."""
    cut = int(0.9 * len(text))
    taught, held = text[:cut], text[cut:]
    codec = Characters.fit([text])
    Counts.fit(codec.encode(taught[:1000]), len(codec)).logits(codec.encode(taught[:100])[None])  # compiles
    steps = []
    began = time.process_time()
    told = continuing.fit(codec, [taught], TrainSpec(budget=budget, seed=seed), progress=steps.append)
    fitted = time.process_time() - began
    tokens = codec.encode(held)
    windows = told.nats(tokens, stride=3 * CONTEXT // 4)
    rng = np.random.default_rng(seed)
    estimates = []
    for _ in range(BATCHES):
        starts = rng.integers(0, len(tokens) - CONTEXT, BLOCKS)
        estimates.append(told.rows(tokens[starts[:, None] + np.arange(CONTEXT + 1)]).mean())
    counted = told.counts.logits(tokens[None, :-1])[0]
    began = time.process_time()
    drawn = told.draw(64, GenerateSpec(length=200), seed=seed)
    drawing = time.process_time() - began
    return {
        "seed": seed,
        "cpu_seconds": fitted,
        "steps": steps[-1].step,
        "nats": float(windows.mean()),
        "nats_by_blocks": float(np.mean(estimates)),
        "blocks_standard_error": float(np.std(estimates) / BATCHES**0.5),
        "nats_of_counts": float(-counted[np.arange(len(counted)), tokens[1:]].mean()),
        "characters_per_cpu_second": sum(map(len, drawn)) / drawing,
        "longest_copied": round(1 / float(distances(drawn, (taught,)).min())) - 1,
        "sample": drawn[0][:300],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", type=Path)
    parser.add_argument("--budget", default="26s")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--join", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "text.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.join:
        runs = [row for path in options.join for row in json.loads(path.read_text())["runs"]]
    else:
        text = options.text.read_text(encoding="utf-8")
        runs = [run(text, options.budget, seed) for seed in options.seeds]
    head = ["git", "rev-parse", "HEAD"]
    shown = subprocess.run(head, cwd=ROOT, capture_output=True, text=True, check=False)
    result = {
        "command": shlex.join(
            ["python", "benchmarks/text.py", options.text.name, "--budget", options.budget]
        ),
        "commit": shown.stdout.strip(),
        "machine": f"{platform.platform()}, {os.cpu_count()} CPUs, one thread",
        "goals": GOALS,
        "mean": {name: mean(row[name] for row in runs) for name in runs[0] if name not in ("seed", "sample")},
        "runs": runs,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
