"""The numbers that leave: three owners' answers, their product decrypted by phe, and nothing from one alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from gmpy2 import mpz

from fedtrain.crypto import DecodedOutOfBound, LocalEngine, RerandomiserPool, rescale, unpack
from fedtrain.data_owner.data.moments import Moments, moments_of
from fedtrain.data_owner.job import Answered
from fedtrain.data_owner.methods import method_of
from fedtrain.data_owner.methods.answers import Plain, PreparedData, Question
from fedtrain.data_owner.methods.second_moment import SecondMoment
from fedtrain.data_owner.release.answer import AnsweringJob, compute_answer
from fedtrain.data_owner.release.fixed_point import check_fits
from fedtrain.methods.regression.budget import Budget
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.messages.rounds import Kind, RoundAnswer, RoundRequest, VectorMessage, from_cbor
from fedtrain.spec.model_spec import ModelType
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.owner_bench import (
    ENGINE,
    OWNERS,
    identity_of,
    modulus,
    private_key,
    spec_of,
    weights_message,
)

MANIFEST_HASH, ROSTER_HASH = "a1" * 32, "b2" * 32
WEIGHTS = (1 << 41, -(3 << 38) + 12345, 7)


class _Widths(LocalEngine):
    """Notes how wide the exponents are that it is asked to work through."""

    def __init__(self) -> None:
        self.bits: list[int] = []

    def multi_exponentiate_packed(  # type: ignore[no-untyped-def]
        self, bases, rows, exponent_bits, modulus, rows_per_group, shift_bits
    ):
        self.bits.append(exponent_bits)
        return super().multi_exponentiate_packed(bases, rows, exponent_bits, modulus, rows_per_group, shift_bits)


class _Rows:
    def __init__(self, X: np.ndarray, Y: np.ndarray) -> None:  # type: ignore[type-arg]
        self.X, self.Y = X, Y


class _ThreeZeros(SecondMoment):
    """Counts that go into the slots of a gradient."""

    def __init__(self) -> None:
        super().__init__(Fraction(0))

    @property
    def answers(self):  # type: ignore[no-untyped-def]
        return {**super().answers, RoundKind.COUNTS: lambda *_: Plain([np.full((3, 1), 0, dtype=object)], 0)}


def _moments(name: str, rows: int) -> Moments:
    generator = np.random.default_rng(sum(name.encode()))
    X = np.column_stack([generator.uniform(-1, 1, (rows, 2)), np.ones(rows)])
    Y = generator.uniform(-2, 2, (rows, 1))
    return moments_of([_Rows(X, Y)], np.ones(3), np.full(1, 2.0))


METHOD = method_of(ModelType.LINEAR_REGRESSION)
MOMENTS = {name: _moments(name, rows) for name, rows in zip(OWNERS, (5, 200, 37), strict=True)}


def _jobs(budget: Budget) -> dict[str, AnsweringJob]:
    keys = {name: X25519PrivateKey.generate() for name in OWNERS}
    publics = {
        bytes.fromhex(identity_of(name).party_id): key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        for name, key in keys.items()
    }
    jobs = {}
    for name in OWNERS:
        own = bytes.fromhex(identity_of(name).party_id)
        jobs[name] = AnsweringJob(
            manifest_hash=MANIFEST_HASH,
            roster_hash=ROSTER_HASH,
            modulus=modulus(),
            identity=identity_of(name),
            mask_key=keys[name],
            peers={party: key for party, key in publics.items() if party != own},
            plan=budget,
            method=METHOD,
            data=PreparedData.of(MOMENTS[name], budget),
            pool=RerandomiserPool(modulus(), ENGINE, 4),
            engine=ENGINE,
            self_masked=False,
        )
    return jobs


def _request(kind: Kind, round_: int = 1, weights: VectorMessage | None = None, rows_total: int = 242) -> RoundRequest:
    return RoundRequest(
        manifest_hash=MANIFEST_HASH,
        roster_hash=ROSTER_HASH,
        round=round_,
        kind=kind,
        log_head="c3" * 32,
        rows_total=None if kind == RoundKind.COUNTS else rows_total,
        weights=weights,
    )


def _decrypted_by_phe(answers: list[Answered], bound: int) -> list[int]:
    """The product of the answers, decrypted by phe's own object, as the integers in its slots."""
    vectors = [from_cbor(answer.body, RoundAnswer).vector.open(modulus()) for answer in answers]
    square = mpz(modulus()) ** 2
    residues = []
    for column in zip(*(vector.ciphertexts for vector in vectors), strict=True):
        product = mpz(1)
        for ciphertext in column:
            product = product * ciphertext % square
        residues.append(int(private_key().raw_decrypt(int(product))))
    return [int(value) for value in unpack(residues, vectors[0].layout, modulus(), bound).ravel()]


