"""Laws of the log, on SQLite and PostgreSQL: whatever is done behind the store's back is found and named."""

import re
from dataclasses import asdict

import pytest
import sqlalchemy as sa

from case_material import behind, decision, proposal, quoted, rows, texts, told
from foretell.cases import Store
from foretell.cases.log import GENESIS, EventRow, sealed
from foretell.errors import StoreError
from foretell.records import digest

pytest_plugins = ("case_fixtures",)


def test_the_log_refuses_to_be_rewritten(url, store):
    store.open_cases([proposal("r1"), proposal("r2")])
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    refused = [
        "UPDATE events SET actor = 'eve'",
        "DELETE FROM events WHERE seq = 2",
        "UPDATE contents SET body = '1'",
    ]
    if url.startswith("sqlite"):
        refused.append(
            "INSERT OR REPLACE INTO events SELECT 1, at, 'eve', kind, case_id, body, previous, digest "
            "FROM events WHERE seq = 2"
        )
    else:
        refused.append("TRUNCATE events, contents, webhooks")
    for statement in refused:
        with pytest.raises(sa.exc.DBAPIError, match=r"never|only"), engine.begin() as connection:
            connection.exec_driver_sql(statement)
    engine.dispose()
    assert store.verify_log().passed


def scripted(store: Store) -> None:
    """Six events: three cases opened, one commented, one edited, one approved."""
    store.open_cases([proposal("r1"), proposal("r2"), proposal("r3")])
    store.decide("r1", decision(store.case("r1"), "comment", reason="hm"))
    store.decide("r2", decision(store.case("r2"), "edit", "bob", text=texts("r2")[1]))
    store.decide("r1", decision(store.case("r1"), "approve", "cid"))


EVENT_COLUMNS = ("at", "actor", "kind", "case_id", "body", "previous", "digest")


@pytest.mark.parametrize("column", EVENT_COLUMNS)
def test_every_altered_event_is_found_and_named(url, store, column):
    scripted(store)
    for seq in range(1, 7):
        [(before,)] = rows(url, f"SELECT {column} FROM events WHERE seq = {seq}")
        for after in (before + " ", before[:-1], before[:-1] + ("0" if before[-1] != "0" else "1")):
            behind(url, f"UPDATE events SET {column} = {quoted(after)} WHERE seq = {seq}")
            assert f"altered event {seq} was altered" in told(store)
        behind(url, f"UPDATE events SET {column} = {quoted(before)} WHERE seq = {seq}")
    assert store.verify_log().passed


@pytest.mark.parametrize("seq", range(1, 7))
def test_every_dropped_event_is_found_and_named(url, store, seq):
    scripted(store)
    behind(url, f"DELETE FROM events WHERE seq = {seq}")
    assert told(store) == f"dropped event {seq} was dropped"


def test_a_dropped_end_is_found_by_the_head_and_a_rewritten_head_by_the_one_kept_elsewhere(url, store):
    scripted(store)
    kept = str(store.head())
    assert store.verify_log(kept).passed
    [(last,)] = rows(url, "SELECT digest FROM events WHERE seq = 4")
    behind(url, "DELETE FROM events WHERE seq > 4")
    assert told(store) == "dropped events 5 to 6 were dropped"
    behind(
        url,
        "DELETE FROM contents WHERE seq > 4",
        f"UPDATE heads SET seq = 4, digest = '{last}'",
        f"UPDATE cases SET last = 2, status = 'open', headline = {quoted(texts('r2')[0])} WHERE id = 'r2'",
        "UPDATE cases SET last = 4, status = 'open' WHERE id = 'r1'",
    )
    assert told(store) == ""
    assert told(store, kept) == "dropped events 5 to 6 were dropped"
    with pytest.raises(StoreError, match="'6:abc' is not a head"):
        store.verify_log("6:abc")


@pytest.mark.parametrize(("one", "other"), [(1, 2), (2, 5), (5, 6), (1, 6)])
def test_events_that_changed_places_are_found_and_named(url, store, one, other):
    scripted(store)
    move = "UPDATE events SET seq = {} WHERE seq = {}"
    behind(url, move.format(99, one), move.format(one, other), move.format(other, 99))
    assert f"reordered event {other} was moved: it stands in the place of event {one}" in told(store)
    assert f"reordered event {one} was moved: it stands in the place of event {other}" in told(store)


def forged(url: str, seq: int, like: int, **changes: str) -> str:
    """Return a statement that puts a well-sealed event, like another one, into the log."""
    [found] = rows(
        url, f"SELECT seq, at, actor, kind, case_id, body, previous, digest FROM events WHERE seq = {like}"
    )
    row = EventRow(*found)._replace(seq=seq, **changes)
    row = row._replace(digest=sealed(row))
    return f"INSERT INTO events VALUES ({seq}, {', '.join(map(quoted, row[1:]))})"


