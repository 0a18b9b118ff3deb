"""Exposure of a service: what it needs before others than this machine may reach it."""

from __future__ import annotations

from fedtrain.protocol.loopback import is_loopback


def refusal_to_listen(host: str, *, open_to_all: bool, tls: bool) -> str | None:
    """Return the line that says why a service must not listen at `host`, None where it may."""
    if is_loopback(host):
        return None
    missing = []
    if open_to_all:
        missing.append("no token (`fedtrain token create --state-dir …` makes one)")
    if not tls:
        missing.append("no TLS certificate (FEDTRAIN_TLS_CERT and FEDTRAIN_TLS_KEY name it)")
    if not missing:
        return None
    return (
        f"Refusing to listen on {host}, where other machines reach it: it has {' and '.join(missing)}. "
        "Mend that, or stay on 127.0.0.1."
    )