def test_the_product_of_three_gradients_decrypts_to_exactly_the_sum() -> None:
    budget = plan_spec(spec_of())
    request = _request(RoundKind.GRADIENT, weights=weights_message(budget, WEIGHTS))
    answers = [compute_answer(job, request, "d4" * 32) for job in _jobs(budget).values()]
    step = budget.steps[0]
    expected = [0, 0, 0]
    for moments in MOMENTS.values():
        A = rescale(moments.xtx, 128, budget.inputs.moment_fraction_bits)
        b = rescale(moments.xty, 128, step.answer_fraction_bits)
        for i in range(3):
            expected[i] += sum(int(A[i, k]) * WEIGHTS[k] for k in range(3)) - int(b[i, 0])
    assert _decrypted_by_phe(answers, step.sum_bound) == expected
    assert [answer.numbers for answer in answers] == [3, 3, 3]


def test_the_product_of_three_counts_is_rows_and_squares_of_all() -> None:
    budget = plan_spec(spec_of())
    answers = [compute_answer(job, _request(RoundKind.COUNTS, 0), "d4" * 32) for job in _jobs(budget).values()]
    rows, squares = _decrypted_by_phe(answers, budget.counts_sum_bound)
    assert rows == 242 << budget.counts_fraction_bits
    each = [rescale(moments.yty, 128, budget.counts_fraction_bits)[0] for moments in MOMENTS.values()]
    assert squares == sum(each)


def test_the_work_follows_from_the_federations_rows_and_is_the_same_for_every_table() -> None:
    budget, engine = plan_spec(spec_of()), _Widths()
    request = _request(RoundKind.GRADIENT, weights=weights_message(budget, WEIGHTS))
    bodies = [compute_answer(replace(job, engine=engine), request, "d4" * 32).body for job in _jobs(budget).values()]
    # 243 rows of at most 1·1, at 128 fraction bits; the plan is for 1,000 rows an owner.
    assert engine.bits == [136, 136, 136] and budget.moment_bound.bit_length() == 138
    assert {from_cbor(body, RoundAnswer).vector.bound for body in bodies} == {
        from_cbor(
            compute_answer(_jobs(budget)[OWNERS[0]], request.model_copy(update={"rows_total": 900}), "d4" * 32).body,
            RoundAnswer,
        ).vector.bound
    }


def test_a_total_of_rows_below_the_owners_own_is_refused_without_its_count() -> None:
    budget = plan_spec(spec_of())
    weights = weights_message(budget, WEIGHTS)
    job = _jobs(budget)["clinic-b"]
    with pytest.raises(Problem) as caught:
        compute_answer(job, _request(RoundKind.GRADIENT, weights=weights, rows_total=199), "d4" * 32)
    assert caught.value.code is Code.ROWS_TOTAL_REFUSED
    assert "199" in caught.value.detail and "200" not in caught.value.detail
    alone = replace(job, peers={})
    answer = compute_answer(alone, _request(RoundKind.GRADIENT, weights=weights, rows_total=200), "d4" * 32)
    A = rescale(MOMENTS["clinic-b"].xtx, 128, budget.inputs.moment_fraction_bits)
    b = rescale(MOMENTS["clinic-b"].xty, 128, budget.steps[0].answer_fraction_bits)
    expected = A.dot(np.array(WEIGHTS, dtype=object)) - b[:, 0]
    assert _decrypted_by_phe([answer], budget.steps[0].sum_bound) == expected.tolist()


