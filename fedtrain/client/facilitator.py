"""The Facilitator's routes, as its parties call them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal
from urllib.parse import quote, urlencode

from fedtrain.client.connection import parse_any_json
from fedtrain.client.http import FileBody, Receive, ServiceClient, T
from fedtrain.protocol.documents.card import CardList
from fedtrain.protocol.documents.identity import is_party_id
from fedtrain.protocol.documents.request import KeptRequest, RequestList
from fedtrain.protocol.documents.signed import SignedDocument, parse_json
from fedtrain.protocol.evidence.heads import HeadList
from fedtrain.protocol.messages.task_sizes import INVITATION_BYTES, STATEMENT_BYTES, EvidenceLimits
from fedtrain.protocol.messages.tasks import CBOR_TYPE, JSON_TYPE, TaskHeader, TaskKind, TaskList
from fedtrain.protocol.states import Role
from fedtrain.protocol.version import check_protocol
from fedtrain.spec.problems import Code, Problem

__all__ = ["CBOR_TYPE", "JSON_TYPE", "FacilitatorClient"]


#: A long job's log names every answer of every round.
_MAX_LIST_BYTES = 1 << 26
_MAX_LIST_ITEMS = 2_000_000
#: Characters, as the route takes it.
_LONGEST_EDITION = 100


class FacilitatorClient(ServiceClient):
    """One party's connection to the Facilitator. Every method raises Problem, and nothing else, when it fails."""

    unreachable = Code.FACILITATOR_UNREACHABLE
    service = "Facilitator"

    async def identity(self) -> dict[str, object]:
        """Return {"party_id", "role", "name", "protocol", "version"}.

        Raises Problem: FORBIDDEN where it is no Facilitator, PROTOCOL_VERSION for another major version.
        """
        who = await self.request_json("GET", "/identity")
        role = who.get("role")
        if role != Role.FACILITATOR.value or not is_party_id(str(who.get("party_id"))):
            found = f" but a {role}" if role in (Role.DATA_OWNER.value, Role.MODEL_OWNER.value) else ""
            raise Problem(Code.FORBIDDEN, f"{self.base_url} is not a Facilitator{found}: correct its address.")
        if isinstance(protocol := who.get("protocol"), str):
            check_protocol(protocol)
        return who

    async def register(self, signed: SignedDocument) -> None:
        """Tell which datasets this Data Owner offers; the same again changes nothing."""
        await self._put(f"/data-owners/{quote(signed.signer, safe='')}", signed)

    async def data_owners(self) -> list[dict[str, object]]:
        """Return the registered Data Owners."""
        return await self._list("/data-owners")

    async def publish(self, dataset: str, signed: SignedDocument) -> None:
        """Show a dataset's card to those whom it is for; the same again changes nothing."""
        await self._put(_card(signed.signer, dataset), signed)

    async def withdraw(self, dataset: str, signed: SignedDocument) -> None:
        """Show a dataset's card no more."""
        await self._put(f"{_card(signed.signer, dataset)}/withdrawal", signed)

    async def cards(self, asked: Sequence[tuple[str, str]]) -> CardList:
        """Return a page of the cards that fit, as they come: whoever reads one verifies it. `asked`: the route's
        parameters, some of which may come several times."""
        listed = await self.request("GET", f"/datasets?{urlencode(asked)}", most_bytes=_MAX_LIST_BYTES)
        return parse_json(listed, CardList)

    async def post_request(self, signed: SignedDocument) -> None:
        """Ask owners to approve a job; the same again changes nothing."""
        await self._put(_request(signed.hash), signed)

    async def say(self, request: str, kind: Literal["message", "decision"], signed: SignedDocument) -> None:
        """Add a message to a request, or an owner's decision; the same again changes nothing."""
        await self._put(_request(request, f"{kind}s", signed.hash), signed)

    async def requests(self, before: int | None = None) -> RequestList:
        """Return a page of this party's requests, as they come: whoever reads one verifies it."""
        asked = None if before is None else {"before": before}
        return parse_json(await self.request("GET", "/requests", params=asked, most_bytes=_MAX_LIST_BYTES), RequestList)

    async def one_request(self, request: str) -> KeptRequest:
        """Return a request of this party's, as `requests`."""
        return parse_json(await self.request("GET", _request(request), most_bytes=_MAX_LIST_BYTES), KeptRequest)

    async def requests_edition(self, known: str, wait_s: float) -> str:
        """Return the edition of this party's requests as soon as it is another one than `known`, or after `wait_s`."""
        asked: dict[str, str | int | float] = {"known": known, "wait": f"{wait_s:g}"}
        found = (await self.request_json("GET", "/changes/requests", params=asked, wait_s=wait_s)).get("edition")
        if not isinstance(found, str) or len(found) > _LONGEST_EDITION:
            raise Problem(Code.MALFORMED_MESSAGE, "The Facilitator answered /changes/requests with no edition.")
        return found

    async def post_manifest(self, job_id: str, signed: SignedDocument) -> None:
        """Open a job; the same manifest again changes nothing, another one is JOB_EXISTS."""
        await self._put(_job(job_id), signed)

    async def model(self, job_id: str) -> dict[str, object]:
        """Return the job's state."""
        return await self.request_json("GET", _job(job_id))

    async def models(self) -> list[dict[str, object]]:
        """Return the states of all jobs."""
        return await self._list("/models")

    async def cancel(self, job_id: str, reason: str) -> None:
        """End the job; only its Model Owner may."""
        await self.request("DELETE", _job(job_id), params={"reason": reason})

    async def manifest(self, job_id: str) -> SignedDocument:
        """Return the signed manifest."""
        return parse_json(
            await self.request("GET", _job(job_id, "manifest"), most_bytes=INVITATION_BYTES), SignedDocument
        )

    async def roster(self, job_id: str) -> SignedDocument:
        """Return the signed roster."""
        return parse_json(await self.request("GET", _job(job_id, "roster")), SignedDocument)

    async def heads(self, job_id: str) -> HeadList:
        """Return what parties signed of a job's end, as they signed it."""
        return parse_json(await self.request("GET", _job(job_id, "heads"), most_bytes=_MAX_LIST_BYTES), HeadList)

    async def sign_heads(self, job_id: str, signed: SignedDocument) -> None:
        """Give this party's statement about a job's end; the same again changes nothing."""
        await self._put(_job(job_id, "heads"), signed)

    async def log(self, job_id: str, *, start: int = 0) -> list[dict[str, object]]:
        """Return the log's summary from entry `start` on, one object an entry."""
        return await self._list(_job(job_id, "log"), start=start)

    async def log_entry(self, job_id: str, index: int, limits: EvidenceLimits) -> bytes:
        """Return the exact bytes of one log entry."""
        return await self.request("GET", _job(job_id, "log", str(index)), most_bytes=limits.entry_bytes)

    async def blob(self, job_id: str, hash: str, limits: EvidenceLimits) -> bytes:  # noqa: A002 - what the route calls it
        """Return the exact bytes whose SHA-256 is `hash`: a request or an answer of the job."""
        return await self.request("GET", _job(job_id, "blobs", hash), most_bytes=limits.blob_bytes)

    async def tasks(self, *, wait_s: float, after: int) -> TaskList:
        """Return this party's open tasks with a sequence above `after`; wait up to `wait_s` until there is one."""
        params: dict[str, str | int | float] = {"wait": f"{wait_s:g}", "after": after}
        listed = await self.request("GET", "/tasks", params=params, wait_s=wait_s)
        return parse_json(_known_tasks(listed), TaskList)

    async def task_request(self, task_id: str, most_bytes: int, receive: Receive[T]) -> T:
        """Return what `receive` makes of the exact bytes of what a task asks."""
        return await self.received("GET", f"/tasks/{quote(task_id, safe='')}/request", receive, most_bytes=most_bytes)

    async def put_result(self, task_id: str, body: bytes | FileBody, content_type: str) -> None:
        """Answer a task; the same bytes again change nothing."""
        await self.request("PUT", f"/tasks/{quote(task_id, safe='')}/result", body=body, content_type=content_type)

    async def send_task(self, kind: TaskKind, recipient: str, job_id: str, nonce: str, body: bytes) -> TaskHeader:
        """Send another party a task; the same bytes under the same `nonce` (64 hex digits) are one task."""
        params = {"kind": kind.value, "recipient": recipient, "model_id": job_id, "nonce": nonce}
        answer = await self.request(
            "POST", "/tasks", body=body, content_type=CBOR_TYPE, params=params, most_bytes=STATEMENT_BYTES
        )
        return parse_json(answer, TaskHeader)

    async def sent_result(self, task_id: str, most_bytes: int, *, wait_s: float) -> bytes | None:
        """Return the result of a task that this party sent, None where there is none within `wait_s`."""
        path = f"/tasks/{quote(task_id, safe='')}/result"
        params: dict[str, str | int | float] = {"wait": f"{wait_s:g}"}
        return await self.request("GET", path, params=params, wait_s=wait_s, most_bytes=most_bytes) or None

    async def _put(self, path: str, signed: SignedDocument) -> None:
        await self.request("PUT", path, body=signed.model_dump_json().encode(), content_type=JSON_TYPE)

    async def _list(self, path: str, **params: str | int | float) -> list[dict[str, object]]:
        listed = await self.request("GET", path, params=params or None, most_bytes=_MAX_LIST_BYTES)
        value = parse_any_json(listed, _MAX_LIST_ITEMS)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise Problem(Code.MALFORMED_MESSAGE, f"The Facilitator answered {path} with no JSON array of objects.")
        return value


def _known_tasks(listed: bytes) -> bytes:
    """The list without what a newer minor version has added: further fields, and tasks of kinds unknown here."""
    value = parse_any_json(listed)
    headers = value.get("tasks") if isinstance(value, dict) else None
    if not isinstance(headers, list) or not all(isinstance(header, dict) for header in headers):
        return listed  # refused as it is
    kept = [
        {name: item for name, item in header.items() if name in TaskHeader.model_fields}
        for header in headers
        if not isinstance(header.get("kind"), str) or header["kind"] in _KINDS
    ]
    return json.dumps({"tasks": kept}).encode()


_KINDS = frozenset(kind.value for kind in TaskKind)


def _card(party: str, dataset: str) -> str:
    return f"/datasets/{quote(party, safe='')}/{quote(dataset, safe='')}"


def _request(request: str, *rest: str) -> str:
    return "/".join(["/requests", *(quote(part, safe="") for part in (request, *rest))])


def _job(job_id: str, *rest: str) -> str:
    return "/".join(["/models", *(quote(part, safe="") for part in (job_id, *rest))])
