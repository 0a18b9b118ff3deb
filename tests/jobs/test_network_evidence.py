"""Evidence of a network's job: ciphertexts of its last rounds, hashes and signatures of all of them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from fedtrain.cli.jobs.verify import _verify
from fedtrain.client.evidence import fetch_entries, fetch_log
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.crypto import LocalEngine
from fedtrain.protocol.evidence.pruned_log import kept_from, verify_entries, verify_kept
from fedtrain.protocol.evidence.verification import Job, LogItem
from fedtrain.protocol.messages.rounds import LogEntry, RoundAnswer, RoundRequest, SignedBytes, from_cbor
from fedtrain.simulation.federation import FACILITATOR, Federation
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.roomy import ROOMY
from tests.harness.going_on import away, log_of, time_is_over_without
from tests.jobs.test_network_job import running, spec_of
from tests.jobs.test_networks_that_go_on import POLICY

ROUNDS = 4


def rows_of(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "state.sqlite3")) as connection:
        return list(connection.execute(query))


async def finished(parties: Federation) -> tuple[str, FacilitatorClient]:
    model_id = await parties.deploy(spec_of(rounds=ROUNDS, evaluate_every=2, keep_rounds=2))
    model = await asyncio.wait_for(parties.wait(model_id), 300)
    assert model["status"] == "FINISHED", model["reason"]
    identity = (await parties.model_owner.get("/identity"))["party_id"]
    transport = httpx.ASGITransport(parties.facilitator.app)
    return model_id, FacilitatorClient(FACILITATOR, party_id=identity, transport=transport)


async def job_of(client: FacilitatorClient, model_id: str) -> Job:
    facilitator = str((await client.identity())["party_id"])
    return Job.open(await client.manifest(model_id), await client.roster(model_id), facilitator)


@pytest.mark.slow
def test_the_last_rounds_are_recomputed_and_of_the_others_there_are_hashes(tmp_path: Path) -> None:
    async def run() -> list[LogEntry]:
        async with running(tmp_path) as parties:
            model_id, client = await finished(parties)
            job = await job_of(client, model_id)
            with pytest.raises(Problem, match="keeps the ciphertexts of its last 2 rounds") as gone:
                await fetch_log(client, model_id, ROOMY)
            assert gone.value.code is Code.EVIDENCE_PRUNED
            entries = await fetch_entries(client, model_id, ROOMY)
            # The opening, the counts, four updates, and an evaluation after every second of them.
            assert len(entries) == 1 + 1 + ROUNDS + 2
            verify_entries(job, entries)
            first = kept_from(job, entries)
            assert first == len(entries) - 3
            items = await fetch_log(client, model_id, ROOMY, first)
            verify_kept(job, entries, first, items, LocalEngine())

            # What is kept is held to its sums: a product of another entry's is refused, and so is what is left out.
            swapped = [LogItem(items[0].entry, items[0].signed_request, items[0].answers, items[1].product), *items[1:]]
            with pytest.raises(Problem, match=f"Log entry {first}") as refused:
                verify_kept(job, entries, first, swapped, LocalEngine())
            assert refused.value.code is Code.ADDITION_NOT_PROVEN
            with pytest.raises(Problem, match="evidence is missing"):
                verify_kept(job, entries, first, items[1:], LocalEngine())

            party = (await parties.model_owner.get("/identity"))["party_id"]
            found = await _verify(client, model_id, party, tmp_path / "model-owner")
            assert (found["pruned"], found["sums"], found["recomputed"]) == (True, ROUNDS + 3, 3)

            return [from_cbor(entry, LogEntry) for entry in entries]

    entries = asyncio.run(run())
    evidence, blobs, tasks = (
        {value for (value,) in rows_of(tmp_path / "facilitator", f"SELECT {column} FROM {table}")}  # noqa: S608 - own names
        for column, table in (("hash", "job_blobs"), ("hash", "blobs"), ("key", "tasks"))
    )
    for entry in entries[1:]:
        named = {entry.request_hash, entry.product_hash, *(answer.answer_hash for answer in entry.answers)}
        assert named <= evidence & blobs if entry.round > 2 else not named & (evidence | blobs), entry.index
    assert not [key for key in tasks if "/1/update/" in key or "/2/" in key], "their bodies are the ciphertexts, too"
    assert [key for key in tasks if "/3/update/" in key]

    # An owner keeps the bytes of the same rounds' answers, and of all of them the hashes.
    given = rows_of(tmp_path / "owner-0", "SELECT round, kind, length(body), facts FROM answers ORDER BY round, kind")
    assert [(number, kind) for number, kind, _, _ in given if kind == "update"] == [(n, "update") for n in (1, 2, 3, 4)]
    assert all((size > 0) == (number > 2) for number, _, size, _ in given)
    recorded = {answer.answer_hash for entry in entries for answer in entry.answers}
    assert all(json.loads(facts)["answer_hash"] in recorded for *_, facts in given)
    # The Model Owner has the last 2·keep_rounds of its requests, and the end: steps 0 to 7 were answered.
    asked = [step for (step,) in rows_of(tmp_path / "model-owner", "SELECT step FROM outbox ORDER BY step")]
    assert asked == [3, 4, 5, 6, 7]


@pytest.mark.slow
def test_nothing_is_kept_of_a_void_round_and_of_old_ones_hashes_alone(tmp_path: Path) -> None:
    async def run() -> list[LogEntry]:
        async with running(tmp_path, owner_policy=POLICY) as parties:
            model_id = await parties.deploy(spec_of(on_dropout="continue", rounds=ROUNDS, keep_rounds=1))
            await asyncio.wait_for(time_is_over_without(parties, model_id, "owner-1", "owner-2", in_round=2), 300)
            model = await asyncio.wait_for(parties.wait(model_id), 300)
            assert model["status"] == "FINISHED", model["reason"]
            return await log_of(parties, model_id)

    with away("owner-1", "owner-2", in_round=2):
        entries = asyncio.run(run())
    assert [entry.round for entry in entries] == [1, 3, 4]
    folder = tmp_path / "facilitator"
    tasks = [key.split("/") for (key,) in rows_of(folder, "SELECT key FROM tasks")]
    numbers = {
        kind: {int(key[2]) for key in tasks if key[0] == kind} for kind in ("compute", "sign_set", "unmask", "step")
    }
    assert numbers == {"compute": {4}, "sign_set": {4}, "unmask": {4}, "step": {4}}
    requests, answers = set(), set()
    for (content,) in rows_of(folder, "SELECT content FROM blobs"):
        with suppress(Problem):
            requests.add(from_cbor(from_cbor(content, SignedBytes).body, RoundRequest).round)
        with suppress(Problem):
            answers.add(from_cbor(content, RoundAnswer).round)
    assert (requests, answers) == ({4}, {4})
