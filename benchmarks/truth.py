"""Truth: how many of the claims that narratives make are false in worlds whose causes are known?

nice python benchmarks/truth.py --seeds 10 11 12 13 14

Per world and seed: a model is fitted, some test rows are explained and told by the embedded writer, and every
claim that a factor raises or lowers the score, is the strongest, or lies above or below the usual is held
against the world's formula. The same writer tells the same rows from evidence without licences: each sign and
rank stable, each share large enough, each value outside the usual range. That is how one writes who takes an
estimate at its word. Then the labels of a world are inverted, and its rows told again: what was said before
of a factor's direction must never be said again.
"""

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from foretell import workflow  # noqa: E402
from foretell.border import load_spec  # noqa: E402
from foretell.data.reading import read  # noqa: E402
from foretell.data.split import split  # noqa: E402
from foretell.data.worlds import known  # noqa: E402
from foretell.evidence.attribution import shapley  # noqa: E402
from foretell.models.walks import by_rows  # noqa: E402
from foretell.narration.embedded import write  # noqa: E402
from foretell.prediction import ladder  # noqa: E402
from foretell.prediction.alerts import Alerts  # noqa: E402
from foretell.records import Evidence, Fact, Narrative  # noqa: E402
from foretell.spec import NarrateSpec  # noqa: E402
from foretell.verification import verify  # noqa: E402
from foretell.verification.conditions import world as facts_of  # noqa: E402
from foretell.verification.grammar import grammar  # noqa: E402
from foretell.verification.parse import Parser  # noqa: E402

OVERRIDES = ("model.families=[]", "train.threads=1", "review.capacity=20")
CLAIMS = ("raises", "lowers", "strongest", "above the usual", "below the usual")
TOLD_PER_ROW = 4
"""Narratives of each row, of different wordings and lengths."""
Said = tuple[str, str]
"""A kind of claim and what it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is true of one row."""

    shares: dict[str, float]
    values: dict[str, float]
    usual: dict[str, tuple[float, float]]

    def holds(self, said: Said) -> bool:
        kind, name = said
        share = self.shares.get(name, 0.0)  # what the formula does not know does nothing
        if kind == "raises":
            return share > 0
        if kind == "lowers":
            return share < 0
        if kind == "strongest":
            return abs(share) >= max(map(abs, self.shares.values()))
        low, high = self.usual[name]
        return self.values[name] > high if kind == "above the usual" else self.values[name] < low


def claims(narrative: Narrative, evidence: Evidence) -> Iterator[Said]:
    """Yield what a text says of causes and of the usual, as the grammar reads it."""
    rules = grammar()
    parser = Parser(rules, facts_of(rules.variables, evidence), narrative.text)
    start, group = 0, ""
    for claim in narrative.claims:
        sentence = parser.sentence(start, group)
        assert sentence is not None and not sentence.fault, claim.text
        for point, fact_id in sentence.tells:
            fact = evidence.fact(fact_id)
            if fact is not None and isinstance(fact.value, float):
                yield from _said(point, sentence.production.name, fact)
        start, group = sentence.end + 1, sentence.production.group


def _said(point: str, production: str, fact: Fact) -> Iterator[Said]:
    assert isinstance(fact.value, float)
    if point == "factor":
        yield "raises" if fact.value > 0 else "lowers", fact.name
    elif point == "strongest":
        yield "strongest", fact.name
    elif point == "input" and production == "figures.unusual":
        high = fact.detail["high"]
        assert isinstance(high, float)
        yield "above the usual" if fact.value > high else "below the usual", fact.name


def unlicensed(evidence: Evidence) -> Evidence:
    """Return evidence that says of each estimate that it is certain."""
    return replace(evidence, facts=tuple(map(_certain, evidence.facts)))


def _certain(fact: Fact) -> Fact:
    if fact.kind == "attribution" and isinstance(fact.value, float):
        large = float(np.copysign(max(abs(fact.value), 0.051), fact.value))
        return replace(
            fact, value=large, detail={**fact.detail, "sign_stability": 1.0, "rank_stability": 1.0}
        )
    low, high = fact.detail.get("low"), fact.detail.get("high")
    if fact.kind == "input" and isinstance(low, float) and isinstance(high, float):
        middle = (low + high) / 2
        return replace(fact, detail={**fact.detail, "low": middle, "high": middle})
    return fact


def told(evidence: Evidence, place: int) -> Iterator[Said]:
    """Yield what the embedded writer says of one row, each claim once."""
    found: dict[Said, None] = {}
    for number in range(TOLD_PER_ROW):
        length = ("medium", "long")[number % 2]
        narrative = write(evidence, NarrateSpec(length=length, seed=place * TOLD_PER_ROW + number), 0)
        found |= dict.fromkeys(claims(narrative, evidence))
    yield from found


