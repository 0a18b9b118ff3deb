"""People who sign in by their organisation: against an OpenID Connect provider on a port, and those who attack it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from oidc_provider_mock import User, run_server_in_thread

from fedtrain.facilitator.settings import FacilitatorSettings
from fedtrain.facilitator.store import Store
from fedtrain.service.people.organisation import ATTEMPT_S, LEEWAY_S, MOST_ATTEMPTS, RETURN_PATH, Organisation, Provider
from fedtrain.service.people.permissions import PersonRole
from fedtrain.service.people.sign_in import People
from fedtrain.service.runtime.connection import organisation_of
from fedtrain.service.runtime.system_clock import SystemClock
from fedtrain.service.store.database import sqlite_url
from fedtrain.service.vault.secret_files import write_secret
from fedtrain.service.web.caller import OpenGate
from fedtrain.service.web.decision_token import DecisionToken
from fedtrain.spec.problems import Code, Problem
from fedtrain.spec.setup_error import SetupError
from tests.harness.applications import ServiceMaker
from tests.service.pages.test_people_in_a_browser import routes, slug

pytestmark = pytest.mark.anyio
HERE, CLIENT = "http://127.0.0.1:8443", "fedtrain-clinic-a"
ROLES = {"fedtrain-compliance": PersonRole.COMPLIANCE_OFFICER, "fedtrain-audit": PersonRole.AUDITOR}
ANA, BEN = "ana@clinic.example", "ben@clinic.example"
USERS = [
    User(sub="ana", claims={"email": ANA, "groups": ["staff", "fedtrain-audit", "fedtrain-compliance"]}),
    User(sub="ben", claims={"email": BEN, "groups": "fedtrain-audit"}),
    User(sub="eve", claims={"email": "eve@clinic.example", "groups": ["staff"]}),
    User(sub="mal", claims={"email": ANA, "groups": ["fedtrain-compliance"]}),
    User(sub="new", claims={"email": "new@clinic.example", "email_verified": False, "groups": "fedtrain-audit"}),
]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The organisation's provider, on a port of this machine."""
    with run_server_in_thread(require_nonce=True, user_claims=USERS) as server:
        yield f"http://localhost:{server.server_port}"


class Day:
    """The service's clock; a test sets the time of day and the seconds apart."""

    def __init__(self) -> None:
        self.ahead, self.s = timedelta(), 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def monotonic(self) -> float:
        return self.s


