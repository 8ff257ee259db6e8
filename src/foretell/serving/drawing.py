"""Sets over HTTP: the generator beside the store draws in a process of its own; the desk never learns.

What is drawn lies in the run's folder, its release is a case of the same desk, and its file stays on the
machine until somebody with access to it hands it out.
"""

import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from fastapi import Query as Parameter
from fastapi import Request
from pydantic import Field

from foretell.cases.store import Store
from foretell.errors import DecisionError, NotFoundError
from foretell.serving.api import Body, Json, Short, Text

MOST = 1_000_000
"""Items of one request; `foretell generate` draws any number."""
KEPT = 100
"""Requests that are remembered."""
LAST = 2_000
"""Characters of what the process said that are told."""

JobId = Annotated[str, Parameter(alias="id", max_length=32, description="As POST /api/sets gave it.")]


class Asked(Body):
    """What is to be drawn; see the section `generate` of the spec."""

    count: Annotated[int, Field(ge=1, le=MOST)] = 1_000
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    given: dict[Short, Any] = Field(default_factory=dict, max_length=100)
    constraints: list[Short] = Field(default_factory=list, max_length=100)
    prompt: Text = ""


@dataclass(slots=True)
class Job:
    """One request: the process that draws, and where it writes."""

    process: subprocess.Popen[bytes]
    said: Path
    found: Path


@dataclass(frozen=True, slots=True)
class Jobs:
    """The requests of one desk, the latest last."""

    folder: Path | None
    """Of the run whose store the desk serves; None where the store is no file of a run."""
    held: dict[str, Job] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, store: Store) -> "Jobs":
        return cls(store.folder)

    def begin(self, asked: Asked) -> str:
        """Let a process draw, and return the id of the request.

        Raises:
            NotFoundError: when no generator lies beside the store.
            DecisionError: while another request is drawn.
        """
        if self.folder is None or not _generates(self.folder):
            raise NotFoundError(
                "no generator lies beside this desk's store",
                "serve the folder of a run of `foretell generate`",
            )
        with self.lock:
            if any(job.process.poll() is None for job in self.held.values()):
                raise DecisionError("another set is being drawn", "ask again when it is done")
            while len(self.held) >= KEPT:
                self.held.pop(next(iter(self.held)))
            name = secrets.token_hex(8)
            self.held[name] = self._started(name, asked)
        return name

    def _started(self, name: str, asked: Asked) -> Job:
        assert self.folder is not None
        place = self.folder / "requests"
        place.mkdir(exist_ok=True)
        said, found = place / f"{name}.log", place / f"{name}.json"
        settings = {
            "generate.count": asked.count,
            "generate.seed": asked.seed,
            "generate.given": asked.given,
            "generate.constraints": asked.constraints,
            "generate.prompt": asked.prompt,
        }
        told = [f"--set={key}={json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()]
        command = [sys.executable, "-m", "foretell", "generate", "--json", *told, "--", str(self.folder)]
        with said.open("wb") as log, found.open("wb") as out:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=log, env=os.environ
            )
        return Job(process=process, said=said, found=found)

    def state(self, name: str) -> Mapping[str, Any]:
        """Return how a request stands: running, done or failed, with the last that was said.

        Raises:
            NotFoundError: when there is no such request.
        """
        job = self.held.get(name)
        if job is None:
            raise NotFoundError(
                f"there is no request '{name}'", "requests are forgotten when the desk restarts"
            )
        code = job.process.poll()
        said = job.said.read_text(encoding="utf-8", errors="replace")[-LAST:]
        if code is None:
            return {"id": name, "state": "running", "said": said}
        if code:
            return {"id": name, "state": "failed", "said": said}
        return {"id": name, "state": "done", "said": said, **json.loads(job.found.read_text("utf-8"))}


def _generates(folder: Path) -> bool:
    try:
        return json.loads((folder / "model" / "manifest.json").read_text("utf-8"))["kind"] == "generator"
    except (OSError, ValueError, KeyError):
        return False


def begin(request: Request, body: Asked) -> Any:
    """Draw a set by the generator of this run; its release becomes a case. Answers at once with an id."""
    return Json({"id": _jobs(request).begin(body), "state": "running"}, status_code=202)


def state(request: Request, name: JobId) -> Any:
    """Return how a request stands: running, done (with the case and what was withheld) or failed."""
    return Json(_jobs(request).state(name))


def _jobs(request: Request) -> Jobs:
    return request.app.state.jobs
