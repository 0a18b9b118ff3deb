"""An owner that has joined and answers no more: it says so, and the job ends with its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedtrain.facilitator.job import OwnerLeft
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.protocol.documents.signed import JobEnd, Withdrawal, parse_json, sign_document
from fedtrain.protocol.messages.tasks import JSON_TYPE, TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.fake_parties import Facilitator, FakeOwner, identity_of
from tests.harness.facilitator.machine_bench import MachineBench
from tests.harness.facilitator.scenes import Scene, counting, refusal, with_facilitator


def left(bench: MachineBench, name: str, **changes: object) -> OwnerLeft:
    fields = {
        "manifest_hash": bench.state.manifest_hash,
        "party": identity_of(name).party_id,
        "name": name,
        "code": "denied",
    }
    return OwnerLeft(Withdrawal.model_validate({**fields, **changes}))


def asking() -> MachineBench:
    bench = MachineBench(owners=3)
    bench.join_all()
    bench.run_round(0, RoundKind.COUNTS)
    bench.ask(1)
    return bench


def test_the_job_fails_with_the_name_and_code_and_everybody_else_is_told() -> None:
    bench = asking()
    bench.happen(left(bench, "owner-1"))
    ending = bench.state.ending
    assert bench.state.phase is Phase.FAILED and ending is not None
    assert (ending.code, ending.reason) == ("owner-left", "owner-1 left the job (denied).")
    told = {task.recipient: parse_json(task.request, JobEnd) for task in bench.tasks(TaskKind.END)}
    assert told.keys() == {owner.party_id for owner in bench.owners.values()} | {bench.model_owner.party_id}
    assert {end.code for end in told.values()} == {"owner-left"}


@pytest.mark.parametrize(
    ("name", "changes", "code"),
    [
        ("stranger", {}, Code.FORBIDDEN),
        ("owner-1", {"manifest_hash": "ff" * 32}, Code.MALFORMED_MESSAGE),
    ],
)
def test_a_withdrawal_that_is_not_of_this_job_is_refused(name: str, changes: dict[str, object], code: Code) -> None:
    bench = asking()
    before = bench.state
    with pytest.raises(Problem) as caught:
        bench.happen(left(bench, name, **changes))
    assert caught.value.code is code and bench.state == before


def test_nobody_leaves_a_job_that_is_over() -> None:
    bench = asking()
    bench.happen(left(bench, "owner-1"))
    with pytest.raises(Problem) as caught:
        bench.happen(left(bench, "owner-2"))
    assert caught.value.code is Code.TASK_CLOSED


def withdrawal(scene: Scene, owner: FakeOwner, signer: FakeOwner, **changes: object) -> bytes:
    fields: dict[str, object] = {
        "manifest_hash": scene.manifest.hash,
        "party": owner.party_id,
        "name": owner.name,
        "code": "denied",
    }
    document = Withdrawal.model_validate({**fields, **changes})
    return sign_document(document, signer.identity).model_dump_json().encode()


def test_the_withdrawal_is_the_result_of_a_compute_task_and_signed_by_its_owner(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        scene = await counting(facilitator)
        first, second, third = scene.owners
        header, _ = await first.task(TaskKind.COMPUTE)

        async def give(body: bytes) -> None:
            await first.client.put_result(header.id, body, JSON_TYPE)

        assert (await refusal(give(withdrawal(scene, first, second)))).code is Code.BAD_SIGNATURE
        assert (await refusal(give(withdrawal(scene, second, first)))).code is Code.FORBIDDEN
        assert (await refusal(give(b"{}"))).code is Code.MALFORMED_MESSAGE
        assert (await first.client.model(scene.job_id))["status"] == "IN_PROGRESS"
        said = withdrawal(scene, first, first)
        await give(said)
        await give(said)
        job = await second.client.model(scene.job_id)
        assert (job["status"], job["code"]) == ("FAILED", "owner-left")
        assert job["reason"] == f"{first.name} left the job (denied)."
        for party in (second, third, scene.model_owner):
            header, _ = await party.task(TaskKind.END)
            assert header.job_id == scene.job_id

    with_facilitator(tmp_path, play)
