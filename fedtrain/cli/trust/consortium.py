"""`consortium.toml`: who takes part, and where the Facilitator is reached. `fedtrain provision` reads it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, model_validator

from fedtrain.cli.output import Failure, wrong_fields
from fedtrain.protocol.documents.signed import Name
from fedtrain.protocol.loopback import is_loopback
from fedtrain.spec.model_spec import Strict

Port = Annotated[int, Field(ge=0, le=65535)]


class PartyEntry(Strict):
    """A party and the port of its own people. `names`: what that port is called elsewhere, for its certificate."""

    name: Name
    host: str = "127.0.0.1"
    port: Port
    names: tuple[str, ...] = ()

    @property
    def reached_by_others(self) -> bool:
        """True where other machines can reach its port, which then needs tokens and TLS."""
        return not is_loopback(self.host)


class DataOwnerEntry(PartyEntry):
    port: Port = 5000


class ModelOwnerEntry(PartyEntry):
    port: Port = 9090


class FacilitatorEntry(Strict):
    """The Facilitator. `url` is how the others reach it; https, unless all are on one machine.

    `host`: what it listens on, by default every address, or loopback where the url is. `port`: the url's.
    `mutual_tls`: only who has a certificate of the consortium's gets through.
    """

    name: Name = "facilitator"
    url: str
    host: str | None = None
    port: Port | None = None
    mutual_tls: bool = False

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{self.url!r} is no address: https://facilitator.example:8080 would be one")
        if parts.username or parts.password:
            raise ValueError("the address has a user or a password in it: take them out")
        listens = self.host or parts.hostname
        if parts.scheme == "http" and not (is_loopback(parts.hostname) and is_loopback(listens)):
            raise ValueError(f"{self.url} would carry tokens in the clear: use https")
        if parts.scheme == "http" and self.mutual_tls:
            raise ValueError("mutual_tls needs an https address")
        return self

    @property
    def over_tls(self) -> bool:
        return urlsplit(self.url).scheme == "https"

    @property
    def hostname(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def listens_on(self) -> tuple[str, int]:
        """Host and port that it binds."""
        default_host = self.hostname if is_loopback(self.hostname) else "0.0.0.0"  # noqa: S104 - what the owner asks for
        default_port = urlsplit(self.url).port or (443 if self.over_tls else 80)
        return self.host or default_host, default_port if self.port is None else self.port


class ConsortiumFile(Strict):
    """Everybody who takes part. `valid_days`: how long memberships and certificates hold."""

    name: Name
    valid_days: Annotated[int, Field(ge=1, le=36500)] = 730
    facilitator: FacilitatorEntry
    model_owner: Annotated[tuple[ModelOwnerEntry, ...], Field(min_length=1, max_length=1000)]
    data_owner: Annotated[tuple[DataOwnerEntry, ...], Field(min_length=1, max_length=10_000)]

    @property
    def has_tls(self) -> bool:
        """True where parties get certificates: some port is reached from another machine."""
        parties = (*self.model_owner, *self.data_owner)
        return self.facilitator.over_tls or any(party.reached_by_others for party in parties)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [self.facilitator.name, *(party.name for party in (*self.model_owner, *self.data_owner))]
        seen: dict[str, str] = {}
        for name in names:
            # Names are folders, and some file systems take bank-a and Bank-A for one.
            folded = name.casefold()
            if folded in seen:
                if name == seen[folded]:
                    raise ValueError(f"two parties are called {name!r}")
                raise ValueError(f"parties are called {seen[folded]!r} and {name!r}, which differ in case alone")
            seen[folded] = name
            if folded == CONSORTIUM_FOLDER:
                raise ValueError(f"{name!r} is the name of the consortium's own folder")
        return self

    @model_validator(mode="after")
    def _ports_of_one_machine(self) -> Self:
        """Without TLS all are on the Facilitator's machine, and each needs a port of its own."""
        if self.facilitator.over_tls:
            return self
        taken = {self.facilitator.listens_on[1]: self.facilitator.name}
        for party in (*self.model_owner, *self.data_owner):
            if party.port and party.port in taken:
                raise ValueError(
                    f"{taken[party.port]!r} and {party.name!r} would both listen on port {party.port} of one machine: "
                    f"give {party.name!r} another, such as `port = {_free_port(party.port, taken)}`"
                )
            taken[party.port] = party.name
        return self


def _free_port(above: int, taken: Mapping[int, str]) -> int:
    free: int = next(port for port in (*range(above + 1, 65_536), *range(1024, above)) if port not in taken)
    return free


#: Where the consortium's own keys lie, beside the parties' folders.
CONSORTIUM_FOLDER = "consortium"


def read_consortium(path: Path) -> ConsortiumFile:
    """Return the file's content. Raises Failure that names file and field."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Failure(f"{path}: not TOML: {error}") from None
    try:
        return ConsortiumFile.model_validate(document)
    except ValidationError as error:
        raise Failure(f"{path}: {wrong_fields(error, document)}") from None
