"""Bundles for auditors: what is in one holds, any change of it is found and named, and no more is in it."""

import hashlib
import json
import random
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from case_material import behind, postgresql, proposal, texts
from desk_material import House
from foretell.cases import Store, bundle_check
from foretell.cases.bundle import Choice, write_bundle
from foretell.cases.people import Person
from foretell.cases.planted import Planting
from foretell.cases.promotion import Promotions
from foretell.cases.signing import sign
from foretell.cli import main
from foretell.errors import NotFoundError, SpecError, StoreError
from foretell.report import case_page


def filled(url: str) -> House:
    """A desk at which everything happened that an event tells of, but for keys, which are drawn."""
    house = House(url)
    house.accounts.save("root", Person(name="vic", roles=("viewer",), active=False))
    house.policy({"rules": [{"name": "all", "approvals": 2}], "salt": "5a"})
    house.open("r1", "r2", "r3", "r4", "r5")
    Planting(house.store).plant("root", {"r5": True})
    house.decide("bob", "r1", "approve")
    house.clock.move(days=2)
    house.decide("cleo", "r1", "approve")
    house.decide("bob", "r2", "edit", text=texts("r2")[1])
    house.decide("bob", "r3", "reject", reason="known to the bank")
    house.decide("dan", "r4", "escalate", reason="look")
    house.store.erase("r3", "ada")
    return house


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> House:
    house = filled(f"sqlite:///{tmp_path_factory.mktemp('bundle')}/cases.db")
    house.accounts.make_key("cleo", "cleo", 30)
    return house


@pytest.fixture(scope="module")
def key(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("key") / "log.key"


def packed(house: House, folder: Path, key: Path | None, *ids: str, **period: str) -> Path:
    file = folder / "bundle.zip"
    pages = lambda case: {"page.html": case_page(case).encode()}  # noqa: E731
    write_bundle(house.store, file, Choice(ids=ids, **period), extra=pages, key_file=key)
    return file


def unpacked(file: Path) -> Path:
    folder = file.with_suffix("")
    shutil.rmtree(folder, ignore_errors=True)
    with zipfile.ZipFile(file) as held:
        held.extractall(folder)
    return folder


def said(place: Path, **more: str) -> list[tuple[str, str, str]]:
    return bundle_check.checked(str(place), **more)[0].faults


def listed_anew(folder: Path) -> None:
    """What a forger would do who cannot sign: make list and head fit again."""
    files = {
        path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
    }
    sums = {n: hashlib.sha256(p.read_bytes()).hexdigest() for n, p in files.items()}
    sums = {name: digest for name, digest in sums.items() if name not in ("manifest.json", "head.txt")}
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "files": sums}))
    digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    head = (folder / "head.txt").read_text().splitlines()
    head = [f"bundle: {digest}" if line.startswith("bundle: ") else line for line in head]
    (folder / "head.txt").write_text("\n".join([*head, ""]))


