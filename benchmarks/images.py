"""Digits that are drawn: each family after three minutes, held against real digits that taught nothing.

    python benchmarks/images.py DATA [--families flow next ...] [--seeds 0 1 2] [--budget 180s] [--choose]

DATA is mnist.npz. The 60,000 official training digits teach, the 10,000 official test digits are held out;
with --choose, 5,000 training digits, always the same, take their place, so that settings can be chosen
without the test, and nothing is stored. Measured on 5,000 digits of each side: the Fréchet distance in the
features of a small network that learned the classes of teaching digits, as a multiple of what as many
teaching digits reach (the floor), coverage, the share whose class is the one asked for (beside it the
network's own share on real digits), and the share that lies nearer to teaching digits than to as many held-
out ones. The budget is wall time on one thread, CPU-seconds are measured. Each cell is stored when it is
done; a stopped run goes on.
"""

import argparse
import json
import os
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402

from cases import RESULTS, commit, machine  # noqa: E402
from foretell.border import load_spec  # noqa: E402
from foretell.generation import guard, images  # noqa: E402
from foretell.generation.modality import Material, modality  # noqa: E402
from foretell.training.progress import silent  # noqa: E402

COUNT = 5_000
FAMILIES = ("flow", "next", "vae", "gan", "pixel flow", "pixel vae", "pixel gan")
"""Each draws latents or tokens of a learned codec, but those of pixels."""


def cell(data: Path, family: str, seed: int, budget: str, guidance: float, choose: bool) -> dict[str, Any]:
    """Return all figures of one family and seed."""
    asked = {"family": family.split()[-1], "count": COUNT, "seed": seed, "guidance": guidance}
    if family.startswith("pixel"):
        asked["tokens"] = "pixels"
    train = {"budget": budget, "threads": 1, "seed": seed}
    spec = load_spec({"source": str(data), "task": {"name": "generate"}, "train": train, "generate": asked})
    material = images.read(spec)
    if choose:
        order = np.random.default_rng(0).permutation(material.teach)  # the file is sorted by class
        material = replace(material, teach=np.sort(order[COUNT:]), holdout=np.sort(order[:COUNT]))
    started = time.process_time()
    generator = images.fit(material, spec, folder=None, progress=silent)
    fitted = time.process_time()
    made = generator.draw(COUNT, spec.generate, seed=seed)
    drawn = time.process_time()
    facts = {fact.name: fact for fact in images.fidelity(material, made, spec)}
    distance, floor = facts["frechet"].value, facts["frechet"].detail["floor"]
    return {
        "family": family,
        "seed": seed,
        "guidance": generator.guidance(spec.generate),
        "frechet": distance,
        "floor": floor,
        "ratio": distance / floor,
        "coverage": facts["coverage"].value,
        "coverage_floor": facts["coverage"].detail["floor"],
        "accuracy": facts["accuracy"].value,
        "accuracy_real": facts["accuracy"].detail["floor"],
        "nearer": nearer(material, made, seed),
        "budget": budget,
        "fit_seconds": fitted - started,
        "image_ms": 1e3 * (drawn - fitted) / COUNT,
        "commit": commit()[:12],
    }


def nearer(material: Material, made: images.Pictures, seed: int) -> float:
    """Return the share of 1,000 that lies nearer to teaching digits than to as many held-out ones."""
    rng = np.random.default_rng(seed)
    n = min(guard.MOST, len(material.holdout))
    teach, holdout = (
        images.take(material.items, rng.permutation(rows)[:n]) for rows in (material.teach, material.holdout)
    )
    some = images.take(made, np.arange(1_000))
    fact = guard.novelty(modality("image"), some, teach, holdout)
    assert isinstance(fact.value, float)
    return fact.value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--budget", default="180s")
    parser.add_argument("--guidance", type=float, default=0.0, help="else what suits the family")
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--results", type=Path, default=RESULTS / "images.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cells = json.loads(args.results.read_text())["cells"] if args.results.exists() else []
    done = {(each["family"], each["seed"]) for each in cells}
    for seed in args.seeds:
        for family in args.families:
            if (family, seed) in done and not args.choose:
                continue
            found = cell(args.data, family, seed, args.budget, args.guidance, args.choose)
            print(json.dumps(found), flush=True)
            if args.choose:
                continue
            cells.append(found)
            told = {
                "command": f"python {shlex.join(['benchmarks/images.py', 'DATA', *sys.argv[2:]])}",
                "commit": commit(),
                "machine": machine(),
                "cells": cells,
            }
            args.results.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
