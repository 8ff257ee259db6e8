"""Narratives: are all of them supported, is every mutant caught, and how many pass per CPU-second?

python benchmarks/narratives.py --seed 0 --narratives 100000 --mutants 100000

A second checker, written from the grammar's description alone (tests/second_checker.py), reads each text too.
Every narrative is written from evidence of its own, a fifth of it hostile, in each language and register;
every mutant is false, or outside the language, by construction (tests/mutants.py). The result is stored as
JSON with command, commit, machine.
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
from dataclasses import dataclass, field
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
from second_checker import World, accepts  # noqa: E402

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


@dataclass(slots=True)
class Counts:
    """What was found so far; mutants by class and language."""

    narratives: int = 0
    claims: int = 0
    denied: int = 0
    made: Counter[tuple[str, str]] = field(default_factory=Counter)
    missed: Counter[tuple[str, str]] = field(default_factory=Counter)
    read_twice: int = 0
    apart: int = 0
    """Texts, own ones and mutants, on which the second checker says otherwise."""


def held(number: int, seed: int, mutants_wanted: int, twice: bool, clock: Clock, counts: Counts) -> None:
    """Write one narrative, verify it and, while more are wanted, its mutants: all of them twice."""
    facts, spec = told(number, seed)
    narrative: Narrative = clock.time(f"write {spec.length}", write, facts, spec, 0)
    second = clock.time("second world", World, facts) if twice else None
    passed = clock.time(f"verify {spec.length}", verify, narrative, facts).passed
    texts = [(narrative, passed)]
    counts.narratives += 1
    counts.claims += len(narrative.claims)
    counts.denied += not passed
    if counts.made.total() < mutants_wanted:
        for name, changed in mutants(narrative, facts, Random(number)):
            passed = clock.time("verify mutant", verify, changed, facts).passed
            counts.made[name, spec.language] += 1
            counts.missed[name, spec.language] += passed
            texts.append((changed, passed))
    if second is not None:
        for text, passed in texts:
            counts.read_twice += 1
            counts.apart += clock.time("second checker", accepts, text, second) != passed


def commit() -> str:
    shown = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return shown.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--narratives", type=int, default=100_000)
    parser.add_argument("--mutants", type=int, default=100_000)
    parser.add_argument("--once", action="store_true", help="leave out the second checker")
    parser.add_argument("--slice", type=int, default=2_000, help="narratives after which results are stored")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "narratives.json")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    clock, counts, ran = Clock(), Counts(), commit()
    for number in range(options.narratives):
        held(number, options.seed, options.mutants, not options.once, clock, counts)
        if counts.narratives % options.slice == 0 or counts.narratives == options.narratives:
            store(options.out, clock, counts, ran)
    for name in MUTATIONS:
        shown = (
            f"{code} {counts.made[name, code]:>6,} missed {counts.missed[name, code]}" for code in LANGUAGES
        )
        print(f"  {name:32} {'   '.join(shown)}")
    print(f"stored      {options.out}")
    sys.exit(int(bool(counts.denied or counts.missed.total() or counts.apart)))


def store(out: Path, clock: Clock, counts: Counts, ran: str) -> None:
    """Store and show what was found so far: a run that is cut short has told the truth about its part."""
    writing, verifying = [f"write {length}" for length in LENGTHS], [f"verify {length}" for length in LENGTHS]
    made, missed = counts.made, counts.missed
    result = {
        "command": shlex.join(["python", *sys.argv]),
        "commit": ran,
        "machine": f"{platform.platform()}, {os.cpu_count()} CPUs",
        "python": platform.python_version(),
        "narratives": counts.narratives,
        "claims": counts.claims,
        "unsupported": counts.denied,
        "false_alarms": counts.denied,
        "written_per_cpu_second": clock.rate(*writing),
        "verified_per_cpu_second": clock.rate(*verifying),
        "mutants_verified_per_cpu_second": clock.rate("verify mutant"),
        "second_checker_per_cpu_second": clock.rate("second checker"),
        "rates_by_length": {name: clock.rate(name) for name in (*writing, *verifying)},
        "read_twice": counts.read_twice,
        "checkers_apart": counts.apart,
        "mutants": made.total(),
        "classes": len({name for name, _ in made}),
        "languages": list(LANGUAGES),
        "missed": missed.total(),
        "by_class": {
            name: {code: {"made": made[name, code], "missed": missed[name, code]} for code in LANGUAGES}
            for name in MUTATIONS
        },
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(
        f"narratives {counts.narratives:>8,} denied {counts.denied}   mutants {made.total():>8,} missed "
        f"{missed.total()}   read twice {counts.read_twice:>8,} apart {counts.apart}   per CPU-second: "
        f"{result['written_per_cpu_second']:,} written, {result['verified_per_cpu_second']:,} verified",
        flush=True,
    )


if __name__ == "__main__":
    main()
