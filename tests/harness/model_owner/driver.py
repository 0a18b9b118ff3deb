"""Drives `fedtrain.model_owner.round` by hand: the effects that a service would do, done at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fedtrain.crypto import KeyHolderEncryptor, LocalEngine, generate_keypair
from fedtrain.crypto.paillier.key_proof import prove_key
from fedtrain.model_owner import job as j
from fedtrain.model_owner import round as rounds
from fedtrain.model_owner.job_state import JobContext, JobState
from fedtrain.model_owner.methods.learning import HistoryRow, Learning
from fedtrain.model_owner.results.fitted import TrainedModel
from fedtrain.model_owner.sums.opening import encrypt_points, open_sum, planned_weights
from fedtrain.planning.plans import plan_spec, rounds_of
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.messages.rounds import Step, StepResult, from_cbor
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Problem

NOW = datetime(2026, 1, 12, 9, 30, tzinfo=UTC)
JOB_ID = "0f4b6d1c9e7a4c52b8d3a6e5f1029384"
ENGINE = LocalEngine()


class Driver:
    """A Model Owner's job in memory. `kept` has the effects that were to be stored."""

    def __init__(self, document: dict[str, Any], keypair: Any = None) -> None:
        self.spec = ModelSpec.model_validate(document)
        self.identity = Identity.generate()
        self.budget = plan_spec(self.spec)
        self.context = JobContext(self.identity, "model-owner", self.budget, rounds_of(self.spec))
        self.state = JobState(
            job_id=JOB_ID,
            spec=self.spec,
            plan=self.budget.to_dict(),
            rounds=self.context.rounds,
            created_at=NOW,
            changed_at=NOW,
        )
        self.private_key = (keypair or generate_keypair(self.spec.training.key_bits, allow_small=True))[1]
        self.kept: list[Any] = []
        self.learning: Learning | None = None
        self.history: list[HistoryRow] = []
        self.model: TrainedModel | None = None
        self.results: dict[int, bytes] = {}

    def apply(self, message: j.Message) -> tuple[j.Effect, ...]:
        outcome = rounds.step(self.context, self.state, message, NOW)
        self.state = outcome.state
        for effect in outcome.effects:
            self.kept.append(effect)
            match effect:
                case j.KeepLearning():
                    self.learning = effect.learning
                case j.KeepHistory():
                    self.history.append(effect.row)
                case j.KeepModel():
                    self.model = effect.model
                case j.GiveResult():
                    self.results[effect.step] = effect.body
        return outcome.effects

    def deploy(self, facilitator: str) -> Any:
        """Up to JOINING; returns the signed manifest."""
        nonce = "ab" * 32
        proof = prove_key(self.private_key, bytes.fromhex(self.identity.party_id), bytes.fromhex(nonce))
        self.apply(j.KeyMade(int(self.private_key.public_key.n), tuple(int(root) for root in proof), nonce))
        self.apply(j.ManifestPosted(facilitator))
        return self.state.manifest

    def step(self, step: Step) -> StepResult:
        """Take a step to its result, as the service does."""
        message: j.Message = j.StepArrived(step, 100, self.learning)
        while True:
            for effect in self.apply(message):
                match effect:
                    case j.GiveResult():
                        return from_cbor(effect.body, StepResult)
                    case j.SendStored():
                        return from_cbor(self.results[effect.step], StepResult)
                    case j.OpenSum():
                        message = self._open(effect)
                        break
                    case j.EncryptPoint():
                        message = j.PointEncrypted(effect.turn, *self._encrypt(effect))
                        break

    def _open(self, effect: j.OpenSum) -> j.Message:
        try:
            return j.SumOpened(effect.arrived, open_sum(effect, self.private_key, ENGINE))
        except Problem as problem:
            return j.SumRefused(effect.arrived, problem)

    def _encrypt(self, effect: j.EncryptPoint) -> Any:
        modulus = int(self.private_key.public_key.n)
        encryptor = KeyHolderEncryptor(self.private_key, ENGINE, 10)
        planned = planned_weights(self.budget, effect.turn.ask.kind)
        return encrypt_points(effect.turn.ask, planned, encryptor, modulus)

    def train(self, peers: Any) -> StepResult:
        """The whole job against peers."""
        result = self.step(peers.open_job(self.deploy(peers.facilitator.party_id)))
        while result.request is not None:
            result = self.step(peers.next_step(result))
        return result
