"""Parties of different minor versions work together; another major version is refused by name, at every party."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.facilitator.rounds.incoming import open_manifest, open_registration, read_step_result
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.protocol.documents.identity import Identity, sha256_hex
from fedtrain.protocol.documents.opened import OpenedDocuments
from fedtrain.protocol.documents.signed import (
    Document,
    JobEnd,
    Manifest,
    Registration,
    SignedDocument,
    open_document,
    parse_json,
    sign_document,
)
from fedtrain.protocol.messages import cbor
from fedtrain.protocol.messages.rounds import RoundRequest, Step, StepResult, from_cbor, to_cbor
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.protocol.version import PROTOCOL_VERSION, is_newer_minor
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.machine_bench import JOB_ID, small_spec

MAJOR, MINOR = (int(part) for part in PROTOCOL_VERSION.split("."))
NEWER, NEXT_MAJOR = f"{MAJOR}.{MINOR + 1}", f"{MAJOR + 1}.0"
PARTY = Identity.from_private_bytes(b"\x05" * 32)


def manifest() -> Manifest:
    return Manifest(
        job_id=JOB_ID,
        created_at="2026-01-12T09:00:00.000Z",
        model_owner=PARTY.party_id,
        model_owner_name="model-owner",
        spec=small_spec(),
        plan={},
        modulus="c5",
        key_proof=(),
        nonce="0d" * 32,
    )


def signed(document: Document, **changes: Any) -> SignedDocument:
    """Return what another version's software signs: the same document with other or further fields."""
    text = json.dumps({**document.model_dump(mode="json"), **changes})
    signature = PARTY.sign(document.tag(), text.encode()).hex()
    return SignedDocument(document=text, signer=PARTY.party_id, signature=signature)


def code_of(call: Any, *arguments: Any) -> Code:
    with pytest.raises(Problem) as caught:
        call(*arguments)
    return caught.value.code


def test_fields_that_a_newer_minor_version_added_to_a_document_are_passed_over() -> None:
    newer = signed(manifest(), protocol=NEWER, priority={"class": 3})
    opened = open_document(newer, Manifest)
    assert opened == manifest().model_copy(update={"protocol": NEWER})
    assert newer.hash == sha256_hex(newer.document.encode())  # what is signed and hashed is what came
    assert OpenedDocuments().manifest(newer).job_id == JOB_ID
    body = newer.model_dump_json().encode()
    assert open_manifest(body, JOB_ID, PARTY.party_id)[1].protocol == NEWER


@pytest.mark.parametrize("protocol", [PROTOCOL_VERSION, f"{MAJOR}.x", f"{MAJOR}", ""])
def test_unknown_fields_of_this_version_or_of_none_are_refused(protocol: str) -> None:
    odd = signed(manifest(), protocol=protocol, priority=3)
    assert code_of(open_document, odd, Manifest) in (Code.MALFORMED_MESSAGE, Code.PROTOCOL_VERSION)


def test_what_a_newer_version_adds_to_the_spec_is_refused_by_name_for_it_would_train_something_else() -> None:
    spec = {**manifest().model_dump(mode="json")["spec"], "fairness": "equal odds"}
    with pytest.raises(Problem, match=r"spec\.fairness") as caught:
        OpenedDocuments().manifest(signed(manifest(), protocol=NEWER, spec=spec))
    assert caught.value.code is Code.MALFORMED_MESSAGE


def test_a_key_given_twice_is_refused_of_a_newer_version_too() -> None:
    text = signed(manifest(), protocol=NEWER).document
    doubled = text[:-1] + ', "nonce": "' + "0e" * 32 + '"}'
    assert code_of(parse_json, doubled.encode(), Manifest) is Code.MALFORMED_MESSAGE


def fields_of(message: StepResult | Step) -> dict[str, Any]:
    decoded = cbor.decode(to_cbor(message))
    assert isinstance(decoded, dict)
    return dict(decoded)


def test_fields_that_a_newer_minor_version_added_to_a_message_are_passed_over() -> None:
    ended = StepResult(job_id=JOB_ID, step=3, finished="FAILED", code="diverged")
    newer = cbor.encode({**fields_of(ended), "protocol": NEWER, "hint": [1, 2]})
    assert from_cbor(newer, StepResult) == ended.model_copy(update={"protocol": NEWER})
    assert read_step_result(newer, manifest(), None)[0].step == 3  # type: ignore[arg-type]  # no request, no budget
    same = cbor.encode({**fields_of(ended), "hint": [1, 2]})
    assert code_of(from_cbor, same, StepResult) is Code.MALFORMED_MESSAGE
    # Whatever is known must still be in its one form.
    explicit_null = cbor.encode({**fields_of(ended), "protocol": NEWER, "request": None})
    assert code_of(from_cbor, explicit_null, StepResult) is Code.MALFORMED_MESSAGE


