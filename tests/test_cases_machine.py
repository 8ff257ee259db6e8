"""A state machine plays with a store and a simple model of it, and with the store behind its back."""

import shutil
import sqlite3
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from case_material import decision, numbered, proposal, texts, ticking, told
from foretell.cases import Store, reader
from foretell.errors import DecisionError, StoreError, VerdictError

VERBS = {"approve": "approved", "reject": "rejected", "escalate": "escalated", "comment": ""}
COLUMNS = ("at", "actor", "kind", "case_id", "body", "previous", "digest")
ROWS = st.sampled_from([f"r{number}" for number in range(4)])
TEXTS = st.text(alphabet=st.characters(codec="utf-8"), max_size=80)
PEOPLE = st.sampled_from(["ann", "bob", "cid"])


class CasesMachine(RuleBasedStateMachine):
    """The model: row -> [status, text, who edited], None once erased."""

    @initialize()
    def make(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.path = str(self.folder / "cases.db")
        self.salt = numbered()
        self.store = Store(f"sqlite:///{self.path}", clock=ticking(), salt=self.salt)
        self.model: dict[str, tuple[str, str, frozenset[str]] | None] = {}
        self.opened: dict[str, int] = {}
        self.num_events = 0
        self.heads: list[str] = []

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    @rule(rows=st.lists(ROWS, max_size=3), version=st.integers(0, 1))
    def open_cases(self, rows, version):
        clash = any(row in self.opened and self.opened[row] != version for row in rows if self.model.get(row))
        try:
            count = self.store.open_cases([proposal(row, text=texts(row)[version]) for row in rows])
        except StoreError:
            assert clash
            return
        assert not clash
        new = {*rows} - {*self.model}
        assert count == len(new)
        self.num_events += count
        for row in new:
            self.model[row] = ("open", texts(row)[version], frozenset())
            self.opened[row] = version

    @rule(
        row=ROWS,
        who=PEOPLE,
        verb=st.sampled_from([*VERBS]),
        stale=st.booleans(),
    )
    def decide(self, row, who, verb, stale):
        if not self.model.get(row):
            return
        status, text, editors = self.model[row]
        case = self.store.case(row)
        asked = decision(case, verb, who, reason="so it is")
        if stale:
            asked = decision(proposal(row, 0.95), verb, who, reason="so it is")
        closing = ("approved", "rejected", "escalated" if verb == "escalate" else "")
        closed = verb != "comment" and status in closing
        try:
            after = self.store.decide(row, asked)
        except DecisionError:
            assert stale or closed or (verb == "approve" and who in editors)
            return
        assert not stale
        assert not closed
        assert not (verb == "approve" and who in editors)
        status = VERBS[verb] or status
        assert after.status == status
        self.model[row] = (status, text, editors)
        self.num_events += 1

    @rule(row=ROWS, who=PEOPLE, version=st.integers(0, 4))
    def edit(self, row, who, version):
        if not self.model.get(row):
            return
        status, text, editors = self.model[row]
        wanted = [*texts(row), "Nothing supports this."][version]
        try:
            self.store.decide(row, decision(self.store.case(row), "edit", who, text=wanted))
        except DecisionError:
            assert status == "rejected" or wanted == text
            return
        except VerdictError:
            assert version == 4
            return
        self.model[row] = ("open" if status == "approved" else status, wanted, editors | {who})
        self.num_events += 1

    @rule(row=ROWS)
    def erase(self, row):
        try:
            self.store.erase(row, "dpo")
        except StoreError:
            assert not self.model.get(row)
            return
        self.model[row] = None
        self.num_events += 1

    @rule()
    def open_the_store_again(self):
        self.store.close()
        self.store = Store(f"sqlite:///{self.path}", clock=ticking(), salt=self.salt)

    @precondition(lambda self: self.num_events)
    @rule(data=st.data())
    def tamper(self, data):
        """Change one thing in a copy of the file: the check finds it and names the event."""
        copy = self.folder / "copy.db"
        copy.unlink(missing_ok=True)
        source, target = sqlite3.connect(self.path), sqlite3.connect(copy)
        source.backup(target)
        source.close()
        for (trigger,) in target.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            target.execute(f"DROP TRIGGER {trigger}")
        seq = data.draw(st.integers(1, self.num_events))
        column = data.draw(st.sampled_from([*COLUMNS, "seq"]))
        if column == "seq":
            target.execute("DELETE FROM events WHERE seq = ?", (seq,))
        else:
            [before] = target.execute(f"SELECT {column} FROM events WHERE seq = ?", (seq,)).fetchone()
            after = data.draw(
                st.text(alphabet=st.characters(codec="utf-8"), max_size=80).filter(
                    lambda text, before=before: text != before
                )
            )
            target.execute(f"UPDATE events SET {column} = ? WHERE seq = ?", (after, seq))
        target.commit()
        target.close()
        [fault] = reader.verify_log(str(copy)).faults[:1]
        assert fault.seq == seq
        assert f"event {seq} was" in fault.text

    @invariant()
    def the_log_holds_and_every_case_is_its_model(self):
        assert told(self.store) == ""
        assert self.store.head().seq == self.num_events
        self.heads.append(str(self.store.head()))
        assert all(self.store.verify_log(head).passed for head in (self.heads[0], self.heads[-1]))
        living = {row: told_by for row, told_by in self.model.items() if told_by}
        found = {
            case.id: (
                case.status,
                case.narrative.text,
                frozenset(event.actor for event in case.events if event.kind == "edited"),
            )
            for case in self.store.all_cases()
        }
        assert found == living
        for status in ("open", "approved", "rejected", "escalated"):
            assert {case.id for case in self.store.all_cases(status)} == {
                row for row, (now, _, _) in living.items() if now == status
            }


TestCasesMachine = CasesMachine.TestCase
TestCasesMachine.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
