"""How often the desk was attacked, and what got through: kills, power cuts, random acts, faults, edits.

    python benchmarks/proofs.py NAME [--minutes M]    one proof, slice by slice, until its goal or the time
    python benchmarks/proofs.py --store               add all slices to benchmarks/results/proofs.json

NAME is kills, cuts, walk, faults or tampering. A slice has its own seed, and is written to the folder of
--slices when it is done, so that a proof can be stopped at any time and goes on with the next slice, after
those of the stored sum: a proof of many hours may be made on several days and machines.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cases import RESULTS, commit, machine
from tampering import measured

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))

from desk_faults import FAULTS  # noqa: E402
from desk_kills import forked, founded, killed  # noqa: E402
from desk_walk import Bypass, Walk  # noqa: E402
from power_cuts import lived, lived_on, lost  # noqa: E402
from power_disk import cuts  # noqa: E402

MEMORY = Path("/dev/shm")
KILLS, CASES_PER_KILL = 50, 30
CUTS, CUTS_OF_RECOVERY = 450, 50
WALKS, STEPS = 20, 500
EDITS = 1000
SEEDS_FOR_A_FAULT, STEPS_FOR_A_FAULT = 12, 600
NAMES = [*FAULTS]
"""A slice's number is a place here: new faults go to the end, or a sum counts one twice and another never."""
STORED = RESULTS / "proofs.json"

Slice = dict[str, Any]
"""`count` attacks, of which `failures` tells those that got through; and what else was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One kind of attack."""

    goal: int
    attack: Callable[[int, Path], Slice]
    """Slice number, a folder of its own -> what was seen."""


def kills(number: int, folder: Path) -> Slice:
    """Kill the deciding server; a failure is a decision lost or doubled, or a log that does not hold."""
    url = f"sqlite:///{folder}/cases.db"
    contents = founded(url, KILLS * CASES_PER_KILL)
    try:
        stand, answered = killed(url, contents, KILLS, seed=number, desk=forked)
    except AssertionError as error:
        return {"count": KILLS, "failures": [str(error)]}
    return {"count": KILLS, "failures": [], "decisions": stand, "acknowledged": answered}


