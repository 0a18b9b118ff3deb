"""TLS from files, as a service."""

from __future__ import annotations

import ssl
from pathlib import Path

from fedtrain.client.tls import load_ca, load_pair


def server_context(certificate: Path, key: Path, client_ca: Path | None = None) -> ssl.SSLContext:
    """Return what a service listens with: TLS 1.2 or newer; with `client_ca`, only for clients it has signed.

    Raises TlsError for files that are missing, do not belong together, or a key that others may read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_pair(context, certificate, key)
    if client_ca is not None:
        load_ca(context, client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
