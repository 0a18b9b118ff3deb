"""A job with many owners: the log's lines, and work that does not grow with every owner for every other."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from fedtrain.facilitator.store import Store
from fedtrain.protocol.documents import signed as documents
from fedtrain.protocol.documents.signed import SignedDocument, sign_document
from fedtrain.protocol.evidence.heads import AuditHead, HeadStatement, open_statement
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.service.store.database import sqlite_url
from tests.harness.facilitator.fake_parties import FakeOwner, running
from tests.harness.facilitator.machine_bench import small_spec
from tests.harness.requests import request_of, titled


def test_a_log_line_counts_whom_a_job_waits_for_and_names_ten(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator:
            owners = [facilitator.owner(f"clinic-{number:02}") for number in range(12)]
            for owner in owners:
                await owner.register()
            model_owner = facilitator.model_owner()
            await model_owner.deploy(model_owner.manifest(small_spec(max_data_owners=12)))
            with capture_logs() as lines:
                for owner in owners[:3]:
                    await owner.accept()
            steps = [line for line in lines if line["event"] == "job step"]
            assert [line["waiting"] for line in steps] == [11, 10, 9]
            names = [[f"clinic-{number:02}" for number in range(first, 12)] for first in (1, 2, 3)]
            assert [line["waiting_for"] for line in steps] == [names[0][:10], names[1], names[2]]

    asyncio.run(play())


def test_a_statement_costs_one_signature_check_however_many_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    verify = documents.verify

    def counted(party_id: str, tag: str, body: bytes, signature: bytes) -> None:
        checked.append(party_id)
        verify(party_id, tag, body, signature)

    async def play() -> None:
        async with running(tmp_path) as facilitator:
            owners = [facilitator.owner(f"clinic-{number}") for number in range(6)]
            for owner in owners:
                await owner.register()
            model_owner = facilitator.model_owner()
            job_id = await model_owner.deploy(model_owner.manifest(small_spec(max_data_owners=6)))
            for owner in owners:
                await owner.accept()
            await model_owner.client.cancel(job_id, "enough")
            (listed,) = (await model_owner.client.heads(job_id)).statements
            end = open_statement(listed, job_id)

            def signed(owner: FakeOwner, *others: FakeOwner) -> SignedDocument:
                said: dict[str, object] = {
                    "party": owner.party_id,
                    "name": owner.name,
                    "audit_head": owner.party_id,
                    "countersigned": [AuditHead(party=one.party_id, head=one.party_id) for one in others],
                }
                return sign_document(HeadStatement.model_validate({**end.model_dump(), **said}), owner.identity)

            monkeypatch.setattr(documents, "verify", counted)
            for owner in owners:
                await owner.client.sign_heads(job_id, signed(owner))
            last, *others = owners[::-1]
            async with facilitator.client as http:
                answer = await http.put(
                    f"/models/{job_id}/heads",
                    content=signed(last, *others).model_dump_json(),
                    headers={"Fedtrain-Party": last.party_id, "Content-Type": "application/json"},
                )
            # With the first comes the Facilitator's own, which is put in its file.
            first, *following = (owner.party_id for owner in owners)
            assert checked == [first, end.party, *following, last.party_id]
            assert (answer.status_code, answer.content) == (204, b"")
            listed = (await model_owner.client.heads(job_id)).statements
            assert {one.signer for one in listed} == {end.party, *(owner.party_id for owner in owners)}
            assert signed(last, *others) in listed

    asyncio.run(play())


def test_a_job_looks_its_request_up_once_and_asks_whom_that_asked(tmp_path: Path) -> None:
    looked: list[str] = []

    def keep(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if "FROM requests" in statement:
            looked.append(statement)

    async def play() -> None:
        async with running(tmp_path) as facilitator:
            owners = [facilitator.owner(f"clinic-{number}") for number in range(6)]
            for owner in owners:
                await owner.register()
            model_owner = facilitator.model_owner()
            document = request_of(model_owner.identity, [owner.identity for owner in owners[:3]], titled(small_spec()))
            request = sign_document(document, model_owner.identity)
            store = Store(sqlite_url(tmp_path / "state.sqlite3"))
            with store.write() as tx:
                tx.requests.put_request(request, document)
            store.close()
            sa.event.listen(sa.Engine, "before_cursor_execute", keep)
            try:
                await model_owner.deploy(model_owner.manifest(request=request.hash))
            finally:
                sa.event.remove(sa.Engine, "before_cursor_execute", keep)
            assert len(looked) == 1 and "signed" not in looked[0]
            for number, owner in enumerate(owners):
                tasks = (await owner.client.tasks(wait_s=0, after=0)).tasks
                assert [task.kind for task in tasks] == ([TaskKind.JOIN] if number < 3 else [])

    asyncio.run(play())
