"""The desk: what the queue shows of a case, words to find it by, leases, saved views, people, their keys."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXTS = ("team", "headline", "happened_at", "opened_at", "due_at", "wakes_at", "asked", "rule")
NUMBERS = ("alert", "approvals", "flagged")


def upgrade() -> None:
    for name in TEXTS:
        default = "~" if name == "due_at" else ""
        op.add_column("cases", sa.Column(name, sa.Text, nullable=False, server_default=default))
    for name in NUMBERS:
        op.add_column("cases", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    op.add_column("cases", sa.Column("probability", sa.Float, nullable=False, server_default="0"))
    op.create_index("cases_by_age", "cases", ["team", "status", "opened"])
    op.create_index("cases_by_score", "cases", ["team", "status", "probability", "opened"])
    op.create_index("cases_by_due", "cases", ["team", "status", "due_at", "opened"])
    op.create_index("cases_of_all_by_score", "cases", ["status", "probability", "opened"])
    op.create_index("cases_of_all_by_due", "cases", ["status", "due_at", "opened"])
    for name, column, only in (("flagged", "opened", "flagged = 1"), ("asked", "asked", "asked <> ''")):
        where = sa.text(only)
        op.create_index(f"cases_{name}", "cases", [column], sqlite_where=where, postgresql_where=where)
    op.create_index("events_by_actor", "events", ["actor", "at"])
    op.create_table(
        "terms",
        sa.Column("term", sa.Text, primary_key=True),
        sa.Column("case_id", sa.Text, sa.ForeignKey("cases.id"), primary_key=True),
    )
    op.create_index("terms_by_case", "terms", ["case_id"])
    op.create_table(
        "leases",
        sa.Column("case_id", sa.Text, sa.ForeignKey("cases.id"), primary_key=True),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("until", sa.Text, nullable=False),
    )
    op.create_index("leases_by_holder", "leases", ["holder"])
    op.create_table(
        "views",
        sa.Column("person", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("query", sa.Text, nullable=False),
    )
    op.create_table(
        "people",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("roles", sa.Text, nullable=False),
        sa.Column("teams", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("active", sa.Integer, nullable=False),
        sa.Column("password", sa.Text, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("locked_until", sa.Text, nullable=False),
    )
    for name, more in (("keys", ("id",)), ("sessions", ())):
        op.create_table(
            name,
            *(sa.Column(column, sa.Text, primary_key=True) for column in more),
            sa.Column("digest", sa.Text, primary_key=not more, nullable=False, unique=bool(more)),
            sa.Column("person", sa.Text, sa.ForeignKey("people.name"), nullable=False),
            sa.Column("made_at", sa.Text, nullable=False),
            *(() if more else (sa.Column("seen_at", sa.Text, nullable=False),)),
            sa.Column("until", sa.Text, nullable=False),
        )
        op.create_index(f"{name}_by_person", name, ["person"])
    _fill(op.get_bind())


def _fill(connection: sa.Connection) -> None:
    """List what the cases that are there were opened with, and the first sentence of what stands."""
    connection.execute(
        sa.text("UPDATE cases SET opened_at = (SELECT at FROM events WHERE events.seq = cases.opened)")
    )
    found = connection.execute(
        sa.text(
            "SELECT e.case_id, c.kind, c.body FROM events e JOIN contents c ON c.seq = e.seq "
            "WHERE e.kind IN ('opened', 'edited') AND c.kind IN ('prediction', 'narrative') ORDER BY e.seq"
        )
    ).all()
    update = sa.text(
        "UPDATE cases SET headline = :headline, probability = :probability, alert = :alert, "
        "happened_at = :happened_at WHERE id = :id"
    )
    told: dict[str, dict[str, object]] = {}
    words: set[tuple[str, str]] = set()
    for case_id, kind, body in found:
        row = told.setdefault(case_id, {"id": case_id, "headline": ""})
        piece = json.loads(body)
        if kind == "narrative":
            row["headline"] = piece["claims"][0]["text"] if piece["claims"] else ""
        else:
            row |= {"probability": piece["probability"], "alert": int(piece["alert"])}
            row["happened_at"] = piece["at"]
            words |= {(case_id, name.casefold()) for name in (case_id, *piece["entities"].values())}
    if told:
        connection.execute(update, list(told.values()))
        insert = sa.text("INSERT INTO terms (term, case_id) VALUES (:term, :case_id)")
        connection.execute(insert, [{"case_id": case_id, "term": term} for case_id, term in sorted(words)])
