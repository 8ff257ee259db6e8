"""The writer `openai:URL#MODEL`: a model behind a server that speaks OpenAI's protocol, within budgets.

vLLM, llama.cpp, Ollama and hosted services speak it. Only hosts that the spec names are asked, at addresses
that `outward` lets through; a key comes from the environment variable FORETELL_WRITER_KEY alone.
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from foretell import units
from foretell.errors import SpecError
from foretell.narration.asking import SCHEMA, Asking, Message, NoDraftError
from foretell.outward import LOOPBACK, Answer, UnreachableError, loopback, network_of, request, unfit
from foretell.spec import NarrateSpec

KEY = "FORETELL_WRITER_KEY"
MOST_SILENT = 5
"""Failures of the server in a row after which the run asks it no more."""
FIRST_WAIT = 0.5
"""Seconds before a server that is busy is asked again, where it does not say; doubled each time."""
BUSY = (429, 500, 502, 503, 504)
LONGEST_MODEL = 200
BYTES_PER_TOKEN = 3
"""For counting tokens where a server does not tell, or tells less than can be true."""


def remote(where: str, spec: NarrateSpec) -> Asking:
    """Return the writer that asks a server; nothing is sent yet.

    Args:
        where: its address up to the version and the model, as in http://localhost:8000/v1#llama.

    Raises:
        SpecError: when the address, its host, a network or the key cannot stand.
    """
    return Asking(f"openai:{where}", server_of(where, spec))


def server_of(where: str, spec: NarrateSpec, schema: Mapping[str, Any] = SCHEMA) -> "Server":
    """Return a server that is asked for answers of a JSON Schema; nothing is sent yet.

    Raises:
        SpecError: as for `remote`.
    """
    url, _, model = where.partition("#")
    return Server(url.rstrip("/"), model, spec, _key(), schema)


class Budget:
    """What may still be spent on one row, or in one run."""

    def __init__(self, what: str, calls: int, tokens: int, duration: str) -> None:
        self.what, self.calls, self.tokens, self.seconds = what, calls, tokens, units.seconds(duration)

    def spend(self, calls: int, tokens: int, seconds: float) -> None:
        self.calls -= calls
        self.tokens -= tokens
        self.seconds -= seconds

    def spent(self, tokens: int) -> str:
        """Say what is spent, where so many more tokens are needed; empty when nothing is."""
        ends = {"calls": self.calls > 0, "tokens": self.tokens > tokens, "time": self.seconds > 0}
        return next((f"the {name} allowed for a {self.what} are spent" for name, is_left in ends.items()
                     if not is_left), "")  # fmt: skip


class Server:
    """A server with one model, and what was spent on it in this run."""

    def __init__(
        self, url: str, model: str, spec: NarrateSpec, key: str, schema: Mapping[str, Any] = SCHEMA
    ) -> None:
        if fault := unfit(url) or ("may hold no query" if "?" in url else ""):
            # The address is not repeated: it may hold a password or a key.
            hint = f"write openai:{_EXAMPLE}, with https unless it is this machine, and a key to {KEY}"
            raise SpecError(f"the writer's address {fault}", hint)
        if not model:
            raise SpecError(f"the writer 'openai:{url}' names no model", f"write openai:{_EXAMPLE}")
        if not model.isprintable() or len(model) > LONGEST_MODEL:
            raise SpecError(
                f"the writer's model is no name of at most {LONGEST_MODEL} letters",
                f"write openai:{_EXAMPLE}",
            )
        self.host = (urlsplit(url).hostname or "").lower()
        if self.host not in {host.lower() for host in spec.hosts}:
            raise SpecError(f"the writer's host '{self.host}' is not allowed", "add it to narrate.hosts")
        try:
            networks = tuple(map(network_of, spec.networks))
        except ValueError as error:
            raise SpecError(f"narrate.networks: {error}", "write networks as in 10.1.0.0/16") from error
        self._private = (*networks, *(LOOPBACK if loopback(self.host) else ()))
        self._url, self._model, self._spec = f"{url}/chat/completions", model, spec
        self._headers = {"content-type": "application/json", "accept": "application/json"}
        self._headers |= {"authorization": f"Bearer {key}"} if key else {}
        self.run = Budget("run", spec.run_calls, spec.run_tokens, spec.run_time)
        self.row = self._row()
        asked = {"type": "json_schema", "json_schema": {"name": "draft", "strict": True, "schema": schema}}
        self._dialects: list[dict[str, Any]] = [
            {"response_format": asked, "temperature": 0, "max_tokens": spec.answer_tokens},
            {"temperature": 0, "max_tokens": spec.answer_tokens},
            {"max_completion_tokens": spec.answer_tokens},
        ]
        self._silent, self._wait, self._ended = 0, FIRST_WAIT, ""

    def __call__(self, messages: Sequence[Message], fresh: bool) -> str:
        """Return the model's answer.

        Raises:
            NoDraftError: when there is none within the budgets.
        """
        if fresh:
            self.row, self._wait = self._row(), FIRST_WAIT
        while True:
            if self._ended:
                raise NoDraftError(self._ended, final=True)
            answer, spent = self._posted(messages)
            if answer.status == 200:
                return self._read(answer.body, spent)
            self._refused(answer)

    def _row(self) -> Budget:
        return Budget("row", self._spec.row_calls, self._spec.row_tokens, self._spec.row_time)

    def _posted(self, messages: Sequence[Message]) -> tuple[Answer, int]:
        """Return the server's answer, and the tokens that were counted for it."""
        body = json.dumps({"model": self._model, "messages": [*messages], **self._dialects[0]}).encode()
        tokens = len(body) // BYTES_PER_TOKEN + self._spec.answer_tokens
        for budget in (self.row, self.run):
            if fault := budget.spent(tokens):
                raise NoDraftError(fault, "raise narrate.row_... or narrate.run_...", final=True)
        began = time.monotonic()
        try:
            return request(
                "POST",
                self._url,
                self._headers,
                body,
                private=self._private,
                read=True,
                seconds=max(min(self.row.seconds, self.run.seconds), 0.01),
            ), tokens
        except UnreachableError as error:
            self._fail(error.message)
            raise NoDraftError(error.message, error.hint) from error
        finally:
            self._spend(calls=1, tokens=tokens, seconds=time.monotonic() - began)

    def _spend(self, *, calls: int = 0, tokens: int = 0, seconds: float = 0.0) -> None:
        for budget in (self.row, self.run):
            budget.spend(calls, tokens, seconds)

    def _refused(self, answer: Answer) -> None:
        """Make ready to ask again after an answer that is no draft.

        Raises:
            NoDraftError: when there is no use in asking again.
        """
        told = f"{self.host} answered {answer.status}"
        if answer.status in BUSY:
            self._fail(told)
            asked = answer.headers.get("retry-after", "").strip()
            wait = float(asked) if asked.isascii() and asked.isdigit() and len(asked) < 7 else self._wait
            self._wait *= 2
            if wait >= min(self.row.seconds, self.run.seconds):
                raise NoDraftError(f"{told}, and asks to wait longer than a row may take", final=True)
            time.sleep(wait)
            self._spend(seconds=wait)
        elif answer.status in (400, 422) and len(self._dialects) > 1:
            self._dialects.pop(0)
        else:
            further = "; redirects are not followed" if 300 <= answer.status < 400 else ""
            self._ended = told + further
            raise NoDraftError(self._ended, f"see the address, the model and {KEY}", final=True)

    def _fail(self, told: str) -> None:
        self._silent += 1
        if self._silent >= MOST_SILENT:
            self._ended = f"{told}, the last of {MOST_SILENT} failures in a row"

    def _read(self, body: bytes, counted: int) -> str:
        """Return the text of an answer, and count the tokens that it took instead of those allowed."""
        try:
            data = json.loads(body)
            text = data["choices"][0]["message"]["content"]
            if not isinstance(text, str):
                raise ValueError("a completion without a text")
        except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
            self._fail(told := f"{self.host} answered what is no completion")
            raise NoDraftError(told) from error
        self._silent = 0
        usage = data.get("usage")
        total = usage.get("total_tokens") if isinstance(usage, dict) else None
        if isinstance(total, int) and not isinstance(total, bool):
            self._spend(tokens=max(total, (counted - self._spec.answer_tokens) // 4) - counted)
        return text.encode("utf-8", "replace").decode()


def _key() -> str:
    key = os.environ.get(KEY, "")
    if not (key.isascii() and (key.isprintable() or not key)) or " " in key:
        raise SpecError(f"{KEY} holds what cannot be a key", "set it to the key alone, without line breaks")
    return key


_EXAMPLE = "http://localhost:8000/v1#model"
