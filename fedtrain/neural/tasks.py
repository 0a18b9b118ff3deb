"""One owner's turn of local training, as data: the same task gives the same bits in any process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fedtrain.spec.network import CheckedNetwork
from fedtrain.spec.training import LocalOptimizer, Loss

Weights: TypeAlias = Mapping[str, NDArray[np.float32]]
Part: TypeAlias = Literal["training", "validation"]
#: (steps done, steps in all)
Progress: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True)
class LocalSettings:
    """Settings of an owner's training in one round. One of `epochs` and `steps` is given.

    `batch_size`: None for all rows in each step. `proximal`: μ of μ/2·‖w − w_round‖², 0 for none. `clip`: the largest
    L2 norm of an update, over all arrays together. `threads`: of PyTorch, which the bits depend on.
    """

    loss: Loss
    optimizer: LocalOptimizer
    learning_rate: float
    epochs: float | None
    steps: int | None
    batch_size: int | None
    proximal: float
    clip: float
    threads: int = 1


@dataclass(frozen=True)
class ExamplesPart:
    """Frozen examples of one job, in `folder`, and which part of them."""

    folder: Path
    part: Part


@dataclass(frozen=True, eq=False)
class TrainingTask:
    """Train `network` from `weights` (float32, by name in a state_dict). `seed`: of batches and dropout. Secret."""

    network: CheckedNetwork
    settings: LocalSettings
    weights: Weights = field(repr=False)
    examples: ExamplesPart
    seed: bytes = field(repr=False)
    round: int


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """An update, trained − given, clipped, and how the training went. `norm_before_clip`: the L2 norm that it had.

    `loss_sum`, `hits`: over the `rows` that the steps saw, as they saw them; hits are 0 where targets have ranges.
    """

    update: Weights = field(repr=False)
    norm_before_clip: float
    loss_sum: float
    hits: int
    rows: int
    steps: int


@dataclass(frozen=True)
class SampledGradients:
    """Terms on which gradients are summed under a claim of privacy: each example is in the sum with probability `rate`.

    `clip`: the largest L2 norm of an example's gradient, over all arrays, in integers at 2^−fraction_bits.
    """

    loss: Loss
    rate: float
    clip: float
    fraction_bits: int
    threads: int = 1


@dataclass(frozen=True, eq=False)
class GradientTask:
    """Sum the gradients of a sample of the examples at `weights`. `seed`: of the sample and dropout. Secret."""

    network: CheckedNetwork
    terms: SampledGradients
    weights: Weights = field(repr=False)
    examples: ExamplesPart
    seed: bytes = field(repr=False)


@dataclass(frozen=True, eq=False)
class EvaluationTask:
    """Evaluate `weights` on a part of the examples. `threads`: of PyTorch."""

    network: CheckedNetwork
    loss: Loss
    weights: Weights = field(repr=False)
    examples: ExamplesPart
    threads: int = 1


@dataclass(frozen=True, eq=False)
class ScoresTask:
    """Score the features of a part of the examples by `weights`. `threads`: of PyTorch."""

    network: CheckedNetwork
    weights: Weights = field(repr=False)
    examples: ExamplesPart
    threads: int = 1


@dataclass(frozen=True)
class EvaluationResult:
    """`loss_sum` and `hits` over `rows`; hits are 0 where targets have ranges."""

    loss_sum: float
    hits: int
    rows: int


class GradientSource(Protocol):
    """A source of sums of clipped gradients. Blocks."""

    def gradients(self, task: GradientTask) -> NDArray[np.int64]:
        """Return the sum over the sample, (numbers of the weights,) in the network's order, at 2^−fraction_bits."""
        ...


class Trainer(GradientSource, Protocol):
    """A worker process, or in tests something small. Blocks.

    Raises Problem where the work cannot be done: no memory, a worker that died again after a restart, an update that
    is not finite. `cancel`, from any thread, ends the work on the examples in that folder, now and for ever.
    """

    def train(self, task: TrainingTask, progress: Progress | None = None) -> TrainingResult: ...

    def evaluate(self, task: EvaluationTask) -> EvaluationResult: ...

    def scores(self, task: ScoresTask) -> NDArray[np.float32]:
        """Return (rows, outputs) scores: logits for categories."""
        ...

    def cancel(self, folder: Path) -> None: ...
