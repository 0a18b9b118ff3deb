"""A party whose state was set back to an older copy: the job goes on to the same numbers, or ends by name."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from fedtrain.protocol.documents.identity import Identity, sha256_hex
from fedtrain.protocol.messages.rounds import REQUEST_TAG, SignedBytes, from_cbor, to_cbor
from fedtrain.spec.problems import Code, Problem
from tests.harness.interrupted import (
    CONJUGATE_GRADIENT,
    DESCENT,
    EVALUATED,
    OWNERS,
    SHARED,
    WINDOWS,
    Site,
    ended_everywhere,
    verified_entries,
)

#: With the rounds in which the copy is taken, and put back.
SCHEDULES: dict[str, tuple[dict[str, Any], int, int]] = {
    "descent": (DESCENT, 2, 6),
    "conjugate gradient": (CONJUGATE_GRADIENT, 1, 4),
    "windows": (WINDOWS, 4, 12),
    "evaluated": (EVALUATED, 2, 6),
    "shared weights": (SHARED, 2, 5),
}
PARTIES = ("model-owner", "facilitator", OWNERS[1])
_FAST = {("model-owner", "windows"), (OWNERS[1], "descent"), ("facilitator", "shared weights")}
CASES = [
    pytest.param(party, schedule, marks=[] if (party, schedule) in _FAST else pytest.mark.slow)
    for party in PARTIES
    for schedule in SCHEDULES
]


class Undisturbed:
    """Result of each schedule when nothing happens; found once."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._found: dict[str, Any] = {}

    def coefficients(self, schedule: str) -> Any:
        if schedule not in self._found:
            site = Site(self._factory.mktemp("undisturbed"))
            state = site.go_on(site.start(SCHEDULES[schedule][0], until_round=0))
            assert state["status"] == "FINISHED", state
            self._found[schedule] = state["coefficients"]
        return self._found[schedule]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return Undisturbed(tmp_path_factory)


@pytest.mark.slow
@pytest.mark.parametrize(("party", "schedule"), CASES)
def test_a_job_goes_on_to_the_same_coefficients_after_a_party_was_set_back(
    party: str, schedule: str, tmp_path: Path, undisturbed: Undisturbed
) -> None:
    site = Site(tmp_path)
    training, copied, put_back = SCHEDULES[schedule]
    model_id = site.set_back(party, training, copied, put_back)
    state = site.go_on(model_id)
    assert state["status"] == "FINISHED", state
    assert state["coefficients"] == undisturbed.coefficients(schedule)

    async def verify() -> int:
        async with site.running() as parties:
            return await verified_entries(parties, model_id)

    assert asyncio.run(verify()) > put_back


@pytest.mark.slow
@pytest.mark.parametrize("party", PARTIES)
def test_a_party_set_back_to_before_the_end_learns_of_it(party: str, tmp_path: Path, undisturbed: Undisturbed) -> None:
    site = Site(tmp_path)
    model_id = site.start(DESCENT, until_round=2)
    site.back_up(party)
    assert site.go_on(model_id)["status"] == "FINISHED"
    site.restore(party)

    async def learn() -> dict[str, Any]:
        async with site.running() as parties:
            found = await parties.wait(model_id)
            await ended_everywhere(parties, model_id)
            for one in (parties.facilitator, *parties.data_owners):
                assert (await one.get(f"/models/{model_id}"))["status"] == "FINISHED"
            return found

    assert asyncio.run(learn())["coefficients"] == undisturbed.coefficients("descent")


def emptied_of_the_job(site: Site, party: str, training: dict[str, Any] = DESCENT) -> str:
    """Start a job, then set the party back to before it."""

    async def nothing() -> None:
        async with site.running():
            return

    asyncio.run(nothing())
    site.back_up(party)
    model_id = site.start(training, until_round=3)
    site.restore(party)
    return model_id


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["descent", "shared weights"])
def test_a_facilitator_that_lost_the_job_collects_it_again_from_the_parties(
    schedule: str, tmp_path: Path, undisturbed: Undisturbed
) -> None:
    site = Site(tmp_path)
    state = site.go_on(emptied_of_the_job(site, "facilitator", SCHEDULES[schedule][0]))
    assert state["status"] == "FINISHED", state
    assert state["coefficients"] == undisturbed.coefficients(schedule)


@pytest.mark.slow
def test_an_owner_without_the_key_that_weights_are_sealed_to_leaves_a_restored_job_by_name(tmp_path: Path) -> None:
    """It gives again what it gave, which takes no key, and answers nothing new."""
    site = Site(tmp_path)
    model_id = site.set_back("facilitator", *SCHEDULES["shared weights"])
    (tmp_path / OWNERS[1] / "keys" / f"{model_id}.sealing.x25519").unlink()
    state = site.go_on(model_id)
    assert (state["status"], state["code"]) == ("FAILED", Code.OWNER_LEFT.slug), state
    assert state["reason"] == f"{OWNERS[1]} left the job ({Code.OWNER_LOST_ITS_KEY.slug})."

    async def round_there() -> int:
        async with site.running() as parties:
            return int((await parties.facilitator.get(f"/models/{model_id}"))["round"])

    assert asyncio.run(round_there()) >= SCHEDULES["shared weights"][2], "what it had given was not collected again"


