"""TLS: the party's own certificate, and who can reach its port without one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from fedtrain.client.tls import TlsError, client_context
from fedtrain.service.health.finding import Finding, fail, ok, warn
from fedtrain.service.runtime.connection import listening_tls
from fedtrain.service.runtime.settings import ServiceSettings
from fedtrain.service.vault.secret_files import SecretFileError
from fedtrain.service.vault.tokens import read_tokens
from fedtrain.service.web.exposure import refusal_to_listen

SOON = timedelta(days=30)
_RENEW = "renew it: `fedtrain identity request --renew`, which docs/operations.md explains"


def check_certificates(settings: ServiceSettings, now: datetime) -> Iterator[Finding]:
    """The files of TLS that the settings name, and whether the port may be open to others."""
    try:
        listens = listening_tls(settings) is not None
        client_context(settings.ca_file, settings.client_cert, settings.client_key)
    except TlsError as error:
        yield fail(
            "TLS files",
            str(error),
            "name a certificate and the key that belongs to it by tls_cert and tls_key (client_cert and client_key, "
            "ca_file), in files that this user can read",
        )
        listens = settings.tls_cert is not None
    named = {
        "own certificate": settings.tls_cert,
        "client certificate": settings.client_cert,
        "CA": settings.ca_file,
        "clients' CA": settings.tls_client_ca,
    }
    for check, path in named.items():
        if path is not None and path.is_file():
            yield _validity(check, path, now)
    yield _exposure(settings, listens)


def _validity(check: str, path: Path, now: datetime) -> Finding:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError:
        return fail(check, f"{path} is no certificate in PEM", "name another file")
    return validity(check, str(path), certificate, now)


def validity(check: str, what: str, certificate: x509.Certificate, now: datetime) -> Finding:
    """Return what there is to say of a certificate's dates."""
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > ends:
        return fail(check, f"{what} ended at {ends:%Y-%m-%d %H:%M} UTC", _RENEW)
    if now < begins:
        return fail(check, f"{what} is valid from {begins:%Y-%m-%d %H:%M} UTC on", "see whether this clock is right")
    if ends - now < SOON:
        return warn(check, f"{what} ends in {(ends - now).days} days, at {ends:%Y-%m-%d}", _RENEW)
    return ok(check, f"{what} is valid until {ends:%Y-%m-%d}")


def _exposure(settings: ServiceSettings, tls: bool) -> Finding:
    try:
        records = read_tokens(settings.state_dir)
    except SecretFileError as error:
        return fail(
            "callers", str(error), "mend tokens.toml, or move it away and make tokens anew: `fedtrain token create`"
        )
    refusal = refusal_to_listen(settings.host, open_to_all=not records, tls=tls)
    if refusal is not None:
        return fail(
            "callers",
            refusal,
            "make a token (`fedtrain token create`), and name a certificate and its key by tls_cert and tls_key; or "
            "let this machine alone reach it: --host 127.0.0.1",
        )
    if not records:
        return ok("callers", f"{settings.host}: only this machine reaches it, and no token is asked for")
    valid = [record for record in records if record.revoked_at is None]
    if not valid:
        return warn("callers", "every token of this service is revoked", "`fedtrain token create` makes one")
    return ok("callers", f"{settings.host}: {len(valid)} tokens are valid, {len(records) - len(valid)} revoked")
