"""Checkpoints of others: never taught, it tells the truth under the grammar; behind a server it is judged."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evidences import evidence
from foretell import narration
from foretell.errors import SpecError
from foretell.spec import NarrateSpec
from foretell.verification import verify
from served_model import served

pytest.importorskip("transformers", reason="needs transformers: pip install 'foretell[llm-dev]'")


@pytest.fixture(scope="module")
def untaught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from small_model import pairs, save, untrained, vocabulary

    folder = tmp_path_factory.mktemp("untaught")
    tokenizer = vocabulary([text for pair in pairs(10**7, 20) for text in pair])
    save(folder, tokenizer, untrained(tokenizer, width=32))
    return folder


@pytest.mark.filterwarnings("default")
def test_a_checkpoint_that_was_never_taught_tells_nothing_but_the_truth_under_the_grammar(untaught):
    spec = NarrateSpec(writer=f"hf:{untaught}", length="short")
    write = narration.writer_of(spec)
    for seed in range(4):
        facts = evidence(seed, hostile=seed == 3, language=("en", "de")[seed % 2])
        *_, (narrative, verdict) = narration.drafts(facts, spec, write)
        assert verdict.passed and verdict == verify(narrative, facts)
        assert (narrative.writer, narrative.tries) == (f"hf:{untaught}", 1)


def test_a_folder_without_a_checkpoint_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(SpecError, match=r"config\.json"):
        narration.writer_of(NarrateSpec(writer=f"hf:{tmp_path}"))


@pytest.mark.slow
def test_a_small_checkpoint_behind_a_real_server_is_told_in_its_name_or_replaced(tmp_path):
    taught = [sys.executable, str(Path(__file__).parent / "small_model.py"), str(tmp_path / "small"), "150"]
    subprocess.run(taught, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    writers = []
    with served(tmp_path / "small") as url:
        spec = NarrateSpec(writer=f"openai:{url}#{tmp_path / 'small'}", length="short", answer_tokens=120)
        write = narration.writer_of(spec)
        for seed in range(20):
            facts = evidence(seed)
            *_, (narrative, verdict) = narration.drafts(facts, spec, write)
            assert verdict.passed and verdict == verify(narrative, facts)
            writers.append(narrative.writer)
    assert {*writers} <= {spec.writer, "embedded"}
    assert writers.count(spec.writer) >= 5
