"""Jobs that name an approved request and are not what was approved: declined, and the field named here alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fedtrain.data_owner import job as j
from fedtrain.data_owner.approval import Decided
from fedtrain.data_owner.job_state import JobState
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.round import step
from fedtrain.protocol.documents.request import Conditions, RequestDecision
from fedtrain.protocol.documents.signed import Acceptance, Decline
from fedtrain.protocol.states import Phase
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.owner_bench import (
    FROZEN,
    MODEL_OWNER,
    NOW,
    OWNERS,
    accept,
    facts_of,
    identity_of,
    offered,
    owner_of,
    roster_of,
    signed_answer,
)
from tests.harness.requests import request_of, signed_request, titled

ASKED = [identity_of(name) for name in OWNERS]
REQUEST = signed_request(MODEL_OWNER, ASKED).hash
BY_HAND = OwnerPolicy.for_loopback().model_copy(update={"approval": "by_hand"})


def decided(decision: str = "approved", used_by: str | None = None, **conditions: Any) -> Decided:
    made = RequestDecision.model_validate(
        {
            "request": REQUEST,
            "party": ASKED[0].party_id,
            "at": NOW,
            "decision": decision,
            "conditions": Conditions.model_validate(conditions),
        }
    )
    return Decided(request_of(MODEL_OWNER, ASKED), made, used_by)


def judged(
    spec: ModelSpec, of_request: Decided | None, policy: OwnerPolicy = BY_HAND, **manifest: Any
) -> tuple[JobState, tuple[j.Effect, ...]]:
    state = offered(spec, **{"request": REQUEST, **manifest})
    return step(owner_of(policy=policy), state, j.Offered({"default": facts_of()}, of_request), NOW)


def refused(spec: ModelSpec, of_request: Decided | None, **manifest: Any) -> str:
    """Return the reason that this owner's people see; others are told the code alone."""
    state, effects = judged(spec, of_request, **manifest)
    assert state.refusal is not None and state.refusal.code == Code.APPROVAL_DIFFERS.slug
    (sign,) = effects
    assert isinstance(sign, j.Sign) and isinstance(sign.document, Decline)
    assert sign.document.code == Code.APPROVAL_DIFFERS.slug
    assert set(sign.document.model_dump()) == {"protocol", "manifest_hash", "party", "name", "code"}
    return state.refusal.detail


def changed(*place: str | int, to: object) -> ModelSpec:
    document = titled().model_dump(mode="json", exclude_none=True)
    part: Any = document
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = to
    return ModelSpec.model_validate(document)


def test_the_job_that_was_approved_joins_without_a_second_decision() -> None:
    state, effects = judged(titled(), decided(until=NOW + timedelta(seconds=1), max_rounds=5))
    assert effects == (j.Freeze("default", "da" * 32),)
    assert state.request == REQUEST and set(state.asked_owners) == {one.party_id for one in ASKED}
    # Without a request, the policy's word counts as ever.
    alone, _ = judged(titled(), decided(), request=None)
    assert alone.waits_because is not None and "by hand" in alone.waits_because


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (("name",), "Another title"),
        (("purpose",), "sell beds"),
        (("auditors",), ["1a" * 32]),
        (("data_props", "features", 0, "range"), [0, 99]),
        (("data_props", "features", 1, "description"), "another dose"),
        (("data_props", "target", "range"), [0, 49]),
        (("training", "rounds"), 6),
        (("training", "tolerance"), 1e-9),
        (("training", "l2"), 0.5),
        (("training", "optimizer"), "gradient_descent"),
        (("training", "min_data_owners"), 4),
        (("training", "max_data_owners"), 9),
        (("training", "max_rows"), 2000),
        (("training", "evaluate_every"), 2),
        (("training", "round_timeout_s"), 601),
    ],
    ids=lambda given: ".".join(map(str, given)) if isinstance(given, tuple) else "",
)
def test_a_field_that_was_changed_after_the_approval_is_refused_by_name(field: tuple[Any, ...], value: object) -> None:
    assert f"{'.'.join(map(str, field))}" in refused(changed(*field, to=value), decided())


def test_a_category_that_is_another_text_is_another_though_python_takes_them_for_the_same() -> None:
    def with_categories(*categories: object) -> ModelSpec:
        return changed("data_props", "features", 1, to={"name": "dose", "type": "nominal", "categories": categories})

    approved = Decided(request_of(MODEL_OWNER, ASKED, with_categories(0, 1)), decided().decision)
    assert judged(with_categories(0, 1.0), approved)[1] == (j.Freeze("default", "da" * 32),)  # one text: it is the same
    for given in ((False, 1), (0, True)):
        assert "data_props.features.1.categories." in refused(with_categories(*given), approved)


