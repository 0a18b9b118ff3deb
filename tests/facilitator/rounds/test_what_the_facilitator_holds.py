"""The Facilitator of a job whose owners see the weights: what it stores, hears and logs, and what it cannot open."""

from __future__ import annotations

import asyncio
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from fedtrain.client.evidence import fetch_log
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.crypto import LocalEngine
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.signed import Manifest
from fedtrain.protocol.evidence.verification import Job, LogItem, verify_log
from fedtrain.protocol.messages.rounds import RoundRequest, SignedBytes, from_cbor
from fedtrain.protocol.messages.shared_weights import SealingContext, open_weights_box
from fedtrain.simulation.federation import Federation, federation
from fedtrain.spec.problems import Code, Problem
from tests.harness.attackers.shared_jobs import SHARING, breast_cancer, shared_spec, table
from tests.harness.facilitator.roomy import ROOMY
from tests.harness.one_process import split, write_table


class Seen:
    """A finished job: the weights that were asked last, and everything that the Facilitator has of it."""

    def __init__(self) -> None:
        self.weights: list[float] = []
        self.heard: list[bytes] = []
        self.stored: list[bytes] = []
        self.model_owner_stored: list[bytes] = []
        self.keys: dict[str, bytes] = {}
        self.owners: dict[str, str] = {}
        self.job: Job | None = None
        self.items: list[LogItem] = []


def cells(database: Path) -> Iterator[bytes]:
    """Every value of every table, as bytes."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        names = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
        for name in names:
            for row in connection.execute(f'select * from "{name}"'):  # noqa: S608 - names of its own tables
                yield from (value if isinstance(value, bytes) else str(value).encode() for value in row)


async def verify(parties: Federation, model_id: str, seen: Seen) -> None:
    who = (await parties.model_owner.get("/identity"))["party_id"]
    facilitator = (await parties.facilitator.get("/identity"))["party_id"]
    transport = httpx.ASGITransport(parties.facilitator.app)
    client = FacilitatorClient("http://facilitator.invalid", party_id=who, transport=transport)
    manifest, roster = await client.manifest(model_id), await client.roster(model_id)
    seen.items = await fetch_log(client, model_id, ROOMY)
    seen.job = Job.open(manifest, roster, facilitator)
    seen.owners = {entry.name: entry.party for entry in seen.job.roster.acceptances}
    await client.aclose()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder, seen = tmp_path_factory.mktemp("facilitator"), Seen()
    X, y = breast_cancer(columns=3)
    parts = split(table(X, y), (250, 200, 119))
    tables = {f"owner-{n}": write_table(folder / f"owner-{n}.csv", part) for n, part in enumerate(parts)}

    def listen(heard: bytes) -> None:
        """Copies owners' sealing keys too, which do not outlive the job: an owner has made its own before it joins."""
        seen.heard.append(heard)
        for name in tables.keys() - seen.keys.keys():  # once it is copied it may go
            for path in (folder / "parties" / name / "keys").glob("*.sealing.x25519"):
                seen.keys[name] = path.read_bytes()

    async def job() -> None:
        settings = {"least_roster": 1, **SHARING}
        async with federation(
            folder / "parties", tables, allow_small_keys=True, owner_settings=settings, wiretap=listen
        ) as parties:
            model_id = await parties.deploy(shared_spec(X, 2, l2=5.0, rounds=6, tolerance=1e-12))
            model = await parties.wait(model_id)
            assert model["status"] == "FINISHED", (model["code"], model["reason"], model["declined"])
            await verify(parties, model_id, seen)
            # Owners hear of the end a moment later than the Model Owner says it, and then destroy their keys.
            while list((folder / "parties").glob("owner-*/keys/*.x25519")):
                await asyncio.sleep(0.05)

    asyncio.run(job())
    seen.stored = list(cells(folder / "parties" / "facilitator" / "state.sqlite3"))
    seen.model_owner_stored = list(cells(folder / "parties" / "model-owner" / "state.sqlite3"))
    last = requests(seen)[-1]
    assert seen.job is not None
    opened = open_box(seen, last, "owner-0", "owner-0")
    seen.weights = [float(value) for value in opened.ravel()]
    assert all(abs(value) > 1e-3 for value in seen.weights)
    return seen


def requests(seen: Seen) -> list[RoundRequest]:
    """The gradient requests of the log."""
    bodies = [from_cbor(item.signed_request, SignedBytes).body for item in seen.items if item.signed_request]
    return [one for one in (from_cbor(body, RoundRequest) for body in bodies) if one.kind == RoundKind.GRADIENT]


