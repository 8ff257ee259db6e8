"""Writers that learn from approved texts: our own language model against the weighted grammar.

python benchmarks/writers.py --seeds 0 1 2

Simulated editors approve texts; both learn from the same ones and are judged on later ones. Each seed is
another house. "house": firm tastes, always the same one of all true wordings, in an order of its own
(tests/houses.py). "whole": a taste for each sentence as a whole, phrases included. "attentive": the same,
but the taste depends on what the case is about. One choice in ten of the last two is not by taste. Bits per
choice: a choice is which sentence follows, or that the text ends, among all that are true. Told as the editor
did: share of sentences for which the likeliest one is the editor's, word for word. A win: the 95 % interval
of the bits saved lies above 0, and no more forks are taken wrongly.
"""

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

import torch  # noqa: E402

import houses  # noqa: E402
from evidences import evidence  # noqa: E402
from foretell import authoring, schooling  # noqa: E402
from foretell.narration.embedded import write  # noqa: E402
from foretell.narration.habits import Approved, learn  # noqa: E402
from foretell.narration.masking import Acceptor, Sentence, State  # noqa: E402
from foretell.narration.prior import Prior, first  # noqa: E402
from foretell.narration.style import Style  # noqa: E402
from foretell.records import Evidence  # noqa: E402
from foretell.spec import NarrateSpec, TrainSpec  # noqa: E402
from foretell.verification import verify  # noqa: E402
from foretell.verification.grammar import grammar  # noqa: E402
from foretell.vocabulary import END  # noqa: E402

SPEC = NarrateSpec(length="medium", register="plain")
STRAY = 0.1
"""Share of an editor's choices that are not by taste."""


def traits(facts: Evidence) -> dict[str, str]:
    """Return what an attentive editor looks at."""
    score, row = facts.of("score")[0], facts.of("term")[0]
    record = next((fact.detail.get("n") for fact in facts.of("reliability")), 0)
    return {
        "score": str(float(score.value or 0) >= 0.5),
        "row": str(row.value),
        "entities": str(bool(facts.of("entity"))),
        "record": str(float(record or 0) >= 40),
        "factors": str(len(facts.of("attribution")) >= 4),
    }


def taste(seed: int, attentive: bool, group: str, sentence: Sentence, shown: dict[str, str]) -> float:
    trait = Random(f"{seed}/{group}").choice(sorted(shown)) if attentive else ""
    keys = "/".join(option.key for option in sentence.used)
    return Random(f"{seed}/{keys}/{shown.get(trait, '')}").random()


def edited(facts: Evidence, seed: int, editor: str) -> str:
    """Return the text that an editor approves."""
    if editor == "house":
        return houses.edited(seed, facts, SPEC).text
    attentive = editor == "attentive"
    acceptor, shown = Acceptor(facts, SPEC), traits(facts)
    dice, state = Random(f"{seed}/{facts.id}/{len(facts.facts)}"), acceptor.start
    for step in grammar().plans[SPEC.length]:
        if step.optional and dice.random() < 0.5:
            continue
        for _ in range(step.most):
            rows = acceptor.rows(state.place)
            told = first(acceptor.sentences[step.group], {row.sentence.claim.text for row in rows})
            if not told:
                break
            if dice.random() < STRAY:
                chosen = dice.choices(told, [each.used[0].weight for each in told])[0]
            else:
                chosen = max(told, key=lambda each: taste(seed, attentive, step.group, each, shown))
            state = after(acceptor, state, chosen)
    assert acceptor.may_end(state)
    return acceptor.narrative(state, "editor").text


def after(acceptor: Acceptor, state: State, sentence: Sentence) -> State:
    row = next(row for row in acceptor.rows(state.place) if row.sentence is sentence)
    found = acceptor.advance(state, row.text)
    assert found is not None
    return found


def judge_grammar(style: Style, later: list[tuple[Evidence, str]]) -> Counter:
    """Return how many sentences there are, and how many are told as the editor did."""
    found: Counter[str] = Counter()
    for facts, text in later:
        acceptor = Acceptor(facts, SPEC)
        whole = acceptor.advance(acceptor.start, text.encode())
        assert whole is not None
        state, prior = acceptor.start, Prior(acceptor, style)
        for sentence in [claim.text for claim in whole.claims]:
            chance = prior.chances(state.place)
            found["sentences"] += 1
            likeliest = max((each for each in chance if each), key=lambda each: chance[each])
            found["alike"] += likeliest == sentence
            row = next(row for row in acceptor.rows(state.place) if row.sentence.claim.text == sentence)
            state = after(acceptor, state, row.sentence)
    return found