@pytest.mark.slow
def test_a_model_owner_that_lost_the_job_cancels_it_when_its_people_ask_to_go_on(tmp_path: Path) -> None:
    site = Site(tmp_path)
    model_id = emptied_of_the_job(site, "model-owner")

    async def resume() -> None:
        async with site.running() as parties:
            with pytest.raises(Problem, match="its key is lost") as caught:
                await parties.model_owner.post(f"/models/{model_id}/resume", {})
            assert caught.value.code is Code.RESTORED_TOO_OLD
            await ended_everywhere(parties, model_id)
            there = await parties.facilitator.get(f"/models/{model_id}")
            assert there["status"] == "CANCELLED"
            assert "restored" in there["reason"]
            with pytest.raises(Problem) as caught:
                await parties.model_owner.post(f"/models/{'0' * 32}/resume", {})
            assert caught.value.code is Code.MODEL_NOT_FOUND

    asyncio.run(resume())


@pytest.mark.slow
def test_a_facilitator_that_forgot_a_cancelling_hears_of_it_when_the_job_is_cancelled_again(tmp_path: Path) -> None:
    site = Site(tmp_path)
    model_id = site.start({**DESCENT, "rounds": 500}, until_round=2)
    site.back_up("facilitator")

    async def cancel(before: str) -> None:
        async with site.running() as parties:
            assert (await parties.facilitator.get(f"/models/{model_id}"))["status"] == before
            assert (await parties.model_owner.http.delete(f"/models/{model_id}")).json()["status"] == "CANCELLED"
            await ended_everywhere(parties, model_id)
            there = await parties.facilitator.get(f"/models/{model_id}")
            assert (there["status"], there["waiting_for"]) == ("CANCELLED", [])

    asyncio.run(cancel("IN_PROGRESS"))
    site.restore("facilitator")
    asyncio.run(cancel("IN_PROGRESS"))
    asyncio.run(cancel("CANCELLED"))


@pytest.mark.slow
def test_a_data_owner_that_lost_the_job_refuses_by_name_and_is_waited_for(tmp_path: Path) -> None:
    site = Site(tmp_path)
    model_id = emptied_of_the_job(site, OWNERS[1])

    async def wait() -> None:
        async with site.running() as parties:
            with capture_logs() as lines:
                while not any(line.get("code") == Code.OWNER_LOST_ITS_KEY.slug for line in lines):
                    await asyncio.sleep(0.01)
            while True:
                there = await parties.facilitator.get(f"/models/{model_id}")
                if [party["name"] for party in there["waiting_for"]] == [OWNERS[1]]:
                    break
                await asyncio.sleep(0.01)
            assert (await parties.model_owner.http.delete(f"/models/{model_id}")).status_code == 200
            while (await parties.facilitator.get(f"/models/{model_id}"))["status"] != "CANCELLED":
                await asyncio.sleep(0.01)

    asyncio.run(wait())


@pytest.mark.slow
def test_a_model_owner_restored_from_another_history_fails_the_job_by_name(tmp_path: Path) -> None:
    site = Site(tmp_path)
    model_id = site.set_back("model-owner", DESCENT, 3, 7)
    with site.store_of("model-owner") as store:
        (text,) = store.execute("SELECT learning FROM learning").fetchone()
        learning = json.loads(text)
        first, *others = learning["optimiser"]["weights"]["hex"].split(" ")
        learning["optimiser"]["weights"]["hex"] = " ".join([(float.fromhex(first) + 0.25).hex(), *others])
        store.execute("UPDATE learning SET learning = ?", (json.dumps(learning),))
    state = site.go_on(model_id)
    assert (state["status"], state["code"]) == ("FAILED", Code.RESTORED_TOO_OLD.slug), state


@pytest.mark.slow
def test_a_restored_model_owner_tries_its_key_on_no_request_that_it_has_not_signed(tmp_path: Path) -> None:
    """Else whoever keeps the log would choose what is decrypted, and learn from how the job goes on."""
    site = Site(tmp_path)
    model_id = site.set_back("model-owner", DESCENT, 2, 6)
    site.back_up("facilitator")
    query = "SELECT l.signed_request_hash, b.content FROM log_entries l JOIN blobs b ON b.hash = l.signed_request_hash"
    with site.store_of("facilitator") as store:
        for old_hash, content in store.execute(query).fetchall():
            forged = to_cbor(SignedBytes.sign(from_cbor(content, SignedBytes).body, REQUEST_TAG, Identity.generate()))
            store.execute("INSERT INTO blobs (hash, content) VALUES (?, ?)", (sha256_hex(forged), forged))
            new = (sha256_hex(forged), old_hash)
            store.execute("UPDATE job_blobs SET hash = ? WHERE hash = ?", new)
            store.execute("UPDATE log_entries SET signed_request_hash = ? WHERE signed_request_hash = ?", new)
    site.waits_for_its_facilitator(model_id, "round-request is signed by")


@pytest.mark.slow
def test_another_facilitator_in_the_place_of_the_jobs_own_is_named(tmp_path: Path) -> None:
    site = Site(tmp_path)
    model_id = site.start(DESCENT, until_round=2)
    site.back_up("facilitator")
    (tmp_path / "facilitator" / "identity.key").unlink()
    (tmp_path / "facilitator" / "state.sqlite3").unlink()
    site.waits_for_its_facilitator(model_id, "runs at Facilitator")


@pytest.mark.slow
def test_resuming_what_has_ended_is_refused_at_either_party(tmp_path: Path) -> None:
    site = Site(tmp_path)
    model_id = site.start(DESCENT, until_round=0)
    site.go_on(model_id)

    async def resume() -> None:
        async with site.running() as parties:
            for party in (parties.model_owner, parties.data_owners[0]):
                with pytest.raises(Problem) as caught:
                    await party.post(f"/models/{model_id}/resume", {})
                assert caught.value.code is Code.JOB_OVER

    asyncio.run(resume())
