"""The browser verifies a log as `fedtrain verify` does: the same head, and the same first entry of one that is altered.

The altering Facilitator covers its tracks: every hash fits what it shows.
"""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import httpx
import pytest
from playwright.sync_api import Page, Route

from fedtrain.client.evidence import fetch_log
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.crypto import LocalEngine
from fedtrain.protocol.documents.identity import Identity, sha256_hex
from fedtrain.protocol.documents.signed import SignedDocument, sign_document
from fedtrain.protocol.evidence.verification import Job, LogItem, verify_log
from fedtrain.protocol.messages.rounds import LogEntry, RoundAnswer, SignedBytes, from_cbor, to_cbor
from fedtrain.spec.problems import Problem
from tests.pages.conftest import Parties, Watched

pytestmark = pytest.mark.slow
ENGINE = LocalEngine()


@dataclass(frozen=True)
class Log:
    """A job's log with its evidence, as it was fetched."""

    job: Job
    items: tuple[LogItem, ...]


@pytest.fixture
def log(finished: tuple[Parties, str]) -> Log:
    parties, job_id = finished
    url = parties.urls["facilitator"]

    def signed(name: str) -> SignedDocument:
        said = httpx.get(f"{url}/models/{job_id}/{name}", trust_env=False, timeout=300).json()
        return SignedDocument.model_validate(said)

    facilitator = httpx.get(f"{url}/identity", trust_env=False, timeout=300).json()["party_id"]
    job = Job.open(signed("manifest"), signed("roster"), facilitator)

    async def fetched() -> list[LogItem]:
        client = FacilitatorClient(url, party_id=job.manifest.model_owner)
        try:
            return await fetch_log(client, job_id, job.evidence_limits)
        finally:
            await client.aclose()

    with ThreadPoolExecutor(1) as thread:  # the browser's driver has this thread's event loop
        return Log(job, tuple(thread.submit(asyncio.run, fetched()).result()))


def flipped(data: bytes) -> bytes:
    """The bytes with the last bit of the last one turned over."""
    return data[:-1] + bytes([data[-1] ^ 1])


def with_entry(item: LogItem, **changed: object) -> LogItem:
    return replace(item, entry=to_cbor(from_cbor(item.entry, LogEntry).model_copy(update=changed)))


def of_answer(item: LogItem, answer: RoundAnswer) -> LogItem:
    """The item with its first owner's answer replaced, and the entry's record of it."""
    entry = from_cbor(item.entry, LogEntry)
    data = to_cbor(answer)
    record = entry.answers[0].model_copy(
        update={
            "answer_hash": sha256_hex(data),
            "ciphertexts_hash": answer.vector.ciphertexts_hash,
            "signature": answer.signature,
        }
    )
    return with_entry(replace(item, answers=(data, *item.answers[1:])), answers=(record, *entry.answers[1:]))


def request_altered(item: LogItem) -> LogItem:
    assert item.signed_request is not None
    signed = from_cbor(item.signed_request, SignedBytes)
    at = signed.body.index(b"ciphertexts") + 40
    body = signed.body[:at] + bytes([signed.body[at] ^ 1]) + signed.body[at + 1 :]
    altered = signed.model_copy(update={"body": body})
    return with_entry(replace(item, signed_request=to_cbor(altered)), request_hash=sha256_hex(body))


def answer_altered(item: LogItem) -> LogItem:
    answer = from_cbor(item.answers[0], RoundAnswer)
    vector = answer.vector.model_copy(update={"ciphertexts": flipped(answer.vector.ciphertexts)})
    return of_answer(item, answer.model_copy(update={"vector": vector}))


def signature_altered(item: LogItem) -> LogItem:
    answer = from_cbor(item.answers[0], RoundAnswer)
    return of_answer(item, answer.model_copy(update={"signature": flipped(answer.signature)}))


def sum_altered(item: LogItem) -> LogItem:
    assert item.product is not None
    product = flipped(item.product)
    return with_entry(replace(item, product=product), product_hash=sha256_hex(product))


def show(page: Page, items: list[LogItem]) -> None:
    """Have the page see this log, whatever the service has."""
    blobs = {sha256_hex(data): data for item in items for data in (item.signed_request, item.product) if data}
    blobs |= {sha256_hex(data): data for item in items for data in item.answers}
    lines = [
        {"index": at, "signed_request_hash": None if item.signed_request is None else sha256_hex(item.signed_request)}
        for at, item in enumerate(items)
    ]

    def answered(route: Route) -> None:
        path = route.request.url
        if found := re.search(r"/blobs/([0-9a-f]{64})$", path):
            route.fulfill(body=blobs[found[1]], content_type="application/cbor")
        elif found := re.search(r"/log/(\d+)$", path):
            route.fulfill(body=items[int(found[1])].entry, content_type="application/cbor")
        else:
            route.fulfill(json=lines)

    page.context.route(re.compile(r"/models/[0-9a-f]{32}/(log|blobs)"), answered)


def verified(page: Page, parties: Parties, job_id: str) -> str:
    """Return what the page says after verifying."""
    page.goto(parties.link("facilitator"))
    page.get_by_role("button", name="End the session").wait_for()
    page.goto(f"{parties.urls['facilitator']}/#/facilitator/job/{job_id}")
    page.get_by_role("button", name="Verify the log").click()
    note = page.locator("[role=status] .note")
    note.wait_for()
    return note.inner_text()


