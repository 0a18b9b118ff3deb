"""A Facilitator that holds an owner's acceptance, and the Model Owner's request, against a job that shares weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedtrain.facilitator.rounds.incoming import read_step_result
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.signed import Manifest
from fedtrain.protocol.messages.expected import check_request_vectors
from fedtrain.protocol.messages.rounds import REQUEST_TAG, RoundRequest, SignedBytes, StepResult, to_cbor
from fedtrain.protocol.messages.shared_weights import SealedWeights, SealingContext, seal_weights
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from tests.harness.attackers.shared_jobs import shared_spec
from tests.harness.facilitator.machine_bench import JOB_ID, MachineBench, identity_of

SHARED = {"weights": "shared_with_owners", "optimizer": "lbfgs"}
KEYS = {name: f"{number + 1:02x}" * 32 for number, name in enumerate(("owner-0", "owner-1", "owner-2"))}


def closed() -> MachineBench:
    bench = MachineBench(**SHARED)
    bench.invite_all()
    for name, key in KEYS.items():
        bench.happen(bench.acceptance(name, sealing_key=key))
    return bench


def boxes(bench: MachineBench) -> tuple[SealedWeights, ...]:
    recipients = {bench.owners[name].party_id: key for name, key in KEYS.items()}
    return seal_weights({"weights": np.zeros((3, 1))}, recipients, SealingContext("0a" * 32, "0b" * 32, 1))


@pytest.mark.parametrize("key", ["none", "the mask key"])
def test_an_owner_without_a_key_to_seal_to_is_told_at_once(key: str) -> None:
    bench = MachineBench(**SHARED)
    bench.invite_all()
    acceptance: Any = bench.acceptance("owner-0")
    if key == "the mask key":
        acceptance = bench.acceptance("owner-0", sealing_key=acceptance.statement.mask_key)
    with pytest.raises(Problem) as caught:
        bench.happen(acceptance)
    assert caught.value.code is Code.ROSTER_INVALID
    assert "owner-0" in caught.value.detail
    bench.happen(bench.acceptance("owner-0", sealing_key=KEYS["owner-0"]))
    assert [owner.name for owner in bench.state.accepted] == ["owner-0"]


def test_a_job_with_encrypted_weights_takes_no_sealing_key() -> None:
    bench = MachineBench()
    bench.invite_all()
    with pytest.raises(Problem) as caught:
        bench.happen(bench.acceptance("owner-0", sealing_key=KEYS["owner-0"]))
    assert caught.value.code is Code.ROSTER_INVALID


def test_every_owner_gets_the_very_request_that_holds_all_boxes() -> None:
    bench = closed()
    bench.run_round(0, RoundKind.COUNTS)
    bench.happen(bench.next_request(1, weights=None, sealed_weights=boxes(bench)))
    assert bench.state.phase is Phase.WAITING_FOR_DATA_OWNERS
    assert bench.request is not None
    assert len({task.request for task in bench.tasks(TaskKind.COMPUTE)}) == 1


@pytest.mark.parametrize("change", ["one is missing", "out of order"])
def test_a_request_without_one_box_an_owner_goes_to_nobody(change: str) -> None:
    bench = closed()
    bench.run_round(0, RoundKind.COUNTS)
    all_of_them = boxes(bench)
    given = all_of_them[:2] if change == "one is missing" else tuple(reversed(all_of_them))
    with pytest.raises(Problem) as caught:
        bench.happen(bench.next_request(1, weights=None, sealed_weights=given))
    assert caught.value.code is Code.MALFORMED_MESSAGE
    assert bench.state.phase is Phase.WAITING_FOR_MODEL_OWNER


def request_of(sealed: tuple[SealedWeights, ...] | None, **more: Any) -> RoundRequest:
    fields: dict[str, Any] = {
        "manifest_hash": "0a" * 32,
        "roster_hash": "0b" * 32,
        "round": 1,
        "kind": RoundKind.GRADIENT,
    }
    fields |= {"log_head": "0c" * 32, "rows_total": 10, "sealed_weights": sealed}
    return RoundRequest.model_validate({**fields, **more})


def test_boxes_of_another_size_are_refused_before_anyone_is_asked() -> None:
    spec = ModelSpec.model_validate(shared_spec(np.zeros((1, 4)), 2))
    budget, model_owner = plan_spec(spec), identity_of("model-owner")
    party = identity_of("owner-0").party_id
    manifest = Manifest(
        job_id=JOB_ID,
        created_at="2026-01-12T09:00:00.000Z",
        model_owner=model_owner.party_id,
        model_owner_name="model-owner",
        spec=spec,
        plan=budget.to_dict(),
        modulus="c5",
        key_proof=(),
        nonce="0d" * 32,
    )

    def read(columns: int) -> RoundRequest | None:
        context = SealingContext("0a" * 32, "0b" * 32, 1)
        sealed = seal_weights({"weights": np.zeros((columns, 1))}, {party: KEYS["owner-0"]}, context)
        signed = SignedBytes.sign(to_cbor(request_of(sealed)), REQUEST_TAG, model_owner)
        return read_step_result(to_cbor(StepResult(job_id=JOB_ID, step=1, request=signed)), manifest, budget)[1]

    opened = read(5)
    assert opened is not None
    assert opened.sealed_weights is not None
    with pytest.raises(Problem, match="56 bytes due"):
        read(4)


def test_a_gradient_request_has_one_sort_of_weights() -> None:
    spec = ModelSpec.model_validate(shared_spec(np.zeros((1, 4)), 2))
    encrypted = ModelSpec.model_validate(shared_spec(np.zeros((1, 4)), 2, weights="encrypted", optimizer="momentum"))
    box = seal_weights(
        {"weights": np.zeros((5, 1))}, {"0e" * 32: KEYS["owner-0"]}, SealingContext("0a" * 32, "0b" * 32, 1)
    )
    check_request_vectors(plan_spec(spec), 197, request_of(box))
    with pytest.raises(Problem, match="carries weights, and it has sealed_weights"):
        check_request_vectors(plan_spec(encrypted), 197, request_of(box))
    with pytest.raises(Problem, match="carries sealed_weights, and it has none"):
        check_request_vectors(plan_spec(spec), 197, request_of(None))
    with pytest.raises(Problem, match="no moments round"):
        check_request_vectors(plan_spec(spec), 197, request_of(box, kind=RoundKind.MOMENTS))
