"""TLS from files, as a client. They come from `fedtrain provision`, or from wherever a site has its own."""

from __future__ import annotations

import ssl
from pathlib import Path

from fedtrain.spec.setup_error import SetupError


class TlsError(SetupError):
    """A certificate, key or CA file cannot be used; the message names it and says what to do."""


def client_context(ca: Path | None = None, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """Return what a client connects with: `ca` alone is believed where it is given, else the system's authorities.

    `certificate` and `key` are for services that ask for one (mutual TLS). Raises TlsError for files that are
    missing or cannot be used, a key that others may read, and one of the two without the other.
    """
    if ca is None:
        context = ssl.create_default_context()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        load_ca(context, ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if (certificate is None) != (key is None):
        raise TlsError("A client certificate needs its key, and a key its certificate: give both files or neither.")
    if certificate is not None and key is not None:
        load_pair(context, certificate, key)
    return context


def load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Make the context show this certificate. Raises TlsError."""
    for path in (certificate, key):
        if not path.is_file():
            raise TlsError(f"There is no file {path}.")
    if key.stat().st_mode & 0o077:
        raise TlsError(f"{key} holds a private key and has mode {key.stat().st_mode & 0o777:04o}: chmod 600 {key}")
    try:
        # An encrypted key would otherwise be asked for at the terminal.
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise TlsError(f"{certificate} and {key} cannot be used as a certificate and its key: {reason}.") from None


def _no_password() -> str:
    raise ValueError("the key is encrypted, and a service has nobody to ask for its password")


def load_ca(context: ssl.SSLContext, ca: Path) -> None:
    """Make the context believe this CA. Raises TlsError."""
    if not ca.is_file():
        raise TlsError(f"There is no file {ca}.")
    try:
        context.load_verify_locations(ca)
    except (ssl.SSLError, OSError) as error:
        raise TlsError(f"{ca} cannot be used as a CA: {getattr(error, 'reason', None) or error}.") from None
