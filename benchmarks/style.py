"""House styles: how many sentences are worded, placed and chosen as a house would, after how many approvals?

python benchmarks/style.py RUN --seeds 0 1 2 3 4

RUN is the folder of a run; its cases' evidence is what the texts are about. A house is a simulated editor
with firm tastes (tests/houses.py): always the same one of all true wordings, groups in another order, some
never told, and a sentence of the editor's own, which is found, released, and learned. Each seed is another
house, with approved and held-out rows of its own. CPU-seconds are the least of three times to learn, the
grammar with the house's sentence made anew each time. A sentence counts when it stands where the house has
it (longest common subsequence over the longer text's sentences).
"""

import argparse
import json
import os
import platform
import shlex
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from random import Random

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests"), str(ROOT / "benchmarks")]

from foretell.cases import Store  # noqa: E402
from foretell.narration.candidates import candidates  # noqa: E402
from foretell.narration.embedded import write  # noqa: E402
from foretell.narration.habits import Approved, learn  # noqa: E402
from foretell.narration.style import furnish, save  # noqa: E402
from foretell.records import Evidence  # noqa: E402
from foretell.spec import NarrateSpec  # noqa: E402
from foretell.verification import verify  # noqa: E402
from foretell.verification.wordings import Wording, extended  # noqa: E402
from houses import OWN, alike, edited  # noqa: E402
from narratives import commit  # noqa: E402

CURVE = (0, 5, 10, 25, 50)
HELD_OUT = 100


def material(run: Path) -> list[Evidence]:
    with Store(f"sqlite:///{run / 'cases.db'}", create=False) as store:
        return [case.evidence for case in store.all_cases()]


def released(texts: list[Approved]) -> tuple[Wording, ...]:
    """Return the sentence that the house's editor would have released: the one most texts have."""
    found = candidates([(text, "") for text in texts])
    return tuple(each.wording for each in found[:1])


def measured(rows: list[Evidence], seed: int, length: str, folder: Path) -> list[dict]:
    """Return a house's learning curve."""
    own = OWN[seed % len(OWN)]
    spec = NarrateSpec(length=length)
    chosen = Random(seed).sample(rows, max(CURVE) + HELD_OUT)
    texts = [
        Approved(evidence=one, text=edited(seed, one, spec, own).text, length=length)
        for one in chosen[: max(CURVE)]
    ]
    wanted = [edited(seed, one, spec, own) for one in chosen[max(CURVE) :]]
    points = []
    for number in CURVE:
        wordings = released(texts[:number])
        times = []
        for _ in range(3):
            extended.cache_clear()
            start = time.process_time()
            style = learn(texts[:number], "en", wordings)
            times.append(time.process_time() - start)
        spent = min(times)
        path = str(save(style, folder))
        same = most = denied = 0
        for at, (one, want) in enumerate(zip(chosen[max(CURVE) :], wanted, strict=True)):
            facts = furnish(one, path)
            told = write(facts, replace(spec, style=path, seed=at), 0)
            denied += not verify(told, facts).passed
            good, whole = alike(told, want)
            same, most = same + good, most + whole
        points.append(
            {
                "approvals": number,
                "in_style": same / most,
                "denied": denied,
                "released": len(wordings),
                "cpu_seconds": spent,
            }
        )
    return points


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--length", default="medium")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "style.json")
    options = parser.parse_args()
    ran, rows = commit(), material(options.run)
    with tempfile.TemporaryDirectory() as folder:
        houses = [measured(rows, seed, options.length, Path(folder)) for seed in options.seeds]
    curve = []
    for several in zip(*houses, strict=True):
        shares = [point["in_style"] for point in several]
        curve.append(
            {
                "approvals": several[0]["approvals"],
                "in_style": statistics.fmean(shares),
                "in_style_std": statistics.stdev(shares) if len(shares) > 1 else 0.0,
                "least": min(shares),
                "denied": sum(point["denied"] for point in several),
                "released": sum(point["released"] for point in several),
                "cpu_seconds": statistics.fmean(point["cpu_seconds"] for point in several),
            }
        )
        print(curve[-1], flush=True)
    result = {
        "command": shlex.join(["python", *sys.argv]),
        "commit": ran,
        "machine": f"{platform.platform()}, {os.cpu_count()} CPUs",
        "rows": len(rows),
        "held_out": HELD_OUT,
        "length": options.length,
        "seeds": options.seeds,
        "curve": curve,
        "houses": houses,
    }
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"stored      {options.out}")


if __name__ == "__main__":
    main()
