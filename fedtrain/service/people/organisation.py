"""Signing in by an organisation's OpenID Connect provider: discovery, the code flow with PKCE, and what is believed.

The browser is sent to the provider with a state, a nonce and the hash of a verifier; it comes back with a code, which
is exchanged for a signed ID token. An attempt is bound to the browser by a cookie, holds good once, for ten minutes.
Source: OpenID Connect Core 1.0, section 3.1; OpenID Connect Discovery 1.0, section 4; RFC 7636 (PKCE); RFC 9700.
"""

from __future__ import annotations

import hmac
import json
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx
import structlog

from fedtrain.protocol.clock import Clock
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.loopback import is_loopback
from fedtrain.service.people.permissions import PersonRole
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("protocol.server")

#: Where the provider sends browsers back to, at this service.
RETURN_PATH = "/session/organisation/return"
ATTEMPT_S = 600
MOST_ATTEMPTS = 1000
#: Clocks of provider and service may differ by so much.
LEEWAY_S = 60
_REQUEST_TIMEOUT_S = 10
_MOST_BYTES = 1 << 20
#: Signatures alone: a client's secret, or none, is no provider's key.
_ALGORITHMS = ("RS256", "PS256", "ES256", "RS384", "PS384", "ES384", "RS512", "PS512", "ES512", "EdDSA", "Ed25519")
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_WRONG_CLAIMS = {
    "aud": "its ID token is for another audience than this service",
    "azp": "its ID token is for another client than this service",
    "exp": "its ID token has expired",
    "iss": "its ID token is another issuer's",
    "nonce": "its ID token is of another sign-in (its nonce is not this one's)",
}


@dataclass(frozen=True)
class Provider:
    """The organisation's provider, as the party's settings have it.

    `redirect_uri`: this service's address that the provider sends browsers back to, as it is registered there.
    `roles`: by the value of `role_claim` that gives each. `client_secret`: None for a public client.
    """

    issuer: str
    client_id: str
    client_secret: str | None
    redirect_uri: str
    role_claim: str
    roles: Mapping[str, PersonRole]
    name_claim: str


@dataclass(frozen=True)
class Identified:
    """A person as the organisation's provider names them."""

    issuer: str
    subject: str
    name: str
    role: PersonRole


@dataclass(frozen=True)
class _Attempt:
    state: str
    nonce: str
    verifier: str
    until: float


