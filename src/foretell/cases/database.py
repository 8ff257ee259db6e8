"""The database under a store: its URL, its connections, its newest schema, and how it fails."""

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import sqlalchemy.event
import sqlalchemy.exc
from sqlalchemy.engine import URL, Connection, Engine

from foretell.cases.tables import SCHEMA, VERSION_TABLE, metadata
from foretell.errors import StoreError

PATIENCE_SECONDS = 10.0
"""How long a write to SQLite waits for another process; `?timeout=` in the URL says otherwise."""
LOCK = 0x464F5245  # "FORE": all stores of one PostgreSQL database take turns at it

SQLITE_FAULTS = {
    "SQLITE_FULL": (
        "the disk is full: {where} cannot grow",
        "free some space; nothing half-written was kept",
    ),
    "SQLITE_BUSY": ("another process is writing to {where}", "let it finish, then try again"),
    "SQLITE_LOCKED": ("another process is writing to {where}", "let it finish, then try again"),
    "SQLITE_NOTADB": ("{where} is not a case store: it is no SQLite database", "name another file"),
    "SQLITE_CORRUPT": ("{where} is damaged: {error}", "restore it from a backup"),
    "SQLITE_READONLY": ("{where} cannot be written: {error}", "make the file and its folder writable"),
    "SQLITE_CANTOPEN": ("{where} cannot be opened: {error}", "name a file in a folder that can be written"),
    "SQLITE_IOERR": ("{where} cannot be read or written: {error}", "check the disk and its free space"),
}
POSTGRESQL_FAULTS = {
    "53": ("the server of {where} is out of room: {error}", "free some space; nothing half-written was kept"),
    "28": ("{where} refuses the user: {error}", "check user and password in the URL"),
    "3D": ("{where} does not exist: {error}", "create the database with createdb"),
    "42501": ("{where} cannot be written: {error}", "grant the user the right to write"),
    "25006": ("{where} cannot be written: {error}", "connect to the primary server"),
    "08": ("{where} cannot be reached: {error}", "check that the server runs"),
    "57": ("{where} was shut down: {error}", "check that the server runs"),
    "None": ("{where} cannot be reached: {error}", "check that the server runs"),
}


def url_of(text: str) -> URL:
    """Return the URL of a store.

    Raises:
        StoreError: when it is not one, or names a database in memory, which would lose what it acknowledged.
    """
    hint = "write sqlite:///folder/cases.db or postgresql://user@host/database"
    try:
        url = sa.make_url(text)
    except sa.exc.ArgumentError as error:
        raise StoreError(f"'{text}' is not the URL of a case store", hint) from error
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "postgresql+psycopg"):
        raise StoreError(f"a case store cannot live in '{url.drivername}'", hint)
    if url.drivername == "sqlite" and (url.database or ":memory:") == ":memory:":
        raise StoreError("a case store in memory would lose its decisions", hint)
    return url


def where(url: URL) -> str:
    """Return how messages call the database; without the password."""
    return str(url.database) if url.drivername == "sqlite" else url.render_as_string(hide_password=True)


