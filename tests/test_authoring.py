"""The writer that learns: true whatever its weights, at first its floor, and nobody's name in it."""

import math
from pathlib import Path

import pytest
import torch

from evidences import evidence
from foretell import authoring
from foretell.models.lm import LanguageModel
from foretell.narration.embedded import write
from foretell.narration.masking import Acceptor
from foretell.narration.prior import WHOLE, Prior
from foretell.narration.style import PLAIN
from foretell.records import Evidence
from foretell.spec import NarrateSpec, TrainSpec
from foretell.training.checkpoint import pack_tensors, save
from foretell.verification import verify
from foretell.vocabulary import Vocabulary

SPEC = NarrateSpec(length="short", register="plain")
BYTES = Vocabulary()


def pairs(count: int, start: int = 0) -> list[authoring.Pair]:
    return [(facts, write(facts, SPEC, 0).text, SPEC) for facts in map(evidence, range(start, start + count))]


def loss(folder: Path, told: list[authoring.Pair]) -> float:
    """Return nats per choice on texts, by what a folder holds."""
    model, vocabulary, style = authoring.opened(folder)
    lessons = [authoring.lesson(facts, text, spec, vocabulary, style) for facts, text, spec in told]
    kept = [each for each in lessons if each is not None]
    assert len(kept) == len(told)
    return model.loss(authoring.batch(kept, len(vocabulary)), "fit").item()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    found = tmp_path_factory.mktemp("writer") / "lm"
    spec = TrainSpec(epochs=3, batch_size=8, learning_rate=0.005, threads=1)
    _, num_read = authoring.learn(pairs(40), found, spec)
    assert num_read == 40
    return found


def test_a_writer_of_random_weights_tells_nothing_but_the_truth(folder, tmp_path):
    model, *_ = authoring.opened(folder)
    torch.manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    kept = {name: (folder / name).read_bytes() for name in ("vocabulary.json", "model.json", "style.json")}
    save(tmp_path / "wild", {**kept, "weights.safetensors": pack_tensors(model.state_dict())}, kind="lm")
    wild = authoring.writer(str(tmp_path / "wild"))
    for seed in range(40):
        facts = evidence(seed, hostile=seed % 3 == 0, language=("en", "de")[seed % 2])
        spec = NarrateSpec(length=("short", "medium", "long")[seed % 3], seed=seed)
        narrative = wild(facts, spec, 0)
        assert narrative.length == spec.length
        assert verify(narrative, facts).passed


def test_what_it_learned_is_kept_and_the_same_seed_tells_the_same(folder):
    facts = evidence(78)
    first, again = (authoring.writer(str(folder)) for _ in range(2))
    texts = [first(facts, NarrateSpec(length="short", seed=seed), 0).text for seed in range(8)]
    assert texts == [again(facts, NarrateSpec(length="short", seed=seed), 0).text for seed in range(8)]
    assert len(set(texts)) > 2


def test_before_it_learns_it_expects_what_its_floor_expects():
    model = LanguageModel(len(BYTES), context=2048, width=16, layers=1, heads=2)
    for facts, text, spec in pairs(12):
        acceptor = Acceptor(facts, spec)
        prior, state, nats = Prior(acceptor, PLAIN), acceptor.start, 0.0
        whole = acceptor.advance(acceptor.start, text.encode())
        assert whole is not None
        for claim in whole.claims:
            assert sum(prior.chances(state.place).values()) == pytest.approx(1)
            nats -= math.log(prior.chances(state.place)[claim.text])
            space = " " if state.claims else ""
            after = acceptor.advance(state, (space + claim.text).encode())
            assert after is not None
            state = after
        nats -= math.log(prior.chances(state.place)[WHOLE])
        found = authoring.lesson(facts, text, spec, BYTES, PLAIN)
        assert found is not None
        mean = model.loss(authoring.batch([found], len(BYTES)), "fit").item()
        assert mean * len(found.forks) == pytest.approx(nats, rel=1e-4)


def test_a_text_that_the_mask_does_not_know_teaches_nothing():
    (facts, text, spec), *_ = pairs(1)
    for changed in (text + " It was the customer.", text.replace(".", "!", 1), text[:-1], ""):
        assert authoring.lesson(facts, changed, spec, BYTES, PLAIN) is None


def test_no_name_of_a_row_or_of_anybody_is_read_or_learned(folder):
    _, vocabulary, _ = authoring.opened(folder)
    tokens = set(vocabulary.tokens)
    for facts, _, spec in pairs(40):
        shown = authoring.serialised(facts, spec)
        names = [str(fact.value) for fact in facts.facts if fact.kind == "entity" or fact.name == "id"]
        changed = tuple(
            fact for fact in facts.facts if fact.kind != "entity" and (fact.kind, fact.name) != ("term", "id")
        )
        bare = authoring.serialised(Evidence(id=facts.id, facts=changed), spec)
        assert set(bare.splitlines()) <= set(shown.splitlines())
        assert not any(
            name in line for name in names for line in set(shown.splitlines()) - set(bare.splitlines())
        )
        assert not {name.encode() for name in names if len(name) > 3} & tokens