def power(number: int, folder: Path) -> Slice:
    """Cut the power anywhere in a store's life; every ninth cut or so also while it recovers from one."""
    (disk := folder / "disk").mkdir()
    (spare := folder / "spare").mkdir()
    acts = lived(disk)
    found = [lost(cut, spare) for cut in cuts(acts, CUTS, seed=number)]
    for again in cuts(acts, CUTS_OF_RECOVERY // 10, seed=-number - 1):
        more = lived_on(again, spare)
        found += [lost(cut, spare) for cut in cuts(more, 10, seed=number, before=again)]
    return {"count": len(found), "failures": [why for why in found if why], "acts_of_the_disk": len(acts)}


def walk(number: int, folder: Path) -> Slice:
    """Act at random beside the model; a failure is a disagreement, or a log that does not hold."""
    failures, admitted, refused, steps = [], 0, 0, 0
    for seed in range(number * WALKS, (number + 1) * WALKS):
        with closing(Walk(f"sqlite:///{folder}/{seed}.db", seed)) as walker:
            try:
                for _ in range(STEPS):
                    steps += 1
                    walker.step()
            except Bypass as fault:
                failures.append(f"seed {seed}: {fault}")
            if not walker.store.verify_log().passed:
                failures.append(f"seed {seed}: the log does not hold")
            admitted, refused = admitted + walker.num_admitted, refused + walker.num_refused
    return {"count": steps, "failures": failures, "admitted": admitted, "refused": refused}


def faults(number: int, folder: Path) -> Slice:
    """Plant one fault of authorisation; a failure is that no walk finds it."""
    with pytest.MonkeyPatch.context() as patch:
        FAULTS[NAMES[number]](patch)
        for seed in range(SEEDS_FOR_A_FAULT):
            with closing(Walk(f"sqlite:///{folder}/{seed}.db", seed)) as walker:
                try:
                    for _ in range(STEPS_FOR_A_FAULT):
                        walker.step()
                except Bypass as fault:
                    return {"count": 1, "failures": [], "fault": NAMES[number], "found": str(fault)}
    return {"count": 1, "failures": [NAMES[number]]}


def tampering(number: int, folder: Path) -> Slice:
    """Edit a store behind its back; a failure is an edit that a check misses, or on which the two differ."""
    found = measured(EDITS, number)
    return {"count": found["edits"], "failures": found["examples"], "by_way": found["by_way"]}


PROOFS: Mapping[str, Proof] = {
    "kills": Proof(goal=10_000, attack=kills),
    "cuts": Proof(goal=10_000, attack=power),
    "walk": Proof(goal=1_000_000, attack=walk),
    "faults": Proof(goal=len(FAULTS), attack=faults),
    "tampering": Proof(goal=100_000, attack=tampering),
}


def done(slices: Path, name: str, sums: Path = STORED) -> list[Slice]:
    """Return the slices of a proof that are done and not yet in the stored sum."""
    file = slices / f"{name}.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    first = stored(name, sums)["slices"]
    return [each for each in map(json.loads, lines) if each["slice"] >= first]


def stored(name: str, sums: Path) -> dict[str, Any]:
    """Return the stored sum of a proof's first slices."""
    nothing = {"count": 0, "failures": [], "seconds": 0.0, "slices": 0}
    return json.loads(sums.read_text())["proofs"].get(name, nothing) if sums.exists() else nothing


def go_on(slices: Path, name: str, seconds: float, sums: Path = STORED) -> bool:
    """Do a slice of a proof, and more until its time or goal is reached; tell if nothing got through."""
    slices.mkdir(parents=True, exist_ok=True)
    code, proof, start = commit(), PROOFS[name], time.monotonic()
    before, past = stored(name, sums), done(slices, name, sums)
    held = len(past)
    while (count := before["count"] + sum(each["count"] for each in past)) < proof.goal and (
        len(past) == held or time.monotonic() < start + seconds
    ):
        began = time.monotonic()
        with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
            seen = proof.attack(before["slices"] + len(past), Path(folder))
        seen |= {
            "slice": before["slices"] + len(past),
            "seconds": round(time.monotonic() - began, 1),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": code,
            "machine": machine(),
        }
        with (slices / f"{name}.jsonl").open("a") as file:
            file.write(json.dumps(seen) + "\n")
        past.append(seen)
        print(
            f"{name}: {count + seen['count']:,} of {proof.goal:,}, {len(seen['failures'])} failures",
            flush=True,
        )
    return not (before["failures"] or any(each["failures"] for each in past))


def summed(slices: Path, sums: Path = STORED) -> dict[str, Any]:
    """Return what the stored slices and all later ones saw together."""
    found = {name: done(slices, name, sums) for name in PROOFS}
    every = [each for past in found.values() for each in past]
    old = json.loads(sums.read_text()) if sums.exists() else {"commits": []}
    last = max(every, key=lambda each: each["at"], default=old)
    return {
        "command": "python benchmarks/proofs.py NAME",
        "commit": last["commit"],
        "commits": sorted({*old["commits"], *(each["commit"] for each in every)}),
        "at": last["at"],
        "machine": last["machine"],
        "proofs": {name: _more(stored(name, sums), past, PROOFS[name].goal) for name, past in found.items()},
    }


def _more(old: dict[str, Any], past: list[Slice], goal: int) -> dict[str, Any]:
    return {
        "count": old["count"] + sum(each["count"] for each in past),
        "goal": goal,
        "failures": old["failures"] + [failure for each in past for failure in each["failures"]],
        "seconds": round(old["seconds"] + sum(each["seconds"] for each in past), 1),
        "slices": old["slices"] + len(past),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", choices=PROOFS)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--slices", type=Path, default=ROOT / "runs" / "proofs", help="folder of the slices")
    parser.add_argument("--store", action="store_true", help="write the sums to benchmarks/results/")
    arguments = parser.parse_args()
    if arguments.name:
        sys.exit(not go_on(arguments.slices, arguments.name, 60 * arguments.minutes))
    text = json.dumps(summed(arguments.slices), indent=2)
    if arguments.store:
        STORED.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
