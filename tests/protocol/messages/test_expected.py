"""A request asks with what its job's plan says of that kind of round, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from fedtrain.methods import schedule_of
from fedtrain.methods.plan import EncryptedWeights, Plan, SharedArrays
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.messages.expected import check_asks
from fedtrain.protocol.messages.rounds import RoundRequest, VectorMessage
from fedtrain.protocol.messages.shared_weights import SealedWeights, sealed_bytes
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.machine_bench import small_spec

HASH = "0a" * 32
PARTY = "0e" * 32
JOBS = {
    "newton": {"optimizer": "newton"},
    "evaluated": {"optimizer": "gradient_descent", "evaluate_every": 2},
    "windows": {"optimizer": "momentum", "reencrypt_every": 3, "key_bits": 1024},
}


def vector(planned: EncryptedWeights) -> VectorMessage:
    layout = planned.layout.to_dict()
    return VectorMessage(
        key_id="0" * 32, fraction_bits=planned.fraction_bits, bound=b"", layout=layout, ciphertexts=b""
    )


def asked(plan: Plan, kind: str, **changes: Any) -> RoundRequest:
    """The request that the plan wants, with `changes`."""
    weights = plan.round(kind).weights
    fields: dict[str, Any] = {"rows_total": None if kind == "counts" else 90, "round": 0 if kind == "counts" else 2}
    if isinstance(weights, EncryptedWeights):
        fields["weights"] = vector(weights)
        fields["previous_weights"] = vector(weights) if weights.with_previous else None
    if isinstance(weights, SharedArrays):
        box = SealedWeights(party=PARTY, ephemeral_key=bytes(32), ciphertext=bytes(sealed_bytes(weights)))
        fields["sealed_weights"] = (box,)
    fields |= {"manifest_hash": HASH, "roster_hash": HASH, "kind": kind, "log_head": HASH} | changes
    return RoundRequest(**fields)


@pytest.mark.parametrize("training", JOBS.values(), ids=JOBS)
def test_every_kind_asks_with_what_its_plan_says_and_with_nothing_else(training: dict[str, Any]) -> None:
    spec = small_spec(**training)
    plan = plan_spec(spec)
    some = vector(plan_spec(small_spec(**JOBS["windows"])).weights_after(0))
    box = SealedWeights(party=PARTY, ephemeral_key=bytes(32), ciphertext=bytes(60))
    assert plan.kinds[0] == "counts"
    assert plan.kinds[1] == schedule_of(spec).kind
    for kind in plan.kinds:
        honest = asked(plan, kind)
        assert check_asks(plan, honest).kind == kind
        for field, other in (("weights", some), ("previous_weights", some), ("sealed_weights", (box,))):
            given = getattr(honest, field)
            changed = {field: other if given is None else None}
            if field == "sealed_weights":
                changed["weights"] = None  # a request has one sort of weights
            with pytest.raises(Problem, match=f"a {kind} round of this job carries") as refused:
                check_asks(plan, asked(plan, kind, **changed))
            assert refused.value.code is Code.MALFORMED_MESSAGE


@pytest.mark.parametrize("kind", ["gradient", "histogram"])
def test_a_kind_that_the_plan_does_not_have_is_refused(kind: str) -> None:
    plan = plan_spec(small_spec(optimizer="newton"))
    with pytest.raises(Problem, match=f"no {kind} round") as refused:
        check_asks(
            plan, RoundRequest(manifest_hash=HASH, roster_hash=HASH, round=1, kind=kind, log_head=HASH, rows_total=9)
        )
    assert refused.value.code is Code.MALFORMED_MESSAGE


def test_a_step_beyond_the_window_is_refused() -> None:
    plan = plan_spec(small_spec(**JOBS["windows"]))
    with pytest.raises(Problem, match="at step 3 of a window"):
        check_asks(plan, asked(plan, "gradient", window_step=3))
