"""Runs the migrations on the connection that the store hands over, inside its transaction."""

from alembic import context

from foretell.cases.tables import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], transactional_ddl=True, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
