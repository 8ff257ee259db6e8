"""Signed heads: what is printed proves later that nothing before it was touched, by both checks."""

import re
import sqlite3
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from case_material import behind, numbered, proposal, ticking
from foretell.cases import Store, checker
from foretell.cases.signing import sign, signed_head_of
from foretell.cli import main
from foretell.errors import StoreError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with Store(f"sqlite:///{tmp_path}/cases.db", clock=ticking(), salt=numbered()) as store:
        store.open_cases([proposal("r1"), proposal("r2")])
    return tmp_path


def ask(*arguments: object):
    return CliRunner().invoke(main, ["log", *map(str, arguments)])


def signed(run: Path) -> Path:
    done = ask("sign", "--run", run)
    assert done.exit_code == 0, done.output
    file = run / "head.txt"
    file.write_text(done.stdout)
    return file


def outer(file: Path) -> tuple[int, str]:
    seq, _, digest = checker.signed_head(file.read_text())["head"].partition(":")
    return int(seq), digest


def more(run: Path) -> None:
    with Store(f"sqlite:///{run}/cases.db", salt=numbered()) as store:
        store.open_cases([proposal("r3")])


def test_a_signed_head_holds_while_the_log_only_grows(run):
    file = signed(run)
    key = run / "cases.db.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    more(run)
    done = ask("verify", "--run", run, "--head-file", file)
    assert done.exit_code == 0 and "the log holds; 3 events" in done.output
    told, done = checker.signed_head(file.read_text()), checker.check(str(run / "cases.db"))
    assert told["log"] == done.first and told["head"].startswith("2:")
    again = ask("sign", "--run", run).stdout
    assert signed_head_of(again).key == signed_head_of(file.read_text()).key


def test_a_log_that_was_rewritten_with_all_digests_is_found_by_its_signed_head(run, tmp_path):
    file = signed(run)
    (run / "cases.db").unlink()
    for name in ("cases.db-wal", "cases.db-shm"):
        (run / name).unlink(missing_ok=True)
    with Store(f"sqlite:///{run}/cases.db", salt=numbered()) as store:
        store.open_cases([proposal("r1", 0.95), proposal("r2")])
    assert ask("verify", "--run", run).exit_code == 0
    done = ask("verify", "--run", run, "--head-file", file)
    assert done.exit_code == 7 and "another log's, or this log was rewritten" in done.output
    found = checker.check(str(run / "cases.db"), outer(file))
    assert found.faults and found.first != checker.signed_head(file.read_text())["log"]


def test_a_log_cut_short_is_found_by_its_signed_head(run):
    more(run)
    file = signed(run)
    with sqlite3.connect(run / "cases.db") as connection:
        [last] = connection.execute("SELECT digest FROM events WHERE seq = 2").fetchone()
    behind(
        f"sqlite:///{run}/cases.db",
        "DELETE FROM events WHERE seq = 3",
        "DELETE FROM contents WHERE seq = 3",
        "DELETE FROM cases WHERE id = 'r3'",
        f"UPDATE heads SET seq = 2, digest = '{last}'",
    )
    assert ask("verify", "--run", run).exit_code == 0
    done = ask("verify", "--run", run, "--head-file", file)
    assert done.exit_code == 7 and "event 3 was dropped" in done.output
    assert checker.check(str(run / "cases.db"), outer(file)).faults


def test_no_character_of_what_was_signed_can_change(run):
    text = signed(run).read_text()
    lines = list(re.finditer(r"^(?:log|head|tree|at|key|signature): (.+)$", text, re.MULTILINE))
    assert len(lines) == 6
    for line in lines:
        for place in range(line.start(1), line.end(1), 7):
            other = "1" if text[place] != "1" else "2"
            changed = text[:place] + other + text[place + 1 :]
            with pytest.raises(StoreError):
                signed_head_of(changed)
            with pytest.raises(ValueError):
                checker.signed_head(changed)


def test_a_signed_head_survives_being_mailed_and_printed(run):
    text = signed(run).read_text()
    mailed = "Dear auditor,\r\n\r\n" + "".join(f"> {line}\r\n" for line in text.splitlines())
    assert signed_head_of(mailed) == signed_head_of(text)
    assert checker.signed_head(mailed) == checker.signed_head(text)


def test_the_key_that_must_have_signed_can_be_named(run):
    file = signed(run)
    right = signed_head_of(file.read_text()).key
    assert ask("verify", "--run", run, "--head-file", file, "--key", right).exit_code == 0
    done = ask("verify", "--run", run, "--head-file", file, "--key", "0" * 64)
    assert done.exit_code == 7 and "signed with another key" in done.output
    with pytest.raises(ValueError, match="another key"):
        checker.signed_head(file.read_text(), "0" * 64)


def test_nothing_is_signed_that_does_not_hold_and_with_no_key_that_others_read(run):
    (run / "cases.db.key").write_text("no key")
    (run / "cases.db.key").chmod(0o600)
    assert "is not a key" in ask("sign", "--run", run).output
    (run / "cases.db.key").unlink()
    signed(run)
    (run / "cases.db.key").chmod(0o644)
    assert "others can read the key" in ask("sign", "--run", run).output
    (run / "cases.db.key").chmod(0o600)
    behind(f"sqlite:///{run}/cases.db", "UPDATE events SET actor = 'eve' WHERE seq = 1")
    done = ask("sign", "--run", run)
    assert done.exit_code == 7 and "is not signed" in done.output and "BEGIN" not in done.output
    none = ask("verify", "--run", run, "--head-file", run / "none.txt")
    assert none.exit_code == 7 and "cannot be read" in none.output


def test_the_checker_on_the_command_line_reads_a_signed_head(run, monkeypatch, capsys):
    file = signed(run)
    monkeypatch.setattr("sys.argv", ["checker.py", str(run / "cases.db"), "--signed", str(file)])
    assert checker.main() == 0
    assert capsys.readouterr().out.startswith("the log holds; 2 events")
    behind(f"sqlite:///{run}/cases.db", "UPDATE contents SET body = 'x' WHERE seq = 2 AND kind = 'evidence'")
    assert checker.main() == 1
    assert "altered: event 2: its evidence (case r2)" in capsys.readouterr().out


def test_a_head_that_was_signed_before_there_was_a_tree_still_holds(run):
    report = Store(f"sqlite:///{run}/cases.db").verify_log()
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
    told = f"log: {report.first}\nhead: {report.head}\nat: 2026-01-01T00:00:00.000000+00:00\nkey: {public}\n"
    signature = private.sign(f"foretell log head 1\n{told}".encode()).hex()
    file = run / "old.txt"
    file.write_text(f"{told}signature: {signature}\n")
    assert checker.signed_head(file.read_text())["head"] == str(report.head)
    assert ask("verify", "--run", run, "--head-file", file).exit_code == 0
    file.write_text(f"{told}tree: {'0' * 64}\nsignature: {signature}\n")
    with pytest.raises(ValueError, match="altered"):
        checker.signed_head(file.read_text())
    assert ask("verify", "--run", run, "--head-file", file).exit_code == 7


def test_a_head_whose_tree_is_not_the_logs_is_refused_though_its_chain_fits(run):
    report = Store(f"sqlite:///{run}/cases.db").verify_log()
    file = run / "other.txt"
    file.write_text(str(sign(replace(report, tree="0" * 64), "2026-01-01", run / "cases.db.key")))
    done = ask("verify", "--run", run, "--head-file", file)
    assert done.exit_code == 7 and "another log's" in done.output
