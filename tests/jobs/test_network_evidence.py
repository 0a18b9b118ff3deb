"""Evidence of a network's job: ciphertexts of its last rounds, hashes and signatures of all of them."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from fedtrain.cli.jobs.verify import _verify
from fedtrain.client.evidence import fetch_entries, fetch_log
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.crypto import LocalEngine
from fedtrain.protocol.evidence.pruned_log import kept_from, verify_entries, verify_kept
from fedtrain.protocol.evidence.verification import Job, LogItem
from fedtrain.protocol.messages.rounds import LogEntry, from_cbor
from fedtrain.simulation.federation import FACILITATOR, Federation
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.roomy import ROOMY
from tests.jobs.test_network_job import running, spec_of

ROUNDS = 4


async def finished(parties: Federation) -> tuple[str, FacilitatorClient]:
    model_id = await parties.deploy(spec_of(rounds=ROUNDS, evaluate_every=2, keep_rounds=2))
    model = await asyncio.wait_for(parties.wait(model_id), 60)
    assert model["status"] == "FINISHED", model["reason"]
    identity = (await parties.model_owner.get("/identity"))["party_id"]
    transport = httpx.ASGITransport(parties.facilitator.app)
    return model_id, FacilitatorClient(FACILITATOR, party_id=identity, transport=transport)


async def job_of(client: FacilitatorClient, model_id: str) -> Job:
    facilitator = str((await client.identity())["party_id"])
    return Job.open(await client.manifest(model_id), await client.roster(model_id), facilitator)


def test_the_last_rounds_are_recomputed_and_of_the_others_there_are_hashes(tmp_path: Path) -> None:
    async def run() -> list[LogEntry]:
        async with running(tmp_path) as parties:
            model_id, client = await finished(parties)
            job = await job_of(client, model_id)
            with pytest.raises(Problem, match="keeps the ciphertexts of its last 2 rounds") as gone:
                await fetch_log(client, model_id, ROOMY)
            assert gone.value.code is Code.EVIDENCE_PRUNED
            entries = await fetch_entries(client, model_id, ROOMY)
            # The opening, the counts, four updates, and one evaluation between them.
            assert len(entries) == 1 + 1 + ROUNDS + 1
            verify_entries(job, entries)
            first = kept_from(job, entries)
            assert first == len(entries) - 2
            items = await fetch_log(client, model_id, ROOMY, first)
            verify_kept(job, entries, first, items, LocalEngine())

            # What is kept is held to its sums: a product of another entry's is refused, and so is what is left out.
            swapped = [LogItem(items[0].entry, items[0].signed_request, items[0].answers, items[1].product), items[1]]
            with pytest.raises(Problem, match=f"Log entry {first}") as refused:
                verify_kept(job, entries, first, swapped, LocalEngine())
            assert refused.value.code is Code.ADDITION_NOT_PROVEN
            with pytest.raises(Problem, match="evidence is missing"):
                verify_kept(job, entries, first, items[1:], LocalEngine())

            found = await _verify(client, model_id)
            assert (found["pruned"], found["sums"], found["recomputed"]) == (True, ROUNDS + 2, 2)

            return [from_cbor(entry, LogEntry) for entry in entries]

    entries = asyncio.run(run())
    with closing(sqlite3.connect(tmp_path / "facilitator" / "state.sqlite3")) as connection:
        evidence, blobs, tasks = (
            {value for (value,) in connection.execute(f"SELECT {column} FROM {table}")}  # noqa: S608 - names of our own
            for column, table in (("hash", "job_blobs"), ("hash", "blobs"), ("key", "tasks"))
        )
    for entry in entries[1:]:
        named = {entry.request_hash, entry.product_hash, *(answer.answer_hash for answer in entry.answers)}
        assert named <= evidence & blobs if entry.round > 2 else not named & (evidence | blobs), entry.index
    assert not [key for key in tasks if "/1/update/" in key or "/2/" in key], "their bodies are the ciphertexts, too"
    assert [key for key in tasks if "/3/update/" in key]
