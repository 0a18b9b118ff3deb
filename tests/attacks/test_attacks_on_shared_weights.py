"""Weights that owners see, against a Facilitator and a Model Owner that seal, swap and replay as they like."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fedtrain.crypto import CryptoError
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.signed import Roster, SignedDocument, sign_document
from fedtrain.protocol.documents.trust import Trust
from fedtrain.protocol.messages.rounds import (
    REQUEST_TAG,
    Compute,
    RoundAnswer,
    RoundRequest,
    SignedBytes,
    from_cbor,
    to_cbor,
)
from fedtrain.protocol.messages.shared_weights import SealedWeights, SealingContext, seal_weights
from fedtrain.spec.model_spec import ModelSpec
from tests.harness.attackers.coalition import Coalition, Owner, Refused, coalition, start_owner
from tests.harness.attackers.job_material import Job, decrypted_sum, encrypted, mask_of

NAMES = ("ana", "bea", "cleo")
COLUMNS = "age,dose,ill"
SHARING = {"weights": ("encrypted", "shared_with_owners")}
HONEST = np.array([[0.5], [-1.25], [0.125]])
OTHER = np.array([[0.5], [-1.25], [0.25]])
Scene = Callable[[Coalition, list[Owner]], Awaitable[None]]
Boxes = tuple[SealedWeights, ...]


def spec(**training: Any) -> ModelSpec:
    features = [
        {"name": "age", "type": "continuous", "range": [0, 100]},
        {"name": "dose", "type": "continuous", "range": [-2, 2]},
    ]
    terms = {"key_bits": 512, "max_rows": 1000, "max_data_owners": 8, "rounds": 60}
    terms |= {"weights": "shared_with_owners", "optimizer": "lbfgs", **training}
    columns = {"features": features, "target": {"name": "ill", "categories": [0, 1]}}
    return ModelSpec.model_validate({"model_type": "LOGISTIC_REGRESSION", "data_props": columns, "training": terms})


def records(seed: int, count: int = 60) -> NDArray[np.float64]:
    draw = np.random.default_rng(seed)
    age, dose = draw.uniform(1, 99, count).round(3), draw.uniform(-2, 2, count).round(3)
    return np.column_stack([age, dose, draw.integers(0, 2, count)])


TABLES = {name: records(seed) for seed, name in enumerate(NAMES)}


def lines(rows: NDArray[np.float64]) -> list[str]:
    return [f"{age:.3f},{dose:.3f},{int(ill)}" for age, dose, ill in rows]


def play(folder: Path, scene: Scene, policy: Mapping[str, Any] = SHARING) -> None:
    async def run() -> None:
        tables = {name: lines(rows) for name, rows in TABLES.items()}
        async with coalition(folder, tables, header=COLUMNS, policy=policy) as (both, owners):
            await scene(both, owners)

    asyncio.run(run())


def sealing_keys(job: Job) -> dict[str, str]:
    assert job.roster is not None
    entries = [job.acceptance(entry) for entry in Roster.model_validate_json(job.roster.document).entries]
    return {entry.party: str(entry.sealing_key) for entry in entries}


def seal_all(job: Job, weights: Any = HONEST, **context: Any) -> Boxes:
    """Boxes for the round that is due, as an honest Model Owner makes them unless `context` says otherwise."""
    assert job.roster is not None
    bound = {"manifest_hash": job.manifest_hash, "roster_hash": job.roster.hash, "round": job.round, **context}
    return seal_weights({"weights": weights}, sealing_keys(job), SealingContext(**bound))


def ask(both: Coalition, job: Job, boxes: Boxes | None, **changes: Any) -> Compute:
    assert job.roster is not None
    request = RoundRequest(
        manifest_hash=job.manifest_hash,
        roster_hash=job.roster.hash,
        round=job.round,
        kind=RoundKind.GRADIENT,
        log_head=sha256_hex(job.entries[-1]),
        rows_total=180,
        **{"sealed_weights": boxes, **changes},
    )
    signed = SignedBytes.sign(to_cbor(request), REQUEST_TAG, both.model_owner)
    return Compute(job_id=job.id, request=signed, previous_entry=job.entries[-1])


async def counted(both: Coalition, owners: list[Owner], **training: Any) -> Job:
    """A job whose counts are in."""
    job = both.deploy(spec(**training))
    await both.close(job, owners)
    await both.run_round(job, owners, both.request(job))
    return job


def gradient_and_loss(rows: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    X = np.column_stack([(rows[:, 0] - 50) / 50, rows[:, 1] / 2, np.ones(len(rows))])
    z, y = X @ weights[:, 0], rows[:, 2]
    return np.append(X.T @ (1 / (1 + np.exp(-z)) - y), np.sum(np.log1p(np.exp(z)) - y * z))


def decoded(job: Job, answers: Sequence[RoundAnswer]) -> NDArray[np.float64]:
    scale = 2.0 ** job.budget.steps[0].answer_fraction_bits
    values = np.array([int(v) / scale for v in decrypted_sum(job, answers).ravel()])
    values[-1] *= 2.0**job.budget.loss_shift_bits
    return values


def test_the_sum_is_the_true_gradient_and_the_loss_of_all_rows(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = await counted(both, owners)
        answers = await both.run_round(job, owners, ask(both, job, seal_all(job)))
        everyone = np.concatenate(list(TABLES.values()))
        np.testing.assert_allclose(decoded(job, answers), gradient_and_loss(everyone, HONEST), atol=1e-9)
        # One answer alone is noise: its owner's masks are in it.
        with pytest.raises(CryptoError):
            decrypted_sum(job, answers[:1])
        with pytest.raises(CryptoError):
            decrypted_sum(job, answers[:2])

    play(tmp_path, scene)


@pytest.mark.slow
def test_different_weights_in_one_request_leave_only_noise(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = await counted(both, owners)
        victim = owners[0].party
        others = {box.party: box for box in seal_all(job, OTHER)}
        boxes = tuple(others[box.party] if box.party == victim else box for box in seal_all(job))
        answers = await both.run_round(job, owners, ask(both, job, boxes))
        with pytest.raises(CryptoError):
            decrypted_sum(job, answers)
        # Nor do the two that were given the same weights add up to anything by themselves.
        with pytest.raises(CryptoError):
            decrypted_sum(job, [answer for answer in answers if answer.party != victim])

    play(tmp_path, scene)


def test_boxes_of_other_owners_rounds_and_jobs_do_not_open(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = await counted(both, owners)
        first, second, third = seal_all(job)
        swapped = (
            first.model_copy(update={"ephemeral_key": second.ephemeral_key, "ciphertext": second.ciphertext}),
            second.model_copy(update={"ephemeral_key": first.ephemeral_key, "ciphertext": first.ciphertext}),
            third,
        )
        by_party = {owner.party: owner for owner in owners}
        for wrong, victim in (
            (swapped, by_party[first.party]),
            (seal_all(job, round=2), by_party[second.party]),
            (seal_all(job, roster_hash="0d" * 32), by_party[third.party]),
        ):
            refused = await both.compute(victim, ask(both, job, wrong))
            assert isinstance(refused, Refused)
            assert refused.code == "sealed-weights-refused", refused
            assert [record["round"] for record in await victim.released()] == [0]
        other = await counted(both, owners)
        refused = await both.compute(owners[0], ask(both, other, seal_all(other, manifest_hash=job.manifest_hash)))
        assert isinstance(refused, Refused)
        assert refused.code == "sealed-weights-refused"
        ciphertext = bytearray(seal_all(other)[0].ciphertext)
        ciphertext[5] ^= 1
        altered = tuple(box.model_copy(update={"ciphertext": bytes(ciphertext)}) for box in seal_all(other))
        refused = await both.compute(owners[1], ask(both, other, altered))
        assert isinstance(refused, Refused)
        assert refused.code == "sealed-weights-refused"

    play(tmp_path, scene)


def test_a_box_is_replayed_into_the_next_round_in_vain(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = await counted(both, owners)
        boxes = seal_all(job)
        await both.run_round(job, owners, ask(both, job, boxes))
        refused = await both.compute(owners[0], ask(both, job, boxes))
        assert isinstance(refused, Refused)
        assert refused.code == "sealed-weights-refused"
        assert "round 2" in refused.detail

    play(tmp_path, scene)


def test_the_facilitator_cannot_touch_a_box_of_a_signed_request(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = await counted(both, owners)
        honest = ask(both, job, seal_all(job))
        # The Facilitator knows the owners' public keys, and so can seal weights of its own choice.
        own = ask(both, job, seal_all(job, OTHER)).request.body
        forged = honest.model_copy(update={"request": honest.request.model_copy(update={"body": own})})
        refused = await both.compute(owners[0], forged)
        assert isinstance(refused, Refused)
        assert refused.code == "bad-signature"
        answers = await both.run_round(job, owners, honest)
        assert len(answers) == 3

    play(tmp_path, scene)


def test_a_request_needs_one_box_an_owner_of_the_size_due(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = await counted(both, owners)
        boxes = seal_all(job)
        by_party = {owner.party: owner for owner in owners}
        ordered = [by_party[box.party] for box in boxes]
        for wrong, victim, says in (
            (boxes[:2], ordered[0], "not one for each"),
            ((boxes[1], boxes[0], boxes[2]), ordered[1], "ascending order"),
            (seal_all(job, HONEST[:2]), ordered[2], "bytes due"),
        ):
            refused = await both.compute(victim, ask(both, job, wrong))
            assert isinstance(refused, Refused)
            assert refused.code == "malformed-message"
            assert says in refused.detail

    play(tmp_path, scene)


@pytest.mark.slow
@pytest.mark.parametrize("weight", [np.nan, np.inf, 1024.5])
def test_a_weight_that_no_bound_was_proven_for_is_refused(tmp_path: Path, weight: float) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = await counted(both, owners)
        refused = await both.compute(owners[0], ask(both, job, seal_all(job, np.array([[0.0], [weight], [0.0]]))))
        assert isinstance(refused, Refused)
        assert refused.code == "malformed-message"
        assert "weight_bound" in refused.detail

    play(tmp_path, scene)


@pytest.mark.slow
def test_weights_travel_as_the_job_says_and_in_no_other_way(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = await counted(both, owners)
        twin = both.deploy(spec(weights="encrypted", optimizer="gradient_descent"))
        in_the_clear = ask(both, job, None, weights=encrypted(twin, [0, 0, 0]))
        refused = await both.compute(owners[0], in_the_clear)
        assert isinstance(refused, Refused)
        assert refused.code == "malformed-message"
        assert "sealed" in refused.detail
        await both.close(twin, owners)
        await both.run_round(twin, owners, both.request(twin))
        assert set(sealing_keys(twin).values()) == {"None"}
        boxes = seal_weights(
            {"weights": HONEST}, sealing_keys(job), SealingContext(twin.manifest_hash, twin.roster.hash, 1)
        )  # type: ignore[union-attr]
        refused = await both.compute(owners[1], ask(both, twin, boxes))
        assert isinstance(refused, Refused)
        assert refused.code == "malformed-message"
        assert "carries weights, and it has sealed_weights" in refused.detail

    play(tmp_path, scene)


@pytest.mark.slow
def test_an_owner_whose_policy_says_encrypted_only_declines(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        declined = await both.declined(both.deploy(spec()), owners[0])
        assert declined.code == "policy-refuses"
        assert "shared_with_owners" in declined.detail
        assert await owners[0].released() == []

    play(tmp_path, scene, policy={})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "says"),
    [("the mask key", "one key for its masks"), ("another's", "sealing key is on it twice"), (None, "gave no key")],
)
def test_a_roster_whose_keys_do_not_serve_is_refused(tmp_path: Path, key: str | None, says: str) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = both.deploy(spec())
        entries = await both.close(job, owners)
        last = job.acceptance(entries[2])
        given = {"the mask key": last.mask_key, "another's": job.acceptance(entries[1]).sealing_key, None: None}[key]
        changed = sign_document(last.model_copy(update={"sealing_key": given}), owners[2].identity)
        both.close_with(job, [*entries[:2], changed])
        refused = await both.compute(owners[0], both.request(job))
        assert isinstance(refused, Refused)
        assert refused.code == "roster-invalid"
        assert says in refused.detail

    play(tmp_path, scene)


@pytest.mark.slow
def test_a_sealing_key_in_a_job_that_needs_none_is_refused(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = both.deploy(spec(weights="encrypted", optimizer="gradient_descent"))
        entries = await both.close(job, owners)
        assert all('"sealing_key"' not in entry.document for entry in entries)
        last = job.acceptance(entries[2]).model_copy(update={"sealing_key": mask_of("a third key")})
        changed: SignedDocument = sign_document(last, owners[2].identity)
        both.close_with(job, [*entries[:2], changed])
        refused = await both.compute(owners[0], both.request(job))
        assert isinstance(refused, Refused)
        assert refused.code == "roster-invalid"

    play(tmp_path, scene)


@pytest.mark.slow
def test_a_table_that_changed_is_not_summed_and_the_job_goes_on_once_it_is_back(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = await counted(both, owners)
        table = tmp_path / "ana.csv"
        kept = table.read_bytes()
        table.write_bytes(kept.replace(b",1\n", b",0\n", 1))
        request = ask(both, job, seal_all(job))
        ana = both.owners["ana"]
        refused = await both.compute(ana, request)
        assert isinstance(refused, Refused)
        assert refused.code == "invalid-data"
        assert [record["round"] for record in await ana.released()] == [0]
        table.write_bytes(kept)
        answers = await both.run_round(job, owners, request)
        everyone = np.concatenate(list(TABLES.values()))
        np.testing.assert_allclose(decoded(job, answers), gradient_and_loss(everyone, HONEST), atol=1e-9)

    play(tmp_path, scene)


@pytest.mark.slow
def test_an_owner_that_starts_again_sends_the_same_bytes(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = await counted(both, owners)
        request = ask(both, job, seal_all(job))
        first = await both.compute(owners[0], request)
        assert isinstance(first, RoundAnswer)
        await owners[0].stack.aclose()
        known = tuple(owner.party for owner in owners)
        terms = {"trust": Trust(model_owners=(both.model_owner.party_id,), data_owners=known), **SHARING}
        policy = OwnerPolicy.model_validate({**terms, "adopt_first_encoding": True})
        with ThreadPoolExecutor(4) as executor:
            data = tmp_path / f"{owners[0].name}.csv"
            again = await start_owner(both, owners[0].name, data, policy, executor)
            resent = await both.compute(again, request)
            assert isinstance(resent, RoundAnswer)
            assert to_cbor(resent) == to_cbor(first)
            # It has its keys still: the rest of the round, and the next one, go on with it.
            rest = [await both.compute(owner, request) for owner in owners[1:]]
            answers = [resent, *(answer for answer in rest if isinstance(answer, RoundAnswer))]
            decoded(job, answers)
            both.record(job, answers, request)
            after = await both.run_round(job, [again, *owners[1:]], ask(both, job, seal_all(job, OTHER)))
            everyone = np.concatenate(list(TABLES.values()))
            np.testing.assert_allclose(decoded(job, after), gradient_and_loss(everyone, OTHER), atol=1e-9)
            await again.stack.aclose()

    play(tmp_path, scene)


@pytest.mark.slow
def test_the_bound_of_a_sum_follows_from_the_rows_that_there_are(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = await counted(both, owners)
        answers = await both.run_round(job, owners, ask(both, job, seal_all(job)))
        bound = job.budget.sum_bound_for(0, 180)
        assert max(abs(int(v)) for v in decrypted_sum(job, answers).ravel()) <= bound < job.budget.steps[0].sum_bound

    play(tmp_path, scene)


def test_a_request_without_sealed_weights_is_encoded_as_it_ever_was() -> None:
    plain = RoundRequest(
        manifest_hash="0a" * 32, roster_hash="0b" * 32, round=0, kind=RoundKind.COUNTS, log_head="0c" * 32
    )
    assert b"sealed" not in to_cbor(plain)
    assert from_cbor(to_cbor(plain), RoundRequest) == plain
