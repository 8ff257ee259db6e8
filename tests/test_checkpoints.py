"""Checkpoints of others: never taught, it tells the truth under the grammar; behind a server it is judged."""

import os
import subprocess
import sys
from collections.abc import Iterator
from math import sin
from pathlib import Path

import pytest

from evidences import evidence
from foretell import narration
from foretell.cases import Store
from foretell.errors import SpecError
from foretell.spec import NarrateSpec
from foretell.verification import verify
from served_model import command, served

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


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a small checkpoint that was taught to answer our requests; yield it as a writer."""
    if not command():
        pytest.skip("needs `transformers serve`: pip install 'transformers[serving]', or FORETELL_TEST_SERVE")
    folder = tmp_path_factory.mktemp("taught") / "small"
    taught = [sys.executable, str(Path(__file__).parent / "small_model.py"), str(folder), "150"]
    subprocess.run(taught, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    with served(folder) as url:
        yield f"openai:{url}#{folder}"


@pytest.mark.slow
def test_a_small_checkpoint_behind_a_real_server_is_told_in_its_name_or_replaced(real):
    spec, writers = NarrateSpec(writer=real, length="short", answer_tokens=120, row_time="10m"), []
    write = narration.writer_of(spec)
    for seed in range(20):
        facts = evidence(seed)
        *_, (narrative, verdict) = narration.drafts(facts, spec, write)
        assert verdict.passed and verdict == verify(narrative, facts)
        writers.append(narrative.writer)
    assert {*writers} <= {spec.writer, "embedded"}
    assert writers.count(spec.writer) >= 5


@pytest.mark.slow
def test_a_run_through_a_real_server_says_of_each_case_who_wrote_it(real, tmp_path):
    tenure = [abs(round(25 * sin(row), 2)) for row in range(900)]
    rows = [
        f"{months},{'monthly' if n % 3 else 'yearly'},{int(months < 9 + n % 7)}"
        for n, months in enumerate(tenure)
    ]
    (tmp_path / "churn.csv").write_text("tenure,plan,left\n" + "\n".join(rows))
    (tmp_path / "spec.yaml").write_text(
        "data: {source: churn.csv, target: left}\nmodel: {families: []}\nexplain: {resamples: 10}\n"
        f"narrate: {{writer: '{real}', length: short, answer_tokens: 120, row_time: 10m}}\n"
        "review: {capacity: 20}\nout: run\n"
    )

    def foretell(*words: str) -> subprocess.CompletedProcess[str]:
        told = [sys.executable, "-m", "foretell", *words]
        return subprocess.run(told, cwd=tmp_path, check=True, capture_output=True, text=True)

    foretell("run", "spec.yaml")
    with Store(f"sqlite:///{tmp_path / 'run' / 'cases.db'}", create=False) as store:
        cases = [*store.all_cases()]
    assert len(cases) > 3
    for case in cases:
        assert verify(case.narrative, case.evidence).passed
        told = case.narrative.writer == real
        assert told or (case.narrative.writer, case.narrative.tries) == ("embedded", 4)
        assert case.narrative.tries <= 4
    assert any(case.narrative.writer == real for case in cases)
    shown = foretell("show", cases[0].id, "--run", "run").stdout
    assert f"Written by {cases[0].narrative.author}." in shown
    alone = foretell("narrate", cases[0].id, "--run", "run")
    assert alone.stdout.strip() == cases[0].narrative.text
    assert ("written by" in alone.stderr) == (cases[0].narrative.tries > 1)