class Line(httpx.AsyncHTTPTransport):
    """The service's line to the provider: it keeps what is asked, and a test may change what is answered."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[httpx.Request] = []
        self.change: Callable[[str, dict[str, Any]], dict[str, Any]] | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = await super().handle_async_request(request)
        if self.change is None:
            return answer
        body = json.loads(await answer.aread())
        return httpx.Response(answer.status_code, json=self.change(request.url.path, body))


class Clinic:
    """A service whose people sign in by the organisation."""

    def __init__(self, folder: Path, make_service: ServiceMaker, issuer: str) -> None:
        self.clock, self.line = Day(), Line()
        self.provider = Provider(issuer, CLIENT, "a-secret", f"{HERE}{RETURN_PATH}", "groups", ROLES, "email")
        self.organisation = Organisation(self.provider, self.clock, transport=self.line)
        self.app = make_service(routes(), gate=OpenGate(DecisionToken(folder)), organisation=self.organisation)
        self.store = Store(sqlite_url(folder / "state.sqlite3"))
        self.people = self.app.state.sessions.people = People(self.store.engine, self.clock)

    def browser(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=HERE)

    async def sent_to(self, browser: httpx.AsyncClient) -> str:
        """Begin in a browser; return where the provider is asked."""
        answer = await browser.get("/session/organisation")
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    async def come_back(self, browser: httpx.AsyncClient, returned: str) -> httpx.Response:
        return await browser.get(returned.removeprefix(HERE))

    async def signed_in(self, browser: httpx.AsyncClient, who: str) -> httpx.Response:
        return await self.come_back(browser, await at_the_provider(await self.sent_to(browser), who))


async def at_the_provider(address: str, who: str) -> str:
    """Sign in there; return where the provider sends the browser."""
    async with httpx.AsyncClient(trust_env=False, timeout=300) as browser:
        answer = await browser.post(address, data={"sub": who})
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


@pytest.fixture
async def clinic(tmp_path: Path, make_service: ServiceMaker, issuer: str) -> AsyncIterator[Clinic]:
    made = Clinic(tmp_path, make_service, issuer)
    yield made
    made.store.close()


async def token_for(address: str, who: str, **changed: str) -> dict[str, Any]:
    """A token that the real provider signs for a request like this one, with some of its parameters changed."""
    parts = urlsplit(address)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | changed
    base = f"{parts.scheme}://{query.pop('at', parts.netloc)}"
    asked = httpx.URL(f"{base}{parts.path}", params=query)
    code = parse_qs(urlsplit(await at_the_provider(str(asked), who)).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": query["redirect_uri"]}
    async with httpx.AsyncClient(trust_env=False, timeout=300) as client:
        answer = await client.post(f"{base}/oauth2/token", data=form, auth=(query["client_id"], "x"))
    token: dict[str, Any] = answer.json()
    return token


@contextmanager
def refused_for(clinic: Clinic, why: str) -> Iterator[list[httpx.Response]]:
    """Hold the answer within to opening no session, making no account, and saying why."""
    before = clinic.people.accounts.all()
    answers: list[httpx.Response] = []
    yield answers
    (answer,) = answers
    assert (answer.status_code, slug(answer)) == (401, "unauthenticated"), answer.text
    assert why in answer.json()["detail"]
    assert f"{clinic.app.state.sessions.cookie}=" not in answer.headers.get("set-cookie", "")
    assert clinic.people.accounts.all() == before


async def test_who_signs_in_there_has_a_session_here_in_the_role_of_the_group(clinic: Clinic, issuer: str) -> None:
    browser = clinic.browser()
    assert (await browser.get("/look")).status_code == 401  # from the start: nobody has an account yet
    told = (await browser.get("/session")).json()
    assert (told["accounts"], told["organisation"], told["looks"]) == (True, True, False)
    address = await clinic.sent_to(browser)
    assert address.startswith(f"{issuer}/oauth2/authorize?")
    answer = await clinic.come_back(browser, await at_the_provider(address, "ana"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    (session,) = [one for one in answer.headers.get_list("set-cookie") if "HttpOnly; Max-Age=28800" in one]
    assert "SameSite=strict" in session
    told = (await browser.get("/session")).json()
    assert (told["account"], told["role"]) == (ANA, "compliance-officer")  # of two groups, the role with more rights
    assert (await browser.post("/decide")).json() == {"account": ANA}
    (account,) = clinic.people.accounts.all()
    assert (account.name, account.by_organisation) == (ANA, True)


async def test_the_code_is_exchanged_with_the_verifier_whose_hash_the_browser_carried(clinic: Clinic) -> None:
    browser = clinic.browser()
    address = await clinic.sent_to(browser)
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
    assert (query["client_id"], query["redirect_uri"]) == (CLIENT, f"{HERE}/session/organisation/return")
    await clinic.come_back(browser, await at_the_provider(address, "ana"))
    (exchange,) = [one for one in clinic.line.asked if one.method == "POST"]
    form = parse_qs(exchange.content.decode())
    digest = hashlib.sha256(form["code_verifier"][0].encode()).digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == query["code_challenge"]
    assert form["code_verifier"][0] not in address
    assert exchange.headers["Authorization"] == httpx.BasicAuth(CLIENT, "a-secret")._auth_header


async def test_no_state_nonce_or_verifier_is_used_for_a_second_sign_in(clinic: Clinic) -> None:
    asked = [parse_qs(urlsplit(await clinic.sent_to(clinic.browser())).query) for _ in range(2)]
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
    for _ in range(MOST_ATTEMPTS):
        clinic.organisation._attempts[str(len(clinic.organisation._attempts))] = next(
            iter(clinic.organisation._attempts.values())
        )
    await clinic.sent_to(clinic.browser())
    assert len(clinic.organisation._attempts) == MOST_ATTEMPTS


async def test_an_answer_is_good_once_in_the_browser_that_began_and_for_ten_minutes(clinic: Clinic) -> None:
    browser, other = clinic.browser(), clinic.browser()
    returned = await at_the_provider(await clinic.sent_to(browser), "ana")
    cookies = dict(browser.cookies)
    await clinic.sent_to(other)
    with refused_for(clinic, "another browser's") as answers:  # the attacker's answer in the victim's browser
        answers.append(await clinic.come_back(other, returned))
    with refused_for(clinic, "no sign-in that this browser has begun") as answers:
        answers.append(await clinic.come_back(clinic.browser(), returned))
    assert (await clinic.come_back(browser, returned)).status_code == 303
    browser.cookies.update(cookies)
    with refused_for(clinic, "it was used before") as answers:
        answers.append(await clinic.come_back(browser, returned))
    late = clinic.browser()
    returned = await at_the_provider(await clinic.sent_to(late), "ana")
    clinic.clock.s += ATTEMPT_S
    with refused_for(clinic, "older than ten minutes") as answers:
        answers.append(await clinic.come_back(late, returned))


async def test_a_wrong_state_ends_the_attempt(clinic: Clinic) -> None:
    browser = clinic.browser()
    returned = await at_the_provider(await clinic.sent_to(browser), "ana")
    with refused_for(clinic, "state is of no sign-in") as answers:
        answers.append(await browser.get(f"{RETURN_PATH}?code=x&state=forged"))
    with refused_for(clinic, "used before") as answers:
        answers.append(await clinic.come_back(browser, returned))


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"client_id": "another application"}, "another audience"),
        ({"nonce": "of another sign-in"}, "its nonce is not this one's"),
        ({"at": "127.0.0.1"}, "another issuer's"),
    ],
)
async def test_a_token_that_the_provider_signed_for_something_else_is_refused_by_name(
    clinic: Clinic, issuer: str, changed: dict[str, str], why: str
) -> None:
    browser = clinic.browser()
    address = await clinic.sent_to(browser)
    if "at" in changed:  # the same provider and key, under another of its names
        changed = {"at": f"127.0.0.1:{urlsplit(issuer).port}"}
    substituted = await token_for(address, "ana", **changed)
    clinic.line.change = lambda path, body: substituted if path.endswith("/token") else body
    returned = await at_the_provider(address, "ana")
    with refused_for(clinic, why) as answers:
        answers.append(await clinic.come_back(browser, returned))


async def test_the_same_token_for_this_very_sign_in_would_have_been_taken(clinic: Clinic) -> None:
    """The test before is refused for the one thing that it changes, and for nothing else."""
    browser = clinic.browser()
    address = await clinic.sent_to(browser)
    substituted = await token_for(address, "ana")
    clinic.line.change = lambda path, body: substituted if path.endswith("/token") else body
    assert (await clinic.come_back(browser, await at_the_provider(address, "ben"))).status_code == 303
    assert (await browser.get("/session")).json()["account"] == ANA


async def test_an_expired_token_is_refused_by_name(clinic: Clinic) -> None:
    browser = clinic.browser()
    returned = await at_the_provider(await clinic.sent_to(browser), "ana")
    clinic.clock.ahead = timedelta(hours=1, seconds=LEEWAY_S + 30)
    with refused_for(clinic, "its ID token has expired") as answers:
        answers.append(await clinic.come_back(browser, returned))


@pytest.mark.parametrize("forged", ["none", "HS256", "another key", "no token"])
async def test_a_token_that_the_provider_did_not_sign_is_refused(clinic: Clinic, forged: str) -> None:
    from joserfc import jwt
    from joserfc.jwk import OctKey, RSAKey

    browser = clinic.browser()
    address = await clinic.sent_to(browser)
    nonce = parse_qs(urlsplit(address).query)["nonce"][0]
    now = int(clinic.clock.now().timestamp())
    claims = {
        "iss": clinic.provider.issuer, "aud": CLIENT, "sub": "ana", "exp": now + 600, "iat": now, "nonce": nonce,
        "email": ANA, "groups": ["fedtrain-compliance"],
    }  # fmt: skip
    match forged:
        case "none":
            parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims)]
            token = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."
        case "HS256":  # with what everybody knows as the secret
            key = OctKey.import_key(CLIENT.encode())
            token = jwt.encode({"alg": "HS256"}, claims, key, algorithms=["HS256"])
        case "another key":
            token = jwt.encode({"alg": "RS256"}, claims, RSAKey.generate_key(2048))
        case _:
            token = ""
    clinic.line.change = lambda path, body: body | {"id_token": token} if path.endswith("/token") else body
    with refused_for(clinic, "ID token") as answers:
        answers.append(await clinic.come_back(browser, await at_the_provider(address, "ben")))


async def test_a_provider_that_says_it_is_another_or_leads_elsewhere_is_not_used(clinic: Clinic) -> None:
    for wrong in (
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
    ):
        clinic.line.change = lambda _, body, wrong=wrong: body | wrong
        refused = await clinic.browser().get("/session/organisation")
        assert (refused.status_code, slug(refused)) == (502, "service-unreachable"), wrong
        assert "set-cookie" not in refused.headers


async def test_a_provider_that_is_away_is_said_to_be(tmp_path: Path, make_service: ServiceMaker) -> None:
    clinic = Clinic(tmp_path, make_service, "http://127.0.0.1:1")
    refused = await clinic.browser().get("/session/organisation")
    assert (refused.status_code, slug(refused)) == (502, "service-unreachable")
    assert "ConnectError" in refused.json()["detail"]
    clinic.store.close()


class Flood(httpx.AsyncByteStream):
    """An answer that goes on; it counts what was drawn of it."""

    def __init__(self) -> None:
        self.drawn, self.closed = 0, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(64):
            self.drawn += 1 << 18
            yield b" " * (1 << 18)

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize("status", [200, 404])
async def test_no_more_is_read_of_a_provider_than_an_answer_may_have(status: int) -> None:
    flood = Flood()
    transport = httpx.MockTransport(lambda _request: httpx.Response(status, stream=flood))
    provider = Provider("https://sso.clinic.example", CLIENT, None, f"{HERE}{RETURN_PATH}", "groups", ROLES, "email")
    with pytest.raises(Problem, match="with more than 1,048,576 bytes") as caught:
        await Organisation(provider, Day(), transport=transport).begin()
    assert caught.value.code is Code.SERVICE_UNREACHABLE
    assert flood.closed and flood.drawn == (1 << 20) + (1 << 18)


async def test_what_a_provider_packs_is_not_unpacked() -> None:
    few = gzip.compress(gzip.compress(bytes(1 << 20)))
    headers = {"Content-Encoding": "gzip, gzip"}
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, headers=headers, content=few))
    provider = Provider("https://sso.clinic.example", CLIENT, None, f"{HERE}{RETURN_PATH}", "groups", ROLES, "email")
    with pytest.raises(Problem, match="packed as 'gzip, gzip'") as caught:
        await Organisation(provider, Day(), transport=transport).begin()
    assert caught.value.code is Code.SERVICE_UNREACHABLE


async def test_who_is_in_no_group_or_says_no_at_the_provider_has_no_session(clinic: Clinic) -> None:
    browser = clinic.browser()
    refused = await clinic.signed_in(browser, "eve")
    assert (refused.status_code, slug(refused)) == (403, "forbidden")
    assert "names none of fedtrain-compliance, fedtrain-audit" in refused.json()["detail"]
    assert clinic.people.accounts.all() == []
    with refused_for(clinic, "e-mail address is not verified") as answers:
        answers.append(await clinic.signed_in(clinic.browser(), "new"))
    again = clinic.browser()
    async with httpx.AsyncClient(trust_env=False, timeout=300) as there:
        denied = await there.post(await clinic.sent_to(again), data={"sub": "ana", "action": "deny"})
    with refused_for(clinic, "provider says 'access_denied'") as answers:
        state = parse_qs(urlsplit(denied.headers["location"]).query).get("state", [""])[0]
        if not state:  # this provider leaves it out; one that follows RFC 6749 does not
            state = next(iter(clinic.organisation._attempts.values())).state
        answers.append(await again.get(f"{RETURN_PATH}?error=access_denied&state={state}"))


async def test_another_subject_with_a_name_that_is_taken_does_not_get_the_account(clinic: Clinic) -> None:
    await clinic.signed_in(clinic.browser(), "ana")
    refused = await clinic.signed_in(clinic.browser(), "mal")
    assert (refused.status_code, "another account's name" in refused.json()["detail"]) == (403, True)


async def test_a_disabled_account_stays_out_and_another_role_ends_live_sessions(clinic: Clinic) -> None:
    ana, ben = clinic.browser(), clinic.browser()
    await clinic.signed_in(ana, "ana")
    await clinic.signed_in(ben, "ben")
    clinic.people.accounts.set_disabled(BEN, True)
    assert (await ben.get("/look")).status_code == 401
    refused = await clinic.signed_in(ben, "ben")
    assert (refused.status_code, "disabled" in refused.json()["detail"]) == (403, True)
    clinic.provider.roles["fedtrain-compliance"] = PersonRole.AUDITOR  # type: ignore[index]
    try:
        elsewhere = clinic.browser()
        await clinic.signed_in(elsewhere, "ana")
        assert (await ana.post("/decide")).status_code == 401
        assert (await elsewhere.post("/decide")).status_code == 403
    finally:
        ROLES["fedtrain-compliance"] = PersonRole.COMPLIANCE_OFFICER
    change = {"old_password": "correct horse battery", "new_password": "staple in the haystack"}
    refused = await elsewhere.post("/session/password", json=change)
    assert (refused.status_code, "by the organisation" in refused.json()["detail"]) == (403, True)


async def test_a_party_without_a_provider_says_so(tmp_path: Path, make_service: ServiceMaker) -> None:
    app = make_service(routes(), gate=OpenGate(DecisionToken(tmp_path)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE) as browser:
        for path in ("/session/organisation", f"{RETURN_PATH}?code=x&state=y"):
            assert slug(await browser.get(path)) == "not-found"
        assert (await browser.get("/session")).json()["organisation"] is False


# Settings

WHOLE: dict[str, Any] = {
    "oidc_issuer": "https://sso.clinic.example",
    "oidc_client_id": "fedtrain",
    "oidc_address": "https://fedtrain.clinic.example/",
    "oidc_roles": {"fedtrain-owners": "owner"},
}


def from_settings(folder: Path, **given: Any) -> Organisation | None:
    return organisation_of(FacilitatorSettings(state_dir=folder, **given), SystemClock())


def test_the_settings_say_who_the_provider_is(tmp_path: Path) -> None:
    assert from_settings(tmp_path) is None
    write_secret(tmp_path / "oidc.secret", b"the client's\n".replace(b" ", b"-"))
    made = from_settings(tmp_path, **WHOLE, oidc_client_secret_file=tmp_path / "oidc.secret")
    assert made is not None
    assert made.provider == Provider(
        "https://sso.clinic.example", "fedtrain", "the-client's",
        "https://fedtrain.clinic.example/session/organisation/return",
        "groups", {"fedtrain-owners": PersonRole.OWNER}, "email",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"oidc_client_id": None}, "takes oidc_client_id as well"),
        ({"oidc_roles": {}, "oidc_address": None}, "takes oidc_address and oidc_roles as well"),
        ({"oidc_issuer": "http://sso.clinic.example"}, "oidc_issuer is 'http://sso.clinic.example'"),
        ({"oidc_address": "fedtrain.clinic.example"}, "oidc_address is"),
    ],
)
def test_settings_that_do_not_go_together_are_named(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(SetupError, match=said):
        from_settings(tmp_path, **WHOLE | changed)
    with pytest.raises(ValueError, match="king"):
        from_settings(tmp_path, **WHOLE | {"oidc_roles": {"all": "king"}})
