"""Errors of a database that are its own state, away, full or restarting, and not a mistake in a statement.

Sources: sqlite.org/rescode.html; PostgreSQL documentation, appendix A, error codes; PEP 249 on OperationalError.
"""

from __future__ import annotations

from sqlalchemy import exc

_DAMAGED = "its file is damaged, or is no database; restore it from a backup"
_SQLITE = {
    5: "another process holds it",
    6: "another connection holds it",
    7: "memory is short",
    8: "it is read-only",
    10: "the disk fails",
    11: _DAMAGED,
    13: "the disk is full",
    14: "its file cannot be opened",
    26: _DAMAGED,
}
_POSTGRESQL = {
    "25006": "the server is a standby, and takes no writes",
    "25P03": "a transaction stood idle too long, and was given up",
    "28000": "the server refuses the account",
    "28P01": "the server refuses the password",
    "3D000": "the server has no such database",
    "40001": "other transactions were in the way",
    "40P01": "other transactions were in the way",
    "53100": "the server's disk is full",
    "53200": "the server's memory is short",
    "53300": "the server has no connection left",
    "55P03": "another writer held it too long",
    "57P01": "the server is shutting down",
    "57P02": "the server has crashed and starts again",
    "57P03": "the server is starting up",
}


def trouble(error: exc.SQLAlchemyError) -> str | None:
    """Return in a few words what is the matter with the database, None where the statement is what was wrong."""
    if not isinstance(error, exc.DBAPIError):
        return "every connection is taken" if isinstance(error, exc.TimeoutError) else None
    sqlite_code = getattr(error.orig, "sqlite_errorcode", None)
    if sqlite_code is not None:
        return _SQLITE.get(sqlite_code & 0xFF)  # the upper bits say where in SQLite
    sql_state = getattr(error.orig, "sqlstate", None)
    if sql_state in _POSTGRESQL:
        return _POSTGRESQL[sql_state]
    is_postgresql = type(error.orig).__module__.split(".")[0] == "psycopg"
    if error.connection_invalidated or (is_postgresql and isinstance(error, exc.OperationalError | exc.InterfaceError)):
        return "the connection to it broke, or cannot be made"
    return None


def driver_words(error: BaseException | None) -> str:
    """Return what the driver said, in one line. It may name host and account, so it is for the party's own people."""
    return " ".join(str(getattr(error, "orig", None) or error).split())
