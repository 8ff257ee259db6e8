"""The desk as a process: how it opens, whom it asks for, what it says when it cannot, how it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner

from case_material import proposal
from desk_material import PASSWORD
from foretell.cases import Store
from foretell.cases.accounts import Accounts
from foretell.cli import main

COMMAND = [sys.executable, "-m", "foretell", "desk", "--port", "0"]
LEARNING = ("torch", "numpy", "polars", "lightgbm", "sklearn", "numba", "pyarrow", "foretell.workflow")


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/cases.db"
    with Store(url) as store:
        store.open_cases([proposal("r1")])
    return url


@contextmanager
def desk(*arguments: str, password: str = PASSWORD) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a desk; yield its process and where it answers. It is ended at the end, if it still runs."""
    environment = {**os.environ, "FORETELL_PASSWORD": password}
    process = subprocess.Popen(
        [*COMMAND, *arguments], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stderr is not None
    try:
        found, said = None, []
        while found is None:
            line = process.stderr.readline()
            said.append(line)
            assert line, f"the desk did not open: {said}"
            found = re.search(r"open at (\S+) ", line)
        yield process, found[1]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_desk_answers_where_it_says_and_ends_cleanly(url, number):
    with desk("--store", url, "--founder", "root") as (process, address):
        assert httpx2.get(f"{address}health").json() == {"status": "ok"}
        with httpx2.Client(base_url=address) as client:
            signed = client.post("/api/session", json={"name": "root", "password": PASSWORD})
            assert signed.status_code == 200
            assert client.get("/api/me").json()["roles"] == ["administrator"]
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in err + out
    assert err.endswith("the desk is closed\n")


def test_a_desk_serves_many_in_little_memory_and_without_the_learning_wing(url):
    with desk("--store", url, "--founder", "root") as (process, address):
        with httpx2.Client(base_url=address) as client:
            client.post("/api/session", json={"name": "root", "password": PASSWORD})
            answers: list[int] = []

            def ask() -> None:
                for path in ("/api/cases", "/api/case?id=r1", "/api/log/check", "/api/people"):
                    answers.extend(client.get(path).status_code for _ in range(5))

            threads = [threading.Thread(target=ask) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert answers == [200] * 160
        if not Path("/proc").is_dir():
            pytest.skip("needs /proc")
        status = Path(f"/proc/{process.pid}/status").read_text()
        most = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert most is not None and int(most[1]) < 120 * 1024
        maps = Path(f"/proc/{process.pid}/maps").read_text()
        assert not re.search(r"/(torch|numpy|polars|lightgbm|pyarrow)/", maps)


def test_memory_that_checked_passwords_is_given_back(url):
    """Each check takes 19 MiB on whichever of the desk's threads is free."""
    if not Path("/proc").is_dir():
        pytest.skip("needs /proc")

    def held() -> int:
        return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())[1])

    def sign_in() -> None:
        assert httpx2.post(f"{address}api/session", json=known).status_code == 200

    known = {"name": "root", "password": PASSWORD}
    with desk("--store", url, "--founder", "root") as (process, address):
        assert httpx2.get(f"{address}health").status_code == 200
        before = held()
        threads = [threading.Thread(target=sign_in) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert held() - before < 12 * 1024


def test_the_application_needs_nothing_of_the_learning_wing():
    code = (
        "import sys, foretell.serving.app, foretell.serving.server, foretell.cli_desk\n"
        f"print([name for name in {LEARNING} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_first_administrator_is_asked_for_once(url):
    with Store(url) as store:
        accounts = Accounts(store)
        from foretell.cli_desk import admit

        runner = CliRunner()
        with runner.isolation(f"ann\n{PASSWORD}\n{PASSWORD}\n"):
            admit(accounts, "")
        with runner.isolation(""):
            admit(accounts, "")
            admit(accounts, "eve")
        assert [person.name for person in accounts.people("ann")] == ["ann"]
        assert accounts.person("ann").may("people")


@pytest.mark.parametrize(
    ("password", "said"), [("short", "12 to 1000 characters, not 5"), ("", "nobody has an account")]
)
def test_without_a_first_administrator_there_is_no_desk(url, password, said):
    ask = ["desk", "--store", url, "--port", "0", "--founder", "root"]
    done = CliRunner(env={"FORETELL_PASSWORD": password}).invoke(main, ask, input="")
    assert done.exit_code in (8, 9)
    assert said in done.output
    assert "hint: " in done.output


def test_what_keeps_a_desk_closed_is_said_in_words(url, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        none = f"sqlite:///{tmp_path}/none/cases.db"
        for arguments, said in (
            (("--store", url, "--port", port), f"port {port} of 127.0.0.1 is in use"),
            (("--store", none), "no case store"),
            (("--run", str(tmp_path / "nowhere")), "there is no case store at"),
            (("--store", url, "--host", "198.51.100.7"), "is no address of this machine"),
            (("--store", url, "--run", "x"), "both name a store"),
            (("--store", url, "--data", str(tmp_path)), "--data needs a folder"),
            (("--store", url, "--webhook-network", "10.0.0.1/8"), "names no network"),
            (("--store", url, "--oidc", str(tmp_path / "none.yaml")), "cannot be read"),
            (("--store", url, "--port", "0", "--cert", __file__, "--founder", "root"), "cannot be used"),
        ):
            done = CliRunner(env={"FORETELL_PASSWORD": PASSWORD}).invoke(main, ["desk", *arguments])
            assert done.exit_code not in (0, 130)
            assert said in done.output and "hint: " in done.output, done.output
            assert done.exception is None or isinstance(done.exception, SystemExit)


def test_an_address_that_others_reach_is_warned_of(url):
    ask = ["desk", "--store", url, "--host", "198.51.100.7"]
    assert "http hides nothing" in CliRunner().invoke(main, ask).output
