"""Joining a job, or not: every refusal by its name, and never a word too much."""

from __future__ import annotations

import json

import pytest

from fedtrain.data_owner import job as j
from fedtrain.data_owner.job_state import JobContext, JobState
from fedtrain.data_owner.policy.rules import DatasetOffer, OwnerPolicy
from fedtrain.data_owner.round import step
from fedtrain.protocol.documents.signed import Acceptance, Decline, JobEnd
from fedtrain.protocol.documents.trust import Trust
from fedtrain.protocol.states import Phase, Status
from fedtrain.spec.model_spec import DataProps, ModelSpec
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.owner_bench import (
    JOB_ID,
    MODEL_OWNER,
    NOW,
    facts_of,
    frozen_of,
    identity_of,
    joined,
    modulus,
    offered,
    owner_of,
    signed_answer,
    spec_of,
)

STRICT = OwnerPolicy(trust=Trust(model_owners=(MODEL_OWNER.party_id,)), adopt_first_encoding=True)


def _declined(state: JobState, policy: OwnerPolicy | None = None, **datasets: object) -> tuple[str, str]:
    """The code that others are told, and the detail that stays here."""
    offer = j.Offered(datasets or {"default": facts_of()})  # type: ignore[arg-type]
    after, effects = step(owner_of(policy=policy), state, offer, NOW)
    (sign,) = effects
    assert isinstance(sign, j.Sign) and isinstance(sign.document, Decline)
    assert after.refusal is not None
    return sign.document.code, after.refusal.detail


def test_a_sound_offer_is_accepted_with_mask_key_and_moments_hash() -> None:
    owner, state = owner_of(), offered()
    state, effects = step(owner, state, j.Offered({"default": facts_of()}), NOW)
    assert effects == (j.Freeze("default", "da" * 32),)
    state, effects = step(owner, state, frozen_of(), NOW)
    adopt, sign = effects
    assert isinstance(adopt, j.Adopt) and adopt.schema == spec_of().data_props
    assert isinstance(sign, j.Sign) and isinstance(sign.document, Acceptance)
    assert (sign.document.manifest_hash, sign.document.party) == (state.manifest_hash, owner.party_id)
    assert (sign.document.mask_key, sign.document.moments_hash) == ("3d" * 32, "0c" * 32)
    state, effects = step(owner, state, j.Signed(signed_answer(sign.document)), NOW)
    assert (state.phase, state.status, effects) == (Phase.JOINED, Status.IN_PROGRESS, (j.GiveJoinAnswer(),))


def test_a_dataset_with_its_own_encoding_adopts_nothing() -> None:
    state, _ = step(owner_of(), offered(), j.Offered({"default": facts_of(spec_of().data_props)}), NOW)
    _, effects = step(owner_of(), state, frozen_of(), NOW)
    assert [type(effect) for effect in effects] == [j.Sign]


def test_the_same_offer_again_gets_the_same_answer_again() -> None:
    state = joined()
    after, effects = step(owner_of(), state, j.Offered({"default": facts_of()}), NOW)
    assert after is state and effects == (j.GiveJoinAnswer(),)


def test_a_manifest_signed_by_somebody_else_is_declined() -> None:
    code, _ = _declined(offered(signer=identity_of("mallory")))
    assert code == "bad-signature"


def test_a_manifest_whose_text_was_altered_is_declined() -> None:
    state = offered()
    altered = state.offer.model_copy(update={"document": state.offer.document.replace('"rounds":5', '"rounds":9')})
    assert altered.document != state.offer.document
    assert _declined(state.model_copy(update={"offer": altered}))[0] == "bad-signature"


def test_another_major_protocol_version_is_declined_by_name() -> None:
    assert _declined(offered(protocol="2.0"))[0] == "protocol-version"


def test_a_manifest_of_another_job_is_declined() -> None:
    assert _declined(offered(job_id="cd" * 16))[0] == "malformed-message"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"modulus": f"{modulus() + 1:0128x}"}, "even"),
        ({"modulus": f"{modulus() >> 2:0128x}"}, "promised with 512 bits"),
        ({"key_proof": ("02",) * 8}, "root 1"),
        ({"nonce": "11" * 32}, "root 1"),
        ({"key_proof": ()}, "0 roots"),
    ],
)
def test_a_malformed_key_is_declined_before_policy_or_plan_is_looked_at(changes: dict[str, object], why: str) -> None:
    # The plan is wrong and the Model Owner unknown as well: the key is what it is declined for.
    code, detail = _declined(offered(plan={}, **changes), policy=OwnerPolicy())
    assert code == "malformed-key" and why in detail


def test_a_small_key_is_declined_where_tests_do_not_allow_it() -> None:
    owner = JobContext("aa" * 32, "clinic-a", "bb" * 32, OwnerPolicy.for_loopback(), allow_small_keys=False)
    after, _ = step(owner, offered(), j.Offered({"default": facts_of()}), NOW)
    assert after.refusal is not None and after.refusal.code == "malformed-key" and "512" in after.refusal.detail


