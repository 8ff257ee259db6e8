"""The release of a generated set: its facts told and verified like any prediction's, and a case for people.

A set is a case like any other: a `Prediction` whose probability is that of telling a generated item of a pair
from a real one, with the goal as threshold; an alert, where the set misses a goal, gives something away,
differs by group, or is of unknown licence. So queue, policy, four eyes, log and bundles know of no sets.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from foretell import wording
from foretell.cases.drafting import cases_of
from foretell.cases.opening import open_in
from foretell.cases.registry import RUN, Entry
from foretell.errors import VerdictError
from foretell.narration import narrate
from foretell.records import Case, Evidence, Fact, Prediction, Value
from foretell.report.views import more
from foretell.spec import NarrateSpec
from foretell.units import write

CHANCE, UNSEEN, GAP = 0.5, 1.0, 0.05
"""The probability of telling a pair apart by chance; a threshold where no goal was set; and the difference of
a group from the real data, beyond chance, from which a set is an alert."""


def evidence_of(facts: Sequence[Fact], model: str, narrate: NarrateSpec | None = None) -> Evidence:
    """Return the evidence about a set, with what it is called.

    Args:
        facts: what the guard says of it; one of them is of kind `generated`.
        model: digest of the generator's folder.
    """
    language = (narrate or NarrateSpec()).language
    (made,) = (fact for fact in facts if fact.kind == "generated")
    row = wording.text("set", language)
    terms = [_term("row", "row", row), _term("id", row, made.name, "name")]
    if language != "en":
        terms.append(_term("language", "language", language, "name"))
    numbered = enumerate([*terms, *facts], start=1)
    held = tuple(replace(fact, id=f"f{place}") for place, fact in numbered)
    return Evidence(id=made.name, facts=held, model=model)


def _term(name: str, text: str, value: str, unit: str = "") -> Fact:
    return Fact(id="", kind="term", name=name, text=text, value=value, unit=unit, source="spec")


def prediction_of(evidence: Evidence) -> Prediction:
    """Return a set as the desk ranks and routes it; a policy may ask for anything in `inputs`."""
    (made,) = evidence.of("generated")
    told = [fact for fact in evidence.of("fidelity") if fact.name == "discriminator"]
    first = next(iter([*told, *_attacks(evidence)]), None)
    probability = _number(first.value if first else None, CHANCE)
    goal = _number(first.detail.get("goal") if first else None, UNSEEN)
    rights = evidence.of("licence")
    inputs: dict[str, Value] = {
        "generated": made.value,
        **{
            name: made.detail.get(name) for name in ("item", "family", "seed", "source", "taught", "withheld")
        },
        "licence": rights[0].value if rights else "unknown",
    }
    inside = min(max(probability, 1e-9), 1 - 1e-9)
    return Prediction(
        id=made.name,
        at="",
        entities={},
        inputs=inputs,
        probability=probability,
        logit=math.log(inside / (1 - inside)),
        threshold=goal,
        alert=alarming(evidence),
        abstained=False,
        model=evidence.model,
    )


def _number(value: Value, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) else otherwise


def alarming(evidence: Evidence) -> bool:
    """Return whether anything of a set needs a look: each of these is told in its text."""
    (made,) = evidence.of("generated")
    beyond = [fact for fact in evidence.of("bias") if fact.detail.get("beyond")]
    return (
        any(fact.detail.get("missed") for fact in evidence.of("fidelity"))
        or any(_number(fact.detail.get("low"), 0.0) > CHANCE for fact in _leaks(evidence))
        or any(
            abs(_number(fact.value, 0.0) - _number(fact.detail.get("real"), 0.0)) >= GAP for fact in beyond
        )
        or any(not fact.detail.get("stated") for fact in evidence.of("licence"))
        or _number(made.value, 0.0) < _number(made.detail.get("asked"), 0.0)
    )


def _attacks(evidence: Evidence) -> list[Fact]:
    """Return the attack by whoever has the set; it is what is released, the model is not."""
    return [fact for fact in evidence.of("membership") if fact.name == "distance"]


def _leaks(evidence: Evidence) -> tuple[Fact, ...]:
    return (*evidence.of("novelty"), *_attacks(evidence))


def case_of(evidence: Evidence, narrate: NarrateSpec | None = None) -> Case:
    """Return the case of a set, its text written and verified.

    Raises:
        VerdictError: when no writer told it truthfully.
    """
    cases, refused = cases_of([prediction_of(evidence)], [evidence], narrate or NarrateSpec())
    if not cases:
        raise VerdictError(
            f"no text about the set '{evidence.id}' could be verified: {refused[0].fault}",
            "see narrate.rules in the spec",
        )
    return cases[0]


def open_release(
    folder: Path,
    evidence: Evidence,
    *,
    spec: str,
    data: str,
    narrate: NarrateSpec | None = None,
    tell: Callable[[str], None],
    key: str = "",
) -> Case:
    """Register the generator in the store of a run's folder, and open the case of a set there.

    Args:
        spec: SHA-256 of the generator's spec.yaml.
        data: fingerprint of what taught it.
        key: of whom registers it, where people have accounts.

    Raises:
        VerdictError: when no writer told the set truthfully.
        AccessError: when the key is nobody's.
        StoreError: when the store cannot be written.
    """
    case = case_of(evidence, narrate)
    (made,) = evidence.of("generated")
    entry = Entry(
        model=evidence.model, how=RUN, target=str(made.detail.get("source", "")), data=data, spec=spec
    )
    open_in(folder, (case,), tell, [entry], key=key, goes_on=True)  # a set is of its generator alone
    return case


def card(evidence: Evidence, narrate_as: NarrateSpec | None = None) -> str:
    """Return the card of a set, and of the generator that it is a sample of, on one page of Markdown.

    Raises:
        VerdictError: when no writer told it truthfully.
    """
    spec = narrate_as or NarrateSpec(length="long")
    narrative, verdict = narrate(evidence, spec)
    if not verdict.passed:
        raise VerdictError(f"no text about the set '{evidence.id}' could be verified", "see narrate.rules")
    (made,) = evidence.of("generated")
    rows = [
        f"| {_cell(fact.text)} | {_cell(write(fact.value, fact.unit))} | {_cell(more(fact))} |"
        for fact in evidence.facts
        if fact.kind not in ("term", "rule", "generated")
    ]
    return "\n".join(
        [
            f"# {made.name}: {write(made.value, 'count')} generated, not real",
            "",
            narrative.text,
            "",
            "A program derived every sentence above from the facts below; none is a model's opinion.",
            "",
            "| what was measured | value | besides |",
            "|---|---|---|",
            *rows,
            "",
            f"Model `{evidence.model[:12]}`, family {made.detail['family']}, seed {made.detail['seed']}. "
            "Where the file came from: `foretell provenance FILE`.",
            "",
        ]
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
