"""What a SQLite store survives or tells: kills, full disks, locks, foreign files; and reading it bare."""

import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from case_material import behind, decision, proposal, texts
from foretell.cases import Store, reader
from foretell.cli import main
from foretell.errors import StoreError

CHILD = """
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from foretell.cases import Store
from foretell.records import Decision

store = Store(sys.argv[1])
cases = list(store.all_cases())
print("ready", flush=True)

def comment(thread):
    for number in count():
        case = cases[(7 * thread + number) % len(cases)]
        words = f"{sys.argv[2]}-{thread}-{number}"
        store.decide(case.id, Decision(verb="comment", actor="ann", content=case.content, reason=words))
        sys.stdout.write(words + "\\n")
        sys.stdout.flush()

with ThreadPoolExecutor(4) as pool:
    list(pool.map(comment, range(4)))
"""


def killed(url: str, run: int, after: int) -> list[str]:
    """Kill a process once it has acknowledged `after` decisions; return all that it acknowledged."""
    command = [sys.executable, "-c", CHILD, url, str(run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        found = [child.stdout.readline() for _ in range(after)]
        child.kill()
        found += child.stdout.readlines()
    return [line[:-1] for line in found if line.endswith("\n")]


def lost(url: str, runs: range, seed: int) -> tuple[int, set[str]]:
    """Return how many decisions were acknowledged, and those of them that the store does not hold."""
    dice = random.Random(seed)
    with Store(url) as store:
        store.open_cases([proposal(f"r{number}") for number in range(24)])
    acknowledged: set[str] = set()
    for run in runs:
        acknowledged |= {*killed(url, run, dice.randrange(40))}
    assert reader.verify_log(url.removeprefix("sqlite:///")).passed
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    kept = {body[1:-1] for (body,) in connection.execute("SELECT body FROM contents WHERE kind = 'reason'")}
    connection.close()
    return len(acknowledged), acknowledged - kept


def test_no_acknowledged_decision_is_lost_by_a_kill(tmp_path):
    count, missing = lost(f"sqlite:///{tmp_path}/cases.db", range(3), seed=1)
    assert count > 20
    assert not missing


@pytest.mark.slow
def test_no_acknowledged_decision_is_lost_by_three_hundred_kills(tmp_path):
    count, missing = lost(f"sqlite:///{tmp_path}/cases.db", range(300), seed=2)
    assert count > 3000
    assert not missing


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", folder], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_told_and_nothing_half_written_is_kept(small_disk):
    with Store(f"sqlite:///{small_disk}/cases.db") as store:
        store.open_cases([proposal("r1")])
        head = store.head()
        many = [proposal(f"m{number}") for number in range(400)]
        with pytest.raises(StoreError, match="the disk is full"):
            store.open_cases(many)
        assert store.head() == head
        assert [case.id for case in store.cases()] == ["r1"]
        store.decide("r1", decision(store.case("r1"), "comment", reason="there is room for this"))
        assert store.verify_log().passed


def test_a_disk_without_room_for_a_store_is_told(small_disk):
    (small_disk / "filler").write_bytes(b"x" * 590_000)
    with pytest.raises(StoreError, match="disk"):
        Store(f"sqlite:///{small_disk}/cases.db")


def test_a_store_that_another_process_is_writing_is_told(tmp_path):
    url = f"sqlite:///{tmp_path}/cases.db?timeout=0.1"
    with Store(url) as store:
        store.open_cases([proposal("r1")])
        other = sqlite3.connect(tmp_path / "cases.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process is writing to"):
            store.decide("r1", decision(store.case("r1"), "approve"))
        other.execute("ROLLBACK")
        other.close()
        assert store.decide("r1", decision(store.case("r1"), "approve")).status == "approved"


def test_two_stores_on_one_file_take_turns(tmp_path):
    url = f"sqlite:///{tmp_path}/cases.db"
    with Store(url) as first, Store(url) as second:
        for number in range(6):
            (first, second)[number % 2].open_cases([proposal(f"r{number}")])
        assert len(first.cases()) == 6
        assert first.verify_log(str(second.head())).passed


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("file/cases.db", "the folder .*file cannot be made"),
        ("folder", "folder cannot be opened"),
        ("file", "no SQLite database"),
        ("/proc/none/cases.db", "the folder /proc/none cannot be made"),
    ],
)
def test_a_place_where_no_store_can_be_is_told(tmp_path, place, message):
    (tmp_path / "file").write_text("no database " * 100)
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match=message):
        Store(f"sqlite:///{tmp_path / place}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a read-only disk")
