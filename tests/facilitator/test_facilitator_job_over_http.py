"""A whole job through the routes: real ciphertexts, a sum that decrypts to what the owners held."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fedtrain.crypto import EncryptedVector, sum_vectors
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.roster import open_roster
from fedtrain.protocol.documents.signed import JobEnd, Manifest, parse_json
from fedtrain.protocol.evidence.addition import SumContext, check_sum
from fedtrain.protocol.messages.rounds import NO_ENTRY, LogEntry, RoundRequest, SignedBytes, StepResult, from_cbor
from fedtrain.protocol.messages.tasks import JSON_TYPE, TaskKind
from tests.harness.facilitator.fake_parties import (
    ENGINE,
    FakeModelOwner,
    FakeOwner,
    decrypted,
    running,
    small_private_key,
)
from tests.harness.facilitator.machine_bench import small_spec
from tests.harness.facilitator.roomy import ROOMY

COUNTS = {"clinic-a": (200, 5000), "clinic-b": (240, 7001), "clinic-c": (2, 30)}
GRADIENTS = {"clinic-a": (-5, 17, 900), "clinic-b": (40, -17, 1), "clinic-c": (0, 3, -4000)}


def _add(vectors: Sequence[EncryptedVector], modulus: int, bound: int) -> EncryptedVector:
    return sum_vectors(vectors, modulus, ENGINE, bound)


async def _join(owners: list[FakeOwner]) -> None:
    for owner in owners:
        await owner.accept()


def test_a_job_runs_from_manifest_to_end_and_every_sum_is_the_owners_sum(tmp_path: Path) -> None:
    async def job() -> None:
        async with running(tmp_path) as facilitator:
            owners = [facilitator.owner(name) for name in COUNTS]
            for owner in owners:
                await owner.register()
            model_owner = facilitator.model_owner()
            spec = small_spec()
            manifest, budget = model_owner.manifest(spec), plan_spec(spec)
            job_id = await model_owner.deploy(manifest)
            await asyncio.gather(*(owner.accept() for owner in owners))

            header, step = await model_owner.step()
            assert step.roster is not None
            facilitator_id = str((await model_owner.client.identity())["party_id"])
            opened = parse_json(manifest.document.encode(), Manifest)
            roster = open_roster(step.roster, opened, manifest.hash, facilitator_id)
            assert set(roster.parties) == {owner.party_id for owner in owners}
            head = NO_ENTRY
            rounds = (
                (0, RoundKind.COUNTS, COUNTS),
                (1, RoundKind.GRADIENT, GRADIENTS),
                (2, RoundKind.GRADIENT, GRADIENTS),
            )
            for number, kind, values in rounds:
                previous, head = head, sha256_hex(step.log_entry)
                assert from_cbor(step.log_entry, LogEntry).previous == previous
                await model_owner.give(header, model_owner.request(step, manifest, roster.hash, number, kind))
                shaped = {
                    name: [list(row)] if kind == RoundKind.COUNTS else [[entry] for entry in row]
                    for name, row in values.items()
                }
                await asyncio.gather(*(owner.compute(budget, shaped[owner.name]) for owner in owners))
                header, step = await model_owner.step()
                assert step.sum is not None and step.request is not None
                check_sum(
                    SumContext(
                        manifest.hash, roster, small_private_key().public_key.n, number, kind, step.request.hash, head
                    ),
                    step.answers,
                    step.log_entry,
                    step.sum.ciphertexts,
                    partial(_add, bound=budget.round(kind).answer.sum_bound),
                )
                sums = [sum(entries) for entries in zip(*values.values(), strict=True)]
                assert decrypted(step.sum) == ([sums] if kind == RoundKind.COUNTS else [[entry] for entry in sums])
            await model_owner.give(header, StepResult(job_id=job_id, step=step.step, finished="FINISHED"))
            for owner in owners:
                end, request = await owner.task(TaskKind.END)
                assert parse_json(request, JobEnd).status == "FINISHED"
                await owner.client.put_result(end.id, b"{}", JSON_TYPE)
                assert (await owner.client.tasks(wait_s=0, after=0)).tasks == ()
            await _check_evidence(model_owner, job_id, 4)
            view = await model_owner.client.model(job_id)
            assert (view["status"], view["round"], view["rounds"], view["waiting_for"]) == ("FINISHED", 2, 5, [])

    asyncio.run(job())


async def _check_evidence(model_owner: FakeModelOwner, job_id: str, entries: int) -> None:
    """The log's lines, entries and blobs agree with each other, hash by hash."""
    lines = await model_owner.client.log(job_id)
    assert [line["index"] for line in lines] == list(range(entries))
    assert await model_owner.client.log(job_id, start=2) == lines[2:]
    assert await model_owner.client.log(job_id, start=entries) == []
    previous = NO_ENTRY
    for index, line in enumerate(lines):
        entry = await model_owner.client.log_entry(job_id, index, ROOMY)
        assert (line["hash"], line["previous"]) == (sha256_hex(entry), previous)
        previous = sha256_hex(entry)
        if line["kind"] is None:
            continue
        request = await model_owner.client.blob(job_id, str(line["request_hash"]), ROOMY)
        assert from_cbor(request, RoundRequest).round == line["round"]
        signed = from_cbor(await model_owner.client.blob(job_id, str(line["signed_request_hash"]), ROOMY), SignedBytes)
        assert signed.open("round-request", model_owner.party_id) == request
        product = await model_owner.client.blob(job_id, str(line["product_hash"]), ROOMY)
        assert sha256_hex(product) == line["product_hash"]


