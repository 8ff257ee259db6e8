"""The language model: what it learns, what it may not see, and that its cache changes nothing."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.models.base import Batch
from foretell.models.lm import LanguageModel, draw
from foretell.spec import TrainSpec
from foretell.training.checkpoint import pack_tensors
from foretell.training.loop import fit
from foretell.training.muon import orthogonal
from foretell.vocabulary import END, Vocabulary

TEXT = "the cat sat on the mat; the dog ate the hat. a bird in the hand is worth two in the bush. "
WORDS = Vocabulary([b"the ", b" the "])
TOKENS = torch.tensor(WORDS.encode(TEXT))
SPEC = TrainSpec(learning_rate=0.01, threads=1, checkpoint_every=5)


def batch_at(step: int) -> Batch:
    """Return eight stretches of the text, the same for the same step."""
    starts = torch.randint(len(TOKENS) - 32, (8,), generator=torch.Generator().manual_seed(step))
    return {"tokens": torch.stack([TOKENS[start : start + 33] for start in starts])}


def small(seed: int = 0) -> LanguageModel:
    torch.manual_seed(seed)
    return LanguageModel(len(WORDS), context=64, width=32, layers=2, heads=2)


def random_weights() -> LanguageModel:
    model = small()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.fixture(scope="module")
def learned() -> LanguageModel:
    model = small()
    fit(model, batch_at, SPEC, steps=150)
    return model


def test_a_small_text_is_learned_by_heart(learned):
    start = WORDS.encode("the cat ")
    told = learned.sample(start, most=40, temperature=0)
    assert learned.loss(batch_at(0), "fit").item() < 0.15
    assert WORDS.decode([*start, *told]).startswith("the cat sat on the mat; the dog ate the hat.")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, len(WORDS) - 1), min_size=2, max_size=40), st.data())
def test_logits_are_the_same_from_the_cache(tokens, data):
    model, cuts = random_weights(), sorted(data.draw(st.sets(st.integers(1, len(tokens) - 1), max_size=4)))
    whole, cache, parts = model(torch.tensor([tokens])), [], []
    for start, end in zip((0, *cuts), (*cuts, len(tokens)), strict=True):
        parts.append(model(torch.tensor([tokens[start:end]]), cache))
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=1e-4, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 255), min_size=3, max_size=40), st.data())
def test_no_token_sees_what_comes_after_it(tokens, data):
    model, place = random_weights(), data.draw(st.integers(1, len(tokens) - 1))
    changed = list(tokens)
    changed[place] = (tokens[place] + 1) % 256
    before, after = model(torch.tensor([tokens])), model(torch.tensor([changed]))
    torch.testing.assert_close(before[:, :place], after[:, :place])
    assert not torch.allclose(before[:, place:], after[:, place:])


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(tmp_path):
    whole = small()
    fit(whole, batch_at, SPEC, steps=20)

    def stop(advance) -> None:
        if advance.step == 12:
            raise RuntimeError("cut")

    with pytest.raises(RuntimeError, match="cut"):
        fit(small(), batch_at, SPEC, steps=20, folder=tmp_path / "run", progress=stop)
    resumed = small(seed=5)
    fit(resumed, batch_at, SPEC, steps=20, folder=tmp_path / "run")
    assert pack_tensors(resumed.state_dict()) == pack_tensors(whole.state_dict())


def test_only_tokens_that_count_are_judged_and_only_among_what_was_allowed():
    model, batch = random_weights(), dict(batch_at(0))
    full = model.loss(batch, "fit")
    places = torch.arange(8 * 32)
    torch.testing.assert_close(model.loss({**batch, "at": places}, "fit"), full)
    wanted = batch["tokens"][:, 1:].flatten()
    floor = torch.full((len(places), len(WORDS)), -torch.inf)
    floor[places, wanted] = 0.0
    assert model.loss({**batch, "at": places, "floor": floor}, "fit").item() == 0
    assert model.loss({**batch, "at": places[:3]}, "fit") != full


class Counting(LanguageModel):
    """Counts how often it is asked."""

    asked = 0

    def states(self, tokens_BL, cache=None):
        self.asked += 1
        return super().states(tokens_BL, cache)


def test_a_mask_is_obeyed_and_a_single_way_on_is_taken_without_the_model():
    model = Counting(len(WORDS), context=64, width=32, layers=1, heads=2)

    def mask(drawn):
        return {65 + len(drawn): 0.0} if len(drawn) % 3 else {97: 0.0, 98: 0.0}

    told = model.sample([1, 2], most=30, mask=mask, seed=3)
    assert len(told) == 30 and model.asked == 10
    assert all(token in mask(told[:place]) for place, token in enumerate(told))
    assert model.sample([1], most=9, mask=lambda drawn: {7: 0.0} if len(drawn) < 4 else {}) == [7] * 4


def test_the_same_seed_draws_the_same_and_a_stop_ends_it(learned):
    start = WORDS.encode("a bird")
    told = [learned.sample(start, most=20, temperature=1.5, seed=seed) for seed in range(6)]
    assert told == [learned.sample(start, most=20, temperature=1.5, seed=seed) for seed in range(6)]
    assert len({tuple(each) for each in told}) > 1
    assert WORDS.decode(learned.sample(start, most=40, temperature=0, stop=[ord(".")])) == (
        " in the hand is worth two in the bush"
    )
    assert len(learned.sample(start, most=500)) == learned.context - len(start) + 1


def test_top_p_draws_only_from_the_likeliest():
    logits, dice = torch.tensor([3.0, 1.0, 2.9, -1.0]), torch.Generator().manual_seed(0)
    assert {draw(logits, None, 1.0, 0.6, dice) for _ in range(200)} == {0, 2}
    assert {draw(logits, {1: 0.0, 3: 0.0}, 1.0, 1.0, dice) for _ in range(200)} == {1, 3}
    assert {draw(logits, {1: 0.0, 3: 40.0}, 1.0, 1.0, dice) for _ in range(200)} == {3}


def test_muon_steps_have_singular_values_near_one():
    for shape in ((16, 48), (48, 16), (24, 24)):
        matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        values = torch.linalg.svdvals(orthogonal(matrix))
        assert values.min() > 0.6 and values.max() < 1.3


@given(st.text())
def test_every_text_comes_back_from_its_tokens(text):
    assert WORDS.decode(WORDS.encode(text)) == text


def test_a_learned_vocabulary_is_shorter_and_comes_back_from_its_file():
    learned = Vocabulary.learn([TEXT] * 20 + ["über „Betrag“"] * 5, 320)
    again = Vocabulary.unpack(learned.pack())
    assert again.tokens == learned.tokens and len(learned) <= 320
    assert len(learned.encode(TEXT)) < len(TEXT) / 2
    assert again.decode(again.encode("über „Betrag“")) == "über „Betrag“"
    assert learned.tokens[END] == b""
