"""The Facilitator, as this party reaches it: address, TLS, clock, version, token, and whose jobs it has."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import httpx
from cryptography import x509

from fedtrain.client.proxies import Proxy, ProxyError, connecting, proxy_for, unreachable_through
from fedtrain.client.tls import TlsError, client_context
from fedtrain.protocol.http_dates import seconds_apart
from fedtrain.protocol.loopback import is_loopback
from fedtrain.protocol.states import Role
from fedtrain.protocol.version import PROTOCOL_VERSION, check_protocol
from fedtrain.service.health.certificates import validity
from fedtrain.service.health.facilitator import clocks_apart
from fedtrain.service.health.finding import Finding, fail, ok, warn
from fedtrain.service.runtime.connection import key_files_of
from fedtrain.service.runtime.settings import ServiceSettings
from fedtrain.service.vault.identity_file import load_identity
from fedtrain.service.vault.secret_files import IDENTITY_FILE, SecretFileError
from fedtrain.service.vault.tokens import read_token
from fedtrain.service.vault.trust_file import read_pins, trust_of
from fedtrain.spec.problems import Code, Problem

_TIMEOUT_S = 10.0


def check_facilitator(settings: ServiceSettings, role: Role, clock: Callable[[], datetime]) -> Iterator[Finding]:
    """All that can be seen of the Facilitator that the settings name; nothing for a Facilitator itself.

    `clock` tells this machine's time, with a time zone.
    """
    url = getattr(settings, "facilitator", None)
    if url is None:
        return
    try:
        verify = client_context(settings.ca_file, settings.client_cert, settings.client_key)
    except TlsError:
        yield fail("facilitator", f"{url} was not tried: the files of TLS cannot be used", "see TLS files")
        return
    try:
        proxy = proxy_for(url)
    except ProxyError as error:
        yield fail("proxy", str(error), "correct that setting where this party's service is started")
        return
    with httpx.Client(base_url=url, timeout=_TIMEOUT_S, **connecting(verify, proxy)) as http:
        asked_at = clock()
        try:
            with http.stream("GET", "/identity") as answer:
                certificate = _certificate(answer)
                answer.read()
            answered_at = clock()
            who = answer.json()
        except httpx.HTTPError as error:
            yield _unreachable(url, error, proxy)
            return
        except ValueError:
            who = None
        if not isinstance(who, dict) or who.get("role") != Role.FACILITATOR.value:
            yield fail("facilitator", f"{url} is no Facilitator", "correct the address, or see what a proxy answers")
            return
        yield from _identified(settings, url, who)
        if certificate is not None:
            yield validity("facilitator's certificate", f"that of {url}", certificate, answered_at)
        yield _clock(answer, asked_at, answered_at)
        yield from _as_a_party(http, settings, role, url, proxy)


def _certificate(answer: httpx.Response) -> x509.Certificate | None:
    stream = answer.extensions.get("network_stream")
    tls = None if stream is None else stream.get_extra_info("ssl_object")
    shown = None if tls is None else tls.getpeercert(True)  # the bytes; not every kind of TLS object takes it by name
    return None if shown is None else x509.load_der_x509_certificate(shown)


def _unreachable(url: str, error: httpx.HTTPError, proxy: Proxy | None) -> Finding:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return fail(
            "facilitator", f"{url}: its certificate is not believed: {cause.verify_message}", _tls_remedy(cause)
        )
    # With TLS 1.3 a service that wants a certificate hangs up after the handshake.
    if cause is not None or isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        why = getattr(cause, "reason", None) or cause or error
        return fail(
            "facilitator",
            f"{url} breaks the connection off: {why}",
            "if it asks for certificates, give client_cert and client_key; see that http and https are not mixed up",
        )
    return fail(
        "facilitator",
        f"nothing answers at {url}: {unreachable_through(proxy, error)}",
        "see that it is started, that the address is right, and that a firewall lets this machine out to it",
    )


def _tls_remedy(error: ssl.SSLCertVerificationError) -> str:
    words = error.verify_message.lower()
    if "expired" in words:
        return "the Facilitator's people have to renew it; or this machine's clock is wrong"
    if "mismatch" in words or "not valid for" in words:
        return "call it by a name that its certificate is for, or have one made for this name"
    return "name its CA by ca_file (FEDTRAIN_CA_FILE), as the consortium gave it"


def _identified(settings: ServiceSettings, url: str, who: dict[str, Any]) -> Iterator[Finding]:
    pinned, found = getattr(settings, "facilitator_id", None), str(who.get("party_id", ""))
    if pinned not in (None, found):
        yield fail(
            "facilitator",
            f"{url} is {found[:16]}…, and {str(pinned)[:16]}… is pinned",
            "ask its people for its party id; correct facilitator_id only when they read you this one",
        )
    else:
        yield ok("facilitator", f"{url} is {who.get('name')}, party id {found[:16]}…")
    theirs = str(who.get("protocol", ""))
    try:
        check_protocol(theirs)
    except Problem:
        yield fail(
            "facilitator's version",
            f"it speaks protocol {theirs}, this party {PROTOCOL_VERSION}",
            "upgrade the older of the two",
        )
        return
    yield ok("facilitator's version", f"federated-trainer {who.get('version')}, protocol {theirs}")


def _clock(answer: httpx.Response, asked_at: datetime, answered_at: datetime) -> Finding:
    seconds = seconds_apart(answer.headers.get("Date", ""), asked_at, answered_at)
    if seconds is None:
        return warn("clock", "the Facilitator's answers have no Date", "see what a proxy does to its headers")
    return clocks_apart(seconds)


def _as_a_party(
    http: httpx.Client, settings: ServiceSettings, role: Role, url: str, proxy: Proxy | None
) -> Iterator[Finding]:
    """Ask for this party's tasks, as its service does; once it has an identity."""
    if not (settings.state_dir / IDENTITY_FILE).exists():
        return
    try:
        headers = {"Fedtrain-Party": load_identity(settings.state_dir, key_files_of(settings)).party_id}
        if settings.token_file is not None:
            if httpx.URL(url).scheme != "https" and not is_loopback(httpx.URL(url).host):
                yield fail("token", f"it would travel to {url} in the clear", "use https")
                return
            headers["Authorization"] = f"Bearer {read_token(settings.token_file)}"
    except SecretFileError as error:
        yield fail(
            "token",
            str(error),
            "name the right file by token_file (FEDTRAIN_TOKEN_FILE), readable for this user alone (chmod 600); the "
            "Facilitator's people make a new one with `fedtrain token create`",
        )
        return
    try:
        answer = http.get("/tasks", params={"wait": 0}, headers=headers)
        ready = http.get("/readyz")
        jobs = http.get("/models", headers=headers)
    except httpx.HTTPError as error:
        yield _unreachable(url, error, proxy)
        return
    yield _token(answer, settings)
    if ready.is_success:
        yield ok("facilitator ready", "it says that it can work")
    else:
        yield warn(
            "facilitator ready",
            f"it says: {Problem.from_body(ready.content, ready.status_code).detail}",
            "its people have to see to it",
        )
    if jobs.is_success and role is Role.DATA_OWNER:
        yield from _unknown_model_owners(jobs, settings)


