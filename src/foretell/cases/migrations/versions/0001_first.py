"""The first schema: events, content beside them, the list of cases, the head."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SQLITE = (
    """CREATE TRIGGER events_stay BEFORE UPDATE ON events
       BEGIN SELECT RAISE(ABORT, 'events are never updated'); END""",
    """CREATE TRIGGER events_remain BEFORE DELETE ON events
       BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END""",
    # INSERT OR REPLACE deletes without firing the trigger above, so an event may only be added at the end.
    """CREATE TRIGGER events_grow BEFORE INSERT ON events
       WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM events)
       BEGIN SELECT RAISE(ABORT, 'events are only added at the end'); END""",
    """CREATE TRIGGER contents_stay BEFORE UPDATE ON contents
       BEGIN SELECT RAISE(ABORT, 'content is never updated'); END""",
)
POSTGRESQL = (
    """CREATE FUNCTION foretell_refuse() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION '% refused: % is append-only', TG_OP, TG_TABLE_NAME; END $$""",
    """CREATE TRIGGER events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON events
       FOR EACH STATEMENT EXECUTE FUNCTION foretell_refuse()""",
    """CREATE TRIGGER contents_stay BEFORE UPDATE OR TRUNCATE ON contents
       FOR EACH STATEMENT EXECUTE FUNCTION foretell_refuse()""",
)


def upgrade() -> None:
    heads = op.create_table(
        "heads",
        sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1", name="one_head"), autoincrement=False),
        sa.Column("seq", SEQ, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "cases",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("opened", SEQ, nullable=False, unique=True),
        sa.Column("last", SEQ, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
    )
    op.create_index("cases_by_status", "cases", ["status", "opened"])
    op.create_table(
        "events",
        sa.Column("seq", SEQ, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("case_id", sa.Text, sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
    )
    op.create_index("events_by_case", "events", ["case_id", "seq"])
    op.create_table(
        "contents",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("seq", SEQ, sa.ForeignKey("events.seq"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("salt", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("contents_by_event", "contents", ["seq"])
    op.bulk_insert(heads, [{"id": 1, "seq": 0, "digest": "0" * 64}])
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(sa.DDL(statement.replace("%", "%%")))
