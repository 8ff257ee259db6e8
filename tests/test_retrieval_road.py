"""The road with documents: cases quote them, replay and verify hold, and a change of a document is told."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result

import foretell
import retrieval_material as material
from foretell.border import load_spec
from foretell.cases import Store
from foretell.cli import main
from foretell.records import Case
from foretell.replaying import replay
from foretell.report import case_page, timelines_of
from foretell.retrieval import Index

SPEC = """
source: payments.csv
target: bad
data: {row_text: transaction}
task: {positive_text: fraud}
columns: {amount: {text: amount above the customer's past}}
model: {families: []}
narrate: {length: long, documents: [documents], rights: {documents/internal: [fraud team]}}
out: run
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run whose spec names documents."""
    root = tmp_path_factory.mktemp("road")
    rng = np.random.default_rng(0)
    amount, channel = rng.exponential(80, 2000), rng.choice(["web", "shop"], 2000)
    bad = rng.random(2000) < 1 / (1 + np.exp(5 - amount / 60))
    frame = {"amount": amount.round(2), "channel": channel, "bad": bad.astype(int)}
    pl.DataFrame(frame).write_csv(root / "payments.csv")
    material.write(root / "documents")
    (root / "spec.yaml").write_text(SPEC, encoding="utf-8")
    foretell.run(load_spec(root / "spec.yaml", (f"out={root / 'run'}",)))
    return root / "run"


def opened(folder: Path) -> list[Case]:
    with Store(f"sqlite:///{folder / 'cases.db'}", create=False) as store:
        return [*store.cases(limit=1000)]


def called(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments])


def test_cases_quote_the_documents_of_the_spec_and_only_those_that_are_open(done: Path):
    cases = opened(done)
    quoting = [case for case in cases if case.evidence.of("passage")]
    assert len(quoting) > len(cases) / 2
    open_texts = {line.text for line in Index.build([str(done.parent / "documents" / "refunds.md")]).lines}
    open_texts |= {line.text for line in Index.build([str(done.parent / "documents" / "*.html")]).lines}
    for case in quoting:
        passages = [str(fact.value) for fact in case.evidence.of("passage")]
        assert {*passages} <= open_texts
        assert passages[0] in case.narrative.text
        assert foretell.verify(case.narrative, case.evidence).passed


def test_a_case_that_quotes_replays_byte_by_byte_whatever_became_of_its_documents(done: Path):
    case = next(case for case in opened(done) if case.evidence.of("passage"))
    path = done.parent / "documents" / "refunds.md"
    before = path.read_text(encoding="utf-8")
    try:
        path.write_text(before.replace("by phone", "by letter"), encoding="utf-8")
        assert replay(done, case.id).passed
        told = called("verify", case.id, "--run", str(done))
        assert told.exit_code == 0
        assert "CHANGED" in told.stdout and "the passage is gone" in told.stdout
    finally:
        path.write_text(before, encoding="utf-8")
    assert "CHANGED" not in called("verify", case.id, "--run", str(done)).stdout


def test_a_page_shows_the_passage_and_where_it_stands(done: Path):
    case = next(case for case in opened(done) if case.evidence.of("passage"))
    page = case_page(case, timelines_of(case))
    assert "What the owner&#39;s documents say" in page
    assert str(case.evidence.of("passage")[0].detail["document"]) in page


def test_search_finds_what_who_asks_may_read(done: Path):
    nothing = called("search", "watch list", "--run", str(done))
    assert "watch list" not in nothing.stdout
    one_of_two = called("search", "watch list", "--run", str(done), "--as", "risk")
    assert "watch list" not in one_of_two.stdout
    both = called("search", "watch list", "--run", str(done), "--as", "risk", "--as", "fraud team")
    assert both.stdout.startswith("1. Watch list\n   Terminals with known fraud")


def test_search_reads_other_documents_and_says_what_it_left_out(tmp_path: Path):
    folder = material.write(tmp_path / "documents")
    (folder / "latin.md").write_bytes(b"Geb\xfchr")
    told = called("search", "chargeback fee", "--in", str(folder))
    assert told.exit_code == 0
    assert "The bank keeps a fee of EUR 15." in told.stdout
    assert "latin.md': it is not UTF-8" in told.stderr
    refused = called("search", "fee", "--in", str(tmp_path / "nowhere"))
    assert refused.exit_code == 3 and "holds no document" in refused.stderr