def test_a_kind_of_request_that_only_a_newer_version_knows_is_refused() -> None:
    request = RoundRequest(
        manifest_hash="a0" * 32, roster_hash="b1" * 32, round=0, kind=RoundKind.COUNTS, log_head="c2" * 32
    )
    fields = cbor.decode(to_cbor(request))
    assert isinstance(fields, dict)
    newer = cbor.encode({**fields, "protocol": NEWER, "kind": "histogram"})
    assert code_of(from_cbor, newer, RoundRequest) is Code.MALFORMED_MESSAGE


def test_another_major_version_is_refused_by_name_at_every_party() -> None:
    foreign = signed(manifest(), protocol=NEXT_MAJOR, rounds=[])
    body = foreign.model_dump_json().encode()
    registration = Registration(party=PARTY.party_id, name="clinic-a", datasets=("default",))
    registered = signed(registration, protocol=NEXT_MAJOR).model_dump_json().encode()
    step = cbor.encode({**fields_of(Step(job_id=JOB_ID, step=0, log_entry=b"")), "protocol": NEXT_MAJOR, "more": 1})
    refusals = {
        "facilitator: manifest": (open_manifest, body, JOB_ID, PARTY.party_id),
        "facilitator: registration": (open_registration, registered, PARTY.party_id),
        "data owner: manifest": (OpenedDocuments().manifest, foreign),
        "model owner: step": (from_cbor, step, Step),
    }
    for what, (call, *arguments) in refusals.items():
        with pytest.raises(Problem, match=f"{NEXT_MAJOR}.*{PROTOCOL_VERSION}") as caught:
            call(*arguments)
        assert caught.value.code is Code.PROTOCOL_VERSION, what


def test_a_registration_of_a_newer_minor_version_is_taken() -> None:
    registration = Registration(party=PARTY.party_id, name="clinic-a", datasets=("default",))
    newer = signed(registration, protocol=NEWER, regions=["north"]).model_dump_json().encode()
    assert open_registration(newer, PARTY.party_id)[1].name == "clinic-a"
    plain = sign_document(registration, PARTY).model_dump_json().encode()
    assert open_registration(plain, PARTY.party_id)[1] == registration


def test_the_end_of_a_job_may_say_more_than_is_known_here() -> None:
    end = parse_json(json.dumps({"job_id": JOB_ID, "status": "FINISHED", "summary": 1}).encode(), JobEnd)
    assert (end.job_id, end.status) == (JOB_ID, "FINISHED")


def client_of(answers: dict[str, Any]) -> FacilitatorClient:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=answers[request.url.path]))
    return FacilitatorClient("http://facilitator.invalid", party_id=PARTY.party_id, transport=transport)


HEADER = {
    "id": "5c" * 16,
    "kind": "step",
    "sender": "7d" * 32,
    "recipient": PARTY.party_id,
    "job_id": JOB_ID,
    "key": "step/1",
    "created_at": "2026-01-12T09:30:05.120Z",
    "sequence": 4,
}


def test_tasks_of_a_newer_facilitator_are_read_and_kinds_unknown_here_passed_over() -> None:
    newer = [{**HEADER, "urgency": 3}, {**HEADER, "id": "6d" * 16, "kind": "audit", "sequence": 5}]

    async def listed(tasks: Any) -> Any:
        client = client_of({"/tasks": {"tasks": tasks, "more": False}})
        try:
            return (await client.tasks(wait_s=0, after=0)).tasks
        finally:
            await client.aclose()

    (found,) = asyncio.run(listed(newer))
    assert (found.kind, found.sequence) == (TaskKind.STEP, 4)
    for wrong in ([{**HEADER, "sequence": "four"}], [{**HEADER, "kind": 7}], ["step"], None):
        with pytest.raises(Problem) as caught:
            asyncio.run(listed(wrong))
        assert caught.value.code is Code.MALFORMED_MESSAGE


@pytest.mark.parametrize(("protocol", "taken"), [(NEWER, True), (PROTOCOL_VERSION, True), (NEXT_MAJOR, False)])
def test_a_party_connects_to_a_facilitator_of_its_own_major_version_alone(protocol: str, taken: bool) -> None:
    async def connect() -> Any:
        client = client_of({"/identity": {"party_id": "7d" * 32, "role": "facilitator", "protocol": protocol}})
        try:
            return await client.identity()
        finally:
            await client.aclose()

    if taken:
        assert asyncio.run(connect())["protocol"] == protocol
        return
    with pytest.raises(Problem) as caught:
        asyncio.run(connect())
    assert caught.value.code is Code.PROTOCOL_VERSION


def test_which_versions_may_have_more_fields() -> None:
    assert is_newer_minor(NEWER)
    assert is_newer_minor(f"{MAJOR}.{MINOR + 100}")
    for other in (PROTOCOL_VERSION, NEXT_MAJOR, f"{MAJOR}", f"{MAJOR}.", f"{MAJOR}.-1", f"{MAJOR}.9a", "", "x.9"):
        assert not is_newer_minor(other)
