"""The release of a generated set: a case at the desk, and files that say where they came from."""

import json
import shutil
import wave
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from desk_material import House
from evidences_sets import set_evidence
from foretell import provenance, release, studio
from foretell.border import load_spec
from foretell.cases import Store
from foretell.cases.reader import verify_log
from foretell.cli import main
from foretell.errors import DataError, StoreError
from foretell.records import Decision, Evidence
from foretell.report import case_page
from foretell.spec import NarrateSpec

PLAYS = Path(__file__).parents[2] / "shared" / "data" / "text" / "tinyshakespeare.txt"
AT = datetime(2026, 11, 30, 22, 0, tzinfo=UTC)


def good(seed: int = 4) -> Evidence:
    """Return the evidence about a set that nothing speaks against."""
    facts = []
    for fact in set_evidence(seed).facts:
        detail = dict(fact.detail)
        if fact.kind == "fidelity":
            detail |= {"missed": False}
        elif fact.kind in ("novelty", "membership"):
            detail |= {"low": 0.45, "high": 0.55}
        elif fact.kind == "bias":
            detail |= {"beyond": False}
        elif fact.kind == "licence":
            detail |= {"stated": True}
        elif fact.kind == "generated":
            detail |= {"asked": fact.value}
        facts.append(replace(fact, detail=detail))
    return replace(set_evidence(seed), facts=tuple(facts))


def opened(folder: Path, evidence: Evidence) -> str:
    """Open the case of a set in the store of a folder, and return its id."""
    case = release.open_release(folder, evidence, spec="1" * 64, data="2" * 64, tell=print)
    return case.id


def decided(folder: Path, verb: str, actor: str = "ann") -> None:
    with Store(f"sqlite:///{folder / 'cases.db'}") as store:
        (case,) = store.cases()
        detail = {"code": "not_enough_evidence"} if verb == "reject" else {}
        store.decide(case.id, Decision(verb=verb, actor=actor, content=case.content, detail=detail))


def said(evidence: Evidence) -> dict[str, object]:
    return provenance.statement(
        evidence, made={"seed": 3, "count": 100, "family": "flow"}, spec="1" * 64, at=AT
    )


def table(folder: Path) -> Path:
    path = folder / "rows.csv"
    path.write_text("a,b\n1,2\n")
    return path


def told_of(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["provenance", *arguments])
    return done.exit_code, done.output


def test_sets_of_another_generator_join_those_that_the_store_holds(tmp_path):
    first = opened(tmp_path, set_evidence(1))
    other = opened(tmp_path, replace(set_evidence(2), model="a" * 64))
    with Store(f"sqlite:///{tmp_path / 'cases.db'}") as store:
        assert {case.id for case in store.all_cases()} == {first, other}
    assert [path.name for path in tmp_path.glob("*.db")] == ["cases.db"]


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_set_becomes_a_case_whose_text_is_verified(language):
    for seed in range(12):
        evidence = set_evidence(seed, language=language)
        case = release.case_of(evidence, NarrateSpec(language=language))
        assert case.verdict.passed and case.id == evidence.id == case.prediction.id


def test_what_the_model_gives_away_speaks_against_handing_on_the_model_and_not_the_set():
    whole = good()
    attack = next(f for f in whole.facts if f.kind == "membership" and f.name == "distance")
    found = replace(
        attack,
        id="f99",
        name="likelihood",
        text="pairs by likelihood",
        value=0.9,
        detail={**attack.detail, "n": 500, "low": 0.88, "high": 0.92},
    )
    told = replace(whole, facts=(*(f for f in whole.facts if f.name != "likelihood"), found))
    assert not release.alarming(told)
    assert "speaks against handing on the model" in release.case_of(told).narrative.text


def test_what_speaks_against_a_set_makes_it_an_alert():
    assert not release.alarming(good())
    bad = {
        "fidelity": {"missed": True},
        "novelty": {"low": 0.51},
        "membership": {"low": 0.51},
        "licence": {"stated": False},
        "generated": {"asked": 10**6},
    }
    seen = set()
    for seed in range(30):
        for kind, detail in bad.items():
            whole = good(seed)
            facts = [replace(f, detail={**f.detail, **detail}) if f.kind == kind else f for f in whole.facts]
            seen |= {kind} if whole.of(kind) else set()
            assert release.alarming(replace(whole, facts=tuple(facts))) is bool(whole.of(kind))
    assert seen == bad.keys()


