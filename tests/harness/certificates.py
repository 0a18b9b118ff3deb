"""Certificates for parties of tests, each with a new key."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from fedtrain.cli.trust.certificates import Pair, certify, request_certificate, requested_key


def issue(ca: Pair, name: str, hosts: Iterable[str], now: datetime, not_after: datetime) -> Pair:
    """A certificate for the party `name`, reached at `hosts` (DNS names or IP addresses), and its key."""
    asked = request_certificate(name)
    return Pair(certify(ca, requested_key(asked.certificate), name, hosts, now, not_after), asked.key)