def explained(world: known.World, *, seed: int, rows: int, top: bool = True) -> tuple[Evidence, ...]:
    """Fit a model on a world; return the evidence about some of its test rows.

    Args:
        top: whether half of the rows are those with the highest scores; else they are the first ones.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec = load_spec(known.store(folder, world), (*OVERRIDES, f"train.seed={seed}"))
        dataset = read(spec)
        parts = split(dataset)
        fitted, scored = ladder.fit(spec, dataset, parts, folder=folder / "training", tell=lambda _: None)
    places = np.arange(len(scored.rows))
    if top:
        order = np.argsort(-scored.probabilities, kind="stable")
        rest = np.random.default_rng(seed).permutation(order[rows // 2 :])
        places = np.concatenate([order[: rows // 2], rest])
    chosen = scored.rows[places[:rows]]
    alerts = Alerts(rows=chosen, thresholds=np.full(len(chosen), fitted.threshold))
    return workflow.explain(fitted, dataset, scored, alerts)


def truths(world: known.World, evidence: Sequence[Evidence]) -> list[Truth]:
    """Return what is true of some rows of a world, against the rows before the test rows."""
    places = np.array([int(facts.id[1:]) for facts in evidence])
    formula = known.FORMULAS[world.kind]
    alike = world.x[: len(world.x) * 4 // 5]
    shares = shapley(
        by_rows(lambda x: formula(x.astype(np.float64))),
        world.x[places].astype(np.float32),
        alike.astype(np.float32),
        [np.array([index]) for index in range(len(known.COLUMNS))],
        num_permutations=1_500,
    ).values
    low, high = np.quantile(alike, [0.25, 0.75], axis=0)
    return [
        Truth(
            shares=dict(zip(known.COLUMNS, row.tolist(), strict=True)),
            values=dict(zip(known.COLUMNS, world.x[place].tolist(), strict=True)),
            usual={name: (low[c], high[c]) for c, name in enumerate(known.COLUMNS)},
        )
        for place, row in zip(places.tolist(), shares, strict=True)
    ]


def measured(kind: str, seed: int, rows: int) -> dict[str, Any]:
    """Return, with and without licences, how many claims of each kind were made, and how many are false."""
    world = known.simulate(kind, seed=seed)
    evidence = explained(world, seed=seed, rows=rows)
    found: dict[str, Any] = {"world": kind, "seed": seed, "rows": len(evidence)}
    for name, change in (("licensed", lambda facts: facts), ("unlicensed", unlicensed)):
        made: Counter[str] = Counter()
        false: Counter[str] = Counter()
        for place, (facts, truth) in enumerate(zip(evidence, truths(world, evidence), strict=True)):
            for said in told(change(facts), place):
                made[said[0]] += 1
                false[said[0]] += not truth.holds(said)
        found[name] = {claim: {"made": made[claim], "false": false[claim]} for claim in CLAIMS}
        found[name] |= {"made": made.total(), "false": false.total()}
        found[name]["share_false"] = round(false.total() / max(made.total(), 1), 4)
    return found


def inverted(seed: int, rows: int) -> dict[str, int]:
    """Return what is still said as before, and which old texts still pass, once labels were inverted."""
    world = known.simulate("drift", seed=seed)  # split by time, so that labels do not move its test rows
    before = explained(world, seed=seed, rows=rows, top=False)
    after = explained(replace(world, labels=1 - world.labels), seed=seed, rows=rows, top=False)
    counts = Counter(cases=0, claims=0, prior=0, passed=0)
    for place, (old, new) in enumerate(zip(before, after, strict=True)):
        assert old.id == new.id
        directed = [{said for said in told(facts, place) if said[0] in CLAIMS[:2]} for facts in (old, new)]
        counts.update(cases=1, claims=len(directed[1]), prior=len(directed[0] & directed[1]))
        text = write(old, NarrateSpec(seed=place), 0)
        counts["passed"] += verify(text, new).passed
    return dict(counts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[10, 11, 12, 13, 14])
    parser.add_argument("--worlds", nargs="+", default=list(known.FORMULAS), choices=list(known.FORMULAS))
    parser.add_argument("--rows", type=int, default=60, help="rows told per world and seed")
    parser.add_argument("--inverted", type=int, default=1_000, help="cases with inverted labels")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "truth.json")
    options = parser.parse_args()
    started = time.process_time()
    cells = []
    for kind, seed in product(options.worlds, options.seeds):
        cells.append(measured(kind, seed, options.rows))
        shares = "   ".join(f"{name} {_told(cells[-1][name])}" for name in ("licensed", "unlicensed"))
        print(f"{kind:12} seed {seed:3}   {shares}", flush=True)
    each = -(-options.inverted // len(options.seeds))
    turned = sum((Counter(inverted(seed, each)) for seed in options.seeds), Counter(prior=0, passed=0))
    print(f"inverted     {dict(turned)}")
    result = {
        "command": shlex.join(["python", *sys.argv]),
        "commit": commit(),
        "machine": f"{platform.platform()}, {os.cpu_count()} CPUs",
        "python": platform.python_version(),
        "cpu_seconds": round(time.process_time() - started, 1),
        "cells": cells,
        "worlds": {
            kind: summary([cell for cell in cells if cell["world"] == kind]) for kind in options.worlds
        },
        "all": summary(cells),
        "inverted": {name: turned[name] for name in ("cases", "claims", "prior", "passed")},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"stored       {options.out}")


def summary(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Return all claims of some cells together, and how the share of false ones spreads over them."""
    found: dict[str, Any] = {}
    for name in ("licensed", "unlicensed"):
        made, false = (sum(cell[name][key] for cell in cells) for key in ("made", "false"))
        shares = [cell[name]["share_false"] for cell in cells]
        found[name] = {
            "made": made,
            "false": false,
            "share_false": round(false / max(made, 1), 4),
            "deviation": round(statistics.stdev(shares), 4) if len(shares) > 1 else 0.0,
            "claims": {
                claim: {key: sum(cell[name][claim][key] for cell in cells) for key in ("made", "false")}
                for claim in CLAIMS
            },
        }
    return found


def _told(counts: dict[str, Any]) -> str:
    return f"{counts['false']:4} of {counts['made']:5} false ({counts['share_false']:.1%})"


def commit() -> str:
    shown = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return shown.stdout.strip()


if __name__ == "__main__":
    main()