def test_a_policy_can_ask_for_four_eyes_over_a_kind_of_set(tmp_path):
    evidence = good()
    item = str(evidence.of("generated")[0].detail["item"])
    rule = {"name": "sets", "inputs": {"item": {"is": item}}, "approvals": 2, "approver": "approver"}
    house = House(f"sqlite:///{tmp_path}/cases.db")
    house.policy({"rules": [rule]})
    case = release.case_of(evidence)
    house.store.open_cases([case])
    assert house.decide("bob", case.id, "approve").status == "open"
    assert house.decide("dan", case.id, "approve").status == "approved"
    house.store.close()


def test_a_file_is_unaltered_until_a_byte_of_it_or_of_what_was_signed_changes(tmp_path):
    evidence, path = good(), table(tmp_path)
    side = provenance.sign(path, said(evidence), tmp_path)
    assert side.name == "rows.csv.provenance.json"
    origin = provenance.read(path, folder=tmp_path)
    assert (origin.state, origin.known) == ("unaltered", True)
    assert origin.said["digitalSourceType"].endswith("trainedAlgorithmicMedia")
    assert not provenance.read(path).known
    for old, new in ((b'"seed":3', b'"seed":4'), (b"CC BY", b"CC NC"), (b"flow", b"next")):
        whole = side.read_bytes()
        if old in whole:
            side.write_bytes(whole.replace(old, new))
            assert provenance.read(path).state == "altered"
            side.write_bytes(whole)
    path.write_text("a,b\n1,3\n")
    assert provenance.read(path).state == "altered"


def test_a_folder_is_signed_with_all_that_lies_in_it(tmp_path):
    inside = tmp_path / "texts"
    inside.mkdir()
    (inside / "a.txt").write_text("one")
    provenance.sign(inside, said(good()), tmp_path)
    assert provenance.read(inside).state == "unaltered"
    (inside / "b.txt").write_text("two")
    assert provenance.read(inside).state == "altered"


def test_what_nobody_signed_is_said_to_be_so(tmp_path):
    with pytest.raises(DataError, match="nothing says what made"):
        provenance.read(table(tmp_path))
    with pytest.raises(DataError, match="there is no file"):
        provenance.read(tmp_path / "nothing.csv")
    (tmp_path / "rows.csv.provenance.json").write_text('{"key": 3}')
    with pytest.raises(DataError, match="is no provenance"):
        provenance.read(tmp_path / "rows.csv")


def test_a_key_that_others_can_read_signs_nothing(tmp_path):
    path = table(tmp_path)
    provenance.sign(path, said(good()), tmp_path)
    (tmp_path / "signing.pem").chmod(0o644)
    with pytest.raises(StoreError, match="others can read the key"):
        provenance.sign(path, said(good()), tmp_path)


def picture(folder: Path, ending: str) -> Path:
    path = folder / f"new{ending}"
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    if ending == ".wav":
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8_000)
            file.writeframes(pixels.tobytes())
    else:
        pytest.importorskip("PIL.Image").fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("ending", [".png", ".jpg", ".wav"])
def test_a_format_with_room_for_it_carries_its_own_manifest(tmp_path, ending):
    pytest.importorskip("c2pa")
    path = picture(tmp_path, ending)
    assert provenance.sign(path, said(good()), tmp_path) == path
    origin = provenance.read(path, folder=tmp_path)
    assert (origin.state, origin.known) == ("unaltered", True)
    assert origin.said["made"]["seed"] == 3
    alone = shutil.copy(path, tmp_path / f"alone{ending}")
    assert (provenance.read(Path(alone)).state, provenance.read(Path(alone)).known) == ("unaltered", False)
    whole = bytearray(path.read_bytes())
    whole[100 if ending == ".wav" else -100] ^= 1
    path.write_bytes(whole)
    assert provenance.read(path, folder=tmp_path).state == "altered"


def test_a_manifest_of_another_run_is_not_taken_for_ones_own(tmp_path):
    pytest.importorskip("c2pa")
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
        provenance.sign(picture(folder, ".png"), said(good()), folder)
    origin = provenance.read(theirs / "new.png", folder=ours)
    assert (origin.state, origin.known) == ("unaltered", False)


