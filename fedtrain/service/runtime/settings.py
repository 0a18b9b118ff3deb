"""Settings that every service has. Read once, in the entry point, from FEDTRAIN_* and the command line; then passed."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from fedtrain.protocol.documents.signed import Name
from fedtrain.service.limits.connection_limits import ConnectionLimits, fitting_connections
from fedtrain.service.limits.rate_limit import RateLimit
from fedtrain.service.people.permissions import PersonRole
from fedtrain.spec.setup_error import SetupError

PARTY_FILE = "party.toml"
ADMIN_TOKEN_FILE = "admin.token"  # noqa: S105 - a file\'s name

LogFormat = Literal["console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


def host_names(given: str) -> str:
    """Return `given`, host names or addresses with commas between. Raises ValueError for one with port or scheme."""
    for name in given.split(","):
        if name.strip() and not re.fullmatch(r"(\*\.)?[A-Za-z0-9_.-]+|\[?[0-9A-Fa-f:.]+\]?", name.strip()):
            raise ValueError(f"{name.strip()[:100]!r} is no host name: write it without a scheme and without a port")
    return given


class SettingsFileError(SetupError):
    """The settings file cannot be read; the message says why."""


class ServiceSettings(BaseSettings):
    """A party's settings derive from this one and give `port` and `name` defaults of their own.

    What neither the command line nor the environment says is looked up in `party.toml` in the state folder, if there
    is one: `fedtrain identity accept` writes it. Paths in that file start at the folder that it lies in.

    `key_passphrase_file` or `key_file` holds what private keys are sealed under, where they are.

    `workers`: threads of the compiled kernel, or processes with gmpy2; with 1 nothing is divided.

    `engine`: "auto" takes the kernel where it can be used, "native" and "gmpy2" that one alone; a party may have more.

    As a service: `tls_cert` and `tls_key` are PEM files; with `tls_client_ca` only clients with a certificate of that
    CA get through. As a client: `ca_file` is the CA that is believed, `client_cert` and `client_key` are shown to a
    service that asks for them, `token_file` holds the bearer token for the Facilitator.
    """

    model_config = SettingsConfigDict(env_prefix="FEDTRAIN_", extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)]
    state_dir: Path
    name: Name
    database_url: Annotated[str | None, Field(repr=False)] = None  # default: state.sqlite3 in state_dir
    key_passphrase_file: Path | None = None
    key_file: Path | None = None
    log_format: LogFormat = "console"
    log_level: LogLevel = "info"
    allowed_hosts: Annotated[str, AfterValidator(host_names)] = ""  # with commas: further names it is reached by
    body_limit_bytes: Annotated[int, Field(ge=1024)] = 1 << 20  # routes that take more say so themselves
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    token_file: Path | None = None
    rate_limit_per_s: Annotated[float, Field(gt=0)] = 200.0  # of one caller; a party at work sends far fewer
    rate_limit_burst: Annotated[int, Field(ge=1)] = 2_000
    head_timeout_s: Annotated[float, Field(ge=1, le=3600)] = 10.0  # for a handshake, or a request's line and headers
    stall_timeout_s: Annotated[float, Field(ge=1, le=3600)] = 30.0  # for a body that stops, or an answer nobody reads
    max_connections: Annotated[int, Field(ge=64)] | None = None  # None: what the process's descriptors allow
    oidc_issuer: str | None = None  # the organisation's OpenID Connect provider, by which people sign in
    oidc_client_id: str | None = None
    oidc_client_secret_file: Path | None = None
    oidc_address: str | None = None  # this service's, as browsers reach it: the provider sends them back to it
    oidc_ca_file: Path | None = None
    oidc_name_claim: str = "email"
    oidc_role_claim: str = "groups"
    oidc_roles: dict[str, PersonRole] = {}  # by the claim's values
    workers: Annotated[int, Field(ge=1, le=1024, default_factory=lambda: os.cpu_count() or 1)]
    engine: str = "auto"
    prune_after_days: Annotated[float, Field(gt=0, le=36_500)] | None = None  # ended jobs' ciphertexts; None: never
    allow_small_keys: bool = False  # for tests: keys under 2048 bits protect nothing

    @field_validator("engine")
    @classmethod
    def _usable_engine(cls, engine: str) -> str:
        return cls.check_engine(engine)

    @classmethod
    def check_engine(cls, engine: str) -> str:
        """Return `engine`. Raises ValueError for one that is not known, or cannot be used here."""
        if engine == "native":
            # Imported here so that reading settings does not load the arithmetic.
            from fedtrain.crypto.engine.native.engine import why_not

            reason = why_not()
            if reason is not None:
                raise ValueError(f"the compiled kernel can't be used: {reason}; take auto or gmpy2")
        elif engine.startswith("dask:"):
            raise ValueError("a Dask cluster is for a Data Owner, whose table is large; take auto here")
        elif engine not in ("auto", "gmpy2"):
            raise ValueError("there are auto, native and gmpy2, and at a Data Owner dask://HOST:PORT and dask://local")
        return engine

    @property
    def database(self) -> str:
        """The store's URL."""
        # Imported here so that reading settings does not load SQLAlchemy.
        from fedtrain.service.store.database import sqlite_url

        return self.database_url or sqlite_url(self.state_dir / "state.sqlite3")

    @property
    def rate_limit(self) -> RateLimit:
        """Limit on one caller's calls."""
        return RateLimit(self.rate_limit_per_s, self.rate_limit_burst)

    @property
    def connection_limits(self) -> ConnectionLimits:
        """Return how many connections there may be, and how long one may say nothing."""
        most = fitting_connections(self.workers, self.max_connections)
        return ConnectionLimits(self.head_timeout_s, self.stall_timeout_s, most)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library passes all five
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _PartyFile(settings_cls, init_settings, env_settings)


def read_party_file(folder: Path) -> dict[str, Any]:
    """Return what `party.toml` in a state folder says, {} where there is none. Raises SettingsFileError."""
    path = folder / PARTY_FILE
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsFileError(f"{path} is not TOML: {error}.") from None


class _PartyFile(PydanticBaseSettingsSource):
    """Settings from `party.toml` in the state folder that the sources before this one name."""

    def __init__(self, settings_cls: type[BaseSettings], *before: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        self._before = before

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        named = [source().get("state_dir") for source in self._before]
        default = self.settings_cls.model_fields["state_dir"].default
        folder = next((Path(path) for path in [*named, default] if isinstance(path, str | Path)), None)
        if folder is None:
            return {}
        return {name: self._placed(folder, name, value) for name, value in read_party_file(folder).items()}

    def _placed(self, folder: Path, name: str, value: Any) -> Any:
        fields = self.settings_cls.model_fields
        field = fields.get(name) or fields.get(f"{name}_file")  # `schema`, by its short name, is a path too
        is_path = field is not None and field.annotation in (Path, Path | None)
        return folder / value if is_path and isinstance(value, str) else value
