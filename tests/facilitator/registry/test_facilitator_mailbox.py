"""POST /tasks: what one party has for another, passed on unread."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fedtrain.facilitator.registry.mailbox import MAX_OPEN_TASKS
from fedtrain.protocol.messages.tasks import CBOR_TYPE, JSON_TYPE, TaskKind
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.fake_parties import running

ASK, REPLY = b"what an owner asks", b"what it is told"


def nonce(number: int) -> str:
    return f"{number:064x}"


def test_a_task_goes_to_its_recipient_and_its_result_back_to_its_sender(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator:
            owner, other, model_owner = (
                facilitator.owner("clinic-a"),
                facilitator.owner("clinic-b"),
                facilitator.model_owner(),
            )
            job_id = await model_owner.deploy(model_owner.manifest())
            sent = await owner.client.send_task(TaskKind.SCORE, model_owner.party_id, job_id, nonce(1), ASK)
            assert (sent.sender, sent.recipient, sent.job_id) == (owner.party_id, model_owner.party_id, job_id)
            again = await owner.client.send_task(TaskKind.SCORE, model_owner.party_id, job_id, nonce(1), ASK)
            assert again == sent
            assert await owner.client.sent_result(sent.id, 1 << 24, wait_s=0) is None
            header, request = await model_owner.task(TaskKind.SCORE, job_id)
            assert (header.id, request) == (sent.id, ASK)
            waiting = asyncio.create_task(owner.client.sent_result(sent.id, 1 << 24, wait_s=60))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            with pytest.raises(Problem) as refused:
                await model_owner.client.put_result(header.id, b"{}", JSON_TYPE)
            assert refused.value.code is Code.UNSUPPORTED_MEDIA_TYPE
            await model_owner.client.put_result(header.id, REPLY, CBOR_TYPE)
            assert await waiting == REPLY
            assert await owner.client.sent_result(sent.id, 1 << 24, wait_s=0) == REPLY
            for stranger in (other, model_owner):
                with pytest.raises(Problem) as refused:
                    await stranger.client.sent_result(sent.id, 1 << 24, wait_s=0)
                assert refused.value.code is Code.TASK_NOT_FOUND
            assert (await model_owner.client.model(job_id))["status"] == "INITIATED"

    asyncio.run(play())


def test_what_is_not_to_be_passed_on_is_refused(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator:
            owner, model_owner = facilitator.owner("clinic-a"), facilitator.model_owner()
            job_id = await model_owner.deploy(model_owner.manifest())
            await owner.client.send_task(TaskKind.SCORE, model_owner.party_id, job_id, nonce(1), ASK)
            for kind, recipient, job, body, code in (
                (TaskKind.STEP, model_owner.party_id, job_id, ASK, Code.FORBIDDEN),
                (TaskKind.END, model_owner.party_id, job_id, ASK, Code.FORBIDDEN),
                (TaskKind.SCORE, "5e" * 32, job_id, ASK, Code.INVALID_REQUEST),
                (TaskKind.SCORE, model_owner.party_id, "77" * 16, ASK, Code.MODEL_NOT_FOUND),
                (TaskKind.SCORE, model_owner.party_id, job_id, b"something else", Code.ANSWER_CONFLICT),
            ):
                with pytest.raises(Problem) as refused:
                    await owner.client.send_task(kind, recipient, job, nonce(1), body)
                assert refused.value.code is code

    asyncio.run(play())


def test_one_party_cannot_fill_anothers_list(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator:
            owner, other, model_owner = (
                facilitator.owner("clinic-a"),
                facilitator.owner("clinic-b"),
                facilitator.model_owner(),
            )
            job_id = await model_owner.deploy(model_owner.manifest())
            for number in range(MAX_OPEN_TASKS):
                await owner.client.send_task(TaskKind.SCORE, model_owner.party_id, job_id, nonce(number), ASK)
            with pytest.raises(Problem) as refused:
                await owner.client.send_task(TaskKind.SCORE, model_owner.party_id, job_id, nonce(MAX_OPEN_TASKS), ASK)
            assert refused.value.code is Code.RATE_LIMITED
            await other.client.send_task(TaskKind.SCORE, model_owner.party_id, job_id, nonce(0), ASK)
            header, _ = await model_owner.task(TaskKind.SCORE, job_id)
            await model_owner.client.put_result(header.id, REPLY, CBOR_TYPE)
            await owner.client.send_task(TaskKind.SCORE, model_owner.party_id, job_id, nonce(MAX_OPEN_TASKS), ASK)

    asyncio.run(play())
