"""Records that go into and come out of the Facilitator's store beside its jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.protocol.messages.tasks import TaskHeader
from fedtrain.service.store.body_files import Body


@dataclass(frozen=True)
class StoredParty:
    """A registered Data Owner, and the registration as it signed it."""

    party: str
    name: str
    datasets: tuple[str, ...]
    registered_at: str
    signed: SignedDocument


@dataclass(frozen=True)
class StoredTask:
    """A task with its request's hash. `result_hash` is there once it is answered; a closed task takes no result."""

    header: TaskHeader
    request_hash: str
    request_type: str
    closed: bool
    result_hash: str | None


@dataclass(frozen=True)
class StoredBlob:
    """A body under its SHA-256, and what it is."""

    content: Body
    content_type: str


@dataclass(frozen=True)
class StoredEntry:
    """One log entry's exact bytes, and where the signed request of its sum is (None for the first)."""

    entry: bytes
    signed_request_hash: str | None


@dataclass(frozen=True)
class Claim:
    """Claim of a process on some work, and until when it may be taken for alive."""

    holder: str
    until: datetime
