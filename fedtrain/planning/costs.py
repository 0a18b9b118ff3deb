"""The cost of a job, from its plan: ciphertexts on the wire, multiplications, and sums that get decrypted.

Bytes here are those of the ciphertexts, exactly; `fedtrain.protocol.messages.sizes` has those of whole messages.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from fedtrain.crypto.paillier.encryption import TABLE_PAYS_FROM
from fedtrain.crypto.powers.fixed_base import best_window_bits
from fedtrain.crypto.powers.squaring import SQUARING_COST
from fedtrain.methods import schedule_of
from fedtrain.methods.plan import Answer, EncryptedWeights, Plan
from fedtrain.methods.schedule import COUNTS, Schedule
from fedtrain.planning.plans import plan_spec
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
    """Return what a spec's job costs with so many owners, `max_data_owners` where None, and so many rows in all.

    Without `rows_total` an owner's work is that of `max_rows` rows, the most it can be.
    Raises Problem(DOES_NOT_FIT) as `plan_spec` does, ValueError for owners outside 1…max_data_owners.
    """
    most = spec.training.max_data_owners
    owners = most if owners is None else owners
    if not 1 <= owners <= most:
        raise ValueError(f"owners must be 1 to max_data_owners, {most}; received {owners}")
    count = multi_exponentiation_cost or straus_cost
    return _JobCosts(plan_spec(spec), schedule_of(spec), owners, count, rows_total).job()


class _JobCosts:
    def __init__(
        self,
        plan: Plan,
        schedule: Schedule,
        owners: int,
        multi_exponentiation_cost: MultiExponentiationCost,
        rows_total: int | None,
    ) -> None:
        self.plan, self.schedule, self.owners, self.rows_total = plan, schedule, owners, rows_total
        self.multi_exponentiation_cost = multi_exponentiation_cost
        self.width = plan.ciphertext_bytes

    def job(self) -> JobCost:
        schedule = self.schedule
        turns, evaluations = -(-schedule.rounds // schedule.window), schedule.evaluations()
        decrypted = turns * self.plan.round(schedule.kind).revealed
        if evaluations:
            decrypted += evaluations * self.plan.round(schedule.evaluation).revealed
        in_all = self.plan.numbers_in_all
        data_owner, facilitator, model_owner = self._exchange(schedule.kind)
        of_counts = self._exchange(COUNTS) if COUNTS in self.plan.kinds else (_NOTHING,) * 3
        counts_data_owner, counts_facilitator, counts_model_owner = of_counts
        of_evaluation = self._exchange(schedule.evaluation) if evaluations else (_NOTHING,) * 3
        evaluation_data_owner, evaluation_facilitator, evaluation_model_owner = of_evaluation
        return JobCost(
            owners=self.owners,
            rounds=schedule.rounds,
            rounds_a_turn=schedule.window,
            turns=turns,
            ciphertext_bytes=self.width,
            data_owner=data_owner,
            facilitator=facilitator,
            model_owner=model_owner,
            counts_data_owner=counts_data_owner,
            counts_facilitator=counts_facilitator,
            counts_model_owner=counts_model_owner,
            evaluations=evaluations,
            evaluation_data_owner=evaluation_data_owner,
            evaluation_facilitator=evaluation_facilitator,
            evaluation_model_owner=evaluation_model_owner,
            decrypted_sums=decrypted,
            distinct_sums=decrypted if in_all is None else in_all,
        )

    def _exchange(self, kind: str) -> tuple[PartyCost, PartyCost, PartyCost]:
        """A Data Owner's, the Facilitator's and the Model Owner's part of a round, or of a turn of several.

        The Model Owner gets the request that it answers to, every answer to it and what comes out, and recomputes that;
        at the end of a window also request, answers and sum of each of its rounds, all of which it recomputes.
        """
        planned = self.plan.round(kind, rows_total=self.rows_total)
        encrypted = planned.weights if isinstance(planned.weights, EncryptedWeights) else None
        vectors = 0 if encrypted is None else 2 if encrypted.with_previous else 1
        weights = 0 if encrypted is None else vectors * encrypted.layout.ciphertexts
        answer = planned.answer.layout.ciphertexts
        rounds, result, evidence, update = 1, answer, 0, 0.0
        if planned.updates:
            rounds, result = self.schedule.window, weights
            evidence = rounds * (weights + (self.owners + 1) * answer)
            update = self._update_multiplications(answer, weights)
        data_owner = PartyCost(
            received_bytes=weights * self.width,
            sent_bytes=answer * self.width,
            multiplications=self._answer_multiplications(planned.answer) + weights * _CHECK,
            idle_multiplications=answer * self._nonce(planned.answer),
        )
        facilitator = PartyCost(
            received_bytes=self.owners * answer * self.width,
            sent_bytes=self.owners * weights * self.width,
            # Answers are checked as they come, and opened again to be added.
            multiplications=self.owners * answer * (1 + 2 * _CHECK) + update,
        )
        model_owner = PartyCost(
            received_bytes=(weights + self.owners * answer + result + evidence) * self.width,
            sent_bytes=weights * self.width,
            multiplications=rounds * (self.owners * answer * (1 + _CHECK) + update),
            half_multiplications=result * self._decryption() + weights * self._encryption(),
        )
        return data_owner, facilitator, model_owner

    def _answer_multiplications(self, answer: Answer) -> float:
        applied, layout = answer.applied, answer.layout
        if applied is None:
            # Plaintexts of its own. What computing them takes depends on the rows and not on the plan.
            return layout.ciphertexts
        exponent_bits = min(applied.work_bound, max(applied.row_bounds)).bit_length()
        products = self.multi_exponentiation_cost(applied.columns, applied.rows, exponent_bits)
        shift = layout.slot_bits * layout.columns_per_ciphertext
        # Horner across rows; then b is subtracted and the result re-randomised, ciphertext by ciphertext.
        packed = layout.column_groups * (applied.rows - layout.row_groups)
        return layout.column_groups * products + packed * (shift * SQUARING_COST + 1) + 2 * layout.ciphertexts

    def _update_multiplications(self, answer: int, weights: int) -> float:
        exponents = self.plan.update_exponents()
        # The weights' own power, then the sum's, which is inverted; with momentum one product more.
        powers = sum(self._power(bits) for bits in exponents) + _INVERSE + len(exponents) - 2
        return answer * (powers + 2) + weights * _CHECK

    def _nonce(self, answer: Answer) -> float:
        """A full power; of many plaintexts of an owner's own h^r of half the length, from a table."""
        if answer.applied is not None or answer.layout.ciphertexts < TABLE_PAYS_FROM:
            return self._power(self.plan.modulus_bits)
        bits = self.plan.modulus_bits // 2
        return -(-bits // best_window_bits(bits, max(answer.layout.ciphertexts, _EXPECTED_ENCRYPTIONS)))

    def _power(self, exponent_bits: int) -> float:
        return exponent_bits * (SQUARING_COST + 1 / _WINDOW_SPACING_BITS)

    def _encryption(self) -> float:
        """Modulo p² and modulo q², by fixed-base tables."""
        bits = self.plan.modulus_bits // 2
        return 2 * -(-bits // best_window_bits(bits, _EXPECTED_ENCRYPTIONS))

    def _decryption(self) -> float:
        return 2 * _CONSTANT_TIME * self._power(self.plan.modulus_bits // 2)
