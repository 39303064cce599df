"""The SQLite file of a journal: its tables, how it is created, opened and recognised.

Nothing here (or anywhere in this process) may open the database file except through apsw: closing any other
descriptor of it would drop the POSIX locks that SQLite holds.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from execore.journal.files import rename, sync_directory
from execore.journal.rows import (
    ENTRY_COLUMNS,
    EVENT_COLUMNS,
    FILL_COLUMNS,
    KEY_COLUMNS,
    ORDER_COLUMNS,
    POSITION_COLUMNS,
    TERM_COLUMNS,
    TRADED_COLUMNS,
)
from execore.journal.sqlite_still import open_still
from execore.model.errors import (
    JournalError,
    JournalFull,
    JournalNotFound,
    JournalReadOnly,
    NewerSchema,
    NotAJournal,
    NotRecorded,
)

APPLICATION_ID: Final = int.from_bytes(b"exec", "big")
FILE_VERSION: Final = 4
"""The version of the tables (``PRAGMA user_version``); that of the records is in each record.

Version 1 had no ``fills.status``; version 2 no ``keys``, and no ``fills.disclosed_sequence``; version 3 no
``entries``, and one position an instrument.
"""

MINIMUM_SQLITE: Final = (3, 51, 3)
"""Earlier versions can corrupt a WAL that two connections use."""

BUSY_TIMEOUT_MS: Final = 2_000
CACHE_KIB: Final = 32_768

_EVENTS: Final = """
CREATE TABLE events(
  book TEXT NOT NULL, sequence INTEGER NOT NULL, type TEXT NOT NULL, client_order_id TEXT NOT NULL,
  execution_id TEXT NOT NULL, actor TEXT NOT NULL, ts_event_ns INTEGER NOT NULL,
  ts_recorded_ns INTEGER NOT NULL, hash TEXT NOT NULL, data TEXT NOT NULL,
  PRIMARY KEY(book, sequence)) STRICT, WITHOUT ROWID;
CREATE TRIGGER events_no_update BEFORE UPDATE ON events
  BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events
  BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
"""
_EVENTS_BY_ORDER: Final = """
CREATE INDEX events_by_order ON events(book, client_order_id);
"""
_PROJECTIONS: Final = """
CREATE TABLE orders(
  book TEXT NOT NULL, client_order_id TEXT NOT NULL, venue_order_id TEXT NOT NULL, symbol TEXT NOT NULL,
  side TEXT, quantity TEXT NOT NULL, filled TEXT NOT NULL, leaves TEXT NOT NULL, average_price TEXT,
  state TEXT NOT NULL, ord_status TEXT NOT NULL, flags TEXT NOT NULL, order_type TEXT NOT NULL, price TEXT,
  stop_price TEXT, time_in_force TEXT NOT NULL, expire_ts_ns INTEGER, strategy TEXT NOT NULL,
  metadata TEXT NOT NULL, reason TEXT NOT NULL, closed_from TEXT, created_ts_ns INTEGER NOT NULL,
  updated_ts_ns INTEGER NOT NULL, PRIMARY KEY(book, client_order_id)) STRICT, WITHOUT ROWID;
CREATE INDEX orders_by_venue_id ON orders(book, venue_order_id) WHERE venue_order_id <> '';
CREATE TABLE fills(
  book TEXT NOT NULL, sequence INTEGER NOT NULL, client_order_id TEXT NOT NULL, venue_order_id TEXT NOT NULL,
  execution_id TEXT NOT NULL, execution_key TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT,
  quantity TEXT NOT NULL, price TEXT NOT NULL, fee TEXT NOT NULL, fee_currency TEXT NOT NULL,
  position_side TEXT NOT NULL, settlement_date TEXT NOT NULL, lots TEXT NOT NULL,
  ts_event_ns INTEGER NOT NULL, late INTEGER NOT NULL, status TEXT NOT NULL, disclosed_sequence INTEGER,
  PRIMARY KEY(book, sequence)) STRICT, WITHOUT ROWID;
CREATE INDEX fills_by_order ON fills(book, client_order_id);
CREATE INDEX fills_by_execution ON fills(book, execution_key);
CREATE TABLE positions(
  book TEXT NOT NULL, symbol TEXT NOT NULL, position_side TEXT NOT NULL, strategy TEXT NOT NULL,
  quantity TEXT NOT NULL, unit TEXT NOT NULL, average_cost TEXT, cost_basis TEXT NOT NULL,
  realised_pnl TEXT NOT NULL, currency TEXT NOT NULL, fees TEXT NOT NULL, fees_in_kind TEXT NOT NULL,
  flows TEXT NOT NULL, undisclosed TEXT NOT NULL, opened_ts_ns INTEGER,
  PRIMARY KEY(book, symbol, position_side, strategy)) STRICT, WITHOUT ROWID;