def test_a_total_below_the_owners_own_rows_is_refused_for_all_moments_too() -> None:
    budget = plan_spec(spec_of(optimizer="newton"))
    job = replace(_jobs(budget)["clinic-b"], peers={})
    with pytest.raises(Problem) as caught:
        compute_answer(job, _request(RoundKind.MOMENTS, rows_total=199), "d4" * 32)
    assert caught.value.code is Code.ROWS_TOTAL_REFUSED and "200" not in caught.value.detail
    answer = compute_answer(job, _request(RoundKind.MOMENTS, rows_total=200), "d4" * 32)
    moments, planned = MOMENTS["clinic-b"], budget.round(RoundKind.MOMENTS).answer
    expected = rescale(np.append(moments.xtx[np.triu_indices(3)], moments.xty), 128, planned.fraction_bits)
    assert _decrypted_by_phe([answer], planned.sum_bound) == expected.tolist()


def test_one_answer_alone_or_two_of_three_decrypt_to_nothing() -> None:
    budget = plan_spec(spec_of())
    request = _request(RoundKind.GRADIENT, weights=weights_message(budget, WEIGHTS))
    answers = [compute_answer(job, request, "d4" * 32) for job in _jobs(budget).values()]
    for some in (answers[:1], answers[:2]):
        with pytest.raises(Exception, match="bound"):
            _decrypted_by_phe(some, budget.steps[0].sum_bound)


@pytest.mark.parametrize(
    "other",
    [
        lambda request: (request, "e5" * 32),
        lambda request: (request.model_copy(update={"round": 2}), "d4" * 32),
        lambda request: (request.model_copy(update={"kind": RoundKind.COUNTS, "weights": None}), "d4" * 32),
    ],
)
def test_owners_that_were_asked_different_things_do_not_cancel(
    other: Callable[[RoundRequest], tuple[RoundRequest, str]],
) -> None:
    # One slot layout for both kinds, so that the third case multiplies at all.
    budget = plan_spec(spec_of())
    budget = replace(budget, counts_layout=budget.answer_layout)
    jobs = _jobs(budget)
    request = _request(RoundKind.GRADIENT, weights=weights_message(budget, WEIGHTS))
    differing, its_hash = other(request)
    if differing.kind == RoundKind.COUNTS:
        jobs = {name: replace(job, method=_ThreeZeros()) for name, job in jobs.items()}
    answers = [compute_answer(jobs[name], request, "d4" * 32) for name in OWNERS[:2]]
    answers.append(compute_answer(jobs[OWNERS[2]], differing, its_hash))
    with pytest.raises(Exception, match="bound"):
        _decrypted_by_phe(answers, budget.steps[0].sum_bound)


def test_every_answer_is_rerandomised_and_signed() -> None:
    budget = plan_spec(spec_of())
    job = _jobs(budget)[OWNERS[0]]
    request = _request(RoundKind.GRADIENT, weights=weights_message(budget, WEIGHTS))
    first, second = (compute_answer(job, request, "d4" * 32) for _ in range(2))
    a, b = (from_cbor(answer.body, RoundAnswer) for answer in (first, second))
    assert a.vector.ciphertexts != b.vector.ciphertexts
    plain = [private_key().raw_decrypt(int(v.vector.open(modulus()).ciphertexts[0])) for v in (a, b)]
    assert plain[0] == plain[1]
    a.check_signature()
    assert first.facts.answer_hash == sha256_hex(first.body)
    with pytest.raises(Problem) as caught:
        a.model_copy(update={"round": 2}).check_signature()
    assert caught.value.code is Code.BAD_SIGNATURE


def test_where_rounds_go_on_an_answer_is_under_its_owners_own_mask_whatever_else_is_known() -> None:
    budget = plan_spec(spec_of())
    job = replace(_jobs(budget)[OWNERS[0]], peers={}, self_masked=True)
    assert job.size_band is None
    answered = compute_answer(job, _request(RoundKind.COUNTS, 0), "d4" * 32)
    answer = from_cbor(answered.body, RoundAnswer)
    assert answer.commitments is not None
    with pytest.raises(DecodedOutOfBound):
        _decrypted_by_phe([answered], budget.counts_sum_bound)


