"""Long polls, timeouts, metrics, and the description of the routes."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.fake_parties import FakeClock, decrypted, running
from tests.harness.facilitator.machine_bench import small_spec
from tests.harness.facilitator.scenes import counting


def test_a_poll_wakes_when_a_task_comes_and_lists_only_what_is_new(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator:
            owner, model_owner = facilitator.owner("clinic-a"), facilitator.model_owner()
            await owner.register()
            await model_owner.deploy(model_owner.manifest())
            (first,) = (await owner.client.tasks(wait_s=30, after=0)).tasks
            poll = asyncio.create_task(owner.client.tasks(wait_s=60, after=first.sequence))
            await asyncio.sleep(0.05)
            assert not poll.done()
            second = await model_owner.deploy(model_owner.manifest())
            (task,) = (await poll).tasks
            assert (task.job_id, task.kind) == (second, TaskKind.JOIN)
            assert [header.id for header in (await owner.client.tasks(wait_s=0, after=0)).tasks] == [first.id, task.id]

    asyncio.run(play())


def test_a_poll_without_a_task_comes_back_empty_when_its_time_is_up_or_the_service_stops(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator:
            owner = facilitator.owner("clinic-a")
            assert (await owner.client.tasks(wait_s=0.01, after=0)).tasks == ()
            assert (await owner.client.tasks(wait_s=0, after=(1 << 63) - 1)).tasks == ()
            with pytest.raises(Problem) as caught:  # more than a database counts to
                await owner.client.tasks(wait_s=0, after=1 << 63)
            assert caught.value.code is Code.INVALID_REQUEST
            poll = asyncio.create_task(owner.client.tasks(wait_s=3600, after=0))
            await asyncio.sleep(0.05)
            assert not poll.done()
            facilitator.app.state.stop.set()
            assert (await poll).tasks == ()

    asyncio.run(play())


def test_an_owner_that_is_late_fails_the_job_where_the_spec_says_end(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator:
            scene = await counting(facilitator, on_dropout="end", round_timeout_s=30.0)
            for owner in scene.owners[:2]:
                await owner.compute(scene.budget, [[1, 2]])
            await facilitator.tick(29)
            assert (await scene.model_owner.client.model(scene.job_id))["status"] == "IN_PROGRESS"
            await facilitator.tick(1)
            view = await scene.model_owner.client.model(scene.job_id)
            assert (view["status"], view["code"]) == ("FAILED", "owner-timed-out")
            assert view["reason"] == "clinic-c did not answer round 0 within 30 s."
            for party in (scene.model_owner, *scene.owners):
                await party.task(TaskKind.END)

    asyncio.run(play())


def test_an_owner_that_is_late_is_waited_for_by_default(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator:
            scene = await counting(facilitator)
            for owner in scene.owners[:2]:
                await owner.compute(scene.budget, [[1, 2]])
            await facilitator.tick(100_000)
            await scene.owners[2].compute(scene.budget, [[1, 2]])
            _, step = await scene.model_owner.step()
            assert step.sum is not None and decrypted(step.sum) == [[3, 6]]

    asyncio.run(play())


def test_two_jobs_run_side_by_side(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path, FakeClock()) as facilitator:
            first = await counting(facilitator)
            second_owner = facilitator.model_owner("another-model-owner")
            second = await second_owner.deploy(second_owner.manifest(small_spec(min_data_owners=1)))
            for owner in first.owners:
                await owner.accept()
            header, _ = await second_owner.step()
            assert header.job_id == second
            await asyncio.gather(*(owner.compute(first.budget, [[1, 1]]) for owner in first.owners))
            _, step = await first.model_owner.step()
            assert step.sum is not None and decrypted(step.sum) == [[3, 3]]
            listed = {view["id"]: view["phase"] for view in await second_owner.client.models()}
            assert listed == {first.job_id: "WAITING_FOR_MODEL_OWNER", second: "WAITING_FOR_MODEL_OWNER"}

    asyncio.run(play())


def test_metrics_tell_of_rounds_open_tasks_and_refusals(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator:
            scene = await counting(facilitator)
            header, _ = await scene.owners[0].task(TaskKind.COMPUTE)
            async with facilitator.client as client:
                owner = {"Fedtrain-Party": scene.owners[0].party_id, "Content-Type": "text/plain"}
                refused = await client.put(f"/tasks/{header.id}/result", content=b"\x00", headers=owner)
                assert refused.status_code == 415
                before = (await client.get("/metrics")).text
                assert 'fedtrain_tasks_open{kind="compute"} 3.0' in before
                assert 'fedtrain_results_refused_total{code="unsupported-media-type"} 1.0' in before
                assert 'fedtrain_rounds_total{kind="counts"}' not in before
                for party in scene.owners:
                    await party.compute(scene.budget, [[1, 2]])
                await scene.model_owner.step()
                await scene.model_owner.client.cancel(scene.job_id, "enough")
                after = (await client.get("/metrics")).text
            assert 'fedtrain_rounds_total{kind="counts"} 1.0' in after
            assert 'fedtrain_tasks_open{kind="compute"} 0.0' in after
            assert 'fedtrain_jobs_ended_total{code="cancelled",status="CANCELLED"} 1.0' in after
            assert re.search(r'fedtrain_result_bytes_total\{kind="compute"\} [1-9]', after)

    asyncio.run(play())


def test_every_route_is_described_with_an_example(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator:
            document = facilitator.app.openapi()
        schemas = document["components"]["schemas"]
        lacking = []
        for path, methods in document["paths"].items():
            if not path.startswith(("/models", "/tasks", "/data-owners")):
                continue
            for method, route in methods.items():
                assert route["summary"]
                bodies = [route["requestBody"]] if "requestBody" in route else []
                bodies += [answer for status, answer in route["responses"].items() if status in ("200", "201")]
                for body in bodies:
                    if not any(_has_example(content, schemas) for content in body.get("content", {}).values()):
                        lacking.append(f"{method} {path}")
        assert lacking == []

    def _has_example(content: dict[str, object], schemas: dict[str, dict[str, object]]) -> bool:
        schema = content.get("schema", {})  # a stream of events has none
        assert isinstance(schema, dict)
        named = schema.get("items", schema)
        return "example" in content or "example" in schemas.get(str(named.get("$ref", "")).rsplit("/", 1)[-1], {})

    asyncio.run(play())


def test_ready_says_whether_the_store_is_open(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator:
            async with facilitator.client as client:
                assert (await client.get("/readyz")).json()["checks"] == {"store": "ok"}
            app = facilitator.app
        async with facilitator.client as client:
            assert app is facilitator.app
            assert (await client.get("/readyz")).status_code == 503

    asyncio.run(play())


def test_the_plan_in_use_is_the_specs(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator:
            scene = await counting(facilitator)
            context = facilitator.app.state.runner.context(scene.job_id)
            assert context.plan == plan_spec(context.manifest.spec) == scene.budget

    asyncio.run(play())