CREATE TABLE entries(
  book TEXT NOT NULL, sequence INTEGER NOT NULL, kind TEXT NOT NULL, entry_id TEXT, symbol TEXT NOT NULL,
  other_symbol TEXT NOT NULL, moves_units INTEGER NOT NULL,
  PRIMARY KEY(book, sequence)) STRICT, WITHOUT ROWID;
CREATE INDEX entries_by_id ON entries(book, entry_id);
CREATE INDEX entries_of_units ON entries(book, sequence) WHERE moves_units;
CREATE TABLE keys(
  book TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, symbol TEXT NOT NULL,
  client_order_id TEXT NOT NULL, PRIMARY KEY(book, kind, text, symbol)) STRICT, WITHOUT ROWID;
"""
_HEADS: Final = """
CREATE TABLE projection_heads(
  book TEXT NOT NULL PRIMARY KEY, sequence INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""
SCHEMA: Final = _EVENTS + _EVENTS_BY_ORDER + _PROJECTIONS + _HEADS


def _insert(table: str, columns: tuple[str, ...], verb: str = "INSERT", rest: str = "") -> str:
    # By place: naming the columns costs half a microsecond, as apsw looks the text up again for every row.
    return f"{verb} INTO {table} VALUES({','.join('?' * len(columns))}{rest})"


INSERT_EVENT: Final = _insert("events", EVENT_COLUMNS)
# Whole rows are put in place of those before: a quarter cheaper than ON CONFLICT DO UPDATE.
PUT_ORDER: Final = _insert("orders", ORDER_COLUMNS, "REPLACE")
_TRADED: Final = ", ".join(f"{column}=?" for column in TRADED_COLUMNS)
# Where only that changed: it presumes the venue's id, so that no index is touched.
TRADE_ORDER: Final = f"""UPDATE orders SET {_TRADED}, closed_from=NULL
  WHERE book=? AND client_order_id=? AND venue_order_id=?"""
PUT_FILL: Final = _insert("fills", FILL_COLUMNS, "REPLACE", ",NULL")  # disclosed_sequence: so far
PUT_POSITION: Final = _insert("positions", POSITION_COLUMNS, "REPLACE")
PUT_ENTRY: Final = _insert("entries", ENTRY_COLUMNS, "REPLACE")
PUT_KEY: Final = _insert("keys", KEY_COLUMNS, "REPLACE")
# Named, because the planner would rather walk all fills of the book.
_FILLS_OF_ORDER: Final = "fills INDEXED BY fills_by_order"
_OF_ORDER: Final = "WHERE book=? AND client_order_id=?"
_TERMS: Final = ", ".join(["status=coalesce(?, status)", *(f"{column}=?" for column in TERM_COLUMNS)])
CHANGE_FILL: Final = (
    f"UPDATE fills INDEXED BY fills_by_execution SET {_TERMS} WHERE book=? AND execution_key=?"
)
MOVE_FILLS: Final = f"UPDATE {_FILLS_OF_ORDER} SET client_order_id=? {_OF_ORDER}"
DISCLOSE_FILLS: Final = (
    f"UPDATE {_FILLS_OF_ORDER} SET side=?, disclosed_sequence=? {_OF_ORDER} AND side IS NULL"
)
END_ORDER: Final = f"DELETE FROM orders {_OF_ORDER}"
PROJECTION_TABLES: Final = ("orders", "fills", "positions", "entries", "keys")
_BUILT_ANEW: Final = (
    *PROJECTION_TABLES,
    "projection_heads",
    "events_by_order",
    "orders_by_venue_id",
    "fills_by_order",
    "fills_by_execution",
    "entries_by_id",
    "entries_of_units",
)

_COLUMNS: Final = {
    "orders": ORDER_COLUMNS,
    "fills": (*FILL_COLUMNS, "disclosed_sequence"),
    "positions": POSITION_COLUMNS,
    "entries": ENTRY_COLUMNS,
    "keys": KEY_COLUMNS,
    "projection_heads": ("book", "sequence"),
}
"""Of each table that is built from records, what rows are written to by place."""

# What SQLite says, what that means here, and what to do. Anything else is not known to be harmless.
_MEANINGS: Final[tuple[tuple[tuple[type[apsw.Error], ...], type[JournalError], str, str], ...]] = (
    (
        (apsw.NotADBError, apsw.CorruptError),
        NotAJournal,
        "is not a whole SQLite database",
        "Check the path; if it is the journal, restore it from a backup and compare that with the anchor",
    ),
    (
        (apsw.FullError,),
        JournalFull,
        "has no space left; nothing was stored",
        "Free disk space and open the book again: it goes on from where it was",
    ),
    (
        (apsw.ReadOnlyError, apsw.PermissionsError),
        JournalReadOnly,
        "cannot be written; nothing was stored",
        "Make the file and its directory writable, or open it with read_only=True",
    ),
    (
        (apsw.BusyError, apsw.LockedError),
        NotRecorded,
        "is locked by another program; nothing was stored",
        "Close the other program's transaction (a database shell, a backup) and try again",
    ),
    (
        (apsw.ConstraintError,),
        NotRecorded,
        "was given a row that does not fit its table; nothing was stored",
        "This is a bug in execore: report it",
    ),
)


def meaning_of(error: apsw.Error, path: str) -> JournalError | None:
    """What an SQLite error certainly means for the journal at ``path``; None if that is not certain."""
    for kinds, meaning, what, next_step in _MEANINGS:
        if isinstance(error, kinds):
            return meaning(f"{path} {what} ({error})", next_step)
    return None


@contextmanager
def translated_errors(path: str) -> Iterator[None]:
    """Turn SQLite errors while opening or reading into ours.

    Raises:
        NotAJournal, JournalFull, JournalReadOnly, NotRecorded, JournalError: by what SQLite said.
    """
    try:
        yield
    except apsw.Error as error:
        raise meaning_of(error, path) or _meaning_in_reading(error, path) from error


def _meaning_in_reading(error: apsw.Error, path: str) -> JournalError:
    if getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHMSIZE:
        return JournalFull(
            f"the disk of {path} is full: SQLite needs 32 KB to open it ({error})",
            "Free disk space and open it again",
        )
    if isinstance(error, apsw.SQLError) and str(error).startswith("no such"):
        return JournalError(
            f"{path} lacks what things are looked up in ({error}): it is of an older file version, or a "
            "table was dropped",
            "Open its books once with `execore.open_book`: the tables are built anew from the records",
        )
    return JournalError(f"{path} cannot be opened or read ({error})", "Check the disk and permissions")


def connect(path: str, *, read_only: bool, vfs: str | None, as_it_lies: bool = False) -> apsw.Connection:
    """Open the journal at ``path`` and check that it is one, and that its settings hold.

    Args:
        as_it_lies: it is still: see ``sqlite_still``.

    Raises:
        JournalNotFound, NotAJournal, NewerSchema, JournalReadOnly, JournalError: it cannot be used.
    """
    _check_there(path)
    flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE
    with translated_errors(path):
        connection = open_still(path) if as_it_lies else apsw.Connection(path, flags=flags, vfs=vfs)
        try:
            move_wal_on_closing(connection, False)
            connection.set_busy_timeout(BUSY_TIMEOUT_MS)
            _check_identity(connection, path)
            if not read_only:
                _make_durable(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _check_there(path: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise JournalNotFound(
            f"there is no journal at {path}", "Check the path; it is made when a book opens"
        ) from error
    except OSError as error:
        raise JournalError(
            f"{path} cannot be reached ({error.strerror})",
            "Check the permissions of the directories above it",
        ) from error
    if stat.S_ISDIR(mode):
        raise NotAJournal(f"{path} is a directory", "Name the file of the journal")


def move_wal_on_closing(connection: apsw.Connection, yes: bool) -> None:
    """Say whether closing moves the WAL into the database, as SQLite does unless it is told not to.

    Not before the journal is known to be whole: a WAL that was put beside the wrong database would ruin it.
    """
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, int(not yes))


def _check_identity(connection: apsw.Connection, path: str) -> None:
    if connection.pragma("application_id") != APPLICATION_ID:
        raise NotAJournal(
            f"{path} is an SQLite database, but not an execore journal", "Choose another path for the journal"
        )
    version = connection.pragma("user_version")
    if version > FILE_VERSION:
        raise NewerSchema(
            f"{path} has file version {version}; this execore knows up to {FILE_VERSION}", "Upgrade execore"
        )


def _make_durable(connection: apsw.Connection, path: str) -> None:
    if connection.readonly("main"):
        raise JournalReadOnly(
            f"{path} cannot be written", "Make the file writable, or open it with read_only=True"
        )
    # fullfsync is for macOS, where a plain fsync leaves data in the drive's cache; elsewhere it is ignored.
    settings = {"journal_mode": "wal", "synchronous": 2, "fullfsync": 1, "checkpoint_fullfsync": 1}
    for name, value in settings.items():
        connection.pragma(name, value)
    for name, value in settings.items():
        if connection.pragma(name) != value:
            raise JournalError(
                f"{path}: SQLite did not accept {name}={value}; commits would not be durable",
                "Keep the journal on a local file system that supports WAL",
            )
    connection.pragma("cache_size", -CACHE_KIB)


def bring_up(connection: apsw.Connection, path: str) -> None:
    """Give a journal that lacks tables of this version all of them, empty: opening a book fills them.

    So it is where somebody altered them. The records and their chain are as they were.

    Raises:
        NotAJournal: the table of records itself was altered.
        JournalFull, JournalReadOnly, NotRecorded, JournalError: it cannot be done; nothing was changed.
    """
    with translated_errors(path), connection:
        if _columns(connection, "events") != EVENT_COLUMNS:
            raise NotAJournal(
                f"{path} is damaged: its table events was altered, and no record fits it any more",
                "Undo that in the sqlite3 shell, or restore a copy that verifies",
            )
        if lacks_tables(connection):
            make_tables_anew(connection)


def make_tables_anew(connection: apsw.Connection) -> None:
    """Empty tables of this version, that lag, in the place of what there is; all indexes are made again."""
    for table in _COLUMNS:
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    connection.execute("DROP INDEX IF EXISTS events_by_order")
    connection.execute(_EVENTS_BY_ORDER + _PROJECTIONS + _HEADS)
    # Not emptied: an append to a book without a head here takes the tables for complete.
    connection.execute("REPLACE INTO projection_heads SELECT DISTINCT book, 0 FROM events")
    connection.pragma("user_version", FILE_VERSION)


def lacks_tables(connection: apsw.Connection) -> bool:
    """Whether the file is of an older version, or some of what is built from records is lost or altered."""
    if connection.pragma("user_version") < FILE_VERSION:
        return True
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    if not there.issuperset(_BUILT_ANEW):
        return True
    return any(_columns(connection, table) != columns for table, columns in _COLUMNS.items())


def _columns(connection: apsw.Connection, table: str) -> tuple[str, ...]:
    return tuple(name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})"))


def check_sqlite_version() -> None:
    """Make sure that apsw carries an SQLite without the known WAL defects.

    Raises:
        JournalError: it is older than ``MINIMUM_SQLITE``.
    """
    version = apsw.sqlite_lib_version()
    if tuple(int(part) for part in version.split(".")) < MINIMUM_SQLITE:
        needed = ".".join(map(str, MINIMUM_SQLITE))
        raise JournalError(
            f"apsw carries SQLite {version}, which can corrupt a WAL", f"Install apsw>={needed}"
        )


def create(path: str, vfs: str | None) -> None:
    """Make a new journal at ``path``, whole or not at all: it is built beside it and renamed.

    Raises:
        NotAJournal: the remains of a journal whose database file is gone lie there.
        JournalFull, JournalReadOnly, JournalError: it cannot be made.
    """
    for remains in (f"{path}-wal", f"{path}.anchor"):
        if os.path.exists(remains) and os.path.getsize(remains):
            raise NotAJournal(
                f"{path} is missing, but {remains} says that a journal was there",
                "Put the journal back, or move that file away to begin a new one",
            )
    building = f"{path}.new"
    for leftover in (building, f"{building}-journal", f"{building}-wal", f"{building}-shm"):
        Path(leftover).unlink(missing_ok=True)
    with translated_errors(path):
        connection = apsw.Connection(building, vfs=vfs)
        try:
            with connection:
                connection.execute(SCHEMA)
                connection.pragma("application_id", APPLICATION_ID)
                connection.pragma("user_version", FILE_VERSION)
            # Here, and not once it has its name: the switch leaves a rollback journal whose deletion nobody
            # syncs, and SQLite would take it for one of its own when it came back.
            connection.pragma("journal_mode", "wal")
        finally:
            connection.close()
    rename(building, path)
    sync_directory(os.path.dirname(path))
