"""Generators and their sets over HTTP: each is fitted or drawn in a process of its own, one at a time.

What is learned from lies below the folder that the desk was given for this. What is drawn lies in the run's
folder, its release is a case of the same desk, and its file stays on the machine until somebody with access
to it hands it out.
"""

import json
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Query as Parameter
from fastapi import Request
from pydantic import Field

from foretell.border import dump_spec, load_spec
from foretell.cases.store import Store
from foretell.errors import DecisionError, NotFoundError, SpecError
from foretell.serving.api import Body, Json, Short, Text

MOST = 1_000_000
"""Items of one request; `foretell generate` draws any number."""
KEPT = 100
"""Requests that are remembered."""
LAST = 2_000
"""Characters of what the process said that are told."""

JobId = Annotated[str, Parameter(alias="id", max_length=32, description="As the request was answered with.")]
Section = Annotated[dict[Short, Any], Field(default_factory=dict, max_length=100)]


class Taught(Body):
    """What is learned from, and how: these sections of the spec. `data.source`, and each file that
    `generate.children` names, is a path below the folder that the desk was given."""

    data: Section
    columns: Section
    split: Section
    task: Section
    generate: Section
    train: Section
    review: Section
    language: Literal["en", "de"] = "en"


class Asked(Body):
    """What is to be drawn; see the section `generate` of the spec."""

    count: Annotated[int, Field(ge=1, le=MOST)] = 1_000
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    given: dict[Short, Any] = Field(default_factory=dict, max_length=100)
    constraints: list[Short] = Field(default_factory=list, max_length=100)
    prompt: Text = ""


@dataclass(slots=True)
class Job:
    """One request: the process that works on it, and where it writes."""

    process: subprocess.Popen[bytes]
    said: Path
    found: Path


@dataclass(frozen=True, slots=True)
class Jobs:
    """The requests of one desk, the latest last."""

    folder: Path | None
    """Of the run whose store the desk serves; None where the store is no file of a run."""
    data: Path | None = None
    """Below it lies what may be learned from; None: nothing may."""
    held: dict[str, Job] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, store: Store, data: Path | None = None) -> "Jobs":
        return cls(store.folder, data)

    def fit(self, taught: Taught) -> str:
        """Let a process fit a generator into the run's folder, and return the id of the request.

        The same request goes on where an earlier one was stopped.

        Raises:
            NotFoundError: when the desk was given no data, or holds no run of its own.
            SpecError: when what is asked makes no spec, or names what is not below the folder of the data.
            DecisionError: when the run predicts, or while another request is worked on.
        """
        if self.data is None or self.folder is None:
            raise NotFoundError(
                "this desk learns from nothing", "open it with `foretell desk --run FOLDER --data FOLDER`"
            )
        sections = taught.model_dump(exclude={"language"})
        sections["data"] = {**taught.data, "source": self._below(taught.data.get("source"), "data.source")}
        if isinstance(children := taught.generate.get("children"), dict):
            placed = {self._below(file, "generate.children"): key for file, key in children.items()}
            sections["generate"] = {**taught.generate, "children": placed}
        sections |= {"narrate": {"language": taught.language}, "out": str(self.folder)}
        spec = load_spec(sections, ("task.name=generate",))
        if (self.folder / "model").exists() and not _generates(self.folder):
            raise DecisionError("the model of this run predicts", "open a desk over another folder")
        return self._begun(["fit", "--json"], lambda name: self._kept(name, dump_spec(spec)))

    def draw(self, asked: Asked) -> str:
        """Let a process draw, and return the id of the request.

        Raises:
            NotFoundError: when no generator lies beside the store.
            DecisionError: while another request is worked on.
        """
        folder = self.folder
        if folder is None or not _generates(folder):
            raise NotFoundError(
                "no generator lies beside this desk's store",
                "fit one, or serve the folder of a run of `foretell generate`",
            )
        settings = {f"generate.{name}": value for name, value in asked.model_dump().items()}
        told = [f"--set={key}={json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()]
        return self._begun(["generate", "--json", *told], lambda _: folder)

    def _below(self, file: Any, path: str) -> str:
        """Return where a file of the data lies.

        Raises:
            SpecError: when it does not lie below their folder.
        """
        assert self.data is not None
        root = self.data.resolve()
        try:
            place = (root / str(file or "")).resolve()
            if file and place.is_relative_to(root) and place.exists():
                return str(place)
        except (OSError, ValueError):
            pass  # a name that no file can have
        raise SpecError(
            f"{path}: there is no '{file or ''}' among the data of this desk", "give a path below its --data"
        )

    def _kept(self, name: str, spec: str) -> Path:
        assert self.folder is not None
        path = self.folder / "requests" / f"{name}.yaml"
        path.write_text(spec, encoding="utf-8")
        return path

    def _begun(self, verb: list[str], subject: Callable[[str], Path]) -> str:
        """Start a process on what `subject` returns for the name of the request, and return the name."""
        assert self.folder is not None
        place = self.folder / "requests"
        with self.lock:
            if any(job.process.poll() is None for job in self.held.values()):
                raise DecisionError("another request is being worked on", "ask again when it is done")
            while len(self.held) >= KEPT:
                self.held.pop(next(iter(self.held)))
            name = secrets.token_hex(8)
            place.mkdir(exist_ok=True)
            said, found = place / f"{name}.log", place / f"{name}.json"
            command = [sys.executable, "-m", "foretell", *verb, "--", str(subject(name))]
            with said.open("wb") as log, found.open("wb") as out:
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=log)
            self.held[name] = Job(process=process, said=said, found=found)
        return name

    def state(self, name: str) -> Mapping[str, Any]:
        """Return how a request stands: running, done, stopped or failed, with the last that was said.

        Raises:
            NotFoundError: when there is no such request.
        """
        job = self._job(name)
        code = job.process.poll()
        told = {"id": name, "said": job.said.read_text(encoding="utf-8", errors="replace")[-LAST:]}
        if code is None:
            return {**told, "state": "running"}
        if code:
            return {**told, "state": "stopped" if code == -signal.SIGTERM else "failed"}
        return {**told, "state": "done", **json.loads(job.found.read_text("utf-8"))}

    def stop(self, name: str) -> None:
        """End the process of a request; one that has ended stays as it is.

        Raises:
            NotFoundError: when there is no such request.
        """
        self._job(name).process.terminate()

    def _job(self, name: str) -> Job:
        if name not in self.held:
            raise NotFoundError(
                f"there is no request '{name}'", "requests are forgotten when the desk restarts"
            )
        return self.held[name]


def _generates(folder: Path) -> bool:
    try:
        return json.loads((folder / "model" / "manifest.json").read_text("utf-8"))["kind"] == "generator"
    except (OSError, ValueError, KeyError):
        return False


def fit(request: Request, body: Taught) -> Any:
    """Fit a generator into the run's folder; the same again goes on where it was stopped. Answers at once."""
    return Json({"id": _jobs(request).fit(body), "state": "running"}, status_code=202)


def draw(request: Request, body: Asked) -> Any:
    """Draw a set by the generator of this run; its release becomes a case. Answers at once with an id."""
    return Json({"id": _jobs(request).draw(body), "state": "running"}, status_code=202)


def state(request: Request, name: JobId) -> Any:
    """Return how a request stands: running, done (with what was made), stopped or failed."""
    return Json(_jobs(request).state(name))


def stop(request: Request, name: JobId) -> Any:
    """End the work on a request. Nothing is left half-written; a fit goes on when it is asked for again."""
    _jobs(request).stop(name)
    return Json({})


def _jobs(request: Request) -> Jobs:
    return request.app.state.jobs
