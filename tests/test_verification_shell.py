"""Verification from the shell: with the standard library alone, of a text or a store, with clear errors."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from alert_material import ALERT, TRUE
from case_material import proposal
from foretell.cases import Store
from foretell.records import Claim, Narrative, plain

SOURCE = Path(__file__).parents[1] / "src"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(SOURCE)!r}); {arguments[0]}",
            *arguments[1:],
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


RUN = "import runpy; runpy.run_module('foretell.verification', run_name='__main__')"


def test_verification_needs_the_standard_library_and_ground_only():
    shown = run("import foretell.verification as v; print(sorted(m for m in sys.modules if 'foretell' in m))")
    modules = set(json.loads(shown.stdout.replace("'", '"')))
    ground = {
        "foretell",
        "foretell.errors",
        "foretell.records",
        "foretell.units",
        "foretell.lookup",
        "foretell.patterns",
        "foretell.spec",
    }
    assert all(name in ground or name.startswith("foretell.verification") for name in modules)
    assert "foretell.verification.parse" in modules


@pytest.mark.parametrize(("sentences", "code"), [(TRUE, 0), (TRUE[:2], 6)])
def test_a_stored_text_is_verified_from_the_shell(tmp_path, sentences, code):
    narrative = Narrative(
        claims=tuple(Claim(text=sentence) for sentence in sentences), writer="test", length="short"
    )
    path = tmp_path / "case.json"
    path.write_text(json.dumps({"evidence": plain(ALERT), "narrative": plain(narrative)}), encoding="utf-8")
    shown = run(RUN, str(path))
    assert shown.returncode == code, shown.stderr
    assert "SUPPORTED" in shown.stdout
    assert ("OMITTED" in shown.stdout) == bool(code)


def test_a_case_store_is_verified_from_the_shell(tmp_path):
    with Store(f"sqlite:///{tmp_path}/cases.db") as store:
        store.open_cases([proposal(row) for row in ("r1", "r2")])
    shown = run(RUN, str(tmp_path / "cases.db"))
    assert (shown.returncode, shown.stdout.count("passed")) == (0, 2), shown.stderr
    with sqlite3.connect(tmp_path / "cases.db") as connection:
        guards = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (guard,) in guards:
            connection.execute(f'DROP TRIGGER "{guard}"')
        connection.execute("UPDATE contents SET body = replace(body, '90.0%', '9.0%')")
    shown = run(RUN, str(tmp_path / "cases.db"))
    assert (shown.returncode, shown.stdout.count("DENIED")) == (6, 2)
    assert run(RUN, str(tmp_path / "cases.db"), "nobody").returncode == 7


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"evidence": NaN, "narrative": {}}', '{"evidence": 1, "narrative": 2}', "SQLite format 3\0"],
)
def test_a_file_that_is_no_case_is_a_clear_error(tmp_path, content):
    path = tmp_path / "case"
    path.write_text(content, encoding="utf-8")
    shown = run(RUN, str(path))
    assert shown.returncode in (3, 7), shown.stderr
    assert shown.stderr.startswith("error: ")
    assert "hint: " in shown.stderr