def test_an_auditor_with_python_alone_is_told_that_a_bundle_holds(house, key, tmp_path):
    folder = unpacked(packed(house, tmp_path, key, "r2", "r1"))
    done = subprocess.run(
        [sys.executable, "-E", "-S", "check.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("the bundle holds: 2 cases, ") and "signed with key" in done.stdout
    (folder / "cases").rename(folder / "other")
    done = subprocess.run(
        [sys.executable, "-E", "-S", "check.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "dropped: cases/" in done.stdout


def test_a_bundle_of_one_case_tells_of_no_other_case_and_of_no_secret(house, key, tmp_path):
    folder = unpacked(packed(house, tmp_path, key, "r1"))
    whole = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"Maria Muster" in whole and b"r1" in whole
    told = json.dumps([json.loads(path.read_text()) for path in folder.glob("*/**/*.json")])
    for other in ("r2", "r3", "r4", "r5"):
        assert f'"{other}"' not in told and f"payment '{other}'" not in told
    assert b"argon2" not in whole
    answers = json.loads((folder / "desk/planted.json").read_text())
    assert answers["withheld"] and not answers["events"][0]["contents"]
    with house.store.reading() as connection:
        for table, column in (("people", "password"), ("keys", "digest")):
            for (secret,) in connection.exec_driver_sql(f"SELECT {column} FROM {table}"):
                assert not secret or secret.encode() not in whole


def changed(data: bytes, draw: random.Random) -> bytes:
    """Return the bytes with a bit turned, a byte less, or a byte more."""
    place = draw.randrange(len(data))
    byte = data[place : place + 1]
    other = draw.choice((bytes([byte[0] ^ 1 << draw.randrange(8)]), b"", byte + b"x"))
    return data[:place] + other + data[place + 1 :]


def test_any_byte_that_changes_in_a_file_is_found_and_the_file_is_named(house, key, tmp_path):
    draw = random.Random(7)
    # A signature costs time: with one, the head and few edits of the rest are tried.
    for signer, edits in ((None, 300), (key, 60)):
        folder = unpacked(packed(house, tmp_path, signer, "r1", "r3"))
        assert said(folder) == []
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        head = [path for path in files if path.name == "head.txt"]
        tried = [path for path in files if path not in head] if signer is None else head + files
        for number in range(edits):
            path = tried[number % len(tried)]
            before = path.read_bytes()
            path.write_bytes(changed(before, draw))
            faults = said(folder)
            named = path.relative_to(folder).as_posix()
            assert any(file == named for file, _, _ in faults), (named, faults)
            path.write_bytes(before)


def test_a_file_that_goes_or_comes_is_named(house, tmp_path):
    folder = unpacked(packed(house, tmp_path, None, "r1", "r3"))
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        path.rename(tmp_path / "elsewhere")
        assert path.relative_to(folder).as_posix() in {file for file, _, _ in said(folder)}
        (tmp_path / "elsewhere").rename(path)
    (folder / "more.txt").write_text("more")
    assert said(folder) == [("more.txt", "inserted", "it is not in the list of files")]


def test_any_byte_that_changes_in_the_zip_is_found_or_changes_no_file(house, tmp_path):
    file = packed(house, tmp_path, None, "r1")
    whole, draw = file.read_bytes(), random.Random(3)
    with zipfile.ZipFile(file) as held:
        files = {name: held.read(name) for name in held.namelist()}
    found = 0
    for _ in range(300):
        place = draw.randrange(len(whole))
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << draw.randrange(8)]) + whole[place + 1 :])
        try:
            faults = said(file)
        except bundle_check.UNREADABLE:
            found += 1
            continue
        found += bool(faults)
        if not faults:
            with zipfile.ZipFile(file) as held:
                assert {name: held.read(name) for name in held.namelist()} == files
    assert found > 200


@pytest.mark.parametrize("way", ["body", "content", "drop", "swap", "status", "erase"])
def test_who_cannot_sign_changes_no_history_even_with_all_other_digests_made_anew(house, key, tmp_path, way):
    folder = unpacked(packed(house, tmp_path, key, "r1", "r2"))
    path = sorted(folder.glob("cases/*/case.json"))[0]
    told = json.loads(path.read_text())
    if way == "body":
        told["events"][1]["actor"] = "eve"
    elif way == "content":
        told["events"][0]["contents"][0]["body"] = {"changed": True}
    elif way == "drop":
        told["events"].pop(1)
    elif way == "swap":
        told["events"][1:3] = told["events"][2:0:-1]
    elif way == "status":
        told["status"] = "rejected"
    else:
        told["events"][0]["contents"].pop()
    path.write_text(json.dumps(told))
    listed_anew(folder)
    faults = said(folder)
    named = path.relative_to(folder).as_posix()
    assert (
        "head.txt",
        "altered",
        "the signature does not fit: the head was altered after it was signed",
    ) in faults
    assert any(file == named for file, _, _ in faults) or way == "drop"
    assert any(file in (named, "proof.json") for file, _, _ in faults if file != "head.txt") or way == "drop"


def test_an_event_of_another_log_cannot_be_slipped_in(house, tmp_path):
    other = House(f"sqlite:///{tmp_path}/other.db")
    other.open("r1")
    other.decide("bob", "r1", "comment", reason="all is well")
    (tmp_path / "theirs").mkdir()
    mine = unpacked(packed(house, tmp_path, None, "r1"))
    theirs = unpacked(packed(other, tmp_path / "theirs", None, "r1"))
    assert said(mine) == said(theirs) == []
    foreign = next(theirs.glob("cases/*/case.json"))
    place = next(mine.glob("cases/*/case.json"))
    place.write_bytes(foreign.read_bytes())
    listed_anew(mine)
    faults = said(mine)
    assert any(file == "proof.json" for file, _, _ in faults)


def test_a_head_kept_elsewhere_tells_a_bundle_of_another_log(house, key, tmp_path):
    kept = str(sign(house.store.verify_log(), "2026-03-09", key))
    file = packed(house, tmp_path, None, "r1")
    assert said(file, outer=kept) == []
    public = bundle_check.signed_head(kept)["key"]
    assert said(file, key=public) != []  # it is not signed
    signed = packed(house, tmp_path, key, "r1")
    assert said(signed, key=public) == []
    assert said(signed, key="0" * 64) != []
    house = House(f"sqlite:///{tmp_path}/same_beginning.db")
    house.open("r1")
    assert [kind for _, kind, _ in said(packed(house, tmp_path, None, "r1"), outer=kept)] == ["unproved"]
    with Store(f"sqlite:///{tmp_path}/other.db") as store:
        store.open_cases([proposal("r1")])
        write_bundle(store, tmp_path / "other.zip", Choice(ids=("r1",)))
    assert [kind for _, kind, _ in said(tmp_path / "other.zip", outer=kept)] == ["altered"]


def test_an_erased_case_has_its_events_and_no_content(house, key, tmp_path):
    folder = unpacked(packed(house, tmp_path, key, "r3"))
    told = json.loads(next(folder.glob("cases/*/case.json")).read_text())
    assert told["status"] == "erased" and [event["contents"] for event in told["events"]] == [[]] * 3
    assert not list(folder.glob("cases/*/page.html"))
    assert said(folder) == []
    assert "Maria Muster" not in "".join(path.read_text() for path in folder.glob("cases/*/*"))


def test_a_period_holds_the_cases_to_which_something_happened_in_it(house, key, tmp_path):
    folder = unpacked(packed(house, tmp_path, key, since="2026-03-02", until="2026-03-02"))
    assert len(list(folder.glob("cases/*/case.json"))) == 5
    assert said(folder) == []
    folder = unpacked(packed(house, tmp_path, key, since="2026-03-03", until="2026-03-04"))
    told = [json.loads(path.read_text())["about"] for path in sorted(folder.glob("cases/*/case.json"))]
    assert told == ["r1", "r2", "r3", "r4"]
    for wrong, error in (
        (Choice(since="2026-04-01", until="2026-04-02"), NotFoundError),
        (Choice(since="2026-04-02", until="2026-04-01"), SpecError),
        (Choice(since="yesterday", until="2026-04-01"), SpecError),
        (Choice(ids=("r1", "none")), NotFoundError),
        (Choice(ids=("r1",), sees=lambda team: False), NotFoundError),
        (Choice(ids=("foretell:people",)), NotFoundError),
        (Choice(), SpecError),
    ):
        with pytest.raises(error):
            write_bundle(house.store, tmp_path / "none.zip", wrong)
    assert not list(tmp_path.glob("*none.zip*"))


def test_a_bundle_tells_which_model_scored_and_which_were_put_in_use_by_whom(tmp_path):
    house = House(f"sqlite:///{tmp_path}/cases.db")
    house.open("r1", "r2", "r3")
    known, (old, new) = Promotions(house.store), ("0" * 64, "1" * 64)
    won = {"won": True, "champion": old, "challenger": new}
    first = known.propose("root", new, old, won)
    known.confirm("ada", first)
    back = known.propose("ada", old, new, {}, "the old one knew the season")
    house.store.erase("r2", "ada")
    folder = unpacked(packed(house, tmp_path, None, "r1", "r2", "r3"))
    known.confirm("root", back)
    told = json.loads((folder / "models.json").read_text())
    assert [(each["model"], each["cases"]) for each in told["scored"]] == [(old, 2)]
    states = [(each["seq"], each["model"], each["actor"], each["state"]) for each in told["proposed"]]
    assert states == [(first, new, "root", "confirmed"), (back, old, "ada", "proposed")]
    assert told["proposed"][0]["figures"] == won and told["proposed"][0]["closed_by"] == "ada"
    assert said(folder) == []
    house.store.close()


def test_nothing_is_left_half_written(house, tmp_path):
    file = packed(house, tmp_path, None, "r1")
    before = file.read_bytes()

    def failing(case):
        raise StoreError("no space", "free some")

    with pytest.raises(StoreError, match="no space"):
        write_bundle(house.store, file, Choice(ids=("r1",)), extra=failing)
    assert file.read_bytes() == before and [*tmp_path.iterdir()] == [file]


def test_the_same_log_gives_the_same_bytes_on_both_databases(tmp_path, key):
    with postgresql() as fresh:
        found = []
        for name, url in (("one", f"sqlite:///{tmp_path}/cases.db"), ("two", fresh())):
            house = filled(url)
            (tmp_path / name).mkdir()
            for ids, period in ((("r1", "r3"), {}), ((), {"since": "2026-03-01", "until": "2026-03-05"})):
                file = packed(house, tmp_path / name, key, *ids, **period)
                found.append(file.read_bytes())
                assert packed(house, tmp_path / name, key, *ids, **period).read_bytes() == found[-1]
                assert said(file) == []
            house.store.close()
        assert found[:2] == found[2:]


def test_a_log_that_does_not_hold_is_not_exported(tmp_path):
    url = f"sqlite:///{tmp_path}/cases.db"
    with Store(url) as store:
        with pytest.raises(StoreError, match="empty"):
            write_bundle(store, tmp_path / "b.zip", Choice(ids=("r1",)))
        store.open_cases([proposal("r1"), proposal("r2")])
        behind(url, "UPDATE events SET actor = 'eve' WHERE seq = 2")
        with pytest.raises(StoreError, match="does not hold"):
            write_bundle(store, tmp_path / "b.zip", Choice(ids=("r1",)))
    assert not [*tmp_path.glob("*b.zip*")]


def test_over_http_who_may_export_gets_the_cases_they_see_and_none_they_are_to_judge_first(tmp_path):
    house = House(f"sqlite:///{tmp_path}/cases.db")
    house.policy({"rules": [{"name": "all", "probability_from": 0.95, "team": "north"}]})
    house.open("r1", "r2")
    house.open("r9", probability=0.96)
    dan, bob = house.client("dan"), house.client("bob")
    assert bob.get("/api/export", params={"id": "r1"}).status_code == 403
    answer = dan.get("/api/export", params={"id": ["r1", "r2"]})
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/zip"
    (tmp_path / "http.zip").write_bytes(answer.content)
    bundle, told = bundle_check.checked(str(tmp_path / "http.zip"))
    assert bundle.faults == [] and bundle.cases == 2 and "signature" not in told
    assert dan.get("/api/export", params={"id": "r9"}).status_code == 404
    day = {"from": "2026-03-02", "to": "2026-03-02"}
    (tmp_path / "http.zip").write_bytes(dan.get("/api/export", params=day).content)
    assert bundle_check.checked(str(tmp_path / "http.zip"))[0].cases == 2
    assert dan.get("/api/export").status_code == 422
    house.policy({"rules": [], "blind_share": 1})
    refused = dan.get("/api/export", params=day)
    assert refused.status_code == 409 and "judge" in refused.text
    house.decide("dan", "r1", "judge", detail={"judgement": "positive"})
    assert dan.get("/api/export", params={"id": "r1"}).status_code == 200


def test_on_the_command_line_a_bundle_is_signed_with_the_key_of_its_store(tmp_path):
    url = f"sqlite:///{tmp_path}/cases.db"
    filled(url).store.close()

    def ask(*arguments: str):
        return CliRunner().invoke(main, ["export", "--store", url, *arguments])

    file = tmp_path / "b.zip"
    done = ask("--case", "r1", "--case", "r3", "--out", str(file))
    assert done.exit_code == 0, done.output
    assert "2 cases, 1 of them erased" in done.output
    told = bundle_check.checked(str(file))[1]
    assert told["key"] in done.output and (tmp_path / "cases.db.key").exists()
    days = "--from", "2026-03-02", "--to", "2026-03-04"
    assert "5 cases" in ask(*days, "--out", str(file), "--unsigned").output
    assert "key" not in bundle_check.checked(str(file))[1]
    assert ask("--case", "none", "--out", str(file)).exit_code == StoreError.exit_code
    assert ask("--out", str(file)).exit_code == SpecError.exit_code
    assert CliRunner().invoke(main, ["replay", "r1", "--bundle", str(file)]).exit_code == SpecError.exit_code
    done = CliRunner().invoke(main, ["replay", "--bundle", str(file)])
    assert done.exit_code == StoreError.exit_code and "has its rows" in done.output