class Organisation:
    """The way in by one provider. `transport` stands in for the network, `verify` says which TLS is believed."""

    def __init__(
        self,
        provider: Provider,
        clock: Clock,
        *,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.provider = provider
        self._clock = clock
        self._verify = verify
        self._transport = transport
        self._attempts: dict[str, _Attempt] = {}

    async def begin(self) -> tuple[str, str]:
        """Return the address to send a browser to, and the secret that its cookie keeps until it is back.

        Raises Problem(SERVICE_UNREACHABLE) where the provider does not answer as one.
        """
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        async with self._http() as http:
            endpoint = (await self._discovered(http))["authorization_endpoint"]
        now = self._clock.monotonic()
        self._attempts = {key: one for key, one in self._attempts.items() if now < one.until}
        while len(self._attempts) >= MOST_ATTEMPTS:  # the oldest makes room
            del self._attempts[next(iter(self._attempts))]
        secret, state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(4))
        self._attempts[sha256_hex(secret.encode())] = _Attempt(state, nonce, verifier, now + ATTEMPT_S)
        query = {
            "response_type": "code",
            "scope": "openid profile email",
            "client_id": self.provider.client_id,
            "redirect_uri": self.provider.redirect_uri,
            "state": state,
            "nonce": nonce,
            "code_challenge": create_s256_code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}", secret

    async def finish(self, secret: str, state: str, code: str | None, error: str | None) -> Identified:
        """Return who has signed in at the provider. Whatever comes of it, the attempt is over.

        Raises Problem: UNAUTHENTICATED, FORBIDDEN for who has no role here, SERVICE_UNREACHABLE.
        """
        attempt = self._attempts.pop(sha256_hex(secret.encode("utf-8", "surrogatepass")), None)
        given = state.encode("utf-8", "surrogatepass")
        if (
            attempt is None
            or self._clock.monotonic() >= attempt.until
            or not hmac.compare_digest(attempt.state.encode(), given)
        ):
            raise _refused(
                "this answer's state is of no sign-in that this browser has begun: it was used before, is another "
                "browser's, or is older than ten minutes"
            )
        if code is None:
            raise _refused(f"the organisation's provider says {(error or 'nothing')[:100]!r}")
        async with self._http() as http:
            endpoints = await self._discovered(http)
            token = await self._exchanged(http, endpoints["token_endpoint"], code, attempt.verifier)
            keys = await self._json(http.build_request("GET", endpoints["jwks_uri"]), http)
        return self._identified(self._claims(token, keys, attempt.nonce))

    async def _discovered(self, http: httpx.AsyncClient) -> dict[str, str]:
        issuer = self.provider.issuer
        found = await self._json(
            http.build_request("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration"), http
        )
        if found.get("issuer") != issuer:
            raise _unusable(f"it says that it is the issuer {str(found.get('issuer'))[:200]!r}, not {issuer!r}")
        endpoints = {name: found.get(name) for name in _ENDPOINTS}
        for name, address in endpoints.items():
            if not isinstance(address, str) or not is_safe(address):
                raise _unusable(f"its {name} is no https address")
        return {name: str(address) for name, address in endpoints.items()}

    async def _exchanged(self, http: httpx.AsyncClient, endpoint: str, code: str, verifier: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.provider.redirect_uri,
            "client_id": self.provider.client_id,
            "code_verifier": verifier,
        }
        secret = self.provider.client_secret
        request = http.build_request("POST", endpoint, data=form)
        if secret is not None:
            # Each is encoded as in a form first (RFC 6749, section 2.3.1).
            flow = httpx.BasicAuth(quote_plus(self.provider.client_id), quote_plus(secret)).auth_flow(request)
            request = next(flow)
        return await self._json(request, http, refused="it does not take the code")

    async def _json(
        self, request: httpx.Request, http: httpx.AsyncClient, refused: str | None = None
    ) -> dict[str, Any]:
        """Return the JSON object that the provider answers with. `refused`: what a status of 4xx means."""
        content = bytearray()
        try:
            response = await http.send(request, stream=True)
            try:
                if (packing := response.headers.get("Content-Encoding", "identity")) != "identity":
                    raise _unusable(f"it answers {request.url.path} packed as {packing[:40]!r}")
                async for part in response.aiter_bytes():
                    content += part
                    if len(content) > _MOST_BYTES:
                        raise _unusable(f"it answers {request.url.path} with more than {_MOST_BYTES:,} bytes")
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise _unusable(f"{type(error).__name__} at {request.url.host}") from None
        if refused is not None and 400 <= response.status_code < 500:
            raise _refused(refused)
        if response.status_code != httpx.codes.OK:
            raise _unusable(f"it answers {request.url.path} with status {response.status_code}")
        try:
            found = json.loads(content)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise _unusable(f"what it answers {request.url.path} with is no JSON object")
        return found

    def _claims(self, answer: Mapping[str, Any], keys: Mapping[str, Any], nonce: str) -> Mapping[str, Any]:
        """Return what a valid ID token says. Raises Problem(UNAUTHENTICATED) that names what is wrong with it."""
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        provider = self.provider
        try:
            found = KeySet.import_key_set(cast(Any, dict(keys)))
            decoded = jwt.decode(str(answer["id_token"]), found, list(_ALGORITHMS))
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "value": provider.issuer},
                    "aud": {"essential": True, "value": provider.client_id},
                    "sub": {"essential": True},
                    "exp": {"essential": True},
                },
                {"nonce": nonce, "client_id": provider.client_id, "access_token": answer.get("access_token")},
            )
            claims.validate(now=int(self._clock.now().timestamp()), leeway=LEEWAY_S)
        except JoseError as error:
            raise _refused(_WRONG_CLAIMS.get(getattr(error, "claim", ""), f"its ID token: {error.error}")) from None
        except (KeyError, ValueError, TypeError):
            raise _refused("it gives no ID token that can be read") from None
        return dict(claims)

    def _identified(self, claims: Mapping[str, Any]) -> Identified:
        provider = self.provider
        name, subject = _claim(claims, provider.name_claim), claims["sub"]
        if not isinstance(name, str) or not isinstance(subject, str):
            raise _refused(f"its ID token has no {provider.name_claim}, by which people are named here")
        if provider.name_claim == "email" and claims.get("email_verified") is False:
            raise _refused("its ID token says that the e-mail address is not verified")
        said = _claim(claims, provider.role_claim)
        groups = {said} if isinstance(said, str) else set(said) if isinstance(said, list) else set()
        given = {role for group, role in provider.roles.items() if group in groups}
        for role in PersonRole:  # who has several acts in the one with the most rights
            if role in given:
                return Identified(provider.issuer, subject, name, role)
        raise Problem(
            Code.FORBIDDEN,
            f"The organisation signs you in as {name}, and gives no role here: its claim {provider.role_claim} names "
            f"none of {', '.join(provider.roles)}.",
        )

    def _http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            timeout=_REQUEST_TIMEOUT_S,
            transport=self._transport,
            verify=self._verify,
            follow_redirects=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},  # which could unpack to any size
        )


def is_safe(address: str) -> bool:
    """Return whether nobody on the way reads what is sent to an address: https, or this machine's loopback."""
    parts = urlsplit(address)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    )


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim by its name, or by its path with dots (realm_access.roles)."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _refused(why: str) -> Problem:
    log.warning("sign-in by the organisation refused", why=why)
    return Problem(Code.UNAUTHENTICATED, f"The organisation's sign-in is refused: {why}.")


def _unusable(why: str) -> Problem:
    log.warning("the organisation's provider cannot be used", why=why)
    return Problem(Code.SERVICE_UNREACHABLE, f"The organisation's provider cannot be used: {why}.")
