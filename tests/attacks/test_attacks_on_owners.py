"""A dishonest Facilitator and Model Owner against Data Owners: each attack is refused by name, or leaves only noise."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fedtrain.crypto import CryptoError
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import Acceptance, SignedDocument, sign_document
from fedtrain.protocol.documents.trust import Trust
from fedtrain.protocol.messages.rounds import RoundAnswer
from tests.harness.attackers.coalition import Coalition, Owner, Refused, coalition, start_owner
from tests.harness.attackers.job_material import Job, decrypted_sum, encrypted, mask_of, raw_plaintexts, rows

NAMES = ("ana", "bea", "cleo")
Scene = Callable[[Coalition, list[Owner]], Awaitable[None]]


def play(
    folder: Path,
    scene: Scene,
    names: Sequence[str] = NAMES,
    tables: Mapping[str, Sequence[str]] | None = None,
    **terms: Any,
) -> None:
    async def run() -> None:
        parts = tables or {name: rows(60, seed) for seed, name in enumerate(names)}
        async with coalition(folder, parts, **terms) as (both, owners):
            await scene(both, owners)

    asyncio.run(run())


def accepted_by(identity: Identity, job: Job, name: str = "nobody") -> SignedDocument:
    acceptance = Acceptance(
        manifest_hash=job.manifest_hash,
        party=identity.party_id,
        name=name,
        mask_key=mask_of(identity.party_id),
        moments_hash="0c" * 32,
    )
    return sign_document(acceptance, identity)


async def nothing_released(owners: Sequence[Owner]) -> None:
    for owner in owners:
        assert await owner.released() == []


# The key


def test_a_manifest_with_the_facilitators_own_key_is_declined(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        own = both.deploy(signer=both.facilitator, model_owner=both.facilitator.party_id)
        proof_of_its_own = await both.declined(own, owners[0])
        assert proof_of_its_own.code == "malformed-key"  # the proof is of the Model Owner's identity
        impostor = Coalition(both.folder)
        swapped = impostor.deploy()
        declined = await both.declined(swapped, owners[1])
        assert declined.code == "untrusted-model-owner" and "is not pinned" in declined.detail
        await nothing_released(owners)

    play(tmp_path, scene)


def test_a_manifest_in_the_model_owners_name_under_another_signature_is_declined(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        declined = await both.declined(both.deploy(signer=both.facilitator), owners[0])
        assert declined.code == "bad-signature"
        honest = both.deploy()
        altered = honest.manifest.model_copy(
            update={"document": honest.manifest.document.replace('"rounds":60', '"rounds":61')}
        )
        job = Job(honest.id, altered, honest.spec, honest.budget)
        assert (await both.declined(job, owners[0])).code == "bad-signature"

    play(tmp_path, scene)


# The roster


def test_made_up_owners_do_not_count(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job, victim = both.deploy(), owners[0]
        answer = await both.join(job, victim)
        fakes = [accepted_by(Identity.generate(), job, f"fake-{number}") for number in range(5)]
        both.close_with(job, [answer.signed, *fakes])
        refused = await both.compute(victim, both.request(job))
        assert isinstance(refused, Refused) and refused.code == "roster-invalid"
        assert "1 owners that count, of 6" in refused.detail
        await nothing_released(owners)

    play(tmp_path, scene)


@pytest.mark.slow
@pytest.mark.parametrize("twice", ["same entry", "another mask key"])
def test_an_owner_that_is_on_the_roster_twice_is_refused(tmp_path: Path, twice: str) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = both.deploy()
        entries = await both.close(job, owners)
        again = entries[1] if twice == "same entry" else accepted_by(owners[1].identity, job, "bea")
        both.close_with(job, [entries[0], entries[1], again])
        refused = await both.compute(owners[0], both.request(job))
        assert isinstance(refused, Refused) and refused.code == "roster-invalid" and "twice" in refused.detail
        await nothing_released(owners)

    play(tmp_path, scene)


@pytest.mark.slow
def test_a_roster_without_the_owner_or_with_its_entry_altered_is_refused(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = both.deploy()
        entries = await both.close(job, owners)
        both.close_with(job, entries[1:])
        refused = await both.compute(owners[0], both.request(job))
        assert isinstance(refused, Refused) and refused.code == "roster-invalid"
        # The swapped mask key in the owner's own name needs its signature.
        text = entries[0].document.replace(job.acceptance(entries[0]).mask_key, mask_of("adversary"))
        both.close_with(job, [entries[0].model_copy(update={"document": text}), *entries[1:]])
        refused = await both.compute(owners[0], both.request(job))
        assert isinstance(refused, Refused) and refused.code == "bad-signature"
        await nothing_released(owners)

    play(tmp_path, scene, (*NAMES, "dora"))


@pytest.mark.parametrize("by", ["its text", "the adversary's signature", "the Facilitator's signature"])
def test_another_owners_mask_key_cannot_be_swapped(tmp_path: Path, by: str) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = both.deploy()
        entries = await both.close(job, owners)
        swapped = job.acceptance(entries[1]).model_copy(update={"mask_key": mask_of("adversary")})
        signer = Identity.generate() if "adversary" in by else both.facilitator
        entry = sign_document(swapped, signer)
        if by == "its text":
            entry = entry.model_copy(update={"signer": owners[1].party})
        both.close_with(job, [entries[0], entry, entries[2]])
        refused = await both.compute(owners[0], both.request(job))
        assert isinstance(refused, Refused)
        assert refused.code == ("bad-signature" if by == "its text" else "roster-invalid")
        await nothing_released(owners)

    play(tmp_path, scene)


def test_different_rosters_to_different_owners_leave_noise(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = both.deploy()
        entries = await both.close(job, owners)
        small = both.roster(job, entries[:3])
        both.rosters[job.id, owners[0].party] = small
        opening = both.opening(job, small)
        one = await both.compute(owners[0], both.request(job, roster=small, previous_entry=opening))
        others = [await both.compute(owner, both.request(job)) for owner in owners[1:]]
        answers = [answer for answer in (one, *others) if isinstance(answer, RoundAnswer)]
        assert len(answers) == 4
        for chosen in (answers, answers[:3]):
            with pytest.raises(CryptoError):
                decrypted_sum(job, chosen)

    play(tmp_path, scene, (*NAMES, "dora"))


# Requests


def test_weights_to_one_owner_and_zeros_to_the_rest_leave_noise(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = both.deploy()
        await both.close(job, owners)
        counts = await both.run_round(job, owners, both.request(job))
        assert decrypted_sum(job, counts)[0, 0] == 180 << job.budget.counts_fraction_bits
        singled = both.request(job, [1 << 20, 0, 0])
        zeros = both.request(job, [0, 0, 0])
        given = [await both.compute(owner, singled if owner is owners[0] else zeros) for owner in owners]
        answers = [answer for answer in given if isinstance(answer, RoundAnswer)]
        assert len(answers) == 3
        with pytest.raises(CryptoError):
            decrypted_sum(job, answers)

    play(tmp_path, scene)


@pytest.mark.slow
def test_the_same_round_with_other_weights_is_refused_and_the_same_request_gets_the_same_bytes(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = both.deploy()
        await both.close(job, owners)
        await both.run_round(job, owners, both.request(job))
        first = both.request(job, [1, 2, 3])
        answer = await both.compute(owners[0], first)
        refused = await both.compute(owners[0], both.request(job, [1, 2, 4]))
        assert isinstance(refused, Refused) and refused.code == "request-differs"
        assert await both.compute(owners[0], first) == answer
        # The same weights encrypted again are another request too.
        refused = await both.compute(owners[0], both.request(job, [1, 2, 3]))
        assert isinstance(refused, Refused) and refused.code == "request-differs"
        assert [record["round"] for record in await owners[0].released()] == [0, 1]

    play(tmp_path, scene)


def test_an_old_round_cannot_be_played_again_under_new_weights(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = both.deploy()
        await both.close(job, owners)
        for _ in range(3):
            await both.run_round(job, owners, both.request(job, [1, 2, 3]))
        refused = await both.compute(owners[0], both.request(job, [9, 9, 9], round_=1, previous_entry=job.entries[1]))
        assert isinstance(refused, Refused) and refused.code == "request-differs"
        skipped = await both.compute(owners[1], both.request(job, [9, 9, 9], round_=7))
        assert isinstance(skipped, Refused) and skipped.code == "wrong-state"

    play(tmp_path, scene)


def test_a_log_that_leaves_out_the_owners_last_answer_stops_it(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = both.deploy()
        await both.close(job, owners)
        counts = both.request(job)
        answers = await both.run_round(job, owners, counts)
        honest = job.entries[-1]
        other = answers[0].model_copy(update={"log_head": "77" * 32}).signed_by(Identity.generate())
        job.entries = job.entries[:1]
        job.round = 0
        both.record(job, [other, *answers[1:]], counts)
        refused = await both.compute(owners[0], both.request(job, [1, 2, 3]))
        assert isinstance(refused, Refused) and refused.code == "log-inconsistent"
        assert isinstance(
            await both.compute(owners[0], both.request(job, [1, 2, 3], previous_entry=honest)), RoundAnswer
        )

    play(tmp_path, scene)


# A restored backup


@pytest.mark.slow
def test_a_store_restored_in_the_middle_of_a_round_answers_no_other_request(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job, victim = both.deploy(), owners[0]
        await both.close(job, owners)
        await both.run_round(job, owners, both.request(job))
        await victim.stack.aclose()
        backup = tmp_path / "backup.sqlite3"
        shutil.copy(victim.folder / "state.sqlite3", backup)
        known = tuple(owner.party for owner in owners)
        policy = OwnerPolicy(trust=Trust(model_owners=(both.model_owner.party_id,), data_owners=known))
        with ThreadPoolExecutor(4) as executor:
            running = await start_owner(both, "ana", tmp_path / "ana.csv", policy, executor)
            first = both.request(job, [1, 2, 3])
            answer = await both.compute(running, first)
            assert isinstance(answer, RoundAnswer)
            await running.stack.aclose()
            shutil.copy(backup, victim.folder / "state.sqlite3")
            restored = await start_owner(both, "ana", tmp_path / "ana.csv", policy, executor)
            assert [record["round"] for record in await restored.released()] == [0]  # it has forgotten
            refused = await both.compute(restored, both.request(job, [9, 9, 9]))
            assert isinstance(refused, Refused) and refused.code == "request-differs"
            assert "older copy" in refused.detail
            # The request that was answered is answered again: the same plaintexts, so that nothing new is told.
            again = await both.compute(restored, first)
            assert isinstance(again, RoundAnswer) and again.vector.ciphertexts != answer.vector.ciphertexts

            assert raw_plaintexts(again) == raw_plaintexts(answer)
            await restored.stack.aclose()

    play(tmp_path, scene)


def test_weights_under_another_key_are_refused(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = both.deploy()
        await both.close(job, owners)
        await both.run_round(job, owners, both.request(job))
        foreign = encrypted(job, [1, 2, 3]).model_copy(update={"key_id": "ab" * 16})
        refused = await both.compute(owners[0], both.request(job, foreign))
        assert isinstance(refused, Refused) and refused.code == "malformed-message"
        assert [record["round"] for record in await owners[0].released()] == [0]

    play(tmp_path, scene)