def test_an_inserted_or_rewritten_event_is_found_and_named(url, store):
    scripted(store)
    [(last,)] = rows(url, "SELECT digest FROM events WHERE seq = 6")
    behind(url, forged(url, 7, 6, actor="eve", previous=last))
    assert "inserted event 7 was inserted after the head of the log, event 6" in told(store)
    behind(url, "DELETE FROM events WHERE seq = 7", forged(url, 0, 1))
    assert told(store) == "inserted event 0 was inserted: a log begins with event 1"
    again = forged(url, 4, 4, actor="eve")
    behind(url, "DELETE FROM events WHERE seq IN (0, 4)", again)
    assert told(store) == "altered event 4 was rewritten or inserted: event 5 follows another one"


def test_an_event_squeezed_in_is_found(url, store):
    scripted(store)
    squeezed = forged(url, 4, 4, actor="eve")
    behind(url, *(f"UPDATE events SET seq = {seq + 1} WHERE seq = {seq}" for seq in (6, 5, 4)), squeezed)
    faults = told(store)
    assert "inserted event 7 was inserted" in faults
    for seq in (4, 5, 6):
        assert f"reordered event {seq} was moved: it stands in the place of event {seq + 1}" in faults


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"kind": "rejected"}, "a case that is approved cannot be rejected"),
        (
            {"kind": "commented", "body": '{"contents":{},"on":"abc"}'},
            "another narrative than case r1 had",
        ),
        ({"case_id": "r9"}, "a case that is not there cannot be approved"),
    ],
)
def test_a_well_chained_event_that_no_store_would_write_is_found(url, store, changes, fault):
    scripted(store)
    previous = store.head().digest
    statement = forged(url, 7, 6, previous=previous, **changes)
    sealed_as = statement.rpartition("'")[0].rpartition("'")[2]
    behind(url, statement, f"UPDATE heads SET seq = 7, digest = '{sealed_as}'")
    assert re.search(f"inserted event 7 was inserted: .*{fault}", told(store))


def test_a_rewritten_last_event_is_found_by_the_head(url, store):
    scripted(store)
    last = forged(url, 6, 6, actor="eve")
    behind(url, "DELETE FROM events WHERE seq = 6", last)
    assert told(store) == (
        "altered event 6, or one before it, was rewritten: the head kept in the store has another digest"
    )


@pytest.mark.parametrize("column", ["digest", "seq", "kind", "salt", "body"])
def test_altered_content_is_found_and_named(url, store, column):
    scripted(store)
    for name, seq, kind in rows(url, "SELECT digest, seq, kind FROM contents ORDER BY seq, digest"):
        [(before,)] = rows(url, f"SELECT {column} FROM contents WHERE digest = '{name}'")
        after, key = (before % 6 + 1, name) if column == "seq" else (quoted(before + " "), name)
        behind(url, f"UPDATE contents SET {column} = {after} WHERE digest = '{key}'")
        faults = told(store)
        what = f"the {kind} of event {seq}"
        assert f"altered {what} (case" in faults or f"dropped {what} was dropped" in faults
        key = name + " " if column == "digest" else name
        back = before if column == "seq" else quoted(before)
        behind(url, f"UPDATE contents SET {column} = {back} WHERE digest = '{key}'")
    assert store.verify_log().passed


def test_dropped_and_inserted_content_is_found_and_named(url, store):
    scripted(store)
    behind(url, "DELETE FROM contents WHERE seq = 2 AND kind = 'evidence'")
    assert "dropped the evidence of event 2 was dropped" in told(store)
    with pytest.raises(StoreError, match="content of event 2 of case 'r2' is not in the store"):
        store.case("r2")
    behind(url, "INSERT INTO contents VALUES ('abc', 3, 'reason', 'salt', '1')")
    assert "inserted content abc was inserted: event 3 does not name it" in told(store)


def test_an_altered_list_of_cases_is_found_and_named(url, store):
    scripted(store)
    behind(url, "UPDATE cases SET status = 'open' WHERE id = 'r1'")
    assert "case r1 was altered in the list of cases" in told(store)
    behind(
        url,
        "INSERT INTO cases (id, opened, last, status) VALUES ('r9', 9, 9, 'open')",
        "DELETE FROM cases WHERE id = 'r3'",
    )
    assert "case r9 was inserted into the list" in told(store)
    assert "case r3 was dropped from the list" in told(store)


def test_the_seal_of_an_event_is_the_digest_of_its_canonical_bytes(store):
    scripted(store)
    previous = GENESIS
    for event in store.events():
        fields = asdict(event)
        assert fields.pop("digest") == digest(fields)
        assert event.previous == previous
        previous = event.digest
    assert previous == store.head().digest


def test_nothing_personal_stands_in_the_chain(url, store):
    store.open_cases([proposal("r1")])
    store.decide("r1", decision(store.case("r1"), "comment", reason="Erika was seen"))
    chain = str(rows(url, "SELECT * FROM events"))
    assert "Muster" not in chain
    assert "Erika" not in chain
    assert store.case("r1").content not in chain


def test_content_that_comes_back_after_its_erasure_is_found(url, store):
    store.open_cases([proposal("r1")])
    name = store.case("r1").events[0].body["contents"]["evidence"]
    store.erase("r1", "dpo")
    behind(url, f"INSERT INTO contents VALUES ('{name}', 1, 'evidence', 'salt', '1')")
    assert "inserted content of case r1 is there though event 2 erased it" in told(store)