def test_a_single_owner_needs_no_masks() -> None:
    budget = plan_spec(spec_of())
    job = replace(_jobs(budget)[OWNERS[0]], peers={})
    answer = compute_answer(job, _request(RoundKind.COUNTS, 0), "d4" * 32)
    assert _decrypted_by_phe([answer], budget.counts_sum_bound)[0] == 5 << budget.counts_fraction_bits


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"key_id": "00" * 16}, Code.MALFORMED_MESSAGE),
        ({"fraction_bits": 41}, Code.MALFORMED_MESSAGE),
        ({"bound": b"\xff" * 40}, Code.MALFORMED_MESSAGE),
        ({"layout": {"rows": 3}}, Code.MALFORMED_MESSAGE),
        ({"ciphertexts": b"\0" * 384}, Code.MALFORMED_CIPHERTEXT),
        ({"ciphertexts": b"\xff" * 384}, Code.MALFORMED_CIPHERTEXT),
        ({"ciphertexts": b"\1" * 383}, Code.MALFORMED_CIPHERTEXT),
    ],
)
def test_weights_that_are_not_what_the_plan_says_are_refused(changes: dict[str, object], code: Code) -> None:
    budget = plan_spec(spec_of())
    weights = weights_message(budget, WEIGHTS).model_copy(update=changes)
    with pytest.raises(Problem) as caught:
        compute_answer(_jobs(budget)[OWNERS[0]], _request(RoundKind.GRADIENT, weights=weights), "d4" * 32)
    assert caught.value.code is code


def test_a_ciphertext_that_shares_a_factor_with_n_is_refused() -> None:
    budget = plan_spec(spec_of())
    p = int(private_key().p)
    weights = weights_message(budget, WEIGHTS).model_copy(update={"ciphertexts": p.to_bytes(128, "big") * 3})
    with pytest.raises(Problem) as caught:
        compute_answer(_jobs(budget)[OWNERS[0]], _request(RoundKind.GRADIENT, weights=weights), "d4" * 32)
    assert caught.value.code is Code.MALFORMED_CIPHERTEXT


def test_a_kind_without_an_answer_is_refused_by_name() -> None:
    budget = plan_spec(spec_of())
    with pytest.raises(Problem, match="moments") as caught:
        compute_answer(_jobs(budget)[OWNERS[0]], _request(RoundKind.MOMENTS), "d4" * 32)
    assert caught.value.code is Code.MALFORMED_MESSAGE


def test_a_model_type_without_a_method_is_refused_by_name() -> None:
    with pytest.raises(Problem, match="no DECISION_TREE") as caught:
        method_of("DECISION_TREE")  # type: ignore[arg-type]
    assert caught.value.code is Code.POLICY_REFUSES


def test_more_rows_than_the_plan_covers_do_not_fit() -> None:
    budget = plan_spec(spec_of(max_rows=100))
    with pytest.raises(Problem, match="max_rows") as caught:
        check_fits(METHOD, PreparedData.of(MOMENTS["clinic-b"], budget), budget)
    assert caught.value.code is Code.DOES_NOT_FIT


def test_b_stays_exact_and_so_does_its_shift() -> None:
    budget, moments = plan_spec(spec_of()), MOMENTS["clinic-c"]
    data, question = PreparedData.of(moments, budget), Question(RoundKind.GRADIENT)
    plain = SecondMoment(Fraction(0)).gradient(data, question)
    shifted = SecondMoment(Fraction(1, 2)).gradient(data, question)
    assert (plain.vector == moments.xty).all() and plain.vector_fraction_bits == 128
    assert shifted.vector_fraction_bits == 129
    halves = 2 * moments.xty[:, 0] - moments.column_sums
    assert (shifted.vector[:, 0] == halves).all()


def test_moments_that_the_plan_would_have_to_round_are_refused_by_name() -> None:
    budget = plan_spec(spec_of())
    coarse = replace(budget, inputs=replace(budget.inputs, moment_fraction_bits=32))
    with pytest.raises(Problem, match=r"frozen at 2\^−128, and the plan has them at 2\^−32") as caught:
        check_fits(METHOD, PreparedData.of(MOMENTS["clinic-c"], coarse), coarse)
    assert caught.value.code is Code.PLAN_DIFFERS


def test_no_secret_shows_in_a_repr() -> None:
    budget = plan_spec(spec_of())
    job = _jobs(budget)[OWNERS[0]]
    # Longer than what a random modulus has in it by chance.
    secret = int("271828182845904523536028747135266249775724709369995")
    moments = replace(MOMENTS["clinic-a"], xtx=np.full((3, 3), secret, dtype=object))
    job = replace(job, data=PreparedData.of(moments, budget))
    shown = repr(job)
    assert str(secret) not in shown and "X25519" not in shown
