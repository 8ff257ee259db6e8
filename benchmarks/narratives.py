"""Narratives: are all of them supported, is every mutant caught, and how many pass per CPU-second?

python benchmarks/narratives.py --seed 0 --narratives 20000 --mutants 100000

Every narrative is written from evidence of its own, a fifth of it hostile, in each language and register; every mutant is false, or outside
the language, by construction (tests/mutants.py). The result is stored as JSON with command, commit, machine.
"""

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from evidences import evidence  # noqa: E402
from foretell.narration.embedded import write  # noqa: E402
from foretell.records import Evidence, Narrative  # noqa: E402
from foretell.spec import NarrateSpec  # noqa: E402
from foretell.verification import verify  # noqa: E402
from foretell.verification.grammar import GRAMMARS, REGISTERS  # noqa: E402
from mutants import MUTATIONS, mutants  # noqa: E402

LENGTHS = ("short", "medium", "long")
LANGUAGES = tuple(GRAMMARS)


class Clock:
    """CPU-seconds spent under each name."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()

    def time(self, name, function, *arguments):
        start = time.process_time()
        result = function(*arguments)
        self.seconds[name] += time.process_time() - start
        self.calls[name] += 1
        return result

    def rate(self, *names: str) -> float:
        seconds = sum(self.seconds[name] for name in names)
        return round(sum(self.calls[name] for name in names) / seconds, 1) if seconds else 0.0


def told(number: int, seed: int) -> tuple[Evidence, NarrateSpec]:
    language = LANGUAGES[number % 2]
    facts = evidence(seed * 10**7 + number, hostile=number % 5 == 0, language=language)
    register = REGISTERS[number // 2 % 2]
    return facts, NarrateSpec(length=LENGTHS[number % 3], seed=number, language=language, register=register)


def count_unsupported(narratives: int, seed: int, clock: Clock) -> tuple[int, int]:
    """Return (narratives that do not pass, claims written)."""
    denied = claims = 0
    for number in range(narratives):
        facts, spec = told(number, seed)
        narrative = clock.time(f"write {spec.length}", write, facts, spec, 0)
        verdict = clock.time(f"verify {spec.length}", verify, narrative, facts)
        denied += not verdict.passed
        claims += len(narrative.claims)
    return denied, claims


def count_missed(wanted: int, seed: int, clock: Clock) -> tuple[Counter, Counter]:
    """Return (mutants made, mutants that pass) by class and language."""
    made: Counter[tuple[str, str]] = Counter()
    missed: Counter[tuple[str, str]] = Counter()
    number = 0
    while made.total() < wanted:
        facts, spec = told(number, seed + 1)
        narrative: Narrative = write(facts, spec, 0)
        for name, changed in mutants(narrative, facts, Random(number)):
            made[name, spec.language] += 1
            missed[name, spec.language] += clock.time("verify mutant", verify, changed, facts).passed
        number += 1
    return made, missed


def commit() -> str:
    shown = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return shown.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--narratives", type=int, default=20000)
    parser.add_argument("--mutants", type=int, default=100000)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "narratives.json")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    clock, ran = Clock(), commit()
    denied, claims = count_unsupported(options.narratives, options.seed, clock)
    writing, verifying = [f"write {length}" for length in LENGTHS], [f"verify {length}" for length in LENGTHS]
    rates = {name: clock.rate(name) for name in (*writing, *verifying)}
    print(f"narratives  {options.narratives:>8,}   claims {claims:,}   denied {denied}", flush=True)
    print(f"written     {clock.rate(*writing):>8,} per CPU-second")
    print(f"verified    {clock.rate(*verifying):>8,} per CPU-second", flush=True)
    made, missed = count_missed(options.mutants, options.seed, clock)
    classes = len({name for name, _ in made})
    print(f"mutants     {made.total():>8,}   classes {classes}   missed {missed.total()}")
    by_class = {
        name: {
            language: {"made": made[name, language], "missed": missed[name, language]}
            for language in LANGUAGES
        }
        for name in MUTATIONS
    }
    for name, counts in by_class.items():
        told = "   ".join(
            f"{language} {n['made']:>6,} missed {n['missed']}" for language, n in counts.items()
        )
        print(f"  {name:32} {told}")
    result = {
        "command": shlex.join(["python", *sys.argv]),
        "commit": ran,
        "machine": f"{platform.platform()}, {os.cpu_count()} CPUs",
        "python": platform.python_version(),
        "narratives": options.narratives,
        "claims": claims,
        "unsupported": denied,
        "false_alarms": denied,
        "written_per_cpu_second": clock.rate(*writing),
        "verified_per_cpu_second": clock.rate(*verifying),
        "mutants_verified_per_cpu_second": clock.rate("verify mutant"),
        "rates_by_length": rates,
        "mutants": made.total(),
        "classes": classes,
        "languages": list(LANGUAGES),
        "missed": missed.total(),
        "by_class": by_class,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"stored      {options.out}")
    sys.exit(int(bool(denied or missed.total())))


if __name__ == "__main__":
    main()
