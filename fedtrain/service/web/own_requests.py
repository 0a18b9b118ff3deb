"""Requests that a web page of somebody else's sends with a person's browser: refused before anything reads them.

A page may send forms and fetches to any address, this machine's loopback too, and with a name that it lets lead there
("DNS rebinding") it may read the answers. It cannot choose the headers `Host`, `Origin` and `Sec-Fetch-Site`, nor send
a content type other than a form's without asking first. Programs send none of these, or their own address.
Source: Fetch standard, sections 3.1 (Origin) and 4.5; Fetch Metadata Request Headers (W3C).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from fedtrain.protocol.loopback import is_loopback
from fedtrain.service.limits.body_limits import refuse_unread
from fedtrain.spec.problems import Code, Problem

_DEFAULT_PORTS = {"http": 80, "https": 443}
_READING = frozenset({"GET", "HEAD"})
#: What a form, and a fetch that asks nobody, may send.
_FORM_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:/@?#\s]+)(?::(\d{0,5}))?", re.IGNORECASE)


class OwnRequestsMiddleware:
    """ASGI middleware: lets through what is sent to this service's own names, and by no page but its own.

    `names` are host names and addresses that the service is reached by, `*.example` for all in a domain; those of this
    machine's loopback and the address that a connection came in at are always among them. `tls`: whether it listens
    with TLS, so that a page of the same name without it is another's.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str], *, tls: bool) -> None:
        self._app = app
        self._names = frozenset(_plain(name) for name in names)
        self._tls = tls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                self._check(scope)
            except Problem as problem:
                await refuse_unread(problem, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        """Raises Problem: FOREIGN_HOST, FOREIGN_ORIGIN, UNSUPPORTED_MEDIA_TYPE."""
        headers = Headers(scope=scope)
        host = self._own_host(headers.getlist("host"), scope)
        self._check_origin(headers, host)
        site = headers.get("sec-fetch-site", "none")
        followed_a_link = scope["method"] in _READING and headers.get("sec-fetch-mode") == "navigate"
        if site not in ("none", "same-origin") and not followed_a_link:
            raise Problem(Code.FOREIGN_ORIGIN, f"A browser sent this for another page (Sec-Fetch-Site: {site[:40]}).")
        sent = headers.get("content-type", "").split(";", 1)[0].strip().lower()
        if scope["method"] not in _READING and sent in _FORM_TYPES:
            raise Problem(
                Code.UNSUPPORTED_MEDIA_TYPE,
                f"Content-Type is {sent}, which a form of any web page can send; no route takes it. With curl, say "
                'what it is: -H "Content-Type: application/json".',
            )

    def _own_host(self, given: list[str], scope: Scope) -> tuple[str, str]:
        """Return name and port ("" for none) of the Host header. HTTP/1.0 without one comes from no browser."""
        if not given:
            return "", ""
        found = _AUTHORITY.fullmatch(given[0]) if len(given) == 1 else None
        name = "" if found is None else _plain(found[1])
        here = scope.get("server") or ("", None)
        if found is None or not (is_loopback(name) or name == _plain(here[0]) or self._knows(name)):
            raise Problem(
                Code.FOREIGN_HOST,
                f"This service does not go by the name {', '.join(given)[:200]!r}. If it is to, add that to "
                "allowed_hosts in party.toml, or to FEDTRAIN_ALLOWED_HOSTS.",
            )
        return name, found[2] or ""

    def _knows(self, name: str) -> bool:
        return name in self._names or f"*.{name.partition('.')[2]}" in self._names

    def _check_origin(self, headers: Headers, host: tuple[str, str]) -> None:
        for origin in headers.getlist("origin"):
            if not self._is_own(origin, host):
                raise Problem(
                    Code.FOREIGN_ORIGIN, f"A web page of {origin[:200]!r} sent this, and only this service's own may."
                )

    def _is_own(self, origin: str, host: tuple[str, str]) -> bool:
        scheme, _, authority = origin.partition("://")
        found = _AUTHORITY.fullmatch(authority)
        if scheme not in _DEFAULT_PORTS or found is None or (self._tls and scheme != "https"):
            return False
        default = _DEFAULT_PORTS[scheme]
        return (_plain(found[1]), int(found[2] or default)) == (host[0], int(host[1] or default))


def certified_names(certificate: Path) -> tuple[str, ...]:
    """Return the host names and addresses that the first certificate in a PEM file is for."""
    parsed = x509.load_pem_x509_certificate(certificate.read_bytes())
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = names.get_values_for_type(x509.IPAddress)
    return (*names.get_values_for_type(x509.DNSName), *(str(address) for address in addresses))


def _plain(name: str) -> str:
    """A host name as it is compared: in lower case, no dot at its end, an IPv6 address without brackets."""
    return name.lower().rstrip(".").strip("[]")
