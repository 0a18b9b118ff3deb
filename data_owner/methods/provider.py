"""The seam between a round and the mathematics of a model type."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

from fedtrain.crypto import EncryptedVector
from fedtrain.crypto.engine import Engine
from fedtrain.data_owner.data.moments import Moments
from fedtrain.data_owner.data.training_rows import Rows
from fedtrain.planning.budget import Budget
from fedtrain.protocol.messages.rounds import RoundRequest
from fedtrain.protocol.messages.shared_weights import SharedWeights


@dataclass(frozen=True, eq=False)
class Prepared:
    """An owner's part of a job as integers, ready for every round. Secret: not shown by repr.

    matrix: (d, d) object array at 2^−moment_fraction_bits. vector: (d, k) at 2^−vector_fraction_bits, exact, so that
    each round has it at its own scale. counts: (1, 1 + k) at 2^−counts_fraction_bits: N and Σ y² a target.
    moments: for newton alone, (d(d+1)/2 + d·k, 1) at its own scale: the upper triangle of A, then b, row by row.
    validation: where losses are asked for, (k, k·(d(d+1)/2 + d)) at 2^−moment_fraction_bits: times w⊗w and w of each
    output it gives wᵀA·w − 2bᵀw of the validation part; counts then go on with N and Σ y² of that part.
    rows: where owners see the weights, the job's rows, to be gone through once a round.
    """

    budget: Budget
    matrix: NDArray[Any] = field(repr=False)
    vector: NDArray[Any] = field(repr=False)
    vector_fraction_bits: int
    counts: NDArray[Any] = field(repr=False)
    moments: NDArray[Any] | None = field(repr=False, default=None)
    validation: NDArray[Any] | None = field(repr=False, default=None)
    rows: Iterable[Rows] | None = field(repr=False, default=None)


class GradientProvider(Protocol):
    """One model type's answers. Nothing it returns is masked or re-randomised yet: it must not leave as it is."""

    def prepare(self, moments: Moments, budget: Budget) -> Prepared:
        """Reduce the job's block of the frozen moments to integers. Raises Problem(DOES_NOT_FIT)."""
        ...

    def answer(
        self,
        prepared: Prepared,
        request: RoundRequest,
        weights: EncryptedVector | SharedWeights | None,
        n: int,
        engine: Engine,
    ) -> EncryptedVector:
        """The plain answer to a request, under encryption. `weights` is the request's, opened; n the modulus."""
        ...
