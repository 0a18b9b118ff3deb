"""The answer of a service when it does not do what was asked: always a problem document, never a secret."""

from __future__ import annotations

import json

import httpx
import pytest
from fastapi import APIRouter, Request
from structlog.testing import capture_logs

from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.messages.tasks import CBOR_TYPE
from fedtrain.service.web.caller import AnyCaller, CallingParty
from fedtrain.service.web.responses import CborResponse, body_as
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import PROBLEM_JSON, Code, Problem

pytestmark = pytest.mark.anyio

JSON = {"Content-Type": "application/json"}
PARTY = Identity.generate().party_id
SPEC = {
    "model_type": "LINEAR_REGRESSION",
    "data_props": {
        "features": [{"col_idx": 0, "type": "continuous", "range": [0, 1]}],
        "target": {"col_idx": 1, "range": [0, 1]},
    },
}


def routes() -> APIRouter:
    router = APIRouter()

    @router.post("/models")
    async def models(spec: ModelSpec) -> dict[str, str]:
        return {"type": spec.model_type}

    @router.get("/tasks")
    async def tasks(party: CallingParty, wait: int = 0) -> dict[str, object]:
        return {"party": party, "wait": wait}

    @router.get("/both")
    @router.put("/both")
    async def both() -> None:
        return None

    @router.get("/who")
    async def who(caller: AnyCaller) -> dict[str, object]:
        return {"party_id": caller.party_id, "authenticated": caller.authenticated}

    @router.post("/login")
    async def login(token: int) -> dict[str, str]:
        return {}

    @router.get("/broken")
    async def broken() -> None:
        raise ValueError("the plaintext is 42")

    @router.get("/problem")
    async def problem() -> None:
        raise Problem(Code.RATE_LIMITED, "Too many.", retry_after_s=7, seen=b"\x00")

    @router.post("/cbor")
    async def cbor(request: Request) -> CborResponse:
        return CborResponse(await body_as(request, CBOR_TYPE))

    return router


@pytest.fixture
async def http(make_service):
    transport = httpx.ASGITransport(make_service(routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def problem_of(response: httpx.Response, code: Code) -> dict:
    assert response.headers["content-type"] == PROBLEM_JSON
    document = response.json()
    assert document["type"].endswith("/" + code.slug)
    assert response.status_code == document["status"] == code.status
    assert document["detail"]
    assert document["remedy"]
    return document


def errors_of(response: httpx.Response) -> dict[str, dict]:
    return {entry["field"]: entry for entry in problem_of(response, Code.INVALID_REQUEST)["errors"]}


async def test_a_spec_is_taken(http) -> None:
    response = await http.post("/models", json=SPEC)
    assert (response.status_code, response.json()) == (200, {"type": "LINEAR_REGRESSION"})


async def test_every_wrong_field_is_named_with_its_value_and_without_names_of_types(http) -> None:
    spec = json.loads(json.dumps(SPEC))
    spec["training"] = {"rounds": 0, "learning_rate": "fast", "speed": 3}
    spec["data_props"]["features"][0]["range"] = [2, 1]
    errors = errors_of(await http.post("/models", json=spec))
    assert set(errors) == {
        "training.rounds",
        "training.learning_rate",
        "training.speed",
        "data_props.features.0.range",
    }
    assert errors["training.rounds"]["value"] == "0"
    assert "; or: " in errors["training.rounds"]["message"]
    assert errors["training.learning_rate"]["value"] == "fast"
    assert errors["training.speed"]["message"] == "There is no such field: remove it, or correct its name."
    assert "low end must be below" in errors["data_props.features.0.range"]["message"]
    assert "value" not in errors["data_props.features.0.range"]


async def test_the_form_of_names_and_ids_is_told_in_words(http) -> None:
    errors = errors_of(await http.post("/models", json={**SPEC, "dataset": "my data", "auditors": ["ana"]}))
    assert errors["dataset"]["message"].startswith("Letters, digits, '.', '_' and '-' are taken")
    assert errors["auditors.0"]["message"].startswith("64 digits 0 to 9 and a to f are needed")
    assert "^[" not in json.dumps(errors)


async def test_a_missing_field_is_named(http) -> None:
    errors = errors_of(await http.post("/models", json={"model_type": "LINEAR_REGRESSION"}))
    assert errors == {"data_props": {"field": "data_props", "message": "This field is needed."}}


async def test_a_wrong_parameter_is_named(http) -> None:
    response = await http.get("/tasks?wait=long", headers={"Fedtrain-Party": PARTY})
    assert errors_of(response)["wait"]["value"] == "long"


async def test_the_value_of_a_secret_field_is_not_repeated(http) -> None:
    response = await http.post("/login?token=hunter2")
    assert set(errors_of(response)["token"]) == {"field", "message"}
    assert "hunter2" not in response.text


async def test_a_long_value_is_cut(http) -> None:
    errors = errors_of(await http.post("/models", json={**SPEC, "model_type": "x" * 5000}))
    assert errors["model_type"]["value"] == "x" * 100 + "…"


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"{'a': 1}", b'{"a": 1} x', b"\xff\xfe", b"[" * 9_000, b"1" * 5000],
    ids=["open", "empty", "quotes", "trailing", "not UTF-8", "deep", "many digits"],
)
async def test_a_body_that_is_not_json_is_told_apart_from_a_wrong_one(http, body: bytes) -> None:
    response = await http.post("/models", content=body, headers=JSON)
    if body:
        problem_of(response, Code.MALFORMED_JSON)
    else:
        assert errors_of(response)[""]["message"] == "A body is needed."


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_a_number_that_json_cannot_write_is_a_wrong_value(http, value: str) -> None:
    body = json.dumps(SPEC).replace('"range": [0, 1]', f'"range": [0, {value}]')
    problem_of(await http.post("/models", content=body.encode(), headers=JSON), Code.INVALID_REQUEST)