@contextmanager
def told(url: URL) -> Generator[None, None, None]:
    """Turn the database's errors into StoreErrors."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        cause = error.orig
        if isinstance(cause, sqlite3.Error):
            faults, code = SQLITE_FAULTS, getattr(cause, "sqlite_errorname", "")
        else:
            faults, code = POSTGRESQL_FAULTS, str(getattr(cause, "sqlstate", None))
        found = next((fault for prefix, fault in faults.items() if code.startswith(prefix)), None)
        message, hint = found or ("{where} refused: {error}", "check the log: foretell log verify")
        line = (str(cause).strip().splitlines() or [code])[0]
        raise StoreError(message.format(where=where(url), error=line), hint) from error


def connect(url: URL, *, create: bool) -> Engine:
    """Return an engine on a store of the newest schema.

    Args:
        url: as from `url_of`.
        create: make the store where there is none.

    Raises:
        StoreError: when there is no store, when it cannot be opened or written, or when it is not one.
    """
    if url.drivername == "sqlite":
        new_folders = _folders(url, create)
        engine = sa.create_engine(
            url, connect_args={} if "timeout" in url.query else {"timeout": PATIENCE_SECONDS}
        )
        sa.event.listen(engine, "connect", _set_up_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    else:
        new_folders = ()
        engine = sa.create_engine(url, pool_pre_ping=True)
        sa.event.listen(engine, "connect", _set_up_postgresql)
        sa.event.listen(engine, "begin", _begin_postgresql)
    try:
        with told(url):
            _bring_up(engine, url, create)
        for folder in new_folders:
            _sync(folder)
    except StoreError:
        engine.dispose()
        raise
    return engine


def writing(engine: Engine) -> Engine:
    """Return the engine whose transactions are alone in writing, from their first statement on."""
    return engine.execution_options(alone=True)


def empty_journal(engine: Engine, url: URL) -> None:
    """Leave nothing in the journal of a SQLite file, so that what was erased stands nowhere any more."""
    if url.drivername == "sqlite":
        with engine.connect() as connection:
            connection.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            # SQLite does not sync the cut: without this the bytes could be there again after a power cut.
            _sync(Path(f"{url.database}-wal"))


def _folders(url: URL, create: bool) -> tuple[Path, ...]:
    """Make the folder of a SQLite file; return the folders whose entries are new."""
    path = Path(str(url.database))
    if path.is_file():
        return (path.parent,)
    if not create and path.exists():
        raise StoreError(f"{path} is not a case store: it is no file", "name another store")
    if not create:
        raise StoreError(
            f"there is no case store at {path}", "run `foretell run SPEC` first, or name another store"
        )
    new = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the folder {path.parent} cannot be made: {error.strerror}", "name a folder that can be written"
        ) from error
    return (path.parent, *(folder.parent for folder in new))


def _sync(path: Path) -> None:
    """Make the entries of a folder, or a file's length, survive a power cut; SQLite leaves that to us."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says, DDL included
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")


def _begin_sqlite(connection: Connection) -> None:
    alone = connection.get_execution_options().get("alone", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if alone else "BEGIN")


def _set_up_postgresql(connection: Any, _record: Any) -> None:
    connection.autocommit = True
    if connection.execute("SHOW synchronous_commit").fetchone() == ("off",):
        connection.execute("SET synchronous_commit = on")
    connection.autocommit = False


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get("alone", False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def _bring_up(engine: Engine, url: URL, create: bool) -> None:
    with engine.connect() as connection:
        version = _version(connection, url)
    if version == SCHEMA:
        return
    if not version and not create:
        raise StoreError(f"there is no case store in {where(url)}", "run `foretell run SPEC` first")
    if url.drivername == "sqlite":
        with engine.connect() as connection:
            # The driver's own connection: the journal cannot change inside a transaction.
            connection.connection.execute("PRAGMA journal_mode = WAL")
    with writing(engine).begin() as connection:
        if _version(connection, url) != SCHEMA:  # else another process was faster
            _migrate(connection)


def _version(connection: Connection, url: URL) -> str:
    """Return the schema's version; empty where nothing is."""
    names = set(sa.inspect(connection).get_table_names())
    if VERSION_TABLE not in names:
        if foreign := sorted(names & set(metadata.tables)):
            raise StoreError(
                f"{where(url)} is not a case store, but has a table '{foreign[0]}'", "name another database"
            )
        return ""
    version = str(connection.scalar(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")))
    if version > SCHEMA:
        raise StoreError(
            f"{where(url)} has schema {version}, written by a newer release; this one knows up to {SCHEMA}",
            "upgrade foretell",
        )
    return version


def _migrate(connection: Connection) -> None:
    from alembic import command  # loaded here, since a store that is up to date does without it
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
