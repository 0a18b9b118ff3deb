"""Proxies from the environment, as curl takes them: which one a service is asked through, and by whose word.

httpx reads them itself, but it does not say which setting it stumbled over, nor whom it has asked.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from typing import TypedDict
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from fedtrain.protocol.loopback import is_loopback
from fedtrain.spec.setup_error import SetupError


class ProxyError(SetupError):
    """A proxy setting cannot be used; the message names it and says what to do."""


@dataclass(frozen=True)
class Proxy:
    """A proxy's address, which may have a password in it, and the setting that names it. Shown without the password."""

    url: str
    setting: str

    def __str__(self) -> str:
        return f"the proxy {_shown(self.url)} ({self.setting})"

    def __repr__(self) -> str:
        return f"Proxy({self})"


def proxy_for(address: str) -> Proxy | None:
    """Return the proxy that the service at this URL is asked through, None for none: it is on this machine, or exempt.

    Raises ProxyError for a proxy that no request can go through.
    """
    parts = urlsplit(address)
    host = parts.hostname or ""
    proxies = getproxies()
    kind = parts.scheme if proxies.get(parts.scheme) else "all"
    given = proxies.get(kind)
    if not given or is_loopback(host) or proxy_bypass(f"{host}:{parts.port}" if parts.port else host):
        return None
    names = (name for name in (f"{kind}_proxy", f"{kind}_proxy".upper()) if os.environ.get(name))
    setting = next(names, "this machine's proxy settings")
    url = given if "://" in given else f"http://{given}"
    if url.lower().startswith("socks"):
        raise ProxyError(
            f"{setting} names the SOCKS proxy {_shown(url)}, and only HTTP proxies can be used: set it to one "
            f"(http://host:port), or name {host} in NO_PROXY."
        )
    if not _usable(url):
        raise ProxyError(
            f"{setting} is {_shown(given)!r}, which is no proxy's address: write it as http://host:port, or name "
            f"{host} in NO_PROXY."
        )
    return Proxy(url, setting)


class Connecting(TypedDict):
    """Arguments of an httpx client."""

    verify: ssl.SSLContext | bool
    proxy: str | None
    trust_env: bool


def connecting(verify: ssl.SSLContext | bool, proxy: Proxy | None) -> Connecting:
    """Return what an httpx client is made with, so that it asks through this proxy alone.

    Certificates of the environment (SSL_CERT_FILE) are believed as ever; of a .netrc nothing is sent.
    """
    context = httpx.create_ssl_context() if verify is True else verify
    return {"verify": context, "proxy": None if proxy is None else proxy.url, "trust_env": False}


def unreachable_through(proxy: Proxy | None, error: Exception) -> str:
    """Return why nobody was reached, for a person: it names the proxy where one was asked."""
    why = str(error) or type(error).__name__
    if proxy is None:
        return why
    return f"it was asked through {proxy}: {why}"


def _usable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        httpx.Proxy(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except (ValueError, httpx.InvalidURL):
        return False


def _shown(url: str) -> str:
    """The address without the user and password that may stand before its last @."""
    scheme, separator, rest = url.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]