def test_a_store_on_a_read_only_disk_is_read_and_its_writing_refused(small_disk):
    with Store(f"sqlite:///{small_disk}/cases.db") as store:
        store.open_cases([proposal("r1")])
        case = store.case("r1")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert reader.read_case(f"{small_disk}/cases.db", "r1") == case
    with pytest.raises(StoreError, match="cannot be"), Store(f"sqlite:///{small_disk}/cases.db") as store:
        store.decide("r1", decision(case, "approve"))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("cases.db", "'cases.db' is not the URL of a case store"),
        ("mysql://host/x", "cannot live in 'mysql'"),
        ("sqlite://", "in memory would lose"),
        ("sqlite:///:memory:", "in memory would lose"),
    ],
)
def test_a_url_that_names_no_store_is_told(url, message):
    with pytest.raises(StoreError, match=message):
        Store(url)


def test_a_damaged_file_is_told(tmp_path):
    path = tmp_path / "cases.db"
    with Store(f"sqlite:///{path}") as store:
        store.open_cases([proposal(f"r{number}") for number in range(50)])
    content = bytearray(path.read_bytes())
    content[4096 : len(content)] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"damaged|cannot be read"):
        reader.verify_log(str(path))
    with pytest.raises(StoreError, match=r"damaged|refused"), Store(f"sqlite:///{path}") as store:
        store.cases()


# ---- reading without a database toolkit ----


@pytest.fixture
def path(tmp_path) -> str:
    with Store(f"sqlite:///{tmp_path}/cases.db") as store:
        store.open_cases([proposal("r1"), proposal("r2")])
        store.decide("r1", decision(store.case("r1"), "edit", "bob", text=texts("r1")[1]))
        store.erase("r2", "dpo")
    return f"{tmp_path}/cases.db"


def test_the_bare_reader_reads_what_the_store_holds(path):
    with Store(f"sqlite:///{path}") as store:
        assert reader.read_case(path, "r1") == store.case("r1")
        assert reader.verify_log(path) == store.verify_log()
    for row, message in (("r2", "was erased"), ("r3", "no case 'r3'")):
        with pytest.raises(StoreError, match=message):
            reader.read_case(path, row)


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "foretell.cases.reader", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_stand_alone_check_says_whether_the_log_holds(path):
    good = check(path)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("the log holds; 4 events, 4 pieces of content erased on request; head 4:")
    head = good.stdout.split()[-1]
    assert check(path, "--head", head).returncode == 0
    behind(f"sqlite:///{path}", "UPDATE events SET actor = 'eve' WHERE seq = 3")
    bad = check(path, "--head", head)
    assert bad.returncode == StoreError.exit_code
    assert (
        "altered: event 3 was altered: its digest does not fit\nthe log does not hold: 1 fault" in bad.stdout
    )
    missing = check(path + "x")
    assert (missing.returncode, missing.stdout) == (StoreError.exit_code, "")
    assert missing.stderr.startswith(f"error: there is no case store at {path}x\nhint: ")


@pytest.mark.parametrize("value", ["x'ff00ff'", "CAST(x'ff41' AS TEXT)", "'{\"a\":'", "x'00'", "'[]'", "''"])
@pytest.mark.parametrize("column", ["events.body", "events.actor", "contents.body", "contents.salt"])
def test_bytes_that_are_no_text_are_named_as_altered(path, column, value):
    table, _, name = column.partition(".")
    behind(f"sqlite:///{path}", f"UPDATE {table} SET {name} = {value} WHERE seq = 3")
    report = reader.verify_log(path)
    assert {(fault.seq, fault.kind) for fault in report.faults} == {(3, "altered")}


