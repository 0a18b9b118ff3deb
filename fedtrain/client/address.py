"""Addresses of services, as people write them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator


def service_address(given: str) -> str:
    """Return `given` as a base URL without a slash at its end; http:// where no scheme is given, as curl does.

    Raises ValueError for another scheme than http and https, where no host is named, for what is no port, for a query,
    and where a user or password is: addresses are shown to everyone, at GET /readyz and in logs.
    """
    address = given.strip() if "://" in given else f"http://{given.strip()}"
    if not _names_a_service(address):
        named = "this" if "@" in given else repr(given[:200])  # before an @ there may be a password
        raise ValueError(f"{named} is no address of a service: write it as http://host:port")
    parts = urlsplit(address)
    if parts.username is not None or parts.password is not None:
        raise ValueError("the address has a user or a password in it: take them out, and give a token")
    return address.rstrip("/")


def _names_a_service(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not parts.query
    except ValueError:  # brackets that hold no IPv6 address, or a port that is no number up to 65,535
        return False


Address = Annotated[str, AfterValidator(service_address)]