def test_a_log_that_holds_has_the_head_that_the_command_prints(
    finished: tuple[Parties, str], watched: Watched, log: Log
) -> None:
    parties, job_id = finished
    head = verify_log(log.job, log.items, ENGINE).head
    said = verified(watched.page(parties.urls["facilitator"]), parties, job_id)
    assert said.startswith(f"All {len(log.items)} entries hold") and said.endswith(head)


@pytest.mark.parametrize("altered", [request_altered, answer_altered, signature_altered, sum_altered])
def test_one_altered_byte_is_found_in_the_entry_that_the_command_names(
    finished: tuple[Parties, str], watched: Watched, log: Log, altered: object
) -> None:
    parties, job_id = finished
    items = list(log.items)
    items[2] = altered(items[2])  # type: ignore[operator]
    with pytest.raises(Problem) as refused:
        verify_log(log.job, items, ENGINE)
    page = watched.page(parties.urls["facilitator"])
    show(page, items)
    said = verified(page, parties, job_id)
    assert said.startswith("The log does not hold.")
    entry = re.search(r"Log entry (\d+):", refused.value.detail)
    assert entry is not None and entry[0] in said and entry[1] == "2"


PRUNED = {"type": "/problems/evidence-pruned", "title": "x", "status": 410, "detail": "The ciphertexts were deleted."}
NOT_FOUND = {"type": "/problems/not-found", "title": "x", "status": 404, "detail": "The job has no such evidence."}


@pytest.mark.parametrize(
    ("answered", "says"),
    [
        ({"status": 410, "json": PRUNED}, "Could not be verified here: Log entry 1: The ciphertexts were deleted."),
        (
            {"status": 502, "body": "<h1>Bad gateway</h1>"},
            "Could not be verified here: Log entry 1: what was asked for",
        ),
        (None, "Could not be verified here: Log entry 1: the service does not answer. Run fedtrain verify"),
        # The service itself says that the log names what it never had: `fedtrain verify` calls that inconsistent.
        ({"status": 404, "json": NOT_FOUND}, "The log does not hold. Log entry 1: The job has no such evidence"),
    ],
)
def test_evidence_that_does_not_come_shows_nothing_of_the_log(
    finished: tuple[Parties, str], watched: Watched, answered: dict[str, object] | None, says: str
) -> None:
    parties, job_id = finished
    page = watched.page(parties.urls["facilitator"])
    page.context.route(
        re.compile(r"/blobs/"),
        lambda route: route.abort() if answered is None else route.fulfill(**answered),  # type: ignore[arg-type]
    )
    assert verified(page, parties, job_id).startswith(says)


def test_a_session_that_ended_meanwhile_is_no_fault_of_the_logs(
    finished: tuple[Parties, str], watched: Watched
) -> None:
    parties, job_id = finished
    page = watched.page(parties.urls["facilitator"])
    page.goto(parties.link("facilitator"))
    page.get_by_role("button", name="End the session").wait_for()
    page.goto(f"{parties.urls['facilitator']}/#/facilitator/job/{job_id}")
    page.get_by_role("button", name="Verify the log").wait_for()
    page.context.clear_cookies()
    page.get_by_role("button", name="Verify the log").click()
    note = page.locator("[role=status] .note")
    note.wait_for()
    assert note.inner_text().startswith("Could not be verified here: Log entry 1: This route is for parties")


def test_a_browser_without_ed25519_says_so(finished: tuple[Parties, str], watched: Watched) -> None:
    parties, job_id = finished
    page = watched.page(parties.urls["facilitator"])

    def without(route: Route) -> None:
        refuse = "crypto.subtle.importKey = async () => { throw new DOMException('none', 'NotSupportedError') };\n"
        route.fulfill(body=refuse + route.fetch().text(), content_type="text/javascript")

    page.context.route(re.compile(r"/workers/worker-"), without)
    said = verified(page, parties, job_id)
    assert said.startswith("Could not be verified here: this browser checks no Ed25519 signatures.")


def test_a_job_whose_owners_sign_more_than_answers_is_left_to_the_command(
    finished: tuple[Parties, str], watched: Watched, log: Log
) -> None:
    parties, job_id = finished
    signer = Identity.generate()
    manifest = log.job.manifest.model_copy(update={"model_owner": signer.party_id, "unmasking_key": "09" + "00" * 31})
    page = watched.page(parties.urls["facilitator"])
    signed = sign_document(manifest, signer).model_dump()
    page.context.route(re.compile(r"/manifest$"), lambda route: route.fulfill(json=signed))
    said = verified(page, parties, job_id)
    assert said.startswith("Could not be verified here: in this job owners sign further statements")
    # What says so has to be signed: who alters a manifest does not get past its signature that way.
    page = watched.page(parties.urls["facilitator"])
    forged = signed | {"document": signed["document"].replace('"unmasking_key":"09', '"unmasking_key":"19')}
    page.context.route(re.compile(r"/manifest$"), lambda route: route.fulfill(json=forged))
    assert verified(page, parties, job_id).startswith("The log does not hold. the manifest is not signed by")
