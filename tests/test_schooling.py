"""Our own language model writes only where it beat the weighted grammar on later texts; a folder says how."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from case_material import proposal
from desk_material import House
from evidences import evidence
from foretell import schooling, styles
from foretell.authoring import Pair
from foretell.cases import draft
from foretell.cli import main
from foretell.errors import CheckpointError, DataError, SpecError
from foretell.narration import narrate
from foretell.narration.embedded import write
from foretell.narration.masking import Acceptor
from foretell.narration.prior import first
from foretell.records import Evidence, canonical
from foretell.spec import NarrateSpec
from foretell.training.checkpoint import save
from foretell.verification.grammar import grammar

SPEC = NarrateSpec(length="short", register="plain")


def attentive(facts: Evidence) -> str:
    """Return the text of an editor whose wording depends on what the row is: no weight can."""
    acceptor, row_text = Acceptor(facts, SPEC), facts.of("term")[0].value
    state = acceptor.start
    for step in grammar().plans[SPEC.length]:
        rows = acceptor.rows(state.place)
        told = first(acceptor.sentences[step.group], {row.sentence.claim.text for row in rows})
        if told and not step.optional:
            taste = {one: Random(f"{one.used[0].key}/{row_text}").random() for one in told}
            chosen = max(told, key=lambda one: taste[one])
            row = next(row for row in rows if row.sentence is chosen)
            state = acceptor.advance(state, row.text)
    assert acceptor.may_end(state)
    return acceptor.narrative(state, "editor").text


def pairs(count: int, text) -> list[Pair]:
    return [(facts, text(facts), SPEC) for facts in map(evidence, range(count))]


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, schooling.Comparison]:
    folder = tmp_path_factory.mktemp("lost") / "lm"
    return folder, schooling.train(pairs(schooling.FEWEST, lambda facts: write(facts, SPEC, 0).text), folder)


@pytest.mark.slow
def test_a_writer_that_won_on_later_texts_writes_in_its_name(tmp_path):
    folder = tmp_path / "lm"
    found = schooling.train(pairs(160, attentive), folder)
    assert found.won and found.model < found.grammar and found.low < found.grammar - found.model < found.high
    assert found == schooling.comparison_of(folder)
    narrative, verdict = narrate(evidence(10**6), NarrateSpec(writer=f"lm:{folder}", length="short"))
    assert (narrative.writer, narrative.tries, verdict.passed) == (f"lm:{folder}", 1, True)


def test_a_writer_that_did_not_surely_win_stays_off_and_the_refusal_says_by_how_much(lost):
    folder, found = lost
    assert not found.won and found.low <= found.grammar - found.model <= found.high
    assert 0 < found.model_right <= 1 and 0 < found.grammar_right <= 1
    with pytest.raises(SpecError, match="stays off") as refused:
        narrate(evidence(10**6), NarrateSpec(writer=f"lm:{folder}", length="short"))
    assert f"{found.model:.3f}" in refused.value.message and f"{found.grammar:.3f}" in refused.value.message


def test_the_comparison_in_the_folder_alone_decides_whether_it_writes(lost, tmp_path):
    folder, found = lost
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}
    for number, (low, right, won) in enumerate(
        [(-0.001, 0.9, False), (0.0, 0.9, False), (0.001, 0.89, False), (0.001, 0.9, True)]
    ):
        told = replace(found, low=low, model_right=right, grammar_right=0.9)
        assert told.won == won
        save(tmp_path / str(number), files | {"comparison.json": canonical(told)}, kind="lm")
        spec = NarrateSpec(writer=f"lm:{tmp_path / str(number)}", length="short")
        if won:
            narrative, verdict = narrate(evidence(10**6), spec)
            assert (narrative.writer, verdict.passed) == (spec.writer, True)
        else:
            with pytest.raises(SpecError, match="stays off"):
                narrate(evidence(10**6), spec)


def test_the_command_trains_on_what_was_approved_and_says_who_won(tmp_path):
    house, seen = House(f"sqlite:///{tmp_path}/cases.db"), {}
    for seed in range(schooling.FEWEST + 4):
        facts = evidence(seed)
        prediction = replace(proposal("r1").prediction, id=facts.id)
        seen[facts.id] = draft(prediction, facts, *narrate(facts, SPEC))
    house.store.open_cases([*seen.values()])
    for name in seen:
        house.decide("bob", name, "approve")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "spec.yaml").write_text(
        "data: {source: rows.csv, target: y}\nnarrate: {register: plain}\n"
    )
    done = CliRunner().invoke(main, ["style", "train", "--run", str(tmp_path)])
    assert done.exit_code == 0, done.output
    found = schooling.comparison_of(tmp_path / styles.WRITER)
    assert found.num_read + found.num_held == len(seen)
    assert f"{found.grammar:.3f}" in done.output and f"{found.model:.3f}" in done.output
    assert ("stays off" in done.output) != found.won
    assert (f"narrate.writer: lm:{tmp_path / styles.WRITER}" in done.output) == found.won


def test_from_few_texts_and_from_texts_of_no_grammar_nothing_is_trained(tmp_path):
    few = pairs(schooling.FEWEST - 1, lambda facts: write(facts, SPEC, 0).text)
    strange = [(facts, "It was the customer, I think.", spec) for facts, _, spec in few]
    with pytest.raises(DataError, match=f"^{len(few)} approved texts"):
        schooling.train([*few, *strange], tmp_path / "lm")
    assert not (tmp_path / "lm").exists()


def test_a_folder_that_is_not_there_is_told_before_anything_is_written():
    with pytest.raises(CheckpointError, match="no checkpoint"):
        narrate(evidence(1), NarrateSpec(writer="lm:/nowhere"))
