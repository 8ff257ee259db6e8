"""A desk served for real, and a browser that looks at it: what its pages ask for, say and show is noted."""

import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import uvicorn

from case_material import proposal
from desk_material import PASSWORD
from foretell.cases import draft
from foretell.cases.store import Store
from foretell.narration.embedded import write
from foretell.records import Case, Evidence, Fact
from foretell.serving.app import create
from foretell.serving.security import COOKIE
from foretell.spec import NarrateSpec
from foretell.verification import verify
from report_samples import facts_of

CHROMIUM = Path("/usr/bin/chromium")
PAST = tuple(
    Fact(
        id="",
        kind="past_event",
        name=f"p{number}",
        text=f"the payment of {number + 1} August 2018",
        value=0.1 * number,
        unit="log-odds",
        source="row",
        detail={"at": f"2018-08-0{number + 1}T10:00:00+00:00", "entity": "customer", "value": 20.0 + number,
                "known": "fraud" if number % 2 else "", "sign_stability": 1.0},
    )
    for number in range(6)
)  # fmt: skip
NEAREST = tuple(
    Fact(
        id="",
        kind="nearest",
        name=f"old-{number}",
        text=f"the payment of {number + 1} July 2018",
        value=0.02 * number,
        source="a sample of the past",
        detail={"at": f"2018-07-0{number + 1}T10:00:00+00:00", "rank": number + 1, "positive": number < 2,
                "known": "fraud" if number < 2 else "no fraud", "column": "amount", "what": "amount",
                "value": 30.0 + number, "unit": "EUR"},
    )
    for number in range(5)
)  # fmt: skip


def rich(row: str, seed: int = 0, *, extra: Sequence[Fact] = (), **more: str) -> Case:
    """Return a case with evidence of every kind, and a text that it supports."""
    plain = proposal(row)
    prediction = replace(plain.prediction, entities={"customer": f"Maria Muster {row}", **more})
    told = {fact.kind for fact in plain.evidence.facts} | {"score"}
    further = [fact for fact in facts_of(Random(seed), prediction, 231.5, 40.0) if fact.kind not in told]
    start = len(plain.evidence.facts) + 1
    facts = (
        *plain.evidence.facts,
        *(replace(fact, id=f"f{start + at}") for at, fact in enumerate([*further, *PAST, *NEAREST])),
    )
    facts = (*facts, *(replace(fact, id=f"f{len(facts) + at}") for at, fact in enumerate(extra, 1)))
    evidence = Evidence(id=row, facts=facts, model=plain.evidence.model)
    narrative = write(evidence, NarrateSpec(), 0)
    return draft(prediction, evidence, narrative, verify(narrative, evidence))


def another_text(case: Case) -> str:
    """Return a text that the case's evidence supports as well."""
    return write(case.evidence, NarrateSpec(seed=1), 0).text


@contextmanager
def served(store: Store) -> Iterator[str]:
    """Serve a store on a free port of this machine; yield its address."""
    server = uvicorn.Server(uvicorn.Config(create(store), port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@dataclass
class Seat:
    """One person's browser window, and what was noted of it."""

    page: Any
    base: str
    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._heard)
        self.page.on("dialog", lambda dialog: dialog.accept())

    def _heard(self, message: Any) -> None:
        # A page that answers 4xx is itself told of in the console; everything else there is a fault.
        if (
            message.type in ("error", "warning")
            and "the server responded with a status of 4" not in message.text
        ):
            self.complaints.append(message.text)

    def go(self, path: str) -> None:
        self.page.goto(self.base + path)

    def sign_in(self, name: str) -> None:
        """Sign in with the keyboard alone: the page puts the first field under one's hands."""
        self.go("/")
        self.page.locator("input:focus").wait_for()  # a busy browser takes its time
        self.page.keyboard.type(name)
        self.page.keyboard.press("Tab")
        self.page.keyboard.insert_text(PASSWORD)
        self.press("Enter")

    def enter(self, token: str) -> None:
        """Come in with a session that was begun elsewhere."""
        self.page.context.add_cookies([{"name": COOKIE, "value": token, "url": self.base}])

    def press(self, key: str) -> None:
        """Press a key that sends a form or follows a link, and wait for the page that comes."""
        with self.page.expect_navigation():
            self.page.keyboard.press(key)

    def tab_to(self, words: str) -> None:
        """Move on by Tab to the control that shows these words."""
        for _ in range(80):
            self.page.keyboard.press("Tab")
            if re.match(words, self.focused()):
                return
        raise AssertionError(f"Tab never came to '{words}'")

    def focused(self) -> str:
        return self.page.evaluate("(document.activeElement.innerText || document.activeElement.id).trim()")

    def text(self, selector: str = "main") -> str:
        return self.page.inner_text(selector)

    def at(self) -> str:
        """Return the case that is shown; empty on any other page."""
        return self.page.evaluate("document.querySelector('.file')?.dataset.case ?? ''")


OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CONTRAST = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const channel = (value) => value <= 10.31475 ? value / 3294.6 : ((value / 255 + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, box = element.getBoundingClientRect();
    if (!walker.currentNode.textContent.trim() || !box.width) continue;
    if (element.closest('.unseen, svg, option')) continue;
    seen += 1;
    const [a, b] = [light(parts(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${element.className} ${element.innerText.slice(0, 40)}`);
  }
  return [seen, faint];
}"""
"""How many texts a page shows, and those whose colour stands out too little from what is behind."""
