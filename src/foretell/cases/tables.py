"""The store's tables. Their history is in `migrations/`; `SCHEMA` names the newest step of it."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)

SCHEMA = "0003"
VERSION_TABLE = "foretell_version"
# In SQLite only INTEGER PRIMARY KEY is the row's own number, which costs no second index.
SEQ = BigInteger().with_variant(Integer(), "sqlite")

# Written out, since a database uses a partial index only where the query says the same.
FLAGGED, ASKED = text("flagged = 1"), text("asked <> ''")

metadata = MetaData()
heads = Table(
    "heads",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="one_head"), primary_key=True, autoincrement=False),
    Column("seq", SEQ, nullable=False),
    Column("digest", Text, nullable=False),
)
cases = Table(
    "cases",
    metadata,
    Column("id", Text, primary_key=True),
    Column("opened", SEQ, nullable=False, unique=True),
    Column("last", SEQ, nullable=False),
    Column("status", Text, nullable=False),
    # What the queue filters, sorts and shows: told by the log and its content as well, kept at hand here.
    Column("team", Text, nullable=False, server_default=""),
    Column("headline", Text, nullable=False, server_default=""),
    Column("probability", Float, nullable=False, server_default="0"),
    Column("alert", Integer, nullable=False, server_default="0"),
    Column("happened_at", Text, nullable=False, server_default=""),
    Column("opened_at", Text, nullable=False, server_default=""),
    Column("due_at", Text, nullable=False, server_default="~"),
    Column("wakes_at", Text, nullable=False, server_default=""),
    Column("asked", Text, nullable=False, server_default=""),
    Column("approvals", Integer, nullable=False, server_default="0"),
    Column("flagged", Integer, nullable=False, server_default="0"),
    Column("rule", Text, nullable=False, server_default=""),
    Index("cases_by_status", "status", "opened"),
    Index("cases_by_age", "team", "status", "opened"),
    Index("cases_by_score", "team", "status", "probability", "opened"),
    Index("cases_by_due", "team", "status", "due_at", "opened"),
    Index("cases_of_all_by_score", "status", "probability", "opened"),
    Index("cases_of_all_by_due", "status", "due_at", "opened"),
    Index("cases_flagged", "opened", sqlite_where=FLAGGED, postgresql_where=FLAGGED),
    Index("cases_asked", "asked", sqlite_where=ASKED, postgresql_where=ASKED),
)
events = Table(
    "events",
    metadata,
    Column("seq", SEQ, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("case_id", Text, ForeignKey("cases.id"), nullable=False),
    Column("body", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Index("events_by_case", "case_id", "seq"),
    Index("events_by_actor", "actor", "at"),
)
contents = Table(
    "contents",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("seq", SEQ, ForeignKey("events.seq"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("salt", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index("contents_by_event", "seq"),
)
# Words by which a case is found: its id and the names of its entities. Erased with the case.
terms = Table(
    "terms",
    metadata,
    Column("term", Text, primary_key=True),
    Column("case_id", Text, ForeignKey("cases.id"), primary_key=True),
    Index("terms_by_case", "case_id"),
)
# Work in progress, which the log need not tell: who holds a case until when, and whose views are saved.
leases = Table(
    "leases",
    metadata,
    Column("case_id", Text, ForeignKey("cases.id"), primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Text, nullable=False),
    Index("leases_by_holder", "holder"),
)
views = Table(
    "views",
    metadata,
    Column("person", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("query", Text, nullable=False),
)
# People as the log tells of them, and their secrets, of which it does not.
people = Table(
    "people",
    metadata,
    Column("name", Text, primary_key=True),
    Column("roles", Text, nullable=False),
    Column("teams", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("active", Integer, nullable=False),
    Column("password", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("locked_until", Text, nullable=False),
)
keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("person", Text, ForeignKey("people.name"), nullable=False),
    Column("digest", Text, nullable=False, unique=True),
    Column("made_at", Text, nullable=False),
    Column("until", Text, nullable=False),
    Index("keys_by_person", "person"),
)
sessions = Table(
    "sessions",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("person", Text, ForeignKey("people.name"), nullable=False),
    Column("made_at", Text, nullable=False),
    Column("seen_at", Text, nullable=False),
    Column("until", Text, nullable=False),
    Index("sessions_by_person", "person"),
)
# How far each webhook has come, and its secret. Where it leads and who allowed it, the log tells.
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", SEQ, ForeignKey("events.seq"), primary_key=True, autoincrement=False),
    Column("secret", Text, nullable=False),
    Column("sent", SEQ, nullable=False),
    Column("delivered", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("failing_since", Text, nullable=False),
    Column("fault", Text, nullable=False),
    Column("next_at", Text, nullable=False),
    Column("holder", Text, nullable=False),
    Column("until", Text, nullable=False),
)
