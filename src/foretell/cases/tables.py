"""The store's tables. Their history is in `migrations/`; `SCHEMA` names the newest step of it."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, MetaData, Table, Text

SCHEMA = "0001"
VERSION_TABLE = "foretell_version"
# In SQLite only INTEGER PRIMARY KEY is the row's own number, which costs no second index.
SEQ = BigInteger().with_variant(Integer(), "sqlite")

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
    Index("cases_by_status", "status", "opened"),
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
