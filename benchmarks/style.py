"""House styles: how many sentences are worded, placed and chosen as a house would, after how many approvals?

python benchmarks/style.py RUN --seeds 0 1 2 3 4

RUN is the folder of a run; its cases' evidence is what the texts are about. A house is a simulated editor
with firm tastes (tests/houses.py): always the same one of all true wordings, groups in another order, some
never told, and a sentence of the editor's own, which is found, released, and learned. Each seed is another
house, with approved and held-out rows of its own. CPU-seconds are the least of three times to learn, the
grammar with the house's sentence made anew each time. A sentence counts when it stands where the house has
it (longest common subsequence over the longer text's sentences). The curve is of English texts of medium
length; other lengths, and the same rows told in German, are measured after `SETTLED` approvals.
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
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path
from random import Random

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests"), str(ROOT / "benchmarks")]

from foretell.cases import Store  # noqa: E402
from foretell.narration.candidates import candidates  # noqa: E402
from foretell.narration.embedded import write  # noqa: E402
from foretell.narration.habits import Approved, learn  # noqa: E402
from foretell.narration.style import furnish, save  # noqa: E402
from foretell.records import Evidence, Fact  # noqa: E402
from foretell.spec import NarrateSpec  # noqa: E402
from foretell.verification import verify  # noqa: E402
from foretell.verification.wordings import Wording, extended  # noqa: E402
from houses import OWN, OWN_GERMAN, alike, edited  # noqa: E402
from narratives import commit  # noqa: E402

CURVE = (0, 5, 10, 25, 50)
SETTLED = 25
"""Approvals after which every language and length is measured."""
HELD_OUT = 100
SENTENCES = {"en": OWN, "de": OWN_GERMAN}
LENGTHS = ("short", "medium", "long")
GERMAN = Fact(
    id="l0", kind="term", name="language", text="language", value="de", unit="name", source="benchmark"
)


def material(run: Path) -> list[Evidence]:
    with Store(f"sqlite:///{run / 'cases.db'}", create=False) as store:
        return [case.evidence for case in store.all_cases()]


def released(texts: list[Approved], language: str) -> tuple[Wording, ...]:
    """Return the sentence that the house's editor would have released: the one most texts have."""
    found = candidates([(text, "") for text in texts], language)
    return tuple(each.wording for each in found[:1])


def measured(rows: list[Evidence], seed: int, spec: NarrateSpec, numbers: Iterable[int]) -> list[dict]:
    """Return how a house is met after so many approvals each."""
    several = SENTENCES[spec.language]
    own = several[seed % len(several)]
    chosen = Random(seed).sample(rows, max(CURVE) + HELD_OUT)
    if spec.language == "de":
        chosen = [replace(one, facts=(*one.facts, GERMAN)) for one in chosen]
    texts = [
        Approved(evidence=one, text=edited(seed, one, spec, own).text, length=spec.length)
        for one in chosen[: max(numbers)]
    ]
    later = [(one, edited(seed, one, spec, own)) for one in chosen[max(CURVE) :]]
    points = []
    for number in numbers:
        wordings = released(texts[:number], spec.language)
        times = []
        for _ in range(3):
            extended.cache_clear()
            start = time.process_time()
            style = learn(texts[:number], spec.language, wordings)
            times.append(time.process_time() - start)
        same = most = denied = 0
        with tempfile.TemporaryDirectory() as folder:
            path = str(save(style, Path(folder)))
            for at, (one, want) in enumerate(later):
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
                "cpu_seconds": min(times),
            }
        )
    return points


def averaged(houses: list[dict]) -> dict:
    """Return the same of several houses."""
    shares = [house["in_style"] for house in houses]
    return {
        "approvals": houses[0]["approvals"],
        "in_style": statistics.fmean(shares),
        "in_style_std": statistics.stdev(shares) if len(shares) > 1 else 0.0,
        "least": min(shares),
        "denied": sum(house["denied"] for house in houses),
        "released": sum(house["released"] for house in houses),
        "cpu_seconds": statistics.fmean(house["cpu_seconds"] for house in houses),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "style.json")
    options = parser.parse_args()
    ran, rows = commit(), material(options.run)
    usual = NarrateSpec()
    houses = [measured(rows, seed, usual, CURVE) for seed in options.seeds]
    curve = [averaged([*several]) for several in zip(*houses, strict=True)]
    cells = []
    for language, length in product(SENTENCES, LENGTHS):
        spec = replace(usual, language=language, length=length)
        met = (
            [house[CURVE.index(SETTLED)] for house in houses]
            if spec == usual
            else [measured(rows, seed, spec, (SETTLED,))[0] for seed in options.seeds]
        )
        cells.append({"language": language, "length": length, **averaged(met)})
    for point in (*curve, *cells):
        print(point, flush=True)
    result = {
        "command": shlex.join(["python", *sys.argv]),
        "commit": ran,
        "machine": f"{platform.platform()}, {os.cpu_count()} CPUs",
        "rows": len(rows),
        "held_out": HELD_OUT,
        "seeds": options.seeds,
        "curve": curve,
        "cells": cells,
        "houses": houses,
    }
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"stored      {options.out}")


if __name__ == "__main__":
    main()
