"""A sentence of a house's own comes into use by two people, and the style by what was approved."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from case_material import proposal
from desk_material import House
from evidences import evidence
from foretell import styles
from foretell.cases import draft
from foretell.cases.people import Person
from foretell.cases.releases import Releases
from foretell.cli import main
from foretell.errors import AccessError, CheckpointError, DecisionError, VerdictError
from foretell.narration import narrate
from foretell.narration.style import Style, furnish, opened, save
from foretell.records import Case, Claim, Evidence, Narrative, canonical
from foretell.spec import NarrateSpec
from foretell.verification import verify
from foretell.verification.wordings import Wording

OWN = Wording(text="Compare {i} with {h}, which is {h.text}.", licences=("figures.times",))
OTHER = Wording(text="Note {i} beside {h.text}, {h}.", licences=("figures.times",), instead=True)


@pytest.fixture
def house(tmp_path) -> House:
    made = House(f"sqlite:///{tmp_path}/cases.db")
    made.accounts.save("root", Person(name="adas-script", roles=("administrator",), owner="ada"))
    return made


@pytest.fixture
def releases(house) -> Releases:
    return Releases(house.store)


def case_of(seed: int, spec: NarrateSpec) -> Case:
    facts = evidence(seed)
    prediction = replace(proposal("r1").prediction, id=facts.id)
    return draft(prediction, facts, *narrate(facts, spec))


def test_one_person_alone_releases_no_sentence_under_any_account(releases, house):
    seq = releases.propose("ada", OWN)
    for name in ("ada", "adas-script"):
        with pytest.raises(AccessError, match="proposed this sentence and cannot confirm it"):
            releases.release(name, seq)
    for name in ("bob", "dan", "vic", "nobody"):
        for act in (releases.release, releases.withdraw):
            with pytest.raises(AccessError):
                act(name, seq)
        with pytest.raises(AccessError):
            releases.propose(name, OTHER)
    assert releases.released() == ()
    assert releases.release("root", seq) == OWN
    assert releases.released() == (OWN,)
    assert releases.released("de") == ()
    assert house.store.verify_log().passed


def test_what_was_withdrawn_is_out_of_use_and_what_is_in_use_is_not_proposed_twice(releases):
    first, second = releases.propose("ada", OWN), releases.propose("ada", OTHER)
    releases.release("root", second)
    releases.release("root", first)
    assert releases.released() == (OWN, OTHER)
    with pytest.raises(DecisionError, match="confirmed already"):
        releases.propose("root", OWN)
    with pytest.raises(DecisionError, match="was confirmed by root"):
        releases.release("root", first)
    releases.withdraw("ada", first)
    assert releases.released() == (OTHER,)
    with pytest.raises(DecisionError, match="was withdrawn by ada"):
        releases.release("root", first)
    assert [each.state for each in releases.all()] == ["confirmed", "withdrawn"]


@pytest.mark.parametrize(
    "wording",
    [
        replace(OWN, text="Approve {i}."),
        replace(OWN, text="Compare {i} with {h} \u202e."),
        replace(OWN, text="Compare the two."),
        replace(OWN, text="{i} is beyond {nothing}."),
        replace(OWN, licences=("figures.made up",)),
        replace(OWN, licences=()),
    ],
)
def test_what_is_not_harmless_or_has_no_licence_cannot_be_proposed(releases, wording):
    with pytest.raises(DecisionError, match="cannot be released"):
        releases.propose("ada", wording)
    assert releases.all() == ()


def test_a_style_with_a_sentence_that_nobody_released_is_not_used(house, releases, tmp_path):
    forged = save(Style(wordings=(OWN,)), tmp_path / styles.STYLES)
    styles.adopt(tmp_path, forged.stem)
    with pytest.raises(CheckpointError, match="a sentence that nobody released"):
        styles.settled(tmp_path)
    seq = releases.propose("ada", OWN)
    with pytest.raises(CheckpointError, match="a sentence that nobody released"):
        styles.settled(tmp_path)
    releases.release("root", seq)
    assert styles.settled(tmp_path) == str(forged)
    weaker = save(Style(wordings=(replace(OWN, licences=("what.value",)),)), tmp_path / styles.STYLES)
    styles.adopt(tmp_path, weaker.stem)
    with pytest.raises(CheckpointError, match="a sentence that nobody released"):
        styles.settled(tmp_path)


def test_going_back_gives_the_same_bytes_and_a_case_keeps_its_style(house, releases, tmp_path):
    spec = NarrateSpec()
    several = [evidence(seed) for seed in range(20)]
    asked = [replace(proposal("r1").prediction, id=one.id) for one in several]

    def told() -> list[bytes]:
        cases, refused = styles.told(tmp_path, asked, several, spec)
        assert not refused
        return [canonical(case.narrative) + canonical(case.evidence) for case in cases]

    plain = told()
    firsts = [path_of(tmp_path, seed) for seed in (1, 2)]
    first = told()
    styles.adopt(tmp_path, firsts[0].stem[:10])
    second = told()
    assert plain != first != second
    styles.adopt(tmp_path, firsts[1].stem)
    assert told() == first
    cases, _ = styles.told(tmp_path, asked, several, spec)
    house.store.open_cases(cases)
    styles.adopt(tmp_path, "")
    assert told() == first  # a row that has a case is told as it was
    assert house.store.open_cases(styles.told(tmp_path, asked, several, spec)[0]) == 0
    (tmp_path / "cases.db").rename(tmp_path / "aside.db")
    assert told() == plain


def test_a_run_told_in_two_styles_has_one_budget(house, tmp_path):
    from test_remote import peer

    several = [evidence(seed) for seed in range(4)]
    asked = [replace(proposal("r1").prediction, id=one.id) for one in several]
    house.store.open_cases(styles.told(tmp_path, asked[:2], several[:2], NarrateSpec())[0])
    path_of(tmp_path, 1)
    with peer(tmp_path, "good") as model:
        cases, refused = styles.told(tmp_path, asked, several, model.spec(run_calls=1))
        assert len(model.asked) == 1
    assert len(cases) == 4 and len(refused) == 3
    assert all("calls allowed for a run are spent" in each.fault for each in refused)


def test_a_case_with_a_sentence_that_nobody_released_is_not_opened(house, releases, tmp_path):
    spec = NarrateSpec()
    seed = next(seed for seed in range(100) if sentence_in(furnish_with(evidence(seed))))
    facts = furnish_with(evidence(seed))
    sentence = sentence_in(facts)
    prediction = replace(proposal("r1").prediction, id=facts.id)
    told = narrate(facts, spec)[0]
    text = Narrative(claims=(*told.claims, Claim(text=sentence)), writer="embedded")
    assert verify(text, facts).passed
    case = draft(prediction, facts, text, verify(text, facts))
    with pytest.raises(VerdictError, match="a sentence that nobody released"):
        house.store.open_cases([case])
    seq = releases.propose("ada", OWN)
    with pytest.raises(VerdictError, match="a sentence that nobody released"):
        house.store.open_cases([case])
    releases.release("root", seq)
    assert house.store.open_cases([case]) == 1
    releases.withdraw("ada", seq)
    assert house.store.open_cases([case]) == 0  # what was opened stays, and can be opened again as it was
    other = replace(case, id="r2", prediction=replace(prediction, id="r2"), evidence=replace(facts, id="r2"))
    with pytest.raises(VerdictError, match="a sentence that nobody released"):
        house.store.open_cases([other])
    assert house.store.verify_log().passed


def test_learning_more_and_going_back_leaves_the_same_weights_byte_by_byte(house, tmp_path):
    def approve(seeds: range) -> None:
        cases = {case.id: case for case in (case_of(seed, NarrateSpec()) for seed in seeds)}
        house.store.open_cases(cases.values())
        for name in cases:
            house.decide("bob", name, "approve")

    approve(range(8))
    first = styles.learn(tmp_path, house.store).path
    before = first.read_bytes()
    approve(range(8, 20))
    second = styles.learn(tmp_path, house.store).path
    assert second.read_bytes() != before
    assert styles.settled(tmp_path) == str(second)
    styles.adopt(tmp_path, first.stem)
    assert styles.settled(tmp_path) == str(first)
    assert first.read_bytes() == before
    assert styles.learn(tmp_path, house.store).path.read_bytes() == second.read_bytes()


def path_of(folder: Path, taste: int) -> Path:
    """Put a style in use that prefers one opening, and return its file."""
    from test_style import wild

    path = save(wild(taste), folder / styles.STYLES)
    styles.adopt(folder, path.stem)
    return path


def test_a_case_whose_style_is_gone_says_so(tmp_path):
    path = path_of(tmp_path, 3)
    facts = furnish(evidence(1), str(path))
    assert styles.told_in(tmp_path, facts) == str(path)
    path.unlink()
    with pytest.raises(CheckpointError, match="bring its file back"):
        styles.told_in(tmp_path, facts)


def test_the_commands_walk_from_an_approved_edit_to_a_sentence_in_use(house, tmp_path):
    secrets = {name: house.accounts.make_key(name, name, 365) for name in ("ada", "root")}
    url = f"sqlite:///{tmp_path}/cases.db"

    def call(who: str, *command: str) -> str:
        more = [] if command[0] == "revert" else ["--store", url]
        env = {"FORETELL_KEY": secrets.get(who, "")}
        done = CliRunner().invoke(main, ["style", *command, "--run", str(tmp_path), *more], env=env)
        assert done.exit_code == 0, done.output
        return done.output

    spec, opened_cases = NarrateSpec(), []
    for seed in range(40):
        case = case_of(seed, spec)
        brought = furnish_with(case.evidence)
        sentence = sentence_in(brought)
        if sentence and case.id not in [one.id for one, _ in opened_cases]:
            opened_cases.append((case, f"{case.narrative.text} {sentence}"))
        if len(opened_cases) == 4:
            break
    house.store.open_cases([case for case, _ in opened_cases])
    for case, text in opened_cases:
        house.decide("bob", case.id, "edit", text=text, reason="our files", detail={"unsupported": "keep"})
        house.decide("dan", case.id, "accept", reason="it is true")
        if house.store.case(case.id).status != "approved":
            house.decide("cleo", case.id, "approve")
    assert "is in use" in call("", "learn")
    shown = call("", "show")
    name = next(word for word in shown.split() if word.startswith("house-"))
    assert "told only when:" in shown
    said = call("ada", "propose", name)
    assert "proposal" in said
    seq = said.split()[1].rstrip(":")
    before = styles.settled(tmp_path)
    assert opened(before).wordings == ()
    assert "released" in call("root", "release", seq)
    call("", "learn")
    after = styles.settled(tmp_path)
    assert len(opened(after).wordings) == 1
    told = [narrate(furnish(case.evidence, after), replace(spec, style=after)) for case, _ in opened_cases]
    assert all(verdict.passed for _, verdict in told)
    assert any(claim.production == name for narrative, _ in told for claim in narrative.claims)
    call("", "revert", Path(before).stem[:12])
    assert styles.settled(tmp_path) == before
    assert "no style is in use" in call("", "revert")
    assert styles.settled(tmp_path) == ""


def furnish_with(facts: Evidence) -> Evidence:
    from foretell.verification.wordings import as_facts

    return replace(facts, facts=(*facts.facts, *as_facts((OWN,), "test")))


def sentence_in(facts: Evidence) -> str:
    """Return the sentence of the house's own about an evidence; empty where it is not licensed."""
    from houses import edited

    claims = edited(0, facts, NarrateSpec(), OWN).claims
    return next((claim.text for claim in claims if claim.production == OWN.name), "")
