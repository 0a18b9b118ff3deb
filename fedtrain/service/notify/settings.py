"""The table `[notify]` of `party.toml`: who is told of what, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from fedtrain.protocol.loopback import is_loopback
from fedtrain.spec.model_spec import Strict

Kind = Literal["job-waits", "sign-off-waits", "job-finished", "job-failed", "request-waits", "request-decided"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def _address(text: str) -> str:
    name, at, host = text.rpartition("@")
    if not (name and at and host) or not text.isascii() or not text.isprintable() or set(text) & set(' ,;<>"\\'):
        raise ValueError(f"{text[:100]!r} is no mail address: somebody@example.org would be one")
    return text


def _web_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url[:200]!r} is no address: https://hooks.example.org/fedtrain would be one")
    if parts.username or parts.password:
        raise ValueError("the address has a user or a password in it: take them out")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(f"{url[:200]} would carry words about jobs in the clear: use https")
    return url


MailAddress = Annotated[str, Field(max_length=320), AfterValidator(_address)]
WebAddress = Annotated[str, Field(max_length=2000), AfterValidator(_web_address)]


class EmailSettings(Strict):
    """A mail server that takes messages for `recipients`.

    `security`: "tls" from the first byte, "starttls", or "none", which loopback alone may be. `password_file`: of
    `user`. `ca_file`: the CA of its certificate where that is not one of the system's.
    """

    server: Annotated[str, Field(min_length=1, max_length=300)]
    port: Annotated[int, Field(ge=1, le=65535)] = 465
    security: Literal["tls", "starttls", "none"] = "tls"
    sender: MailAddress
    recipients: Annotated[tuple[MailAddress, ...], Field(min_length=1, max_length=100)]
    user: Annotated[str, Field(max_length=300)] | None = None
    password_file: Path | None = None
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.security == "none" and not is_loopback(self.server):
            raise ValueError(f"security 'none' is for a server on this machine, and {self.server} is another: use tls")
        if (self.user is None) != (self.password_file is None):
            raise ValueError("user and password_file belong together: give both or neither")
        return self


class WebhookSettings(Strict):
    """An address that gets JSON by POST. `secret_file`: 16 bytes or more, under which each is signed."""

    url: WebAddress
    secret_file: Path
    ca_file: Path | None = None


class NotifySettings(Strict):
    """`events`: what is told. `link`: the address of this party's pages, for what is sent to lead to."""

    events: Annotated[tuple[Kind, ...], Field(max_length=len(KINDS))] = KINDS
    link: WebAddress | None = None
    email: EmailSettings | None = None
    webhook: WebhookSettings | None = None

    @property
    def on(self) -> bool:
        """True where anybody is told of anything."""
        return bool(self.events) and (self.email is not None or self.webhook is not None)
