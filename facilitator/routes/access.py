"""Access of a route to what it delegates to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import Depends, Path, Request, Response
from starlette.responses import StreamingResponse

from fedtrain.facilitator.desk import TaskDesk
from fedtrain.facilitator.registry.heads import Heads
from fedtrain.facilitator.registry.mailbox import MAX_OPEN_TASKS, Mailbox
from fedtrain.facilitator.registry.sightings import Sightings
from fedtrain.facilitator.service import JobService
from fedtrain.facilitator.store import StoredBlob
from fedtrain.service.limits.held_requests import HeldRequests
from fedtrain.service.store.body_files import chunks_of
from fedtrain.spec.problems import Problem

#: A party at work has one for tasks and one for each task that it sent. A line that breaks leaves its poll behind for
#: as long as that would have waited.
MOST_POLLS_OF_A_PARTY = MAX_OPEN_TASKS + 36


def held(name: str) -> Any:
    """Return the dependency on what the application holds as `name`."""

    def find(request: Request) -> Any:
        return getattr(request.app.state, name)

    return Depends(find)


Service = Annotated[JobService, held("service")]
Desk = Annotated[TaskDesk, held("desk")]
Post = Annotated[Mailbox, held("mailbox")]
Ends = Annotated[Heads, held("heads")]
Seen = Annotated[Sightings, held("sightings")]
JobIdInPath = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", examples=["0f4b6d1c9e7a4c52b8d3a6e5f1029384"])]
HashInPath = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", examples=["9f" * 32])]
PartyInPath = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", examples=["1a" * 32])]
TaskIdInPath = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", examples=["5c0d9f3f6b1e4d7a8c2b4e6f8a0c1d3e"])]

SIGNED_EXAMPLE = {
    "document": '{"protocol":"1.0","party":"1a1a…","name":"clinic-a","datasets":["default"]}',
    "signer": "1a" * 32,
    "signature": "8e" * 64,
}


def long_polls() -> HeldRequests:
    """Return the count of a service's long polls, none of them open."""
    return HeldRequests(
        "long polls", "wait for one of them to be answered, or ask without `wait`", MOST_POLLS_OF_A_PARTY
    )


@contextmanager
def waiting(request: Request, party: str, wait: float) -> Iterator[float]:
    """Give the seconds that a request may wait, and count it while it does.

    Raises Problem(RATE_LIMITED) where its party has as many such as it may have.
    """
    wait_s: float = min(wait, request.app.state.longest_wait_s)
    if wait_s <= 0:
        yield 0.0
        return
    polls: HeldRequests = request.app.state.long_polls
    with polls.held(party):
        yield wait_s


def signed_body(what: str) -> dict[str, object]:
    """OpenAPI: a body that is read as exact bytes, because its signature covers them."""
    schema = {
        "title": f"SignedDocument({what})",
        "type": "object",
        "required": ["document", "signer", "signature"],
        "properties": {
            "document": {"type": "string", "description": f"The {what}, as the exact JSON text that is signed"},
            "signer": {"type": "string", "description": "Ed25519 public key in hex"},
            "signature": {"type": "string", "description": "Over the tag and the document's bytes, in hex"},
        },
    }
    content = {"application/json": {"schema": schema, "example": SIGNED_EXAMPLE}}
    return {"requestBody": {"required": True, "content": content}}


async def body_response(found: StoredBlob, again: Callable[[], Awaitable[object]]) -> Response:
    """Return a stored body as an answer, streamed where it lies in a file.

    `again` looks it up once more, and raises where it was dropped meanwhile. Raises Problem(BODY_DAMAGED).
    """
    content = found.content
    if isinstance(content, bytes):
        return Response(content, media_type=found.content_type)
    try:
        file = await asyncio.to_thread(content.open)
    except Problem:
        await again()
        raise
    length = {"Content-Length": str(content.size_bytes)}
    return StreamingResponse(chunks_of(file), headers=length, media_type=found.content_type)


def bytes_response(media_type: str, what: str) -> dict[int | str, dict[str, object]]:
    """OpenAPI: exact bytes as an answer."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}, "example": f"({what})"}}
    return {200: {"description": what, "content": content}}