def _token(answer: httpx.Response, settings: ServiceSettings) -> Finding:
    shown = settings.token_file
    if answer.is_success:
        return ok("token", f"the one in {shown} is taken" if shown else "the Facilitator asks for none")
    problem = Problem.from_body(answer.content, answer.status_code)
    if problem.code is Code.UNAUTHENTICATED and shown is None:
        return fail("token", "the Facilitator asks for a token", "name the one that its people made, by token_file")
    return fail(
        "token",
        f"{shown or 'this party'} is refused: {problem.detail}",
        "ask the Facilitator's people for a new one (`fedtrain token create … --scope party`)",
    )


def _unknown_model_owners(jobs: httpx.Response, settings: ServiceSettings) -> Iterator[Finding]:
    """Model Owners of open jobs that are not pinned here. A consortium's members carry its word."""
    trust = trust_of(read_pins(settings.state_dir))
    if not trust.pins_model_owners or trust.consortium:
        return
    unknown = {
        str(job["model_owner"]["party"]): str(job["model_owner"]["name"])
        for job in jobs.json()
        if not job.get("ended_at") and job["model_owner"]["party"] not in trust.model_owners
    }
    for party, name in unknown.items():
        yield warn(
            "trust",
            f"{name} ({party[:16]}…) has a job under way and is not pinned here: it is declined",
            f"if its people read you this id: fedtrain trust {party} --role model-owner --name {name}",
        )