def test_a_column_more_is_refused() -> None:
    features = titled().model_dump(mode="json", exclude_none=True)["data_props"]["features"]
    more = [*features, {"name": "sex", "type": "continuous", "range": [0, 1]}]
    spec = changed("data_props", "features", to=more)
    state = offered(spec, request=REQUEST)
    facts = facts_of(columns=("age", "dose", "days", "sex"))
    state, _ = step(owner_of(policy=BY_HAND), state, j.Offered({"default": facts}, decided()), NOW)
    assert state.refusal is not None and "data_props.features.2.name" in state.refusal.detail


def test_conditions_that_do_not_hold_when_the_job_comes_are_named() -> None:
    assert "until: the approval ended" in refused(titled(), decided(until=NOW))
    assert "training.rounds: 5 rounds are more than the 4" in refused(titled(), decided(max_rounds=4))
    assert "privacy.epsilon: a job without privacy" in refused(titled(), decided(max_epsilon=1.0))
    fewer = changed("training", "rounds", to=4)
    assert judged(fewer, decided(max_rounds=4))[1] == (j.Freeze("default", "da" * 32),)


def test_another_model_owner_cannot_use_the_approval() -> None:
    """It can sign a manifest of its own that names the request."""
    other = decided()
    theirs = Decided(request_of(identity_of("acme"), ASKED), other.decision)
    assert "model_owner: it is" in refused(titled(), theirs)


def test_an_approval_lets_in_one_job() -> None:
    assert "request: job 5c" in refused(titled(), decided(used_by="5c" * 16))


def test_a_job_of_a_request_that_was_declined_or_not_decided_does_not_slip_in_by_an_open_policy() -> None:
    open_policy = OwnerPolicy.for_loopback()
    state, _ = judged(titled(), decided("declined"), open_policy)
    assert state.refusal is not None and state.refusal.code == Code.DENIED.slug
    state, effects = judged(titled(), None, open_policy)
    assert (state.phase, effects) == (Phase.AWAITING_APPROVAL, ())
    assert state.waits_because is not None and "nobody here has decided" in state.waits_because
    # The decision, once it is there, is what counts.
    owner, facts = owner_of(policy=open_policy), {"default": facts_of()}
    state, _ = step(owner, state, j.RequestDecided(), NOW)
    state, effects = step(owner, state, j.Offered(facts, decided(max_rounds=4)), NOW)
    assert state.refusal is not None and "training.rounds" in state.refusal.detail


def test_an_approval_lets_nothing_in_that_the_policy_declines() -> None:
    strict = BY_HAND.model_copy(update={"max_rounds": 4})
    state, _ = judged(titled(), decided(), strict)
    assert state.refusal is not None and state.refusal.code == Code.POLICY_REFUSES.slug


def test_a_policy_may_want_the_job_approved_once_more() -> None:
    twice = BY_HAND.model_copy(update={"approved_requests": "by_hand"})
    state, effects = judged(titled(), decided(), twice)
    assert effects == () and state.waits_because is not None and "once more" in state.waits_because
    owner = owner_of(policy=twice)
    state, _ = step(owner, state, j.Approved(), NOW)
    state, effects = step(owner, state, j.Offered({"default": facts_of()}, decided()), NOW)
    assert effects == (j.Freeze("default", "da" * 32),)


def test_what_comes_to_light_in_the_table_is_still_for_a_person() -> None:
    """An approval of a request is none of risks that nobody could see then."""
    state, _ = judged(titled(), decided())
    risky = state.model_copy(update={"waits_because": "a risk", "risks": ("a risk",), "phase": Phase.AWAITING_APPROVAL})
    frozen = risky.model_copy(update={"summed": FROZEN.compared.table})
    after, _ = step(owner_of(policy=BY_HAND), frozen, j.RequestDecided(), NOW)
    assert after.waits_because == "a risk"


def test_an_owner_that_the_request_did_not_ask_is_refused_on_the_roster() -> None:
    owner = owner_of(policy=BY_HAND)
    state, _ = judged(titled(), decided())
    state, effects = step(owner, state, FROZEN, NOW)
    sign = effects[-1]
    assert isinstance(sign, j.Sign) and isinstance(sign.document, Acceptance)
    state, _ = step(owner, state, j.Signed(signed_answer(sign.document)), NOW)
    honest = roster_of(state.manifest_hash)
    assert step(owner, state, j.RosterFetched(honest), NOW)[0].roster == honest
    names = [*OWNERS, "clinic-x"]
    with_stranger = roster_of(state.manifest_hash, [accept(name, state.manifest_hash) for name in names])
    with pytest.raises(Problem) as caught:
        step(owner, state, j.RosterFetched(with_stranger), NOW)
    assert caught.value.code is Code.ROSTER_INVALID and "clinic-x" in caught.value.detail
