"""Take the pictures of the desk from the demo's cases: `make demo`, then run this with .venv/bin/python.

It works on a copy of the store: the demo's own has no accounts, and keeps none.
"""

import base64
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from playwright.sync_api import Page, sync_playwright

from foretell.cases.accounts import Accounts
from foretell.cases.desk import Desk
from foretell.cases.governance import Governance
from foretell.cases.people import Person
from foretell.cases.queue import Query
from foretell.cases.store import Store
from foretell.records import Decision
from foretell.serving.app import create
from foretell.serving.security import COOKIE

ROOT = Path(__file__).parents[1]
STORE = ROOT / "runs" / "demo" / "cases.db"
PICTURES = ROOT / "docs" / "pictures"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PASSWORD = "only for the pictures"
STAFF = {
    "ada": ("administrator",),
    "bob": ("reviewer",),
    "cleo": ("reviewer",),
    "dan": ("approver",),
}
POLICY = {
    "rules": [
        {"name": "certain", "probability_from": 0.9, "approvals": 2, "approver": "approver", "due_hours": 4},
        {"name": "all others", "due_hours": 24},
    ],
    "blind_share": 0.1,
    "salt": "demo",
}
CHANGE = {
    "rules": [
        {"name": "large", "inputs": {"amount": {"from": 200}}, "approvals": 2, "due_hours": 4},
        *POLICY["rules"],
    ],
    "blind_share": 0.2,
    "salt": "demo",
}
WIDTH, MOST_BYTES = 1180, 150_000


def main() -> None:
    """Write docs/pictures/desk-*.webp: queue, case, edit and policy, each in light and in dark."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(STORE, folder)
        store = Store(f"sqlite:///{folder}/{STORE.name}")
        case = furnish(store)
        with served(store) as base, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
            for scheme in ("light", "dark"):
                context = browser.new_context(
                    color_scheme=scheme, viewport={"width": WIDTH, "height": 820}, device_scale_factor=1.5
                )
                page = context.new_page()
                page.goto(f"{base}/sign-in")
                session(page, store, "bob", base)
                page.goto(f"{base}/?sort=score")
                take(page, f"desk-queue-{scheme}")
                page.goto(f"{base}/case?id={case}")
                page.locator(".claim > summary").nth(1).click()
                take(page, f"desk-case-{scheme}", height=1000)
                page.keyboard.press("e")
                edit(page)
                take(page, f"desk-edit-{scheme}")
                session(page, store, "ada", base)
                page.goto(f"{base}/policy")
                take(page, f"desk-policy-{scheme}", height=980)
                context.close()
            browser.close()
        store.close()


def furnish(store: Store) -> str:
    """Give the store people, a policy and a day's work; return the case to be shown."""
    accounts, desk, governance = Accounts(store), Desk(store), Governance(store)
    accounts.found("root", PASSWORD)
    for name, roles in STAFF.items():
        accounts.save("root", Person(name=name, roles=roles), PASSWORD)
    governance.confirm("ada", governance.propose("root", POLICY))
    lines = desk.queue("bob", Query(sort="score")).lines
    shown = [line.id for line in lines if line.probability is not None and trusted(store, line.id)]
    for name, row, verb, more in (
        ("cleo", shown[1], "approve", {}),
        ("dan", shown[2], "ask", {"detail": {"person": "bob"}, "reason": "Have you seen this terminal?"}),
        ("cleo", shown[3], "comment", {"reason": "The bank calls back."}),
        ("dan", shown[5], "escalate", {"reason": "Large and odd."}),
    ):
        content = store.case(row).content
        desk.decide(name, row, Decision(verb=verb, actor=name, content=content, **more))
    desk.claim("dan", shown[4])
    desk.claim("bob", shown[0])
    governance.propose("root", CHANGE, "Large amounts need a second look.")
    return shown[0]


def trusted(store: Store, case: str) -> bool:
    """Tell whether enough past rows were scored like the case to say how far its score holds."""
    return any(int(fact.detail["n"]) >= 20 for fact in store.case(case).evidence.of("reliability"))


def session(page: Page, store: Store, name: str, base: str) -> None:
    """Sit a person down in the browser."""
    token = Accounts(store).sign_in(name, PASSWORD)
    page.context.add_cookies([{"name": COOKIE, "value": token, "url": base}])


def edit(page: Page) -> None:
    """Write at the end of the text what the evidence does not support, and wait for what is said of it."""
    page.keyboard.press("Control+End")
    page.keyboard.insert_text(" The customer has surely lost the card.")
    page.wait_for_selector("#findings .mark.unverified")


def take(page: Page, name: str, height: int = 820) -> None:
    """Write what a window of this height shows, as small as it needs to be."""
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.wait_for_load_state("networkidle")
    window, path = page.context.new_cdp_session(page), PICTURES / f"{name}.webp"
    for quality in (88, 75, 60, 45):
        taken = window.send("Page.captureScreenshot", {"format": "webp", "quality": quality})
        picture = base64.b64decode(taken["data"])
        if len(picture) <= MOST_BYTES:
            path.write_bytes(picture)
            return
    raise SystemExit(f"{path} is larger than {MOST_BYTES:,} bytes")


@contextmanager
def served(store: Store) -> Iterator[str]:
    """Serve the store on a free port of this machine; yield its address."""
    server = uvicorn.Server(uvicorn.Config(create(store), port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


if __name__ == "__main__":
    main()
