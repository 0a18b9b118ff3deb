"""Addresses of services, as people write them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator


def service_address(given: str) -> str:
    """Return `given` as a base URL without a slash at its end; http:// where no scheme is given, as curl does.

    Raises ValueError for another scheme than http and https, and where no host is named.
    """
    address = given.strip() if "://" in given else f"http://{given.strip()}"
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{given[:200]!r} is no address of a service: write it as http://host:port")
    return address.rstrip("/")


Address = Annotated[str, AfterValidator(service_address)]