def show(path: str, case_id: str = "r1") -> Result:
    return CliRunner().invoke(main, ["show", case_id, "--run", str(Path(path).parent)])


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE contents SET body = replace(body, '90.0%', '91.0%') WHERE seq = 3", "narrative of event 3"),
        ("UPDATE contents SET body = replace(body, '0.9', '0.1') WHERE seq = 1", "of event 1 (case r1)"),
        ("UPDATE contents SET body = '{\"a\":' WHERE seq = 3", "of event 3 (case r1) was altered"),
        ("UPDATE contents SET body = CAST(x'2241ff22' AS TEXT) WHERE seq = 3", "of event 3 (case r1)"),
        ("DELETE FROM contents WHERE seq = 3 AND kind = 'verdict'", "verdict of event 3 was dropped"),
        ("UPDATE events SET actor = 'eve' WHERE seq = 3", "event 3 was altered"),
        ("UPDATE events SET kind = 'opened' WHERE seq = 3", "event 3 was altered"),
        ("UPDATE events SET body = 'x' WHERE seq = 1", "event 1 was altered"),
        ("UPDATE events SET actor = CAST(x'ff41' AS TEXT) WHERE seq = 3", "event 3 was altered"),
        ("UPDATE events SET case_id = 'r9' WHERE case_id = 'r1'", "event 1 was altered"),
        ("DELETE FROM events WHERE seq = 3", "event 3 was dropped"),
        ("DELETE FROM events WHERE seq = 2", "event 2 was dropped"),
        ("UPDATE cases SET status = 'approved' WHERE id = 'r1'", "case r1 was altered in the list"),
        ("UPDATE heads SET seq = 3", "event 4 was inserted after the head"),
    ],
)
def test_an_altered_case_is_never_shown_without_a_warning(path, tmp_path, statement, words):
    whole = show(path)
    assert (whole.exit_code, "NOT TO BE TRUSTED" in whole.output) == (0, False)
    behind(f"sqlite:///{path}", statement)
    altered = show(path)
    assert altered.exit_code == 1
    assert words in altered.output
    assert "error: case 'r1' cannot be trusted" in altered.output
    assert not altered.stdout or altered.stdout.startswith("NOT TO BE TRUSTED")
    page = tmp_path / "case.html"
    refused = CliRunner().invoke(main, ["show", "r1", "--run", str(tmp_path), "--html", str(page)])
    assert (refused.exit_code, page.exists()) == (1, False)


def test_an_altered_text_of_another_case_is_no_fault_of_this_one(path):
    with Store(f"sqlite:///{path}") as store:
        store.open_cases([proposal("r4")])
    behind(f"sqlite:///{path}", "UPDATE contents SET body = '1' WHERE seq = 5")
    assert (show(path).exit_code, show(path, "r4").exit_code) == (0, 1)


def test_damage_that_is_no_text_is_printed_escaped(path):
    behind(f"sqlite:///{path}", "UPDATE cases SET id = CAST(x'ff41' AS TEXT) WHERE id = 'r1'")
    found = check(path)
    assert found.returncode == StoreError.exit_code
    assert "case \\udcffA was inserted" in found.stdout


def test_what_is_no_store_is_told_by_the_reader(tmp_path):
    (tmp_path / "text").write_text("no database " * 100)
    (tmp_path / "empty").touch()
    for name in ("text", "empty"):
        with pytest.raises(StoreError, match="cannot be read as a case store"):
            reader.verify_log(str(tmp_path / name))


def test_the_reader_stands_on_the_standard_library(path):
    code = (
        "import sys; before = {*sys.modules}; from foretell.cases import reader; "
        f"reader.read_case({path!r}, 'r1'); reader.verify_log({path!r}); "
        "print({name.partition('.')[0] for name in {*sys.modules} - before} - {*sys.stdlib_module_names})"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "{'foretell'}\n"


def test_a_new_store_and_its_folders_are_made(tmp_path):
    with Store(f"sqlite:///{tmp_path}/a/b/cases.db"):
        assert Path(tmp_path, "a/b/cases.db").is_file()
    with sqlite3.connect(tmp_path / "a/b/cases.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
