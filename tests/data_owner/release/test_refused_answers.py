"""A method that answers with anything but Plain or Affine numbers within its worst case sends nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from gmpy2 import mpz

from fedtrain.crypto import EncryptedVector, key_id
from fedtrain.data_owner.agent import effects
from fedtrain.data_owner.methods import method_of
from fedtrain.data_owner.methods.answers import Affine, Answer, Plain, PreparedData, Question
from fedtrain.data_owner.release.fixed_point import fixed_point
from fedtrain.data_owner.release.noise import with_noise
from fedtrain.methods.plan import Answer as PlannedAnswer
from fedtrain.methods.plan import Noise
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.planning.plans import plan_spec
from fedtrain.spec.problems import Code, Problem
from tests.data_owner.test_owner_service import Bench, at_work, bench  # noqa: F401 - fixtures
from tests.harness.data_owner.owner_bench import JOB_ID, modulus, spec_of

BUDGET = plan_spec(spec_of())
COUNTS, GRADIENT = BUDGET.round(RoundKind.COUNTS).answer, BUDGET.round(RoundKind.GRADIENT).answer
assert GRADIENT.applied is not None
APPLIED = GRADIENT.applied
ONES = np.array([[1, 1]], dtype=object)
LARGEST = ONES * COUNTS.owner_bound
BEYOND = Plain([LARGEST + ONES], COUNTS.fraction_bits)


class PlainAndMore(Plain):
    """Is a Plain, and whatever else its author likes."""


def filled(shape: tuple[int, int], value: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.full(shape, value, dtype=object)


def affine(**changes: Any) -> Affine:
    """(3, 3) zeros and a (3, 1) vector of zeros, at the plan's scales."""
    zeros = np.full((3, 3), 0, dtype=object)
    answer = Affine(zeros, APPLIED.fraction_bits, zeros[:, :1], GRADIENT.fraction_bits)
    return replace(answer, **changes)


def ciphertexts() -> EncryptedVector:
    count = COUNTS.layout.ciphertexts
    return EncryptedVector(key_id(modulus()), COUNTS.fraction_bits, 1, COUNTS.layout, (mpz(2),) * count)


REFUSED: list[tuple[str, Any, PlannedAnswer, Code]] = [
    ("nothing", None, COUNTS, Code.INTERNAL),
    ("bytes", b"rows", COUNTS, Code.INTERNAL),
    ("bare numbers", ONES, COUNTS, Code.INTERNAL),
    ("ciphertexts", ciphertexts(), COUNTS, Code.INTERNAL),
    ("two answers", (Plain([ONES], 0), Plain([ONES], 0)), COUNTS, Code.INTERNAL),
    ("a subclass", PlainAndMore([ONES], 0), COUNTS, Code.INTERNAL),
    ("a map where numbers are planned", affine(), COUNTS, Code.INTERNAL),
    ("numbers where a map is planned", Plain([ONES], 0), GRADIENT, Code.INTERNAL),
    ("a further number", Plain([np.array([[1, 1, 1]], dtype=object)], 0), COUNTS, Code.INTERNAL),
    ("one part of another shape", Plain([ONES, ONES.T], 0), COUNTS, Code.INTERNAL),
    ("integers without a scale", Plain([ONES]), COUNTS, Code.INTERNAL),
    ("a float among integers", Plain([np.array([[1, 0.5]], dtype=object)], 0), COUNTS, Code.INTERNAL),
    ("machine integers, which wrap around", Plain([np.array([[1, 1]])], 0), COUNTS, Code.INTERNAL),
    ("no number", Plain([np.array([[1.0, np.nan]])]), COUNTS, Code.DOES_NOT_FIT),
    ("infinity", Plain([np.array([[1.0, np.inf]])]), COUNTS, Code.DOES_NOT_FIT),
    ("more than planned", BEYOND, COUNTS, Code.DOES_NOT_FIT),
    (
        "more than planned below 0",
        Plain([-LARGEST - ONES], COUNTS.fraction_bits),
        COUNTS,
        Code.DOES_NOT_FIT,
    ),
    ("parts that are more", Plain([LARGEST] * 2, COUNTS.fraction_bits), COUNTS, Code.DOES_NOT_FIT),
    ("what would be rounded", Plain([ONES], COUNTS.fraction_bits + 1), COUNTS, Code.PLAN_DIFFERS),
    ("a fourth row", affine(matrix=filled((4, 3), 0)), GRADIENT, Code.INTERNAL),
    ("a second column", affine(vector=filled((3, 2), 0)), GRADIENT, Code.INTERNAL),
    (
        "too large a vector",
        affine(vector=np.full((3, 1), APPLIED.vector_bound + 1, dtype=object)),
        GRADIENT,
        Code.DOES_NOT_FIT,
    ),
    ("too large an entry", affine(matrix=np.full((3, 3), 1 << 200, dtype=object)), GRADIENT, Code.DOES_NOT_FIT),
]


