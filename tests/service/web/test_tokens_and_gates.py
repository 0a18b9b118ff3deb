"""Callers and their tokens: tokens by scope and role, revoked at once, compared in constant time; and never to be read
anywhere.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from pydantic import ValidationError

from fedtrain.client.http import ServiceClient
from fedtrain.protocol.documents.identity import Identity
from fedtrain.service.runtime.logging import configure_logging
from fedtrain.service.vault.secret_files import SecretFileError, write_secret
from fedtrain.service.vault.tokens import (
    TOKENS_FILE,
    Scope,
    TokenRecord,
    find_token,
    new_token,
    read_token,
    read_tokens,
    watched_tokens,
    write_tokens,
)
from fedtrain.service.web.caller import (
    AnyCaller,
    CallingDataOwner,
    CallingModelOwner,
    CallingParty,
    TokenGate,
)
from fedtrain.spec.problems import Code, Problem
from tests.harness.restored_logs import restored_logs

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
OWNER, MODEL_OWNER = Identity.generate().party_id, Identity.generate().party_id


class Guarded:
    """A service with a token list that a test adds to and takes from."""

    def __init__(self, state_dir: Path, make_service: Callable[..., FastAPI]) -> None:
        self.state_dir = state_dir
        self.handled: list[str] = []
        write_tokens(state_dir, ())
        self.app = make_service(self._router(), gate=TokenGate(watched_tokens(state_dir)))

    def _router(self) -> APIRouter:
        router = APIRouter()

        @router.get("/who")
        async def who(caller: AnyCaller) -> dict[str, str | None]:
            return {"party": caller.party_id, "role": caller.role, "scope": caller.scope}

        @router.get("/party")
        async def party(caller: CallingParty) -> str:
            return caller

        @router.put("/data-owners-alone")
        async def data_owners_alone(caller: CallingDataOwner) -> str:
            return caller

        @router.put("/model-owners-alone")
        async def model_owners_alone(caller: CallingModelOwner) -> str:
            return caller

        @router.post("/change")
        async def change(caller: AnyCaller, body: dict[str, object]) -> None:
            self.handled.append(str(body))

        return router

    def token(self, name: str, scope: Scope, party: str | None = None, role: str | None = None) -> str:
        token, record = new_token(name, scope, NOW, party=party, role=role)  # type: ignore[arg-type]
        write_tokens(self.state_dir, [*read_tokens(self.state_dir), record])
        return token

    @asynccontextmanager
    async def called_with(self, token: str | None, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service.invalid", headers=headers) as http:
            yield http


@pytest.fixture
def guarded(tmp_path: Path, make_service: Callable[..., FastAPI]) -> Guarded:
    return Guarded(tmp_path / "state", make_service)


async def test_in_token_mode_the_caller_is_whose_token_it_is(guarded: Guarded) -> None:
    token = guarded.token("bank-a", Scope.PARTY, OWNER, "data-owner")
    async with guarded.called_with(token) as http:
        assert (await http.get("/who")).json() == {"party": OWNER, "role": "data-owner", "scope": "party"}
        assert (await http.get("/party")).json() == OWNER


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer fedtrain_000000000000_x", "Bearer {token}x", "{token}"],
)
async def test_without_a_valid_token_every_route_but_the_public_ones_is_refused(
    guarded: Guarded, authorization: str
) -> None:
    token = guarded.token("bank-a", Scope.PARTY, OWNER, "data-owner")
    header = {"Authorization": authorization.format(token=token)} if authorization else {}
    async with guarded.called_with(None, **header) as http:
        for path in ("/who", "/party", "/metrics", "/nowhere"):
            response = await http.get(path)
            assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
            assert response.json()["type"].endswith("/unauthenticated")
        for path in ("/healthz", "/readyz", "/identity", "/openapi.json"):
            assert (await http.get(path)).status_code == 200


async def test_a_party_header_does_not_make_a_caller_somebody_else(guarded: Guarded) -> None:
    token = guarded.token("bank-a", Scope.PARTY, OWNER, "data-owner")
    async with guarded.called_with(token, **{"Fedtrain-Party": MODEL_OWNER}) as http:
        response = await http.get("/party")
        assert response.status_code == 403
        assert MODEL_OWNER[:16] in response.json()["detail"]
    async with guarded.called_with(token, **{"Fedtrain-Party": OWNER}) as http:
        assert (await http.get("/party")).json() == OWNER
    async with guarded.called_with(None, **{"Fedtrain-Party": OWNER}) as http:
        assert (await http.get("/party")).status_code == 401


async def test_a_route_of_one_role_refuses_the_others_tokens(guarded: Guarded) -> None:
    owner = guarded.token("bank-a", Scope.PARTY, OWNER, "data-owner")
    model_owner = guarded.token("acme", Scope.PARTY, MODEL_OWNER, "model-owner")
    async with guarded.called_with(owner) as http:
        assert (await http.put("/data-owners-alone")).json() == OWNER
        assert (await http.put("/model-owners-alone")).status_code == 403
    async with guarded.called_with(model_owner) as http:
        assert (await http.put("/model-owners-alone")).json() == MODEL_OWNER
        assert (await http.put("/data-owners-alone")).status_code == 403


async def test_a_token_of_no_party_is_refused_on_a_partys_routes(guarded: Guarded) -> None:
    async with guarded.called_with(guarded.token("operator", Scope.ADMIN)) as http:
        assert (await http.get("/party")).status_code == 403
        assert (await http.put("/data-owners-alone")).status_code == 403
        assert (await http.get("/who")).json()["scope"] == "admin"


async def test_a_reading_token_looks_and_an_admin_token_changes(guarded: Guarded) -> None:
    reader, admin = guarded.token("page", Scope.READ), guarded.token("operator", Scope.ADMIN)
    async with guarded.called_with(reader) as http:
        assert (await http.get("/who")).status_code == 200
        response = await http.post("/change", json={"by": "reader"})
        assert response.status_code == 403 and "scope admin" in response.json()["detail"]
    assert guarded.handled == []
    async with guarded.called_with(admin) as http:
        assert (await http.post("/change", json={"by": "admin"})).status_code == 200
    assert guarded.handled == ["{'by': 'admin'}"]


async def test_a_revoked_token_is_refused_by_the_running_service_and_the_others_stay(guarded: Guarded) -> None:
    revoked, kept = guarded.token("leaver", Scope.ADMIN), guarded.token("stayer", Scope.ADMIN)
    async with guarded.called_with(revoked) as http:
        assert (await http.get("/who")).status_code == 200
        records = read_tokens(guarded.state_dir)
        write_tokens(guarded.state_dir, [records[0].model_copy(update={"revoked_at": NOW}), records[1]])
        assert (await http.get("/who")).status_code == 401
    async with guarded.called_with(kept) as http:
        assert (await http.get("/who")).status_code == 200


async def test_a_token_list_that_goes_away_lets_nobody_in(guarded: Guarded) -> None:
    token = guarded.token("operator", Scope.ADMIN)
    async with guarded.called_with(token) as http:
        (guarded.state_dir / TOKENS_FILE).unlink()
        assert (await http.get("/who")).status_code == 401


async def test_a_body_is_not_read_before_its_sender_is_known(guarded: Guarded) -> None:
    read = False

    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        nonlocal read
        read = True
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/change",
        "raw_path": b"/change",
        "query_string": b"",
        "headers": [(b"host", b"service.invalid")],
        "client": ("127.0.0.1", 1),
    }
    await guarded.app(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 401 and not read


async def test_the_documentation_asks_for_a_token_where_the_service_does(
    guarded: Guarded, make_service: Callable[..., FastAPI]
) -> None:
    document = guarded.app.openapi()
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert document["paths"]["/who"]["get"]["security"] == [{"HTTPBearer": []}]
    assert "securitySchemes" not in make_service(APIRouter()).openapi().get("components", {})


async def test_no_token_shows_in_a_log_an_error_or_a_repr(guarded: Guarded, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = guarded.token("operator", Scope.ADMIN), "fedtrain_0123456789ab_" + "w" * 43
    with restored_logs():
        configure_logging("console", "debug")
        answers = []
        for token in (good, bad):
            async with guarded.called_with(token) as http:
                for method, path in (("GET", "/who"), ("POST", "/change"), ("GET", "/nowhere"), ("GET", "/party")):
                    answers.append((await http.request(method, path)).text)
    client = ServiceClient("http://127.0.0.1:1", token=good)
    with pytest.raises(Problem) as caught:
        await client.request("GET", "/who")
    await client.aclose()
    seen = capsys.readouterr()
    record = read_tokens(guarded.state_dir)[0]
    gate = guarded.app.state.gate
    caller = gate.identify({"Authorization": f"Bearer {good}"})
    shown = [seen.out, seen.err, *answers, repr(client), repr(vars(client)), repr(caught.value), caught.value.detail]
    shown += [repr(record), repr(gate), repr(caller), (guarded.state_dir / TOKENS_FILE).read_text()]
    assert "request" in seen.err and record.id in repr(caller)
    for secret in (good, good.split("_", 2)[2], bad, "w" * 43):
        assert not any(secret in text for text in shown)


def test_every_hash_is_compared_in_constant_time_whatever_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [new_token(name, Scope.READ, NOW) for name in ("a", "b", "c")]
    records = [record for _, record in made]
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def counting(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr("fedtrain.service.vault.tokens.hmac.compare_digest", counting)
    for token, found in ((made[0][0], records[0]), (made[2][0], records[2]), ("x", None), ("é\udc80", None)):
        compared.clear()
        assert find_token(records, token) is found
        assert compared == [(64, 64)] * 3


def test_a_token_list_is_private_and_survives_the_file(tmp_path: Path) -> None:
    records = [
        new_token("bank-a", Scope.PARTY, NOW, party=OWNER, role="data-owner")[1],
        new_token("page", Scope.READ, NOW)[1].model_copy(update={"revoked_at": NOW}),
    ]
    write_tokens(tmp_path, records)
    assert read_tokens(tmp_path) == tuple(records)
    assert (tmp_path / TOKENS_FILE).stat().st_mode & 0o777 == 0o600
    (tmp_path / TOKENS_FILE).chmod(0o644)
    with pytest.raises(SecretFileError, match="chmod 600"):
        read_tokens(tmp_path)


@pytest.mark.parametrize("text", ["[[token]", '[[token]]\nid = "x"', "\xff", 'token = "no list"'])
def test_a_token_list_that_cannot_be_used_is_refused_and_not_taken_for_an_empty_one(tmp_path: Path, text: str) -> None:
    write_tokens(tmp_path, ())
    (tmp_path / TOKENS_FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(SecretFileError, match=TOKENS_FILE):
        read_tokens(tmp_path)


@pytest.mark.parametrize(
    ("scope", "party", "role"),
    [("party", None, None), ("party", OWNER, None), ("read", OWNER, "data-owner"), ("admin", None, "data-owner")],
    ids=["a party's of nobody", "a party's without a role", "a reader's for a party", "an admin's with a role"],
)
def test_party_tokens_and_no_others_name_party_and_role(scope: str, party: str | None, role: str | None) -> None:
    with pytest.raises(ValidationError):
        new_token("x", Scope(scope), NOW, party=party, role=role)  # type: ignore[arg-type]


def test_two_tokens_are_never_alike() -> None:
    tokens = {new_token("x", Scope.READ, NOW)[0] for _ in range(100)}
    assert len(tokens) == 100 and min(len(token.split("_", 2)[2]) for token in tokens) == 43


def test_problem_of_a_token_that_would_travel_in_the_clear_names_the_address() -> None:
    with pytest.raises(Problem) as caught:
        ServiceClient("http://facilitator.example:8080", token="secret-token")
    assert caught.value.code is Code.INVALID_REQUEST
    assert "facilitator.example" in caught.value.detail and "secret-token" not in caught.value.detail
    ServiceClient("https://facilitator.example:8080", token="secret-token")
    ServiceClient("http://127.0.0.1:8080", token="secret-token")


def test_an_address_with_a_password_in_it_is_refused_without_repeating_it() -> None:
    with pytest.raises(Problem) as caught:
        ServiceClient("https://bank:hunter2@facilitator.example")
    assert "hunter2" not in caught.value.detail and "facilitator.example" in caught.value.detail


def test_records_hold_no_more_than_a_hash() -> None:
    token, record = new_token("x", Scope.READ, NOW)
    assert isinstance(record, TokenRecord)
    assert token.split("_", 2)[2] not in record.model_dump_json()


def test_a_token_file_that_holds_something_else_is_refused_without_repeating_it(tmp_path: Path) -> None:
    file = tmp_path / "bank-a.token"
    token, _ = new_token("x", Scope.READ, NOW)
    write_secret(file, token.encode() + b"\n")
    assert read_token(file) == token
    for content in (Identity.generate().private_bytes(), b"", b"two words", "é".encode()):
        write_secret(file, content)
        with pytest.raises(SecretFileError) as caught:
            read_token(file)
        assert str(caught.value) == f"{file} holds no token."
    file.chmod(0o644)
    with pytest.raises(SecretFileError, match="chmod 600"):
        read_token(file)
    with pytest.raises(SecretFileError, match="no token file"):
        read_token(tmp_path / "none")