def _last_answers(view: Any) -> list[tuple[str, float | None]]:
    return sorted((one["name"], one["last_answer_after_s"]) for one in view["pace"])


def test_the_status_says_for_whom_the_job_waits_and_since_when(tmp_path: Path) -> None:
    async def job() -> None:
        async with running(tmp_path) as facilitator:
            owners = [facilitator.owner(name) for name in COUNTS]
            for owner in owners:
                await owner.register()
            model_owner = facilitator.model_owner()
            spec = small_spec()
            manifest, budget = model_owner.manifest(spec), plan_spec(spec)
            job_id = await model_owner.deploy(manifest)
            view = await model_owner.client.model(job_id)
            assert (view["status"], view["phase"], view["round"]) == ("INITIATED", "JOINING", None)
            assert [who["name"] for who in view["waiting_for"]] == ["clinic-a", "clinic-b", "clinic-c"]  # type: ignore[attr-defined]
            await _join(owners)
            facilitator.clock.pass_time(10)
            header, step = await model_owner.step()
            view = await model_owner.client.model(job_id)
            assert view["waiting_for"] == [
                {"party": model_owner.party_id, "name": "model-owner", "since": "2026-01-12T09:00:00Z"}
            ]
            assert view["seconds_left"] is None
            assert step.roster is not None
            await model_owner.give(header, model_owner.request(step, manifest, step.roster.hash, 0, RoundKind.COUNTS))
            for owner in owners[:2]:
                await owner.compute(budget, [[1, 2]])
            view = await model_owner.client.model(job_id)
            assert view["waiting_for"] == [
                {"party": owners[2].party_id, "name": "clinic-c", "since": "2026-01-12T09:00:10Z"}
            ]
            assert (view["round"], view["kind"], view["status"]) == (0, "counts", "IN_PROGRESS")
            assert view["goes_on"] is False
            assert _last_answers(view) == [("clinic-a", 0), ("clinic-b", 0), ("clinic-c", None)]
            facilitator.clock.pass_time(4)
            await owners[2].compute(budget, [[1, 2]])
            roster_hash = step.roster.hash
            header, step = await model_owner.step()
            await model_owner.give(header, model_owner.request(step, manifest, roster_hash, 1, RoundKind.GRADIENT))
            facilitator.clock.pass_time(1)
            view = await model_owner.client.model(job_id)
            assert view["seconds_left"] == 5 * 4 - 1  # rounds 1 to 5 at 4 s, one second of the first is over
            assert _last_answers(view) == [("clinic-a", 0), ("clinic-b", 0), ("clinic-c", 4)]
            assert {one["answered_after_s"] for one in view["pace"]} == {None}, "the next round is asked already"  # type: ignore[attr-defined]

    asyncio.run(job())
