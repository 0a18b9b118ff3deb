"""Settings that every service has. Read once, in the entry point, from FEDTRAIN_* and the command line; then passed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from protocol.documents import Name

LogFormat = Literal["console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


class ServiceSettings(BaseSettings):
    """A party's settings derive from this one and give `port` and `name` defaults of their own."""

    model_config = SettingsConfigDict(env_prefix="FEDTRAIN_", extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)]
    state_dir: Path
    name: Name
    database_url: str | None = None  # default: state.sqlite3 in state_dir
    log_format: LogFormat = "console"
    log_level: LogLevel = "info"
    body_limit_bytes: Annotated[int, Field(ge=1024)] = 1 << 20  # routes that take more say so themselves
    allow_small_keys: bool = False  # for tests: keys under 2048 bits protect nothing

    @property
    def database(self) -> str:
        """The store's URL."""
        # Imported here so that reading settings does not load SQLAlchemy.
        from protocol.server.database import sqlite_url

        return self.database_url or sqlite_url(self.state_dir / "state.sqlite3")
