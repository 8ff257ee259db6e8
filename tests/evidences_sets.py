"""Realistic evidence about generated sets from a seed: rows, texts and images, good ones and bad ones."""

from dataclasses import replace
from random import Random

from evidences import HOSTILE
from foretell import wording
from foretell.records import Evidence, Fact
from foretell.release import evidence_of
from foretell.spec import NarrateSpec

MEASURES = {
    "row": ("shapes", "trends", "utility"),
    "text": ("bits",),
    "image": ("frechet", "coverage", "accuracy"),
}
FAMILIES = ("next", "flow", "vae", "gan")


def fact(kind: str, name: str, text: str, value: str | float, unit: str = "", **detail: str | float) -> Fact:
    return Fact(id="", kind=kind, name=name, text=text, value=value, unit=unit, source="test", detail=detail)


def set_evidence(seed: int, *, hostile: bool = False, language: str = "en") -> Evidence:
    """Return the evidence about one set, a function of the seed and the language."""
    random = Random(f"set {seed}")
    item = random.choice((*MEASURES,))
    n = random.choice((7, 40, 99, 100, 5_000))
    facts = [_made(random, item, hostile), *_measures(random, item, n, language)]
    if random.random() < 0.9:
        facts.append(_pairs(random, "novelty", "nearer", n))
    if random.random() < 0.9:
        facts.append(_pairs(random, "membership", "distance", n))
        if random.random() < 0.5:
            facts.append(_pairs(random, "membership", "likelihood", n))
    if item == "text":
        facts.append(
            fact(
                *("verbatim", "longest", "longest repeated stretch", random.randrange(200), "characters"),
                n=n,
                line=24,
                share=random.random() * 0.3,
                floor=random.random() * 0.05,
            )
        )
    facts += _groups(random, language)
    known = random.random() < 0.7
    if random.random() < 0.9:
        licence = random.choice(HOSTILE) if hostile else "CC BY 4.0"
        told = (licence if known else "unknown", "text")
        facts.append(fact("licence", "licence", "licence", *told, stated=known, permitted=not known))
    spec = NarrateSpec(language=language)
    return evidence_of([replace(f, id=f"f{at}") for at, f in enumerate(facts, start=1)], "0" * 64, spec)


def _made(random: Random, item: str, hostile: bool) -> Fact:
    asked = random.choice((1, 100, 10_000))
    detail = {
        "item": item,
        "family": random.choice(FAMILIES),
        "source": random.choice(HOSTILE) if hostile else random.choice(("adult.csv", "plays.txt", "digits")),
        "taught": random.choice((1, 64, 26_049)),
        "asked": asked,
        "withheld": random.choice((0, 1, 37)),
        "seed": str(random.randrange(100)),
        "beyond": 0.99,
    }
    if random.random() < 0.2:
        detail |= {"epsilon": random.choice((0.5, 1.0, 8.0)), "delta": 1e-5}
    count = asked if random.random() < 0.8 else max(1, asked - 17)
    return fact("generated", f"set-{random.randrange(1000)}", item, count, "count", **detail)


def _measures(random: Random, item: str, n: int, language: str) -> list[Fact]:
    found = []
    names = [*MEASURES[item], *(["discriminator"] if random.random() < 0.8 else [])]
    for name in names:
        floor, value = random.random(), random.random()
        goal = floor * random.uniform(0.9, 1.1)
        less = name in ("discriminator", "frechet", "bits")
        detail: dict[str, float] = {"n": n}
        if random.random() < 0.8:
            detail["floor"] = floor
        if random.random() < 0.7:
            detail |= {"goal": goal, "missed": value > goal if less else value < goal}
        if random.random() < 0.7:
            detail |= {"low": value - 0.01, "high": value + 0.01}
        text = wording.TEXTS[language][f"fidelity_{name}"]
        found.append(fact("fidelity", name, text, value, "", **detail))
    return found


def _pairs(random: Random, kind: str, name: str, n: int) -> Fact:
    value = random.choice((0.5, random.uniform(0.4, 0.7)))
    ends = {"low": value - 0.02, "high": value + 0.02}
    return fact(kind, name, f"share of {kind} by {name}", value, "share", n=n, floor=0.5, **ends)


def _groups(random: Random, language: str) -> list[Fact]:
    found = []
    for rank in range(1, random.choice((1, 2, 5))):
        value, real = random.random(), random.random()
        parts = {"column": f"c{rank}", "value": random.choice(("Female", "a-b", ">50K"))}
        text = wording.text("group_share", language, **parts)
        beyond = random.random() < 0.5
        found.append(
            fact("bias", text, text, value, "share", real=real, n=500, p=0.01, beyond=beyond, rank=rank)
        )
    return found
