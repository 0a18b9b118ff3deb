"""From a party's settings to its gate, its TLS, and its connection to the Facilitator."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import httpx
from pydantic_settings import SettingsConfigDict

from fedtrain.client.address import Address
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.client.tls import TlsError, client_context
from fedtrain.protocol.clock import Clock
from fedtrain.protocol.documents.signed import Name
from fedtrain.service.people.organisation import RETURN_PATH, Organisation, Provider, is_safe
from fedtrain.service.runtime.extras import how_to_install
from fedtrain.service.runtime.settings import ServiceSettings
from fedtrain.service.runtime.tls import server_context
from fedtrain.service.timestamps.settings import TimestampSettings
from fedtrain.service.vault.key_files import KeyFiles, KeySecret, open_key_files
from fedtrain.service.vault.tokens import TOKENS_FILE, read_token, watched_tokens
from fedtrain.service.web.caller import Gate, OpenGate, TokenGate
from fedtrain.service.web.decision_token import DecisionToken
from fedtrain.service.web.own_requests import certified_names
from fedtrain.spec.setup_error import SetupError


class PartySettings(ServiceSettings):
    """Part of a party's settings that a command needs to call the Facilitator in the party's name."""

    model_config = SettingsConfigDict(env_prefix="FEDTRAIN_", extra="ignore", frozen=True)

    port: int = 0
    name: Name = "party"
    workers: int = 1
    facilitator: Address = "http://127.0.0.1:8080"
    bodies_dir: Path | None = None  # a Facilitator's
    timestamps: TimestampSettings | None = None


def key_files_of(settings: ServiceSettings) -> KeyFiles:
    """Return the private keys in the party's state folder, opened with what the settings name.

    Raises SecretFileError where they are sealed and do not open, or are to be and are not.
    """
    secret = KeySecret.read(settings.key_passphrase_file, settings.key_file)
    return open_key_files(settings.state_dir, secret)


def gate_of(settings: ServiceSettings) -> Gate:
    """Return the gate: tokens where the state folder has a token list, else open, which only loopback may be.

    What decides asks for a token there, too, which is drawn now and lies in the state folder once the service listens.

    Raises SecretFileError for a token list that cannot be used.
    """
    if not (settings.state_dir / TOKENS_FILE).exists():
        return OpenGate(DecisionToken(settings.state_dir))
    tokens = watched_tokens(settings.state_dir)
    tokens.value()
    return TokenGate(tokens)


def organisation_of(settings: ServiceSettings, clock: Clock) -> Organisation | None:
    """Return the way to sign in by the organisation's provider, None where the settings name none.

    Raises SetupError for settings that do not go together, or cannot be used, and where its package is missing.
    """
    given = {
        "oidc_issuer": settings.oidc_issuer,
        "oidc_client_id": settings.oidc_client_id,
        "oidc_address": settings.oidc_address,
        "oidc_roles": settings.oidc_roles,
    }
    if not any(given.values()):
        return None
    if missing := [name for name, value in given.items() if not value]:
        raise SetupError(f"To sign in by an organisation takes {' and '.join(missing)} as well.")
    for package in ("authlib", "joserfc"):
        if find_spec(package) is None:
            raise SetupError(f"To sign in by an organisation: {how_to_install(package)}.")
    issuer, address = str(settings.oidc_issuer), str(settings.oidc_address).rstrip("/")
    for name, value in (("oidc_issuer", issuer), ("oidc_address", address)):
        if not is_safe(value):
            raise SetupError(f"{name} is {value[:200]!r}: it has to be an https address, or one of this machine.")
    secret = settings.oidc_client_secret_file
    provider = Provider(
        issuer=issuer,
        client_id=str(settings.oidc_client_id),
        client_secret=None if secret is None else read_token(secret),
        redirect_uri=f"{address}{RETURN_PATH}",
        role_claim=settings.oidc_role_claim,
        roles=settings.oidc_roles,
        name_claim=settings.oidc_name_claim,
    )
    return Organisation(provider, clock, verify=client_context(settings.oidc_ca_file))


def listening_tls(settings: ServiceSettings) -> ssl.SSLContext | None:
    """Return the TLS that the service listens with, None where the settings name none. Raises TlsError."""
    if settings.tls_cert is None and settings.tls_key is None:
        if settings.tls_client_ca is not None:
            raise TlsError("tls_client_ca asks clients for certificates, and needs tls_cert and tls_key.")
        return None
    if settings.tls_cert is None or settings.tls_key is None:
        raise TlsError("tls_cert and tls_key belong together: give both files or neither.")
    return server_context(settings.tls_cert, settings.tls_key, settings.tls_client_ca)


def own_names(settings: ServiceSettings) -> tuple[str, ...]:
    """Return the host names that the service is called by, beside loopback's and the address a connection comes in at.

    They are those of the settings and of its certificate.
    """
    named = [name.strip() for name in settings.allowed_hosts.split(",") if name.strip()]
    certified = () if settings.tls_cert is None else certified_names(settings.tls_cert)
    return (settings.host, *named, *certified)


def facilitator_client(
    settings: ServiceSettings,
    base_url: str,
    party_id: str,
    transport: httpx.AsyncBaseTransport | None = None,
    now: Callable[[], datetime] | None = None,
) -> FacilitatorClient:
    """Return the party's connection to the Facilitator, with its token, CA and certificate.

    `now`: the party's clock, which the Facilitator's people see beside their own.

    Raises TlsError, SecretFileError, and Problem as `ServiceClient`.
    """
    verify: ssl.SSLContext | bool = True
    if settings.ca_file is not None or settings.client_cert is not None or settings.client_key is not None:
        verify = client_context(settings.ca_file, settings.client_cert, settings.client_key)
    token = None if settings.token_file is None else read_token(settings.token_file)
    return FacilitatorClient(base_url, party_id=party_id, token=token, transport=transport, verify=verify, now=now)
