"""What a job will cost, from its plan: ciphertexts on the wire, multiplications, and sums that get decrypted.

Bytes here are those of the ciphertexts, exactly; `fedtrain.protocol.messages.sizes` has those of whole messages.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from fedtrain.crypto.packing.slots import SlotLayout
from fedtrain.crypto.powers.fixed_base import best_window_bits
from fedtrain.crypto.powers.squaring import SQUARING_COST
from fedtrain.planning.budget import Budget, ValidationBudget
from fedtrain.planning.plans import evaluations_of, plan_spec, rounds_of
from fedtrain.planning.unit_costs import MultiExponentiationCost, straus_cost
from fedtrain.spec.model_spec import ModelSpec

# Sliding windows of five bits: one multiplication for about six bits of an exponent, beside the squarings.
_WINDOW_SPACING_BITS = 6
# To take one ciphertext out of a message and check it, and to invert one, which a negative exponent asks for
# (measured at 3,072 bits: 10 µs and 103 µs, against 9.8 µs for a product).
_CHECK = 1
_INVERSE = 11
# What a power costs whose time must not depend on the exponent, in ordinary ones (measured at 3,072 bits).
_CONSTANT_TIME = 1.5
# What the key holder's table is built for, in fedtrain.crypto.paillier.encryption.
_EXPECTED_ENCRYPTIONS = 1000


@dataclass(frozen=True)
class PartyCost:
    """One party's part of one message exchange.

    `multiplications` modulo n², a squaring counted as SQUARING_COST of one; `half_multiplications` those of the
    key holder modulo p² and q², of half the length. `idle_multiplications`: modulo n², done between rounds,
    for the factors that re-randomise what leaves.
    """

    received_bytes: int
    sent_bytes: int
    multiplications: float
    half_multiplications: float = 0.0
    idle_multiplications: float = 0.0


_NOTHING = PartyCost(0, 0, 0.0)


@dataclass(frozen=True)
class JobCost:
    """A job of `owners` owners.

    `ciphertext_bytes` of one ciphertext. `data_owner` (each of them) and `facilitator` are for one round; the
    Facilitator's bytes are those from and to the owners, and the Model Owner's turn comes on top. `model_owner`
    is for one of its turns, which comes every `rounds_a_turn` rounds. `counts_*`: the round before the first.
    `evaluation_*`: one of the `evaluations` by the validation loss, at most, which come on top of the rounds.
    `decrypted_sums`: how many numbers the Model Owner decrypts if it follows the protocol, at most;
    `distinct_sums`: how many there are, in all of (ΣA, Σb); where owners see the weights there is no such end, and both
    are gradients and losses of all rounds. Neither counts N and Σyᵀy, which every job tells.
    """

    owners: int
    rounds: int
    rounds_a_turn: int
    turns: int
    ciphertext_bytes: int
    data_owner: PartyCost
    facilitator: PartyCost
    model_owner: PartyCost
    counts_data_owner: PartyCost
    counts_facilitator: PartyCost
    counts_model_owner: PartyCost
    evaluations: int
    evaluation_data_owner: PartyCost
    evaluation_facilitator: PartyCost
    evaluation_model_owner: PartyCost
    decrypted_sums: int
    distinct_sums: int

    def to_dict(self) -> dict[str, object]:
        """JSON types only, the parties' costs as objects."""
        return asdict(self)


def cost_of(
    spec: ModelSpec,
    owners: int | None = None,
    multi_exponentiation_cost: MultiExponentiationCost | None = None,
    rows_total: int | None = None,
) -> JobCost:
    """What a spec's job costs with so many owners, `max_data_owners` where None, and so many rows in all.

    Without `rows_total` an owner's work is that of `max_rows` rows, the most it can be.
    Raises Problem(DOES_NOT_FIT) as `plan_spec` does, ValueError for owners outside 1…max_data_owners.
    """
    most = spec.training.max_data_owners
    owners = most if owners is None else owners
    if not 1 <= owners <= most:
        raise ValueError(f"owners must be 1 to max_data_owners, {most}; received {owners}")
    count = multi_exponentiation_cost or straus_cost
    return _JobCosts(plan_spec(spec), owners, count, rows_total).of(rounds_of(spec), evaluations_of(spec))