def test_a_plan_that_the_spec_does_not_give_is_declined() -> None:
    plan = json.loads(offered().offer.document)["plan"]
    code, detail = _declined(offered(plan={**plan, "slot_bits": plan["slot_bits"] - 1}))
    assert code == "plan-differs" and "slot_bits" in detail


def test_an_unpinned_model_owner_is_declined_and_a_pinned_one_is_not() -> None:
    assert _declined(offered(), policy=OwnerPolicy(adopt_first_encoding=True))[0] == "untrusted-model-owner"
    _, effects = step(owner_of(policy=STRICT), offered(), j.Offered({"default": facts_of()}), NOW)
    assert isinstance(effects[0], j.Freeze)


def test_a_dataset_that_is_not_here_is_declined() -> None:
    code, _ = _declined(offered(), other=facts_of())
    assert code == "dataset-not-found"


@pytest.mark.parametrize(
    ("policy", "training", "why"),
    [
        ({"max_rounds": 4}, {}, "5 rounds are more than 4"),
        ({"max_reencrypt_every": 1}, {"optimizer": "gradient_descent", "reencrypt_every": 2}, "reencrypt_every 2"),
        ({}, {"min_data_owners": 1}, "min_data_owners 1"),
        ({"datasets": (DatasetOffer(name="other"),)}, {}, "not on offer"),
        ({"datasets": (DatasetOffer(name="default", model_owners=("ee" * 32,)),)}, {}, "not on offer"),
    ],
)
def test_what_the_policy_does_not_allow_is_declined(
    policy: dict[str, object], training: dict[str, object], why: str
) -> None:
    spec = spec_of(**{"key_bits": 512, "max_rows": 10, **training})
    code, detail = _declined(offered(spec), policy=STRICT.model_copy(update=policy))
    assert code == "policy-refuses" and why in detail


def test_weights_are_shared_with_an_owner_only_where_its_policy_says_so() -> None:
    columns = {
        "features": [{"name": "age", "type": "continuous", "range": [0, 100]}],
        "target": {"name": "days", "categories": [0, 1]},
    }
    training = {"key_bits": 512, "max_rows": 10, "weights": "shared_with_owners", "optimizer": "lbfgs"}
    spec = ModelSpec.model_validate({"model_type": "LOGISTIC_REGRESSION", "data_props": columns, "training": training})
    for default in (OwnerPolicy(any_model_owner=True), OwnerPolicy.for_loopback()):
        code, detail = _declined(offered(spec), policy=default)
        assert code == "policy-refuses" and "shared_with_owners" in detail
    allowing = OwnerPolicy.for_loopback().model_copy(update={"weights": ("encrypted", "shared_with_owners")})
    _, effects = step(owner_of(policy=allowing), offered(spec), j.Offered({"default": facts_of()}), NOW)
    assert effects == (j.Freeze("default", "da" * 32),)


def test_one_owner_alone_needs_the_spec_and_the_policy_to_say_one() -> None:
    alone = OwnerPolicy.for_loopback(least_roster=1)
    state, effects = step(
        owner_of(policy=alone), offered(spec_of(min_data_owners=1)), j.Offered({"default": facts_of()}), NOW
    )
    assert isinstance(effects[0], j.Freeze) and state.refusal is None


def _schema(**age: object) -> DataProps:
    features = [
        {"name": "age", "type": "continuous", "range": [0, 100], **age},
        {"name": "dose", "type": "continuous", "range": [-2, 2]},
        {"name": "weight", "type": "continuous", "range": [30, 200]},
    ]
    return DataProps.model_validate({"features": features, "target": {"name": "days", "range": [0, 50]}})


COLUMNS = ("age", "dose", "weight", "days")


@pytest.mark.parametrize(
    ("age", "why"),
    [
        ({"range": [0, 99]}, "range"),
        ({"type": "discrete"}, "type"),
        ({"missing": "drop"}, "missing"),
    ],
)
def test_a_job_that_reads_a_column_otherwise_is_declined(age: dict[str, object], why: str) -> None:
    code, detail = _declined(offered(), default=facts_of(_schema(**age), COLUMNS))
    assert code == "encoding-differs" and why in detail and "age" in detail


def test_a_job_may_use_fewer_columns_than_the_schema_has() -> None:
    _, effects = step(owner_of(), offered(), j.Offered({"default": facts_of(_schema(), COLUMNS)}), NOW)
    assert isinstance(effects[0], j.Freeze)


def test_a_column_by_position_and_by_name_is_one_column_used_twice() -> None:
    props = {
        "features": [
            {"name": "age", "type": "continuous", "range": [0, 100]},
            {"col_idx": 0, "type": "continuous", "range": [0, 50]},
        ],
        "target": {"name": "days", "range": [0, 50]},
    }
    assert _declined(offered(spec_of(props)))[0] == "encoding-differs"


