"""Notices of what other processes on the same PostgreSQL database have committed: heard at once, by LISTEN and NOTIFY.

A notice is part of the transaction that it tells of: PostgreSQL delivers it after the commit, and not without one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
import structlog

from fedtrain.service.store.database_trouble import driver_words
from fedtrain.service.store.database_url import POSTGRESQL

log = structlog.get_logger("facilitator")

CHANNEL = "fedtrain_tasks"
_LOOK_FOR_STOP_S = 0.2
_RECONNECT_AFTER_S = 1.0


def tell(connection: sa.Connection, key: str) -> None:
    """Tell all who listen, when this transaction is committed, that there is something new at `key`."""
    if connection.dialect.name == POSTGRESQL:
        connection.execute(sa.text("SELECT pg_notify(:channel, :key)"), {"channel": CHANNEL, "key": key})


class Listener:
    """A thread with a connection of its own, which it makes again whenever it breaks."""

    def __init__(self, engine: sa.Engine, heard: Callable[[str], None], missed: Callable[[], None]) -> None:
        """`heard` is given each key; `missed` is called where some may have been told while nobody listened."""
        self._engine = engine
        self._heard = heard
        self._missed = missed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="facilitator notices", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop, within a moment."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._listen()
            except Exception as error:  # noqa: BLE001 - whatever broke it, it is made again
                why = f"{type(error).__name__}: {driver_words(error)}"
                log.warning("not listening to other processes, and trying again", why=why)
                self._stop.wait(_RECONNECT_AFTER_S)

    def _listen(self) -> None:
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()  # it is no connection that a transaction could get
        try:
            connection.autocommit = True
            connection.execute(f"LISTEN {CHANNEL}")
            self._missed()
            while not self._stop.is_set():
                for notice in connection.notifies(timeout=_LOOK_FOR_STOP_S):
                    self._heard(notice.payload)
        finally:
            pooled.close()