class _JobCosts:
    def __init__(
        self, budget: Budget, owners: int, multi_exponentiation_cost: MultiExponentiationCost, rows_total: int | None
    ) -> None:
        self.budget, self.inputs, self.owners = budget, budget.inputs, owners
        self.moment_bound = budget.moment_bound if rows_total is None else budget.moment_bound_for(rows_total)
        self.multi_exponentiation_cost = multi_exponentiation_cost
        # n has exactly modulus_bits bits, a multiple of 64: n² fills twice as many, or one bit less.
        self.width = -(-2 * self.inputs.modulus_bits // 8)
        self.windowed = self.inputs.reencrypt_every > 1
        self.newton = budget.newton
        # With momentum every message of weights holds their predecessors too.
        vectors = 2 if self.windowed and self.inputs.heavy_ball else 1
        self.weights = 0 if self.newton or budget.shares_weights else vectors * budget.weights_layout.ciphertexts
        self.answer = self.newton.layout.ciphertexts if self.newton else budget.answer_layout.ciphertexts
        self.counts = budget.counts_layout.ciphertexts

    def of(self, rounds: int, evaluations: int) -> JobCost:
        turns = -(-rounds // self.inputs.reencrypt_every)
        d, k = self.inputs.dimensions, self.inputs.outputs
        distinct = d * (d + 1) // 2 + d * k
        if self.inputs.validates or self.inputs.evaluates:
            distinct *= 2
        decrypted = turns * self._decrypted_numbers() + evaluations * k
        if self.budget.shares_weights:
            distinct = decrypted
        evaluation_data_owner, evaluation_facilitator, evaluation_model_owner = self._evaluation(evaluations)
        return JobCost(
            owners=self.owners,
            rounds=rounds,
            rounds_a_turn=self.inputs.reencrypt_every,
            turns=turns,
            ciphertext_bytes=self.width,
            data_owner=PartyCost(
                received_bytes=self.weights * self.width,
                sent_bytes=self.answer * self.width,
                multiplications=self._answer_multiplications() + self.weights * _CHECK,
                idle_multiplications=self.answer * self._power(self.inputs.modulus_bits),
            ),
            facilitator=PartyCost(
                received_bytes=self.owners * self.answer * self.width,
                sent_bytes=self.owners * self.weights * self.width,
                # Answers are checked as they come, and opened again to be added.
                multiplications=self.owners * self.answer * (1 + 2 * _CHECK) + self._update_multiplications(),
            ),
            model_owner=self._turn(),
            counts_data_owner=PartyCost(
                0, self.counts * self.width, self.counts, idle_multiplications=self._power(self.inputs.modulus_bits)
            ),
            counts_facilitator=PartyCost(self.owners * self.counts * self.width, 0, (self.owners - 1) * self.counts),
            counts_model_owner=PartyCost(
                (self.owners + 1) * self.counts * self.width,
                0,
                (self.owners - 1) * self.counts,
                half_multiplications=self.counts * self._decryption(),
            ),
            evaluations=evaluations,
            evaluation_data_owner=evaluation_data_owner,
            evaluation_facilitator=evaluation_facilitator,
            evaluation_model_owner=evaluation_model_owner,
            decrypted_sums=decrypted,
            distinct_sums=distinct,
        )

    def _evaluation(self, evaluations: int) -> tuple[PartyCost, PartyCost, PartyCost]:
        """A Data Owner's, the Facilitator's, the Model Owner's: w⊗w and w go out, and a loss an output comes back."""
        plan = self.budget.validation
        if plan is None or not evaluations:
            return _NOTHING, _NOTHING, _NOTHING
        weights, answer = plan.weights_layout.ciphertexts, plan.answer_layout.ciphertexts
        answers = self.owners * answer
        data_owner = PartyCost(
            received_bytes=weights * self.width,
            sent_bytes=answer * self.width,
            multiplications=self._losses_multiplications(plan) + weights * _CHECK,
            idle_multiplications=answer * self._power(self.inputs.modulus_bits),
        )
        facilitator = PartyCost(
            received_bytes=answers * self.width,
            sent_bytes=self.owners * weights * self.width,
            multiplications=answers * (1 + 2 * _CHECK) + weights * _CHECK,
        )
        model_owner = PartyCost(
            received_bytes=(weights + answers + answer) * self.width,
            sent_bytes=weights * self.width,
            multiplications=answers * (1 + _CHECK),
            half_multiplications=answer * self._decryption() + weights * self._encryption(),
        )
        return data_owner, facilitator, model_owner

    def _turn(self) -> PartyCost:
        """It gets the request it answers to, every answer to it, and what comes out, and recomputes that.

        At the end of a window it reads request, answers and sum of each of its rounds too, and recomputes all of them.
        """
        result = self.weights if self.windowed else self.answer
        rounds = self.inputs.reencrypt_every
        evidence = rounds * (self.weights + (self.owners + 1) * self.answer) if self.windowed else 0
        return PartyCost(
            received_bytes=(self.weights + self.owners * self.answer + result + evidence) * self.width,
            sent_bytes=self.weights * self.width,
            multiplications=rounds * (self.owners * self.answer * (1 + _CHECK) + self._update_multiplications()),
            half_multiplications=result * self._decryption() + self.weights * self._encryption(),
        )

    def _decrypted_numbers(self) -> int:
        d, k = self.inputs.dimensions, self.inputs.outputs
        if self.newton:
            return self.newton.layout.rows
        if self.budget.shares_weights:
            return self.budget.answer_layout.rows
        return 2 * d * k if self.windowed and self.inputs.heavy_ball else d * k

    def _answer_multiplications(self) -> float:
        if self.newton or self.budget.shares_weights:
            # Plaintexts of its own. What computing them takes depends on the rows and not on the plan.
            return self.answer
        d, layout = self.inputs.dimensions, self.budget.answer_layout
        return self._matrix_multiplications(d, d, self.moment_bound.bit_length(), layout)

    def _losses_multiplications(self, plan: ValidationBudget) -> float:
        bases = plan.weights_layout.rows
        exponent_bits = min(plan.entry_bound, plan.row_bound).bit_length()
        return self._matrix_multiplications(bases, self.inputs.outputs, exponent_bits, plan.answer_layout)

    def _matrix_multiplications(self, bases: int, rows: int, exponent_bits: int, layout: SlotLayout) -> float:
        """A matrix of so many rows times a vector of so many, packed into `layout`."""
        products = self.multi_exponentiation_cost(bases, rows, exponent_bits)
        shift = layout.slot_bits * layout.columns_per_ciphertext
        # Horner across rows; then b is subtracted and the result re-randomised, ciphertext by ciphertext.
        packed = layout.column_groups * (rows - layout.row_groups)
        return layout.column_groups * products + packed * (shift * SQUARING_COST + 1) + 2 * layout.ciphertexts

    def _update_multiplications(self) -> float:
        if not self.windowed:
            return 0.0
        s, rate_bits = self.inputs.step_fraction_bits, self.inputs.rate_fraction_bits
        powers = self._power(s) + self._power(rate_bits) + _INVERSE
        if self.inputs.heavy_ball:
            powers += self._power(2 * s) + 1
        return self.answer * (powers + 2) + self.weights * _CHECK

    def _power(self, exponent_bits: int) -> float:
        return exponent_bits * (SQUARING_COST + 1 / _WINDOW_SPACING_BITS)

    def _encryption(self) -> float:
        """Modulo p² and modulo q², by fixed-base tables."""
        bits = self.inputs.modulus_bits // 2
        return 2 * -(-bits // best_window_bits(bits, _EXPECTED_ENCRYPTIONS))

    def _decryption(self) -> float:
        return 2 * _CONSTANT_TIME * self._power(self.inputs.modulus_bits // 2)
