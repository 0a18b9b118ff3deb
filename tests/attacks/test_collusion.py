"""Facilitator, Model Owner and all owners but two against those two: noise, and the exact sum."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from fedtrain.crypto import sum_of_masks
from fedtrain.data_owner.data.frozen.moments_file import thaw
from fedtrain.data_owner.methods import method_of
from fedtrain.data_owner.methods.answers import Affine, PreparedData, Question
from fedtrain.data_owner.release.answer import MASK_TAG
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.protocol.documents.signed import Roster
from fedtrain.protocol.messages.rounds import RoundAnswer
from tests.harness.attackers.coalition import Owner, coalition
from tests.harness.attackers.job_material import Job, decrypted_sum, modulus, raw_plaintexts, rows

ROUNDS = 40
NAMES = ("ana", "bea", "cleo", "dora")


def stripped(job: Job, answer: RoundAnswer, honest: Owner, traitors: Sequence[Owner]) -> list[int]:
    """Return what is left of an answer's plaintexts once every mask that a traitor shares with the owner is taken off.

    Uses the traitors' mask keys from their state folders, and the honest owner's public key from the roster.
    """
    assert job.roster is not None
    plaintexts = raw_plaintexts(answer)
    context = (
        MASK_TAG,
        job.manifest_hash,
        job.roster.hash,
        answer.round,
        answer.kind,
        answer.request_hash,
    )
    own_public = next(
        job.acceptance(entry).mask_key
        for entry in Roster.model_validate_json(job.roster.document).entries
        if job.acceptance(entry).party == honest.party
    )
    for traitor in traitors:
        # The traitor's own mask with the honest owner is the negative of the honest owner's with the traitor.
        secret = X25519PrivateKey.from_private_bytes(traitor.mask_key(job.id))
        peers = {bytes.fromhex(honest.party): bytes.fromhex(own_public)}
        shared = sum_of_masks(bytes.fromhex(traitor.party), secret, peers, context, len(plaintexts), modulus())
        plaintexts = [(value + mask) % modulus() for value, mask in zip(plaintexts, shared, strict=True)]
    return plaintexts


def ks_distance(values: Sequence[int]) -> float:
    """Kolmogorov's largest distance between the values over n and the uniform distribution."""
    ordered = np.sort(np.array([value / modulus() for value in values]))
    steps = np.arange(1, len(ordered) + 1) / len(ordered)
    return float(max((steps - ordered).max(), (ordered - steps + 1 / len(ordered)).max()))


def critical_distance(count: int, chance: float) -> float:
    """Beyond which uniform values lie with that chance at most (Dvoretzky, Kiefer, Wolfowitz; Massart 1990)."""
    return float(np.sqrt(np.log(2 / chance) / (2 * count)))


@pytest.mark.slow
def test_all_but_two_owners_with_both_others_learn_noise_and_the_exact_sum(tmp_path: Path) -> None:
    tables = {name: rows(60 + 10 * index, seed=index) for index, name in enumerate(NAMES)}

    async def play() -> tuple[list[int], list[int], int]:
        async with coalition(tmp_path, tables) as (both, owners):
            job = both.deploy()
            await both.close(job, owners)
            honest, traitors = owners[:2], owners[2:]
            left: list[int] = []
            unmasked: list[int] = []
            for _ in range(ROUNDS):
                answers = await both.run_round(job, owners, both.request(job, [3, 5, 7]))
                by_party = {answer.party: answer for answer in answers}
                for owner in honest:
                    answer = by_party[owner.party]
                    left += stripped(job, answer, owner, traitors)
                    other = next(one for one in honest if one is not owner)
                    # With the second honest owner's key as well there is nothing left to hide behind.
                    unmasked += stripped(job, answer, owner, [*traitors, other])
                if job.round == 1:
                    rows_total = int(decrypted_sum(job, answers)[0, 0]) >> job.budget.counts_fraction_bits
                    assert rows_total == 60 + 70 + 80 + 90
                else:
                    decrypted_sum(job, answers)
            return left, unmasked, len(left)

    left, unmasked, count = asyncio.run(play())
    assert count >= 2 * ROUNDS
    assert ks_distance(left) < critical_distance(count, 1e-9)
    # The same test tells the plaintexts themselves from noise, so it can fail.
    assert ks_distance(unmasked) > critical_distance(count, 1e-9)


@pytest.mark.slow
def test_the_sum_of_a_round_is_that_of_the_owners_own_moments_to_the_last_bit(tmp_path: Path) -> None:
    tables = {name: rows(50, seed=index) for index, name in enumerate(NAMES)}
    weights = [1 << 20, -(1 << 18), 12345]

    async def play() -> None:
        async with coalition(tmp_path, tables) as (both, owners):
            job = both.deploy()
            await both.close(job, owners)
            await both.run_round(job, owners, both.request(job))
            answers = await both.run_round(job, owners, both.request(job, weights))
            gradient = method_of(job.spec.model_type).answers[RoundKind.GRADIENT]
            expected = np.zeros((3, 1), dtype=object)
            for owner in owners:
                moments = thaw(owner.folder / "moments" / f"{job.id}.job")
                own = gradient(PreparedData.of(moments, job.budget), Question(RoundKind.GRADIENT))
                assert isinstance(own, Affine)
                assert own.matrix_fraction_bits == job.budget.inputs.moment_fraction_bits
                shift = own.vector_fraction_bits - job.budget.steps[0].answer_fraction_bits
                b = np.array([[round_half_even(int(value), shift)] for value in own.vector[:, 0]], dtype=object)
                expected += own.matrix @ np.array(weights, dtype=object).reshape(-1, 1) - b
            assert decrypted_sum(job, answers).tolist() == expected.tolist()

    asyncio.run(play())


def round_half_even(value: int, bits: int) -> int:
    """value / 2^bits (times for negative bits), ties to even."""
    return round(Fraction(value, 1) / Fraction(2) ** bits)