@pytest.mark.parametrize(("answer", "worst", "code"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_is_not_within_the_worst_case_is_refused(answer: Any, worst: PlannedAnswer, code: Code) -> None:
    with pytest.raises(Problem) as caught:
        fixed_point(answer, worst)
    assert caught.value.code is code


def test_a_row_of_entries_that_are_each_within_their_bound_may_be_too_large_together() -> None:
    whole = np.full((3, 3), APPLIED.entry_bound, dtype=object)
    narrow = replace(GRADIENT, applied=replace(APPLIED, row_bounds=(3 * APPLIED.entry_bound - 1,) * 3))
    with pytest.raises(Problem, match="row 0") as caught:
        fixed_point(affine(matrix=whole), narrow)
    assert caught.value.code is Code.DOES_NOT_FIT
    wide = replace(GRADIENT, applied=replace(APPLIED, row_bounds=(3 * APPLIED.entry_bound,) * 3))
    assert isinstance(fixed_point(affine(matrix=whole), wide), Affine)


def test_what_is_within_comes_out_as_integers_at_the_plans_scale() -> None:
    bits = COUNTS.fraction_bits
    assert fixed_point(Plain([ONES, 2 * ONES], 0), COUNTS).tolist() == [[3 << bits, 3 << bits]]
    # Each part of floats is rounded once, half to even, and parts add up exactly.
    half = np.array([[2.0 ** -(bits + 1), 3 * 2.0 ** -(bits + 1)]])
    assert fixed_point(Plain([half, half]), COUNTS).tolist() == [[0, 4]]


TAIL = 1 << 30
NOISED = replace(COUNTS, owner_bound=COUNTS.owner_bound + TAIL, noise=Noise((4 << 40, 9 << 40), TAIL))
SEED, NAMES = b"s" * 32, (b"rows", b"squares")


def test_no_noise_is_drawn_where_none_is_planned() -> None:
    assert with_noise(ONES, COUNTS, (), None) is ONES
    assert with_noise(ONES, COUNTS, NAMES, SEED) is ONES


def test_a_number_carries_the_same_noise_wherever_its_release_tells_it_and_no_other_number_does() -> None:
    noised = with_noise(ONES, NOISED, NAMES, SEED)
    assert noised.shape == ONES.shape
    assert (noised != ONES).all()
    assert with_noise(ONES, NOISED, NAMES, SEED).tolist() == noised.tolist()
    first = replace(NOISED, noise=Noise((4 << 40,), TAIL))
    assert with_noise(ONES[:, :1], first, NAMES[:1], SEED).ravel().tolist() == [noised.ravel()[0]]
    for names, seed in ((NAMES[::-1], SEED), (NAMES, b"t" * 32)):
        assert not set(with_noise(ONES, NOISED, names, seed).ravel()) & set(noised.ravel())


@pytest.mark.parametrize(
    ("names", "seed"), [(NAMES, None), ((), SEED), ((b"rows", b"rows"), SEED), ((*NAMES, b"more"), SEED)]
)
def test_nothing_leaves_without_noise_where_it_is_planned(names: tuple[bytes, ...], seed: bytes | None) -> None:
    with pytest.raises(Problem, match="nothing of them leaves") as caught:
        with_noise(ONES, NOISED, names, seed)
    assert caught.value.code is Code.INTERNAL


def test_what_is_beyond_its_bound_ends_there_before_its_noise_is_added_and_is_not_refused() -> None:
    bound = COUNTS.owner_bound
    huge = np.array([[bound * 4, -bound * 4]], dtype=object)
    assert fixed_point(Plain([huge], COUNTS.fraction_bits), NOISED).tolist() == huge.tolist()
    ended = np.array([[bound, -bound]], dtype=object)
    assert with_noise(huge, NOISED, NAMES, SEED).tolist() == with_noise(ended, NOISED, NAMES, SEED).tolist()
    noise = with_noise(0 * ONES, NOISED, NAMES, SEED)
    assert (with_noise(huge, NOISED, NAMES, SEED) - ended).tolist() == noise.tolist()
    assert (noise != 0).all()


def test_noise_of_one_answer_is_drawn_without_names_and_not_with_any() -> None:
    own = replace(NOISED, noise=Noise((4 << 40, 9 << 40), TAIL, per_answer=True))
    noised = with_noise(ONES, own, (), SEED)
    assert noised.tolist() == with_noise(ONES, own, (), SEED).tolist()
    assert not set(noised.ravel()) & set(with_noise(ONES, own, (), b"t" * 32).ravel())
    for names, seed in ((NAMES, SEED), ((), None)):
        with pytest.raises(Problem, match="nothing of them leaves"):
            with_noise(ONES, own, names, seed)


def test_noise_ends_at_its_tail() -> None:
    close = replace(NOISED, owner_bound=COUNTS.owner_bound + 5, noise=Noise((4 << 40, 9 << 40), 5))
    assert set(np.abs(with_noise(0 * ONES, close, NAMES, SEED)).ravel()) == {5}


@dataclass(frozen=True)
class Answers:
    """A method whose counts are what it is given; its gradient is an honest one."""

    counts: Any
    needs_weights: frozenset[str] = field(default_factory=frozenset)
    needs_rows: bool = False

    @property
    def answers(self) -> Mapping[str, Callable[[PreparedData, Question], Answer]]:
        return {**method_of(spec_of().model_type).answers, RoundKind.COUNTS: lambda *_: self.counts}


@pytest.mark.parametrize("answer", [b"rows", ciphertexts(), BEYOND])
def test_a_refused_answer_is_neither_sent_nor_stored(
    at_work: Bench,  # noqa: F811
    answer: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(effects, "method_of", lambda *_, **__: Answers(answer))
    with pytest.raises(Problem) as caught:
        at_work.compute(at_work.counts_request())
    assert caught.value.code in (Code.INTERNAL, Code.DOES_NOT_FIT)
    assert at_work.store.answer_body(JOB_ID, 0, RoundKind.COUNTS) is None
    assert at_work.store.releases() == [] and at_work.store.audit() == []
    monkeypatch.undo()
    # The very same request is answered once the method is mended.
    assert at_work.compute(at_work.counts_request()) == at_work.store.answer_body(JOB_ID, 0, RoundKind.COUNTS)


def test_an_answer_that_was_computed_and_is_not_in_the_store_is_not_sent(
    at_work: Bench,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    computed = []
    monkeypatch.setattr(at_work.store, "_keep", lambda _connection, _job_id, effect: computed.append(effect))
    with pytest.raises(Problem, match="not in the store"):
        at_work.compute(at_work.counts_request())
    assert len(computed) == 1


@pytest.mark.parametrize("answer", [b"rows", BEYOND])
def test_a_job_whose_numbers_do_not_fit_is_declined_and_not_joined(
    bench: Bench,  # noqa: F811
    answer: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(effects, "method_of", lambda *_, **__: Answers(answer))
    bench.register()
    assert bench.join().answer == "decline"
