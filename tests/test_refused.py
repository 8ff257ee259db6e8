"""What the verifier refuses never ends a run: it is counted, named, told again, or left without a case."""

import re
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import foretell
from foretell.border import load_spec
from foretell.cases import Store
from foretell.cases.drafting import cases_of
from foretell.cases.reader import read_case
from foretell.cli import finish
from foretell.data.reading import read as read_rows
from foretell.data.split import split
from foretell.errors import ForetellError
from foretell.narration.embedded import write
from foretell.records import Evidence, Narrative
from foretell.reporting import Material, report_of
from foretell.spec import NarrateSpec
from foretell.terminal import summary


def wrong(facts: Evidence, spec: NarrateSpec, attempt: int) -> Narrative:
    """A writer that states a wrong probability."""
    return replace(false(write(facts, spec, attempt)), writer="wrong")


def learning(facts: Evidence, spec: NarrateSpec, attempt: int) -> Narrative:
    """A writer whose second draft is true."""
    draft = write(facts, spec, attempt)
    return replace(draft if attempt else false(draft), writer="learning")


def forging(facts: Evidence, spec: NarrateSpec, attempt: int) -> Narrative:
    """A writer that signs as the embedded one."""
    return write(facts, spec, attempt)


def false(draft: Narrative) -> Narrative:
    """Return the narrative with the first digit of its first percentage changed."""
    first, *rest = draft.claims
    text = re.sub(r"\d(?=[\d.]*%)", lambda found: str((int(found[0]) + 1) % 10), first.text, count=1)
    assert text != first.text
    return replace(draft, claims=(replace(first, text=text), *rest))


@pytest.fixture(scope="module")
def churn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("churn")
    rng = np.random.default_rng(0)
    tenure, plan = rng.exponential(20, 1000), rng.choice(["monthly", "yearly"], 1000)
    left = rng.random(1000) < 1 / (1 + np.exp(0.15 * tenure - 1.5 * (plan == "monthly")))
    table = pl.DataFrame({"tenure": tenure, "plan": plan, "left": left.astype(int)})
    table.write_csv(folder / "churn.csv")
    return folder / "churn.csv"


@pytest.mark.parametrize(
    ("writer", "attempts", "signed", "refused"),
    [
        ("wrong", 3, "embedded", True),
        ("learning", 2, "learning", False),
        ("learning", 1, "embedded", True),
        ("forging", 1, "test_refused:forging", False),
    ],
)
def test_a_refused_narrative_is_counted_and_named_and_the_run_goes_on(
    churn: Path, tmp_path: Path, writer: str, attempts: int, signed: str, refused: bool
) -> None:
    spec = load_spec(
        {"source": str(churn), "target": "left"},
        (
            f"out={tmp_path}", "model.families=[]", f"narrate.writer=test_refused:{writer}",
            f"narrate.attempts={attempts}", "review.capacity=50", "review.audit=0",
        ),
    )  # fmt: skip
    done = foretell.run(spec)
    assert done.num_cases == len(done.evaluation.alerts.rows) == 10
    case = read_case(str(tmp_path / "cases.db"), done.first_case)
    assert (case.narrative.writer, case.verdict.passed) == (signed, True)
    told = summary(done, "foretell")
    if not refused:
        assert done.refused == ()
        assert "by the verifier" not in told
        return
    assert [(r.writer, r.told) for r in done.refused] == [(writer, True)] * 10
    assert "10 narratives were refused by the verifier and written again by Foretell's own writer:" in told
    assert "... and 5 more" in told
    for refusal in done.refused[:5]:
        assert f"  {refusal.id}, by {writer}: CONTRADICTED" in told
        assert "%" in refusal.fault
    finish(done)


def test_a_run_whose_server_is_not_there_says_so_and_who_wrote_instead(churn: Path, tmp_path: Path) -> None:
    with socket.socket() as closed:  # bound, but nobody listens
        closed.bind(("127.0.0.1", 0))
        writer = f"openai:http://127.0.0.1:{closed.getsockname()[1]}/v1#m"
        spec = load_spec(
            {"source": str(churn), "target": "left"},
            (f"out={tmp_path}", "model.families=[]", f"narrate.writer={writer}", "review.capacity=10"),
        )
        done = foretell.run(spec)
    case = read_case(str(tmp_path / "cases.db"), done.first_case)
    assert case.verdict.passed
    assert case.narrative.author.startswith("Foretell's own writer, after ")
    assert all(refusal.silent and refusal.told for refusal in done.refused)
    told = summary(done, "foretell")
    assert f"{len(done.refused)} rows got no draft and were told by Foretell's own writer:" in told
    assert f"by {writer}: 127.0.0.1 cannot be asked: Connection refused" in told
    assert "by the verifier" not in told


def test_a_run_fails_only_when_every_narrative_was_refused(churn: Path, tmp_path: Path) -> None:
    done = foretell.run(
        load_spec({"source": str(churn), "target": "left"}, (f"out={tmp_path}", "model.families=[]"))
    )
    case = read_case(str(tmp_path / "cases.db"), done.first_case)
    kept = [fact for fact in case.evidence.facts if fact.kind != "score"]
    untold = replace(case.evidence, facts=tuple(kept))
    cases, refused = cases_of([case.prediction] * 2, [untold, case.evidence], done.fitted.spec.narrate)
    assert [found.id for found in cases] == [refusal.id for refusal in refused] == [case.id]
    assert not refused[0].told
    some = replace(done, refused=refused)
    assert "1 narrative was refused by the verifier, so no case was opened:" in summary(some, "foretell")
    assert f"  {case.id}, by embedded: " in summary(some, "foretell")
    finish(some)
    with pytest.raises(ForetellError, match="every narrative, 1 in all") as ended:
        finish(replace(some, num_cases=0, first_case=""))
    assert ended.value.exit_code == 1


def test_a_report_shows_each_case_with_its_own_row_when_some_alerts_have_none(
    churn: Path, tmp_path: Path
) -> None:
    asked = (f"out={tmp_path}", "model.families=[]", "review.capacity=300", "review.audit=0")
    spec = load_spec({"source": str(churn), "target": "left"}, asked)
    done = foretell.run(spec)
    dataset = read_rows(done.fitted.spec)
    parts = split(dataset)
    with Store(f"sqlite:///{tmp_path / 'cases.db'}", create=False) as store:
        cases = tuple(store.all_cases())[::2]
    material = Material(
        fitted=done.fitted,
        dataset=dataset,
        parts=parts,
        findings=(),
        scored=done.fitted.score(dataset, parts.test),
        alerts=done.evaluation.alerts,
        metrics=done.evaluation.metrics,
        cases=cases,
        num_sentences=0,
        cpu_seconds=0.0,
    )
    examples = report_of(material).examples
    outcomes = {"positive": 1, "negative": 0}
    truth = dict(zip(dataset.ids.tolist(), dataset.target.tolist(), strict=True))
    assert {outcomes[example.outcome] for example in examples} == {0, 1}
    assert all(truth[example.case.id] == outcomes[example.outcome] for example in examples)