def test_what_others_are_told_of_bad_data_is_the_code_alone() -> None:
    state, _ = step(owner_of(), offered(), j.Offered({"default": facts_of()}), NOW)
    state, effects = step(owner_of(), state, j.DataRefused(Code.INVALID_DATA, "age: record 7 has 'forty'"), NOW)
    (sign,) = effects
    assert isinstance(sign, j.Sign)
    assert "data-refused" in sign.document.model_dump_json() and "forty" not in sign.document.model_dump_json()
    assert state.refusal is not None and "forty" in state.refusal.detail


@pytest.mark.parametrize(
    ("rows", "cells", "code"),
    [(5, {}, "data-refused"), (200, {"sex = f": 9}, "data-refused"), (1001, {}, "does-not-fit")],
)
def test_rows_and_cells_beyond_the_policy_are_declined(rows: int, cells: dict[str, int], code: str) -> None:
    state, _ = step(owner_of(policy=STRICT), offered(), j.Offered({"default": facts_of()}), NOW)
    state, effects = step(owner_of(policy=STRICT), state, frozen_of(rows, cells), NOW)
    (sign,) = effects
    assert isinstance(sign, j.Sign) and isinstance(sign.document, Decline) and sign.document.code == code


def test_cells_at_the_least_or_empty_are_accepted() -> None:
    state, _ = step(owner_of(policy=STRICT), offered(), j.Offered({"default": facts_of()}), NOW)
    _, effects = step(owner_of(policy=STRICT), state, frozen_of(10, {"a": 10, "b": 0}), NOW)
    assert isinstance(effects[-1], j.Sign) and isinstance(effects[-1].document, Acceptance)


def test_by_hand_waits_is_approved_and_then_joins() -> None:
    owner = owner_of(policy=STRICT.model_copy(update={"approval": "by_hand"}))
    datasets = j.Offered({"default": facts_of()})
    state, effects = step(owner, offered(), datasets, NOW)
    assert (state.phase, effects) == (Phase.AWAITING_APPROVAL, ()) and state.waits_because
    assert step(owner, state, datasets, NOW) == (state, ())
    state, effects = step(owner, state, j.Approved(), NOW)
    (kept,) = effects
    assert isinstance(kept, j.KeepDecision) and kept.decision.decision == "approved"
    state, effects = step(owner, state, datasets, NOW)
    assert isinstance(effects[0], j.Freeze)
    state, effects = step(owner, state, frozen_of(), NOW)
    sign = effects[-1]
    assert isinstance(sign, j.Sign)
    state, _ = step(owner, state, j.Signed(signed_answer(sign.document)), NOW)
    assert state.phase is Phase.JOINED


def test_by_hand_can_be_denied_and_the_reason_stays_here() -> None:
    owner = owner_of(policy=STRICT.model_copy(update={"approval": "by_hand"}))
    state, _ = step(owner, offered(), j.Offered({"default": facts_of()}), NOW)
    state, effects = step(owner, state, j.Denied("they owe us a paper"), NOW)
    sign, kept = effects
    assert isinstance(sign, j.Sign) and "paper" not in sign.document.model_dump_json()
    assert isinstance(kept, j.KeepDecision) and kept.decision.reason == "they owe us a paper"
    state, effects = step(owner, state, j.Signed(signed_answer(sign.document)), NOW)
    assert state.phase is Phase.DECLINED and effects == (j.DestroyMaskKey(), j.GiveJoinAnswer())


def test_an_open_encoding_waits_for_a_person_unless_the_policy_adopts() -> None:
    owner = owner_of(policy=STRICT.model_copy(update={"adopt_first_encoding": False}))
    state, effects = step(owner, offered(), j.Offered({"default": facts_of()}), NOW)
    assert state.phase is Phase.AWAITING_APPROVAL and effects == ()


@pytest.mark.parametrize("message", [j.Approved(), j.Denied("no")])
def test_only_a_waiting_job_can_be_decided(message: j.Message) -> None:
    with pytest.raises(Problem) as caught:
        step(owner_of(), joined(), message, NOW)
    assert caught.value.code is Code.WRONG_STATE


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "CANCELLED"])
def test_an_end_closes_the_job_and_destroys_the_mask_key(status: str) -> None:
    end = JobEnd.model_validate({"job_id": JOB_ID, "status": status, "reason": "done"})
    state, effects = step(owner_of(), joined(), j.Ended(end), NOW)
    assert (state.phase.value, effects) == (status, (j.DestroyMaskKey(),))
    assert step(owner_of(), state, j.Ended(end), NOW) == (state, (j.DestroyMaskKey(),))


def test_a_job_that_finished_without_this_owner_is_cancelled_here() -> None:
    end = JobEnd(job_id=JOB_ID, status="FINISHED")
    state, _ = step(owner_of(), offered(), j.Ended(end), NOW)
    assert state.phase is Phase.CANCELLED
    state, effects = step(owner_of(), state, j.Offered({"default": facts_of()}), NOW)
    assert effects == ()
