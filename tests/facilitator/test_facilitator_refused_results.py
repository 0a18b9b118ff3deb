"""Results that are refused, each by name, and that the right one still counts afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from fedtrain.client.http import joined as as_bytes
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import SignedDocument, parse_json
from fedtrain.protocol.messages.rounds import SignedBytes, StepResult, VectorMessage, to_cbor
from fedtrain.protocol.messages.tasks import CBOR_TYPE, JSON_TYPE, TaskKind
from fedtrain.spec.problems import Code
from tests.harness.facilitator.fake_parties import Facilitator, encrypted, small_private_key
from tests.harness.facilitator.roomy import ROOMY
from tests.harness.facilitator.scenes import counting, counts_request, joined, refusal, with_facilitator


def test_a_task_is_there_for_its_recipient_alone(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        scene = await counting(facilitator)
        header, request = await scene.owners[0].task(TaskKind.COMPUTE)
        body = to_cbor(scene.owners[0].answer(request, scene.budget, [[1, 2]]))
        thief = scene.owners[1].client
        assert (await refusal(thief.task_request(header.id, 1 << 24, as_bytes))).code is Code.TASK_NOT_FOUND
        assert (await refusal(thief.put_result(header.id, body, CBOR_TYPE))).code is Code.TASK_NOT_FOUND
        async with facilitator.client as client:
            answer = await client.get("/tasks")
            assert answer.status_code == 401 and answer.json()["type"].endswith("/unauthenticated")
        await scene.owners[0].client.put_result(header.id, body, CBOR_TYPE)

    with_facilitator(tmp_path, play)


def test_the_same_answer_twice_counts_once_and_another_is_a_conflict(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        scene = await counting(facilitator)
        owner = scene.owners[0]
        header, request = await owner.task(TaskKind.COMPUTE)
        body = to_cbor(owner.answer(request, scene.budget, [[1, 2]]))
        other = to_cbor(owner.answer(request, scene.budget, [[1, 2]]))
        assert body != other
        await asyncio.gather(*(owner.client.put_result(header.id, body, CBOR_TYPE) for _ in range(5)))
        assert (await refusal(owner.client.put_result(header.id, other, CBOR_TYPE))).code is Code.ANSWER_CONFLICT
        for late in scene.owners[1:]:
            await late.compute(scene.budget, [[1, 2]])
        await scene.model_owner.step()
        await owner.client.put_result(header.id, body, CBOR_TYPE)
        view = await owner.client.model(scene.job_id)
        assert view["phase"] == "WAITING_FOR_MODEL_OWNER"

    with_facilitator(tmp_path, play)


def test_an_answer_to_a_task_of_an_ended_job_finds_it_closed(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        scene = await counting(facilitator)
        owner = scene.owners[0]
        header, request = await owner.task(TaskKind.COMPUTE)
        await scene.model_owner.client.cancel(scene.job_id, "enough")
        body = to_cbor(owner.answer(request, scene.budget, [[1, 2]]))
        assert (await refusal(owner.client.put_result(header.id, body, CBOR_TYPE))).code is Code.TASK_CLOSED
        open_kinds = [task.kind for task in (await owner.client.tasks(wait_s=0, after=0)).tasks]
        assert open_kinds == [TaskKind.END]

    with_facilitator(tmp_path, play)


def _cut(body: bytes) -> bytes:
    return body[:-1]


MESSAGES: list[tuple[str, Callable[[bytes], bytes], Code]] = [
    ("a truncated message", _cut, Code.MALFORMED_CBOR),
    ("trailing bytes", lambda body: body + b"\x00", Code.MALFORMED_CBOR),
    ("a tag", lambda body: b"\xc0" + body, Code.MALFORMED_CBOR),
    ("duplicate keys", lambda body: b"\xa2\x61a\x01\x61a\x02", Code.MALFORMED_CBOR),
    ("another message", lambda body: to_cbor(StepResult(job_id="12" * 16, step=0, finished="FINISHED")),
     Code.MALFORMED_MESSAGE),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "code"), [case[1:] for case in MESSAGES], ids=[case[0] for case in MESSAGES])
def test_an_answer_that_is_not_the_agreed_message_is_refused_and_the_right_one_still_counts(
    tmp_path: Path, spoil: Callable[[bytes], bytes], code: Code
) -> None:
    async def play(facilitator: Facilitator) -> None:
        scene = await counting(facilitator)
        owner = scene.owners[0]
        header, request = await owner.task(TaskKind.COMPUTE)
        body = to_cbor(owner.answer(request, scene.budget, [[1, 2]]))
        assert (await refusal(owner.client.put_result(header.id, spoil(body), CBOR_TYPE))).code is code
        await owner.client.put_result(header.id, body, CBOR_TYPE)

    with_facilitator(tmp_path, play)


def _ciphertexts(vector: VectorMessage, replace: Callable[[bytes, int], bytes]) -> VectorMessage:
    return vector.model_copy(update={"ciphertexts": replace(vector.ciphertexts, int(small_private_key().public_key.n))})


VECTORS: list[tuple[str, Callable[[VectorMessage], VectorMessage], Code]] = [
    ("one byte short", lambda v: _ciphertexts(v, lambda c, n: c[:-1]), Code.MALFORMED_CIPHERTEXT),
    ("zero", lambda v: _ciphertexts(v, lambda c, n: bytes(len(c))), Code.MALFORMED_CIPHERTEXT),
    ("n squared", lambda v: _ciphertexts(v, lambda c, n: (n * n).to_bytes(len(c), "big")), Code.MALFORMED_CIPHERTEXT),
    (
        "a multiple of a prime factor of n",
        lambda v: _ciphertexts(v, lambda c, n: (int(small_private_key().p) * 5).to_bytes(len(c), "big")),
        Code.MALFORMED_CIPHERTEXT,
    ),
    ("another key", lambda v: v.model_copy(update={"key_id": "ab" * 16}), Code.MALFORMED_MESSAGE),
    ("another scale", lambda v: v.model_copy(update={"fraction_bits": v.fraction_bits + 1}), Code.MALFORMED_MESSAGE),
    (
        "another layout",
        lambda v: v.model_copy(update={"layout": {**v.layout, "slot_bits": v.layout["slot_bits"] + 1}}),
        Code.MALFORMED_MESSAGE,
    ),
    (
        "a bound beyond its slot",
        lambda v: v.model_copy(update={"bound": b"\xff" * 60}),
        Code.MALFORMED_CIPHERTEXT,
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("spoil", "code"), [case[1:] for case in VECTORS], ids=[case[0] for case in VECTORS])
def test_ciphertexts_that_are_not_the_plans_are_refused_although_signed(
    tmp_path: Path, spoil: Callable[[VectorMessage], VectorMessage], code: Code
) -> None:
    async def play(facilitator: Facilitator) -> None:
        scene = await counting(facilitator)
        owner = scene.owners[0]
        header, request = await owner.task(TaskKind.COMPUTE)
        good = owner.answer(request, scene.budget, [[1, 2]])
        bad = good.model_copy(update={"vector": spoil(good.vector)}).signed_by(owner.identity)
        assert (await refusal(owner.client.put_result(header.id, to_cbor(bad), CBOR_TYPE))).code is code
        await owner.client.put_result(header.id, to_cbor(good), CBOR_TYPE)

    with_facilitator(tmp_path, play)


def test_an_answer_of_another_party_or_with_a_broken_signature_is_refused(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        scene = await counting(facilitator)
        owner, other = scene.owners[:2]
        header, request = await owner.task(TaskKind.COMPUTE)
        foreign = to_cbor(other.answer(request, scene.budget, [[1, 2]]))
        assert (await refusal(owner.client.put_result(header.id, foreign, CBOR_TYPE))).code is Code.FORBIDDEN
        good = owner.answer(request, scene.budget, [[1, 2]])
        forged = to_cbor(good.model_copy(update={"signature": other.identity.sign("round-answer", good.statement())}))
        assert (await refusal(owner.client.put_result(header.id, forged, CBOR_TYPE))).code is Code.BAD_SIGNATURE

    with_facilitator(tmp_path, play)


def test_a_result_of_another_content_type_is_refused(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        scene = await counting(facilitator)
        owner = scene.owners[0]
        header, request = await owner.task(TaskKind.COMPUTE)
        body = to_cbor(owner.answer(request, scene.budget, [[1, 2]]))
        problem = await refusal(owner.client.put_result(header.id, body, "text/plain"))
        assert problem.code is Code.UNSUPPORTED_MEDIA_TYPE and CBOR_TYPE in problem.detail
        # JSON is for a withdrawal, which this is not.
        assert (await refusal(owner.client.put_result(header.id, body, JSON_TYPE))).code is Code.MALFORMED_JSON
        assert (await refusal(owner.client.put_result(header.id, b"{}", JSON_TYPE))).code is Code.MALFORMED_MESSAGE

    with_facilitator(tmp_path, play)


def test_a_request_that_the_model_owner_did_not_sign_is_refused(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        scene = await joined(facilitator)
        header, _step = scene.first_step
        good = counts_request(scene)
        assert good.request is not None
        stranger = SignedBytes.sign(good.request.body, "round-request", Identity.generate())
        forged = good.model_copy(update={"request": stranger})
        assert (await refusal(scene.model_owner.give(header, forged))).code is Code.BAD_SIGNATURE
        wrong_head = counts_request(scene, log_head="12" * 32)
        assert (await refusal(scene.model_owner.give(header, wrong_head))).code is Code.LOG_INCONSISTENT
        await scene.model_owner.give(header, good)

    with_facilitator(tmp_path, play)


def test_weights_that_are_not_the_plans_are_refused(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        scene = await counting(facilitator)
        for owner in scene.owners:
            await owner.compute(scene.budget, [[1, 2]])
        header, step = await scene.model_owner.step()
        first, layout = scene.budget.steps[0], scene.budget.weights_layout
        roster_hash = (await scene.model_owner.client.roster(scene.job_id)).hash
        ask = scene.model_owner.request
        n = small_private_key().public_key.n
        values = [[1]] * layout.rows
        scaled = VectorMessage.of(encrypted(values, layout, first.weight_fraction_bits + 1, first.weight_bound), n)
        large = VectorMessage.of(encrypted(values, layout, first.weight_fraction_bits, first.weight_bound + 1), n)
        for weights in (scaled, large):
            result = ask(step, scene.manifest, roster_hash, 1, RoundKind.GRADIENT, weights=weights)
            assert (await refusal(scene.model_owner.give(header, result))).code is Code.MALFORMED_MESSAGE
        await scene.model_owner.give(header, ask(step, scene.manifest, roster_hash, 1, RoundKind.GRADIENT))

    with_facilitator(tmp_path, play)


def test_an_acceptance_signed_by_another_party_is_refused(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        owner, other = facilitator.owner("clinic-a"), facilitator.owner("clinic-b")
        await owner.register()
        model_owner = facilitator.model_owner()
        await model_owner.deploy(model_owner.manifest())
        header, request = await owner.task(TaskKind.JOIN)
        manifest = parse_json(request, SignedDocument)
        for body, code in (
            (other.acceptance(manifest), Code.BAD_SIGNATURE),
            (owner.acceptance(manifest, party=other.party_id), Code.MALFORMED_MESSAGE),
            (b"{}", Code.MALFORMED_MESSAGE),
        ):
            assert (await refusal(owner.client.put_result(header.id, body, JSON_TYPE))).code is code
        await owner.accept()

    with_facilitator(tmp_path, play)


def test_evidence_is_for_the_jobs_parties(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        scene = await counting(facilitator)
        for owner in scene.owners:
            await owner.compute(scene.budget, [[1, 2]])
        await scene.model_owner.step()
        line = (await scene.model_owner.client.log(scene.job_id))[1]
        product = str(line["product_hash"])
        assert await scene.owners[2].client.blob(scene.job_id, product, ROOMY)
        stranger = facilitator.owner("stranger").client
        assert (await refusal(stranger.blob(scene.job_id, product, ROOMY))).code is Code.FORBIDDEN
        assert (await refusal(scene.owners[0].client.blob(scene.job_id, "12" * 32, ROOMY))).code is Code.NOT_FOUND
        assert (await refusal(stranger.log_entry(scene.job_id, 2, ROOMY))).code is Code.NOT_FOUND

    with_facilitator(tmp_path, play)


def test_a_body_over_the_limit_is_refused_by_its_declared_size(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        async with facilitator.client as client:
            answer = await client.put(
                f"/tasks/{'12' * 16}/result",
                content=b"",
                headers={"Content-Length": str(10**9), "Fedtrain-Party": "12" * 32},
            )
            assert answer.status_code == 413 and answer.json()["type"].endswith("/body-too-large")

    with_facilitator(tmp_path, play)
