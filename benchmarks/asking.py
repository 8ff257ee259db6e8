"""Attack what people and agents ask and do: hostile texts in every field, and planners of random weights.

python benchmarks/asking.py --payloads 10000 --episodes 10000 --agents 2000

Payloads: tests/attacks.py builds cases of them, a twin with harmless words beside each, and looks at the
desk's and the report's pages in Chromium. Episodes: a small transformer with random weights, decoded under
the schema of a plan, plans answers about the cases of a run whose model and data are there. Agents: such a
transformer calls the tools of the Model Context Protocol through the protocol's client, most often those that
write, with tokens for a few acts among the values that it may say.
"""

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, fields
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

import torch  # noqa: E402

import foretell  # noqa: E402
from attacks import Tally, assault  # noqa: E402
from desk_browser import rich  # noqa: E402
from desk_material import House  # noqa: E402
from foretell.border import load_spec  # noqa: E402
from foretell.cases import Store  # noqa: E402
from foretell.data.worlds import payments  # noqa: E402
from foretell.investigation import Investigator  # noqa: E402
from foretell.model_tools import Models  # noqa: E402
from random_planner import Episodes, agents, plans  # noqa: E402

WORLD = {"num_customers": 150, "num_terminals": 120, "num_days": 60, "seed": 3}
NUM_CASES = 12
"""Cases that agents may act on."""
DESKS, RUNS = 3, 6
"""Processes that work at the same time: desks that are attacked, runs that are asked about."""
SHOWN = 20
"""Failures of a kind that are stored in words."""


def attacked(num_payloads: int, seed: int) -> dict[str, Any]:
    """Put hostile texts into every field until there were so many, at several desks at once."""
    tallies: list[Tally] = _at_once(besieged, num_payloads, seed, DESKS)
    payloads = sum((tally.payloads for tally in tallies), Counter())
    found: dict[str, Any] = {"payloads": payloads.total(), "fields": dict(payloads)}
    found |= {name: sum(getattr(tally, name) for tally in tallies) for name in ("cases", "pages")}
    kinds = ("changed", "forged", "live", "crashed")
    return found | {
        kind: _counted([one for tally in tallies for one in getattr(tally, kind)]) for kind in kinds
    }


def besieged(num_payloads: int, seed: int) -> Tally:
    """Attack one desk."""
    with tempfile.TemporaryDirectory() as folder, assault(Path(folder)) as desk:
        number = 0
        while sum(desk.tally.payloads.values()) < num_payloads:
            desk.round(number, Random(seed * 1_000_003 + number))
            number += 1
            if number % 20 == 0:
                print(f"payloads    {sum(desk.tally.payloads.values()):,} in {number} cases", flush=True)
    return desk.tally


def planned(count: int, seed: int) -> dict[str, Any]:
    """Let random weights plan the answers about the cases of a run, as several runs at once."""
    found: list[Episodes] = _at_once(plan, count, seed, RUNS)
    told = Episodes()
    for each in fields(Episodes):
        setattr(told, each.name, sum((getattr(one, each.name) for one in found), getattr(told, each.name)))
    return _told(told)


def _at_once(work: Callable[[int, int], Any], count: int, seed: int, shares: int) -> list[Any]:
    """Do a share of the work in each of several processes, each with a seed of its own."""
    sizes, seeds = [-(-count // shares)] * shares, range(seed * shares, (seed + 1) * shares)
    with ProcessPoolExecutor(shares, mp_context=get_context("spawn")) as pool:
        return [*pool.map(work, sizes, seeds)]


def plan(count: int, seed: int) -> Episodes:
    """Let random weights plan the answers about the cases of one run."""
    torch.set_num_threads(1)
    told = Episodes()
    with tempfile.TemporaryDirectory() as name:
        world = Path(name)
        payments.write(world, **WORLD)
        sets = (f"out={world / 'run'}", "train.epochs=1", "review.capacity=2")
        foretell.run(load_spec(world / "payments.yaml", sets))
        with Store(f"sqlite:///{world / 'run' / 'cases.db'}", create=False) as store:
            asker = Investigator(store, model=Models(world / "run"), blind=False)
            plans(asker, store, count, told, seed)
    return told


def acted(count: int, seed: int) -> dict[str, Any]:
    """Let random weights act as an agent."""
    told = Episodes()
    with tempfile.TemporaryDirectory() as name:
        house = House(f"sqlite:///{Path(name) / 'cases.db'}")
        house.store.open_cases([rich(f"r{number}", number) for number in range(NUM_CASES)])
        agents(house, count, told, seed)
        if not house.store.verify_log().passed:
            told.unauthorised.append("the log does not verify")
        house.store.close()
    return _told(told)


def _told(told: Episodes) -> dict[str, Any]:
    kinds = ("crashes", "unauthorised", "other_replays")
    return asdict(told) | {kind: _counted(getattr(told, kind)) for kind in kinds}


def _counted(failures: list[str]) -> dict[str, Any]:
    return {"count": len(failures), "first": failures[:SHOWN]}


PARTS = {"planned": planned, "acted": acted, "attacked": attacked}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--payloads", type=int, default=10_000)
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--agents", type=int, default=2_000)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS], help="the others stay stored")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "asking.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    ran = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    counts = {"planned": options.episodes, "acted": options.agents, "attacked": options.payloads}
    for name in options.parts:
        told = PARTS[name](counts[name], options.seed)
        print(f"{name:<12}{json.dumps(told)[:400]}", flush=True)
        held = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
        result = {
            **{part: held[part] for part in PARTS if part in held},
            name: told,
            "command": shlex.join(["python", *sys.argv]),
            "commit": ran.stdout.strip(),
            "machine": f"{platform.platform()}, {os.cpu_count()} CPUs",
        }
        options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        print(f"stored      {options.out}", flush=True)


if __name__ == "__main__":
    main()
