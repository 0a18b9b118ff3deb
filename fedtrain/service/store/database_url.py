"""Database URLs: how the driver is to reach it, and how it is named to a person: without its password."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from fedtrain.spec.setup_error import SetupError

SQLITE, POSTGRESQL = "sqlite", "postgresql"
_POSTGRESQL_NAMES = ("postgres", "postgresql", "postgresql+psycopg")

#: A peer that vanished without a word is noticed after about 30 s, as seldom as that happens on one network.
_REACHING: dict[str, int] = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,  # milliseconds
}
_SECRET_OPTIONS = frozenset({"password", "passfile", "sslpassword", "sslkey"})


class DatabaseError(SetupError):
    """The store cannot be opened; the message says what to do."""


def read_url(url: str) -> URL:
    """Return the URL as SQLAlchemy takes it: `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE`.

    Raises DatabaseError for another database, another driver, and what is no URL; the password is never in it.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseError(
            "The database URL is none: write sqlite:////path/to/file or postgresql://user:password@host:5432/database, "
            "with %-escapes for special characters in the password."
        ) from None
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        return parsed
    if parsed.drivername not in _POSTGRESQL_NAMES:
        raise DatabaseError(
            f"The database URL begins with {parsed.drivername}://, and a store is kept in sqlite:// or postgresql://."
        )
    return parsed.set(drivername="postgresql+psycopg")


def reaching(url: URL) -> dict[str, Any]:
    """Return the driver's settings that notice a server which is away; what the URL itself says comes first."""
    if url.get_backend_name() != POSTGRESQL:
        return {}
    own = {"application_name": "federated-trainer", **_REACHING}
    return {name: value for name, value in own.items() if name not in url.query}


def shown(url: str | URL) -> str:
    """Return the URL with *** in the place of whatever in it is secret."""
    parsed = make_url(url)
    masked = {name: "***" for name in parsed.query if name.lower() in _SECRET_OPTIONS}
    return parsed.update_query_dict(masked).render_as_string(hide_password=True).replace("%2A%2A%2A", "***")
