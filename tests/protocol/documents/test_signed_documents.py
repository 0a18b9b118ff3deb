"""Signed documents: their exact text, under their tag, by their signer, in this major version."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedtrain.protocol.documents.identity import Identity, sha256_hex
from fedtrain.protocol.documents.signed import (
    Acceptance,
    Decline,
    Document,
    JobEnd,
    JoinAnswer,
    Manifest,
    Membership,
    Registration,
    Roster,
    SignedDocument,
    open_document,
    parse_json,
    sign_document,
)
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem

ALICE, BOB = Identity.generate(), Identity.generate()
HASH = "ab" * 32
SPEC = ModelSpec.model_validate(
    {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"name": "größe", "type": "continuous", "range": [0.1, 1e22]}],
            "target": {"name": "y", "range": [-0.0, 346]},
        },
    }
)
DOCUMENTS: list[Document] = [
    Manifest(
        job_id="0" * 32,
        created_at="2026-01-01T00:00:00.000Z",
        model_owner=ALICE.party_id,
        model_owner_name="lender",
        spec=SPEC,
        plan={"bits": {"gradient": 123}},
        modulus="0f" * 384,
        key_proof=("ab", "cd"),
        nonce=HASH,
    ),
    Acceptance(manifest_hash=HASH, party=ALICE.party_id, name="bank-one", mask_key="2b" * 32, moments_hash=HASH),
    Decline(manifest_hash=HASH, party=ALICE.party_id, name="bank-one", code="policy-refuses"),
    Registration(party=ALICE.party_id, name="bank-one", datasets=("default", "loans")),
    Roster(manifest_hash=HASH, entries=()),
    Membership.model_validate(
        {"party": BOB.party_id, "role": "data-owner", "name": "bank-two", "not_after": "2030-01-01T00:00:00Z"}
    ),
]
KINDS = [type(document) for document in DOCUMENTS]


def refused(code: Code, act: Callable[[], object]) -> str:
    with pytest.raises(Problem) as caught:
        act()
    assert caught.value.code is code
    return caught.value.detail


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.tag())
def test_a_signed_document_travels_as_json_and_opens_to_what_was_signed(document: Document) -> None:
    sent = sign_document(document, ALICE).model_dump_json().encode()
    received = parse_json(sent, SignedDocument)
    assert open_document(received, type(document), signer=ALICE.party_id) == document
    assert received.hash == sha256_hex(document.model_dump_json().encode())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.tag())
def test_a_signature_moved_to_a_document_of_another_kind_does_not_hold(document: Document) -> None:
    signed = sign_document(document, ALICE)
    for kind in KINDS:
        if kind is not type(document):
            assert kind.tag() in refused(Code.BAD_SIGNATURE, lambda kind=kind: open_document(signed, kind))


def test_every_kind_has_a_tag_of_its_own() -> None:
    assert len({kind.tag() for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.tag())
def test_a_document_that_another_signed_or_altered_is_refused(document: Document) -> None:
    signed, by_bob = sign_document(document, ALICE), sign_document(document, BOB)
    kind = type(document)
    refused(Code.BAD_SIGNATURE, lambda: open_document(by_bob, kind, signer=ALICE.party_id))
    passed_off = signed.model_copy(update={"signer": BOB.party_id})
    refused(Code.BAD_SIGNATURE, lambda: open_document(passed_off, kind))
    spaced = signed.model_copy(update={"document": signed.document + " "})
    refused(Code.BAD_SIGNATURE, lambda: open_document(spaced, kind))
    unsigned = signed.model_copy(update={"signature": "00" * 64})
    refused(Code.BAD_SIGNATURE, lambda: open_document(unsigned, kind))


def signed_text(text: str, kind: type[Document]) -> SignedDocument:
    signature = ALICE.sign(kind.tag(), text.encode()).hex()
    return SignedDocument(document=text, signer=ALICE.party_id, signature=signature)


def test_a_document_of_another_major_version_is_refused_by_name_whatever_else_is_in_it() -> None:
    fields = json.loads(DOCUMENTS[3].model_dump_json())
    for change in ({}, {"colour": "red"}, {"party": 7}):
        signed = signed_text(json.dumps({**fields, "protocol": "2.0", **change}), Registration)
        detail = refused(Code.PROTOCOL_VERSION, lambda signed=signed: open_document(signed, Registration))
        assert "'2.0'" in detail
        assert "1.0" in detail
    minor = signed_text(json.dumps({**fields, "protocol": "1.7"}), Registration)
    assert open_document(minor, Registration).protocol == "1.7"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"party": "bank-one"}, "party"),
        ({"party": ALICE.party_id.upper()}, "party"),
        ({"name": "../etc"}, "name"),
        ({"datasets": "default"}, "datasets"),
        ({"datasets": ["two words"]}, "datasets.0"),
        ({"datasets": ["x"] * 1001}, "datasets"),
        ({"protocol": 1}, "protocol"),
        ({"protocol": "one"}, "version"),
    ],
)
def test_a_document_in_another_form_is_refused_by_the_fields_name(change: dict[str, object], named: str) -> None:
    fields = {**json.loads(DOCUMENTS[3].model_dump_json()), **change}
    signed = signed_text(json.dumps(fields), Registration)
    code = Code.PROTOCOL_VERSION if change.get("protocol") == "one" else Code.MALFORMED_MESSAGE
    assert named in refused(code, lambda: open_document(signed, Registration))


@pytest.mark.parametrize(
    ("whole", "doubled"),
    [
        ('"name":"bank-one"', '"name":"bank-one","name":"bank-two"'),
        ('"name":"bank-one"', '"name":"bank-one","name":"bank-one"'),
        ('"name":"bank-one"', '"name":"bank-one","n\\u0061me":"bank-one"'),
    ],
)
def test_a_key_given_twice_is_refused_by_name(whole: str, doubled: str) -> None:
    text = DOCUMENTS[3].model_dump_json()
    assert whole in text
    signed = signed_text(text.replace(whole, doubled), Registration)
    assert "'name' is given twice" in refused(Code.MALFORMED_MESSAGE, lambda: open_document(signed, Registration))


def test_a_key_given_twice_deep_inside_is_refused_too() -> None:
    text = DOCUMENTS[0].model_dump_json()
    signed = signed_text(text.replace('"gradient":123', '"gradient":123,"gradient":124'), Manifest)
    assert "'gradient' is given twice" in refused(Code.MALFORMED_MESSAGE, lambda: open_document(signed, Manifest))


@pytest.mark.parametrize("missing", ["party", "name", "datasets"])
def test_a_document_that_lacks_a_field_is_refused_by_its_name(missing: str) -> None:
    fields = json.loads(DOCUMENTS[3].model_dump_json())
    del fields[missing]
    signed = signed_text(json.dumps(fields), Registration)
    assert missing in refused(Code.MALFORMED_MESSAGE, lambda: open_document(signed, Registration))


@pytest.mark.parametrize("text", ["", "null", "[]", "{", '"text"', "[" * 10_000, '{"a": NaN}'])
def test_a_text_that_is_no_object_is_malformed(text: str) -> None:
    refused(Code.MALFORMED_MESSAGE, lambda: open_document(signed_text(text, Registration), Registration))


@pytest.mark.parametrize(
    "body",
    [
        b'{"document": "\\ud800", "signer": "%s", "signature": "00"}' % ALICE.party_id.encode(),
        b'{"document": "\xff", "signer": "%s", "signature": "00"}' % ALICE.party_id.encode(),
        b'{"document": "x", "signer": "%s", "signature": "0"}' % ALICE.party_id.encode(),
        b'{"document": "x", "signer": "%s"}' % ALICE.party_id.encode(),
        b"",
    ],
    ids=["half a surrogate", "not UTF-8", "odd hex", "unsigned", "empty"],
)
def test_a_signed_document_in_another_form_is_malformed(body: bytes) -> None:
    refused(Code.MALFORMED_MESSAGE, lambda: parse_json(body, SignedDocument))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_bytes_come_there_is_a_message_or_a_problem(data: bytes) -> None:
    for kind in (SignedDocument, JoinAnswer, JobEnd, Registration):
        try:
            parse_json(data, kind)
        except Problem as problem:
            assert problem.code in (Code.MALFORMED_MESSAGE, Code.PROTOCOL_VERSION)


@given(st.text(max_size=300))
def test_whatever_text_a_party_signs_opens_to_a_document_or_a_problem(text: str) -> None:
    try:
        signed = signed_text(text, Registration)
    except UnicodeEncodeError:
        return  # half a surrogate has no bytes to sign
    refused(Code.MALFORMED_MESSAGE, lambda: open_document(signed, Registration))


def test_an_answer_to_a_join_is_accept_or_decline() -> None:
    signed = sign_document(DOCUMENTS[1], ALICE)
    for answer in ("accept", "decline"):
        body = JoinAnswer(answer=answer, signed=signed).model_dump_json().encode()
        assert parse_json(body, JoinAnswer).answer == answer
    body = json.dumps({"answer": "perhaps", "signed": signed.model_dump()}).encode()
    assert "answer" in refused(Code.MALFORMED_MESSAGE, lambda: parse_json(body, JoinAnswer))


def test_a_declines_code_has_no_room_for_values() -> None:
    fields = json.loads(DOCUMENTS[2].model_dump_json())
    for code in ("7 rows", "too-few-rows: 7", "7", "", "a" * 65):
        signed = signed_text(json.dumps({**fields, "code": code}), Decline)
        assert "code" in refused(Code.MALFORMED_MESSAGE, lambda signed=signed: open_document(signed, Decline))


def test_an_end_is_read_from_what_the_facilitator_says_of_a_job() -> None:
    model = {"id": "0" * 32, "status": "FAILED", "code": "owner-left", "reason": "bank-one left.", "round": 3}
    assert JobEnd.told("0" * 32, model) == JobEnd(
        job_id="0" * 32, status="FAILED", code="owner-left", reason="bank-one left."
    )
    assert JobEnd.told("0" * 32, {"status": "FINISHED", "code": None}) == JobEnd(job_id="0" * 32, status="FINISHED")


@pytest.mark.parametrize(
    "model", [{}, {"status": None}, {"status": "IN_PROGRESS", "code": "x"}, {"status": ["FAILED"]}]
)
def test_a_job_that_goes_on_has_no_end(model: dict[str, object]) -> None:
    assert JobEnd.told("0" * 32, model) is None
