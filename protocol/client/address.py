"""Addresses of services, as people write them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator


def service_address(given: str) -> str:
    """Return `given` as a base URL without a slash at its end; http:// where no scheme is given, as curl does.

    Raises ValueError for another scheme than http and https, where no host is named, and where a user or password is:
    addresses are shown to everyone, at GET /readyz and in logs.
    """
    address = given.strip() if "://" in given else f"http://{given.strip()}"
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{given[:200]!r} is no address of a service: write it as http://host:port")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the address has a user or a password in it: take them out, and give a token")
    return address.rstrip("/")


Address = Annotated[str, AfterValidator(service_address)]