def open_box(seen: Seen, request: RoundRequest, owner: str, key_of: str, round_: int | None = None) -> Any:
    job = seen.job
    assert job is not None
    context = SealingContext(job.manifest_hash, job.roster.hash, request.round if round_ is None else round_)
    key = X25519PrivateKey.from_private_bytes(seen.keys[key_of])
    planned = job.plan.round("gradient").weights
    return open_weights_box(request.sealed_weights or (), seen.owners[owner], key, context, planned).arrays["weights"]


def encodings(weight: float) -> Iterator[bytes]:
    """A weight as somebody might have written it, whole or in its first digits."""
    for form in (">d", "<d", ">f", "<f"):
        yield struct.pack(form, weight)
    for bits in (40, 32, 52):
        fixed = round(weight * 2**bits)
        for size in (8, 16):
            yield fixed.to_bytes(size, "big", signed=True)[-6:]
            yield fixed.to_bytes(size, "little", signed=True)[:6]
    yield weight.hex().encode()
    yield repr(weight)[:9].encode()
    yield f"{abs(weight):.9e}"[:10].encode()  # with fewer digits it may be a time of day to the microsecond


def found(weights: list[float], places: list[bytes]) -> list[bytes]:
    """The codes that are there. Few bytes are found by chance in so many random ones: they count together.

    Of four random bytes a code is 1 in 2³², and 200,000 places are searched. For three of four weights at once that is
    less than 1 in 10¹².
    """
    hits: list[bytes] = []
    for codes in zip(*map(encodings, weights), strict=True):
        there = [code for code in codes if any(code in place for place in places)]
        if min(map(len, codes)) >= 8 or len(there) >= 0.75 * len(weights):
            hits += there
    return hits


def test_no_weight_is_in_what_it_stores_or_hears(seen: Seen) -> None:
    assert len(seen.stored) > 100
    assert len(seen.heard) > 100
    assert found(seen.weights, seen.stored) == []
    assert found(seen.weights, [b"".join(seen.heard)]) == []
    # The search finds them where they are: the Model Owner keeps its optimiser's state.
    assert len(found(seen.weights, seen.model_owner_stored)) >= len(seen.weights)
    for code in (">f4", "<f4", ">f8", "<f8"):
        assert found(seen.weights, [b"a message of " + np.array(seen.weights, code).tobytes()])


def test_each_box_opens_for_its_owner_and_nobody_else(seen: Seen) -> None:
    last = requests(seen)[-1]
    for owner in seen.owners:
        np.testing.assert_array_equal(open_box(seen, last, owner, owner).ravel(), seen.weights)
        for other in set(seen.owners) - {owner}:
            with pytest.raises(Problem) as caught:
                open_box(seen, last, owner, other)
            assert caught.value.code is Code.SEALED_WEIGHTS_REFUSED
        with pytest.raises(Problem) as caught:
            open_box(seen, last, owner, owner, round_=last.round - 1)
        assert caught.value.code is Code.SEALED_WEIGHTS_REFUSED


def test_boxes_look_different_each_time(seen: Seen) -> None:
    boxes = [box for request in requests(seen) for box in request.sealed_weights or ()]
    assert len(boxes) == 3 * 6
    assert len({box.ciphertext for box in boxes}) == len({box.ephemeral_key for box in boxes}) == len(boxes)


def test_the_log_is_verified_without_a_key(seen: Seen) -> None:
    assert seen.job is not None
    assert verify_log(seen.job, seen.items, LocalEngine()).length == 1 + 1 + 6
    with pytest.raises(Problem) as caught:
        verify_log(seen.job, [*seen.items[:3], *seen.items[4:]], LocalEngine())
    assert caught.value.code is Code.LOG_INCONSISTENT


def test_the_sizes_that_were_forecast_are_those_of_the_messages(seen: Seen) -> None:
    from fedtrain.protocol.messages.sizes import round_bytes

    assert seen.job is not None
    planned = list(round_bytes(seen.job.plan, seen.job.schedule, 3, 569))
    for item, size in zip(seen.items[1:], planned, strict=True):
        assert item.signed_request is not None
        assert item.size_bytes == size.evidence
        assert {len(answer) for answer in item.answers} == {size.answer}


def test_the_manifest_says_that_owners_see_the_weights(seen: Seen) -> None:
    assert seen.job is not None
    manifest: Manifest = seen.job.manifest
    assert manifest.spec.shares_weights
    assert manifest.plan["loss_shift_bits"] == plan_spec(manifest.spec).loss_shift_bits
