"""Sends webhooks: signed as the Standard Webhooks specification says, at least once, in order per endpoint.

The specification: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus

import foretell
from foretell.cases.endpoints import SECRET_PREFIX
from foretell.cases.outbox import Fault, Message, Outbox, Parcel
from foretell.cases.store import Store
from foretell.errors import ForetellError
from foretell.outward import Answer, Network, UnreachableError, request

POLL_SECONDS = 1.0
"""How often the log is looked at for what is to be sent."""
PARCEL_SECONDS = 10.0
"""No further message is sent under a lease after that."""


class Sender:
    """Sends what the outbox of a store holds, one thread per endpoint that has something to be told."""

    def __init__(self, store: Store, private: Sequence[Network] = ()) -> None:
        self._store, self._outbox, self._private = store, Outbox(store), private
        self._closing, self._lock = threading.Event(), threading.Lock()
        self._busy: dict[int, threading.Thread] = {}
        self._watch = threading.Thread(target=self._watching, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin to send, beside what else the process does."""
        self._watch.start()

    def close(self) -> None:
        """Send nothing more; what is on its way is waited for."""
        self._closing.set()
        self._watch.join()
        for thread in [*self._busy.values()]:
            thread.join()

    def _watching(self) -> None:
        while not self._closing.wait(POLL_SECONDS):
            try:
                due = self._outbox.due()
            except ForetellError:
                continue  # the store cannot be read just now
            for number in due:
                with self._lock:
                    if number in self._busy:
                        continue
                    thread = threading.Thread(target=self._sending, args=(number,), daemon=True)
                    self._busy[number] = thread
                thread.start()

    def _sending(self, number: int) -> None:
        try:
            while not self._closing.is_set() and self.send(number):
                pass
        except ForetellError:
            return  # the store cannot be written: the lease runs out, and all is sent again
        finally:
            with self._lock:
                del self._busy[number]

    def send(self, number: int) -> bool:
        """Send the next parcel of an endpoint; tell whether all of it was taken and more may be there."""
        parcel = self._outbox.take(number)
        if parcel is None:
            return False
        sent, fault, began = 0, None, time.monotonic()
        for message in parcel.messages:
            if self._closing.is_set() or time.monotonic() - began > PARCEL_SECONDS:
                break
            if (fault := self._told(parcel, message)) is not None:
                break
            sent += 1
        self._outbox.settle(parcel, sent, fault)
        return fault is None

    def _told(self, parcel: Parcel, message: Message) -> Fault | None:
        at = int(self._store.now().timestamp())
        headers = {
            "content-type": "application/json",
            "user-agent": f"foretell/{foretell.__version__}",
            "webhook-id": message.id,
            "webhook-timestamp": str(at),
            "webhook-signature": signature(parcel.secret, message.id, at, message.body),
        }
        try:
            answer = request("POST", parcel.endpoint.url, headers, message.body, private=self._private)
        except UnreachableError as error:
            return Fault(f"{error.message}; {error.hint}" if error.hint else error.message)
        return None if 200 <= answer.status < 300 else refused(answer)


@contextmanager
def sending(store: Store, private: Sequence[Network] = ()) -> Generator[Sender, None, None]:
    """Send a store's webhooks for as long as the block runs."""
    sender = Sender(store, private)
    sender.start()
    try:
        yield sender
    finally:
        sender.close()


def signature(secret: str, message_id: str, at: int, body: bytes) -> str:
    """Return the signature that an endpoint holds a message against."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    made = hmac.digest(key, b".".join((message_id.encode(), str(at).encode(), body)), hashlib.sha256)
    return f"v1,{base64.b64encode(made).decode()}"


def refused(answer: Answer) -> Fault:
    """Return what an answer that is no success means."""
    further = "; redirects are not followed" if 300 <= answer.status < 400 else ""
    asked = answer.headers.get("retry-after", "").strip()
    seconds = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 7 else 0
    return Fault(
        f"answered {answer.status}{further}",
        wait=timedelta(seconds=seconds),
        gone=answer.status == HTTPStatus.GONE,
    )