@pytest.mark.parametrize("sent", ["application/x-www-form-urlencoded", "text/plain", None])
async def test_json_under_another_content_type_is_told_what_to_set(http, sent: str | None) -> None:
    headers = {"Content-Type": sent} if sent else {}
    document = problem_of(
        await http.post("/models", content=json.dumps(SPEC).encode(), headers=headers), Code.UNSUPPORTED_MEDIA_TYPE
    )
    assert (sent or "missing") in document["detail"]
    assert "application/json" in document["detail"]


async def test_cbor_is_taken_as_it_is_and_json_in_its_place_refused(http) -> None:
    response = await http.post("/cbor", content=b"\xa0", headers={"Content-Type": "Application/CBOR; x=1"})
    assert (response.content, response.headers["content-type"]) == (b"\xa0", CBOR_TYPE)
    document = problem_of(await http.post("/cbor", content=b"{}", headers=JSON), Code.UNSUPPORTED_MEDIA_TYPE)
    assert CBOR_TYPE in document["detail"]


async def test_an_unknown_address_and_an_unknown_method_are_problems(http) -> None:
    assert "/nowhere" in problem_of(await http.get("/nowhere"), Code.NOT_FOUND)["detail"]
    response = await http.delete("/tasks")
    assert "takes GET, not DELETE" in problem_of(response, Code.METHOD_NOT_ALLOWED)["detail"]
    assert response.headers["allow"] == "GET"
    assert (await http.delete("/both")).headers["allow"] == "GET, PUT"


async def test_an_unexpected_error_tells_an_id_and_the_log_tells_the_rest(http) -> None:
    with capture_logs() as logs:
        response = await http.get("/broken")
    document = problem_of(response, Code.INTERNAL)
    failed = next(entry for entry in logs if entry["event"] == "request failed")
    assert failed["error_id"] == document["error_id"]
    assert failed["exc_info"]
    assert document["error_id"] in document["detail"]
    assert "42" not in document["detail"].replace(document["error_id"], "")
    assert "ValueError" not in response.text


async def test_a_problem_carries_its_extras_and_headers(http) -> None:
    response = await http.get("/problem")
    problem_of(response, Code.RATE_LIMITED)
    assert response.headers["retry-after"] == "7"
    assert Problem.from_dict(response.json(), response.status_code).extra["retry_after_s"] == 7


async def test_a_party_is_who_its_header_says_in_open_mode_and_is_not_proven(http) -> None:
    response = await http.get("/who", headers={"fedtrain-party": PARTY})
    assert response.json() == {"party_id": PARTY, "authenticated": False}
    assert (await http.get("/who")).json() == {"party_id": None, "authenticated": False}


@pytest.mark.parametrize(
    "header", ["", "bank-one", PARTY.upper(), PARTY + "00"], ids=["empty", "a name", "upper case", "too long"]
)
async def test_a_header_that_is_no_party_id_is_refused(http, header: str) -> None:
    response = await http.get("/who", headers={"Fedtrain-Party": header})
    problem_of(response, Code.UNAUTHENTICATED)
    assert response.headers["www-authenticate"] == "Bearer"


async def test_a_route_for_parties_refuses_whoever_is_none(http) -> None:
    assert "Fedtrain-Party" in problem_of(await http.get("/tasks"), Code.UNAUTHENTICATED)["detail"]


async def test_the_gate_is_asked_before_every_route_of_a_router(make_service) -> None:
    class ClosedGate:
        def identify(self, headers: object) -> None:
            raise Problem(Code.UNAUTHENTICATED, "No.")

    transport = httpx.ASGITransport(make_service(routes(), gate=ClosedGate()))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        for method, path in (("POST", "/models"), ("GET", "/broken"), ("GET", "/who"), ("GET", "/metrics")):
            problem_of(await http.request(method, path), Code.UNAUTHENTICATED)
        for path in ("/healthz", "/readyz", "/identity"):
            assert (await http.get(path)).status_code == 200