def test_the_command_tells_whether_a_set_was_released_and_by_whom(tmp_path):
    evidence, path = good(), table(tmp_path)
    provenance.sign(path, said(evidence), tmp_path)
    assert told_of(str(path))[0] == 0
    code, told = told_of(str(path), "--run", str(tmp_path))
    assert code == 7 and "there is no case store" in told
    opened(tmp_path, evidence)
    code, told = told_of(str(path), "--run", str(tmp_path))
    assert code == 8 and "is open, not released" in told
    decided(tmp_path, "approve")
    code, told = told_of(str(path), "--run", str(tmp_path))
    assert code == 0 and f"case {evidence.id}: approved by ann on" in told
    assert verify_log(str(tmp_path / "cases.db")).passed


def test_the_command_names_what_is_wrong(tmp_path):
    evidence, path = good(), table(tmp_path)
    side = provenance.sign(path, said(evidence), tmp_path)
    opened(tmp_path, evidence)
    decided(tmp_path, "reject")
    assert told_of(str(path), "--run", str(tmp_path))[0] == 8
    assert told_of(str(path), "--key", "0" * 64)[0] == 1
    assert told_of(str(path), "--key", json.loads(side.read_bytes())["key"])[0] == 0
    path.write_text("a,b\n9,9\n")
    code, told = told_of(str(path))
    assert code == 1 and "altered since it was signed on 30 November 2026" in told
    assert told_of(str(tmp_path / "none.csv"))[0] == 3


def test_a_case_about_other_facts_releases_nothing(tmp_path):
    evidence, path = good(), table(tmp_path)
    others = replace(evidence, facts=evidence.facts[:-1])
    provenance.sign(path, said(others), tmp_path)
    opened(tmp_path, evidence)
    decided(tmp_path, "approve")
    code, told = told_of(str(path), "--run", str(tmp_path))
    assert code == 8 and "altered" in told


def test_the_card_is_one_page_of_what_was_verified():
    for seed in range(6):
        card = release.card(set_evidence(seed))
        assert card.startswith("# set-") and len(card.splitlines()) < 45 and "generated, not real" in card


@pytest.mark.parametrize("length", ["medium", "long"])
def test_the_page_of_a_set_shows_what_was_measured_and_asks_nothing_of_a_row(tmp_path, length):
    house = House(f"sqlite:///{tmp_path}/cases.db")
    cases = [release.case_of(set_evidence(seed), NarrateSpec(length=length)) for seed in (0, 1, 2, 3)]
    house.store.open_cases(cases)
    client = house.client("bob")
    for case in cases:
        page = client.get("/case", params={"id": case.id})
        assert page.status_code == 200
        for words in ("How it was measured", "Generated by model", case.id):
            assert words in page.text
        for words in ("probability of", "Scored by", "What would have", "No factors", "this row", "positive"):
            assert words not in page.text, words
        assert case_page(case)
    house.store.close()


@pytest.mark.skipif(not PLAYS.exists(), reason="needs the plays of the shared data")
def test_texts_of_the_studio_carry_the_mark_of_their_run_and_no_other(tmp_path):
    source, folder = tmp_path / "plays.txt", tmp_path / "run"
    source.write_text(PLAYS.read_text(encoding="utf-8")[:60_000], encoding="utf-8")
    asked = {
        "out": str(folder),
        "data": {"source": str(source), "licence": "own"},
        "task": {"name": "generate"},
        "train": {"epochs": 1},
        "generate": {"count": 6, "length": 200},
    }
    done = studio.generate(load_spec(asked))
    code, told = told_of(str(done.path), "--run", str(folder))
    assert code == 8 and "keyed mark: z = " in told
    origin = provenance.read(done.path, folder=folder)
    found = provenance.look(origin, folder)
    assert found is not None and found.z > 6 and origin.known
    done.path.write_text(done.path.read_text("utf-8").replace('{"text"', '{"tExt"', 1)[:-9], encoding="utf-8")
    altered = provenance.look(provenance.read(done.path, folder=folder), folder)
    assert altered is not None and 0 < altered.n < found.n
    assert told_of(str(done.path), "--run", str(folder))[0] == 1
    (folder / "mark.key").write_text("00" * 32)
    other = provenance.look(origin, folder)
    assert other is not None and other.z < 4
