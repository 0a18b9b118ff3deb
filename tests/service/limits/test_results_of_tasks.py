"""The length of a task's result follows from the job's plan, and is known before it is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fedtrain.methods import schedule_of
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.signed import Manifest, open_document
from fedtrain.protocol.messages.rounds import to_cbor
from fedtrain.protocol.messages.sizes import round_bytes
from fedtrain.protocol.messages.task_sizes import STATEMENT_BYTES, most_request_bytes, most_result_bytes
from fedtrain.protocol.messages.tasks import CBOR_TYPE, JSON_TYPE, TaskKind
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.fake_parties import Facilitator, FakeOwner
from tests.harness.facilitator.machine_bench import small_spec
from tests.harness.facilitator.scenes import Scene, counting, joined, refusal, with_facilitator


async def assert_limit(owner: FakeOwner, task_id: str, most: int, content_type: str) -> None:
    for size in (most, most + 1):
        problem = await refusal(owner.client.put_result(task_id, b"x" * size, content_type))
        if size > most:
            assert problem.code is Code.BODY_TOO_LARGE
            assert f"{most:,} bytes at most" in problem.detail
        else:
            assert problem.code is not Code.BODY_TOO_LARGE


def spec_of(scene: Scene) -> ModelSpec:
    return open_document(scene.manifest, Manifest).spec


def logistic_spec(**training: object) -> ModelSpec:
    fields = small_spec(**training).model_dump(mode="json", exclude_none=True)
    fields["model_type"] = "LOGISTIC_REGRESSION"
    fields["data_props"]["target"] = {"col_idx": 99, "categories": ["no", "yes"]}
    return ModelSpec.model_validate(fields)


def test_answers_to_an_invitation_have_64_kb(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        owner = facilitator.owner("clinic-a")
        await owner.register()
        model_owner = facilitator.model_owner()
        await model_owner.deploy(model_owner.manifest())
        header, _ = await owner.task(TaskKind.JOIN)
        for content_type in (JSON_TYPE, CBOR_TYPE):
            await assert_limit(owner, header.id, STATEMENT_BYTES, content_type)
        await owner.accept()

    with_facilitator(tmp_path, play)


def test_an_answer_of_ciphertexts_has_what_the_plan_says(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        scene = await counting(facilitator)
        owner = scene.owners[0]
        header, request = await owner.task(TaskKind.COMPUTE)
        most = most_result_bytes(TaskKind.COMPUTE, spec_of(scene), scene.budget)
        answer = to_cbor(owner.answer(request, scene.budget, [[1, 2]]))
        assert len(answer) < most < len(answer) + (20 << 10)
        await assert_limit(owner, header.id, most, CBOR_TYPE)
        await assert_limit(owner, header.id, STATEMENT_BYTES, JSON_TYPE)
        await owner.client.put_result(header.id, answer, CBOR_TYPE)

    with_facilitator(tmp_path, play)


def test_a_step_and_an_end_have_theirs(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        scene = await joined(facilitator)
        step, _ = scene.first_step
        most = most_result_bytes(TaskKind.STEP, spec_of(scene), scene.budget)
        await assert_limit(scene.model_owner, step.id, most, CBOR_TYPE)  # type: ignore[arg-type]
        await scene.model_owner.client.cancel(scene.job_id, "enough")
        end, _ = await scene.owners[0].task(TaskKind.END)
        await assert_limit(scene.owners[0], end.id, STATEMENT_BYTES, CBOR_TYPE)
        too_large = b" " * (STATEMENT_BYTES + 1)
        assert (
            await refusal(scene.owners[0].client.put_result(end.id, too_large, JSON_TYPE))
        ).code is Code.BODY_TOO_LARGE
        await scene.owners[0].client.put_result(end.id, too_large[:-1], JSON_TYPE)

    with_facilitator(tmp_path, play)


def test_a_task_that_is_not_the_callers_takes_no_more_than_a_statement(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        scene = await counting(facilitator)
        header, _ = await scene.owners[0].task(TaskKind.COMPUTE)
        for task_id in (header.id, "0" * 32):
            await assert_limit(scene.owners[1], task_id, STATEMENT_BYTES, CBOR_TYPE)

    with_facilitator(tmp_path, play)


def test_what_one_party_sends_another_has_what_the_plan_says(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        scene = await counting(facilitator)
        owner, to = scene.owners[0], scene.model_owner.party_id
        for kind in (TaskKind.SCORING, TaskKind.SCORE, TaskKind.MODEL):
            most = most_request_bytes(kind, spec_of(scene), scene.budget)
            for size, nonce in ((most, "ab" * 32), (most + 1, "cd" * 32)):
                try:
                    await owner.client.send_task(kind, to, scene.job_id, nonce, b"x" * size)
                    assert size == most
                except Problem as problem:
                    assert (problem.code, size) == (Code.BODY_TOO_LARGE, most + 1)

    with_facilitator(tmp_path, play)


def test_the_plans_sizes_hold_for_every_kind_of_round(tmp_path: Path) -> None:
    """Against the sizes that a forecast tells, which real messages have to the byte."""
    for training in (
        {},
        {"optimizer": "newton"},
        {"optimizer": "gradient_descent", "evaluate_every": 2},
        {"optimizer": "momentum", "reencrypt_every": 3, "key_bits": 1024},
        {"optimizer": "lbfgs", "weights": "shared_with_owners"},
    ):
        spec = logistic_spec(**training) if "weights" in training else small_spec(**training)
        budget = plan_spec(spec)
        owners = spec.training.max_data_owners
        schedule = schedule_of(spec)
        for one in round_bytes(
            budget, replace(schedule, rounds=min(6, schedule.rounds)), owners, owners * spec.training.max_rows
        ):
            assert one.answer <= most_result_bytes(TaskKind.COMPUTE, spec, budget), training
            assert one.result <= most_result_bytes(TaskKind.STEP, spec, budget), training
            assert one.compute <= most_request_bytes(TaskKind.COMPUTE, spec, budget), training
            assert one.step <= most_request_bytes(TaskKind.STEP, spec, budget), training