def judge_model(folder: Path, later: list[tuple[Evidence, str]]) -> Counter:
    """Return the same of the language model."""
    model, vocabulary, style = authoring.opened(folder)
    found: Counter[str] = Counter()
    for facts, text in later:
        lesson = authoring.lesson(facts, text, SPEC, vocabulary, style)
        assert lesson is not None
        acceptor = Acceptor(facts, SPEC)
        whole = acceptor.advance(acceptor.start, text.encode())
        assert whole is not None
        found["sentences"] += len(whole.claims)
        told = [claim.text for claim in whole.claims]
        begun: dict[int, authoring.Fork] = {}
        for fork in lesson.forks:
            begun.setdefault(len(fork.state.claims), fork)
        for number, sentence in enumerate(told):
            fork = begun.get(number)
            if fork is None:
                found["alike"] += 1
                continue
            mask = authoring.TokenMask(acceptor, vocabulary, style)
            mask.state = fork.state

            def until(drawn, mask=mask, number=number):
                allowed = mask(drawn)
                allowed.pop(END, None)
                return allowed if len(mask.state.claims) == number else {}

            model.sample(
                lesson.tokens[: fork.at],
                most=authoring.MOST,
                temperature=0,
                mask=until,
                recall=authoring.RECALL,
            )
            found["alike"] += mask.state.claims[number].text == sentence
    return found


def pace(writer, later: list[tuple[Evidence, str]]) -> tuple[float, int]:
    """Return CPU-seconds per narrative, and how many do not pass."""
    start, drafts = time.process_time(), [(facts, writer(facts, SPEC, 0)) for facts, _ in later]
    spent = time.process_time() - start
    return spent / len(later), sum(not verify(draft, facts).passed for facts, draft in drafts)


def compared(seed: int, editor: str, options: argparse.Namespace, folder: Path) -> dict:
    cases = [evidence(seed * 10**6 + number) for number in range(options.texts + options.later)]
    pairs = [(facts, edited(facts, seed, editor)) for facts in cases]
    earlier, later = pairs[: options.texts], pairs[options.texts :]
    clock = time.process_time()
    style = learn([Approved(evidence=facts, text=text, length=SPEC.length) for facts, text in earlier])
    grammar_seconds = time.process_time() - clock
    clock = time.process_time()
    spec = TrainSpec(epochs=options.epochs, batch_size=16, learning_rate=0.005, threads=1, seed=seed)
    _, num_read = authoring.learn([(facts, text, SPEC) for facts, text in earlier], folder, spec)
    model_seconds = time.process_time() - clock
    cell = {
        "seed": seed,
        "editor": editor,
        "texts": options.texts,
        "texts_read": num_read,
        "later": len(later),
    }
    found = schooling.compared(folder, [(facts, text, SPEC) for facts, text in later], num_read)
    cell |= {"grammar_bits_per_choice": round(found.grammar, 4), "lm_bits_per_choice": round(found.model, 4)}
    cell |= {"saved_low": round(found.low, 4), "saved_high": round(found.high, 4), "lm_won": found.won}
    cell |= {"grammar_right": round(found.grammar_right, 4), "lm_right": round(found.model_right, 4)}
    for name, counts in (("grammar", judge_grammar(style, later)), ("lm", judge_model(folder, later))):
        cell[f"{name}_told_as_editor"] = round(counts["alike"] / counts["sentences"], 4)
    cell["grammar_training_cpu_seconds"] = round(grammar_seconds, 2)
    cell["lm_training_cpu_seconds"] = round(model_seconds, 2)
    for name, writer in (("grammar", write), ("lm", authoring.writer(str(folder)))):
        seconds, denied = pace(writer, later)
        cell[f"{name}_cpu_seconds_per_narrative"] = round(seconds, 5)
        cell[f"{name}_denied"] = denied
    return cell


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, default=300, help="approved texts to learn from")
    parser.add_argument("--later", type=int, default=60, help="approved texts to be judged on")
    parser.add_argument("--epochs", type=float, default=10.0)
    parser.add_argument("--editors", nargs="+", default=["house", "whole", "attentive"])
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "writers.json")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    shown = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    result = {
        "command": shlex.join(["python", *sys.argv]),
        "commit": shown.stdout.strip(),
        "machine": f"{platform.platform()}, {os.cpu_count()} CPUs",
        "cells": [],
    }
    for seed in options.seeds:
        for editor in options.editors:
            with tempfile.TemporaryDirectory() as folder:
                cell = compared(seed, editor, options, Path(folder) / "lm")
            result["cells"].append(cell)
            print(json.dumps(cell), flush=True)
            options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
