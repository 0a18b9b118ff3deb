"""A job with windows in memory: the Model Owner's own code, owners with rows, and a Facilitator that may cheat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fedtrain.crypto import LocalEngine
from fedtrain.facilitator.methods.adding import add_answers
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.model_owner import job as j
from fedtrain.model_owner.sums.opening import open_window
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.evidence.addition import record_of
from fedtrain.protocol.evidence.verification import LogItem
from fedtrain.protocol.messages.rounds import (
    REQUEST_TAG,
    LogEntry,
    RoundAnswer,
    RoundRequest,
    SignedBytes,
    Step,
    StepResult,
    VectorMessage,
    from_cbor,
    to_cbor,
)
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Problem
from tests.harness.model_owner.driver import ENGINE, Driver
from tests.harness.model_owner.peers import Peers


@dataclass
class Update:
    """One round of a window on the Facilitator's bench, which a cheat may alter before it is logged and passed on."""

    request: RoundRequest
    signed: SignedBytes
    answers: tuple[bytes, ...]
    total: VectorMessage
    weights: VectorMessage
    previous: VectorMessage | None
    modulus: int
    recorded: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        self.recorded = self.answers


Cheat = Callable[[Update], Update]


def honest(update: Update) -> Update:
    return update


@dataclass
class WindowPeers(Peers):
    """`cheat` is given every update. `updates_left_out`: how many rounds fewer than due a window gets."""

    cheat: Cheat = honest
    updates_left_out: int = 0
    items: list[LogItem] = field(default_factory=list)
    final: Callable[[Step], Step] = lambda step: step
    scales: list[int] = field(default_factory=list)

    def next_step(self, result: StepResult) -> Step:
        assert result.request is not None
        request = from_cbor(result.request.body, RoundRequest)
        if request.kind == RoundKind.COUNTS:
            return super().next_step(result)
        assert request.weights is not None
        self.items = []
        self.scales.append(request.weights.fraction_bits)
        signed = result.request
        every = self.spec.training.reencrypt_every
        rounds = self.spec.training.rounds
        assert isinstance(rounds, int)
        while True:
            update = self.cheat(self._update(request, signed))
            entry = self._log(update)
            last = update.request.window_step + 1 >= every - self.updates_left_out
            if last or update.request.round >= rounds:
                step = Step(
                    job_id=self.job.job_id,
                    step=self.steps,
                    log_entry=entry,
                    request=update.signed,
                    answers=update.answers,
                    weights=update.weights,
                    previous_weights=update.previous,
                )
                self.steps += 1
                return self.final(step)
            request = update.request.model_copy(
                update={
                    "round": update.request.round + 1,
                    "window_step": update.request.window_step + 1,
                    "log_head": self.head,
                    "weights": update.weights,
                    "previous_weights": update.previous,
                }
            )
            signed = SignedBytes.sign(to_cbor(request), REQUEST_TAG, self.facilitator)

    def _update(self, request: RoundRequest, signed: SignedBytes) -> Update:
        answers = tuple(self.answer(index, request, signed.hash) for index in range(len(self.owners)))
        total, weights, previous = add_answers(self.modulus, self.budget, signed.body, answers, ENGINE)
        assert weights is not None
        return Update(request, signed, answers, total, weights, previous, self.modulus)

    def _log(self, update: Update) -> bytes:
        opened = [from_cbor(answer, RoundAnswer) for answer in update.recorded]
        entry = to_cbor(
            LogEntry(
                index=self.length,
                previous=self.head,
                manifest_hash=update.request.manifest_hash,
                roster_hash=update.request.roster_hash,
                round=update.request.round,
                kind=update.request.kind,
                request_hash=update.signed.hash,
                answers=tuple(record_of(data, one) for data, one in zip(update.recorded, opened, strict=True)),
                product_hash=update.total.ciphertexts_hash,
            )
        )
        self.head, self.length = sha256_hex(entry), self.length + 1
        self.items.append(LogItem(entry, to_cbor(update.signed), update.answers, update.total.ciphertexts))
        return entry


class WindowDriver(Driver):
    """A Driver that also does what windows ask for. `peers` holds the evidence."""

    def __init__(self, document: dict[str, Any], peers: WindowPeers, keypair: Any = None) -> None:
        super().__init__(document, keypair)
        self.peers = peers

    def step(self, step: Step) -> StepResult:
        message: j.Message = j.StepArrived(step, 100, self.learning)
        while True:
            for effect in self.apply(message):
                match effect:
                    case j.GiveResult():
                        return from_cbor(effect.body, StepResult)
                    case j.OpenSum():
                        message = self._open(effect)
                        break
                    case j.OpenWindow():
                        message = self._open_window(effect)
                        break
                    case j.EncryptPoint():
                        message = j.PointEncrypted(effect.turn, *self._encrypt(effect))
                        break

    def _open_window(self, effect: j.OpenWindow) -> j.Message:
        try:
            return j.SumOpened(effect.arrived, *open_window(effect, self.peers.items, self.private_key, LocalEngine()))
        except Problem as problem:
            return j.SumRefused(effect.arrived, problem)


def play(document: dict[str, Any], keypair: Any = None, **peers: Any) -> tuple[WindowDriver, WindowPeers, StepResult]:
    """A whole job; returns its Model Owner, the others, and the Model Owner's last word."""
    others = WindowPeers(ModelSpec.model_validate(document), **peers)
    driver = WindowDriver(document, others, keypair)
    return driver, others, driver.train(others)


__all__ = ["ENGINE", "Update", "WindowDriver", "WindowPeers", "play"]
