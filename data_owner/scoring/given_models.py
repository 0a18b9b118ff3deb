"""Finished networks at an owner that trained them: fetched once, used here, and trained on as a copy that stays here.

What is trained here is no answer: nothing of it is ever sent, and no Model Owner asks for it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any, Final
from weakref import WeakValueDictionary

import numpy as np
import structlog
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from fedtrain.data_owner.data.frozen.examples_freezer import ExamplesFreezer
from fedtrain.data_owner.job_state import JobState
from fedtrain.data_owner.release.decisions import written
from fedtrain.data_owner.scoring.asking import ScoringParts, encoded_rows, exchange, shown
from fedtrain.data_owner.scoring.model_files import ModelFiles, Whose
from fedtrain.data_owner.store.records import Decision, DecisionKind
from fedtrain.methods.network.kinds import NetworkKind
from fedtrain.methods.network.plan import NetworkPlan, network_plan_of
from fedtrain.methods.plan import SharedArrays
from fedtrain.neural import EvaluationTask, ExamplesPart, Part, ScoresTask, Trainer, TrainingTask, Weights
from fedtrain.neural.examples_files import ExamplesWriter
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.signed import Manifest
from fedtrain.protocol.messages.given_model import ASK_TAG, GIVEN_TAG, GivenModel, ModelAsk
from fedtrain.protocol.messages.rounds import SignedBytes, from_cbor, to_cbor
from fedtrain.protocol.messages.scoring import Floats
from fedtrain.protocol.messages.shared_weights import SealingContext, open_weights_box
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.service.store.full_disk import call_in
from fedtrain.spec.model_spec import ModelSpec, Optimizer
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.encode import Encoder

log = structlog.get_logger("data_owner.models")

#: Records of a step where those of the job's own are steps of the whole federation.
BATCH_SIZE: Final = 32


@dataclass(frozen=True)
class GivenParts:
    """Parts that work on given networks. `asks`: a Model Owner. `training`: runs what PyTorch does, one at a time."""

    asks: ScoringParts
    files: ModelFiles
    examples: ExamplesFreezer
    trainer: Trainer
    training: Executor
    manifest_of: Callable[[JobState], Manifest | None]


@dataclass(frozen=True, eq=False)
class _Job:
    state: JobState
    manifest: Manifest
    plan: NetworkPlan = field(repr=False)

    @property
    def spec(self) -> ModelSpec:
        return self.manifest.spec


class GivenModels:
    """Predicts by finished networks that are given to owners, and trains copies of them."""

    def __init__(self, own: GivenParts) -> None:
        self._own = own
        #: By job; there for as long as somebody asks for its network.
        self._fetching: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def predict(
        self, job_id: str, rows: Sequence[object] | None, dataset: str | None, *, personal: bool
    ) -> dict[str, Any]:
        """Return the values of rows, or of the records of a dataset on offer here, by the network or this owner's copy.

        Raises Problem: MODEL_NOT_FOUND, MODEL_NOT_FINISHED, MODEL_NOT_GIVEN, NOT_SIGNED_OFF, NO_PERSONAL_MODEL;
        INVALID_ROWS, INVALID_DATA, DATASET_NOT_FOUND; NO_ANSWER, and as `Trainer.scores`.
        """
        own, job = self._own, await self._job(job_id)
        weights = await self._personal(job) if personal else await self._given(job)
        encoder = Encoder.of_spec(job.spec)
        X = await call_in(own.asks.executor, lambda: encoded_rows(own.asks.store, job.spec, encoder, rows, dataset))
        scores = await call_in(own.training, lambda: self._scores(job, weights, X))
        return {"model_id": job_id, "personal": personal, **shown(job.spec, encoder, scores)}

    async def personalise(
        self,
        job_id: str,
        epochs: float,
        learning_rate: float | None,
        *,
        token_id: str | None,
        by: str | None,
        signed_in: bool | None,
    ) -> dict[str, Any]:
        """Train a copy of the network on the records that this owner joined the job with, and keep it here.

        `epochs`: passes over them. `learning_rate`: None for the job's own. `token_id`, `by`, `signed_in`: who
        decides, as `Decision` has it. Raises Problem as `predict`, INVALID_DATA
        where the records have changed, DIVERGED; the copy that was there before is then kept.
        """
        job = await self._job(job_id)
        given = await self._given(job)
        told = await call_in(self._own.training, lambda: self._trained(job, given, epochs, learning_rate))
        decision = Decision(
            job_id=job_id,
            decision=DecisionKind.PERSONALISED,
            decided_at=written(self._own.asks.now()),
            token_id=token_id,
            dataset=job.state.dataset,
            version=job.state.dataset_version,
            result=told["hash"],
            by=by,
            signed_in=signed_in,
        )
        await call_in(self._own.asks.executor, lambda: self._own.asks.store.put_decision(decision))
        log.info("copy trained", job=job_id, seconds=told["seconds"])
        return {"model_id": job_id, **told}

    async def _job(self, job_id: str) -> _Job:
        return await call_in(self._own.asks.executor, lambda: self._opened(job_id))

    def _opened(self, job_id: str) -> _Job:
        state = self._own.asks.store.job(job_id)
        manifest = None if state is None else self._own.manifest_of(state)
        if state is None or manifest is None:
            raise Problem(Code.MODEL_NOT_FOUND, f"Job {job_id} is not known at this owner.")
        if manifest.spec.give_model is None:
            raise Problem(
                Code.MODEL_NOT_GIVEN,
                f"The spec of job {job_id} does not give the model to owners: it has no give_model.",
            )
        if state.phase is not Phase.FINISHED:
            raise Problem(Code.MODEL_NOT_FINISHED, f"Job {job_id} is {state.status} here: there is no model of it yet.")
        return _Job(state, manifest, network_plan_of(plan_spec(manifest.spec)))

    async def _given(self, job: _Job) -> Weights:
        """Return the network, which is asked for once and kept."""
        own, job_id, network = self._own, job.state.job_id, job.plan.checked
        if (kept := await self._kept(job, "given")) is not None:
            return kept
        async with self._fetching.setdefault(job_id, asyncio.Lock()):
            if (kept := await self._kept(job, "given")) is not None:  # by who was asking
                return kept
            weights = await self._fetched(job)
            await call_in(own.asks.executor, lambda: own.files.keep(job_id, "given", network, weights))
            log.info("model received", job=job_id)
        return weights

    async def _kept(self, job: _Job, whose: Whose) -> Weights | None:
        own, network = self._own, job.plan.checked
        found = await call_in(own.asks.executor, lambda: own.files.read(job.state.job_id, whose, network))
        return None if found is None else found[1]

    async def _fetched(self, job: _Job) -> Weights:
        own, private, nonce = self._own.asks, X25519PrivateKey.generate(), self._own.asks.draw_hex(32)
        key = private.public_key().public_bytes_raw().hex()
        ask = ModelAsk(model_id=job.state.job_id, sealing_key=key, nonce=nonce)
        signed = SignedBytes.sign(to_cbor(ask), ASK_TAG, own.identity)
        body, _ = await exchange(own, TaskKind.MODEL, job.manifest, to_cbor(signed), nonce, GIVEN_TAG)
        given = from_cbor(body, GivenModel)
        if given.request_hash != signed.hash:
            raise Problem(Code.MALFORMED_MESSAGE, "The Model Owner's model is of another request.")
        planned = job.plan.round(NetworkKind.UPDATE).weights
        if not isinstance(planned, SharedArrays):
            raise ValueError("a network's rounds share its weights")
        context = SealingContext(job.state.manifest_hash, signed.hash, 0)
        opened = open_weights_box((given.box,), own.identity.party_id, private, context, planned, given.blob)
        return {name: values.astype(np.float32) for name, values in opened.arrays.items()}

    async def _personal(self, job: _Job) -> Weights:
        weights = await self._kept(job, "personal")
        if weights is None:
            raise Problem(
                Code.NO_PERSONAL_MODEL, f"This owner has trained no copy of the model of job {job.state.job_id}."
            )
        return weights

    def _scores(self, job: _Job, weights: Weights, X: Floats) -> Floats:
        """(rows, outputs) scores. The records are on the disk for as long as that takes."""
        network = job.plan.checked
        if not len(X):
            return np.empty((0, network.outputs))
        with self._own.files.rows_folder() as folder:
            examples = ExamplesPart(folder, "validation")
            with ExamplesWriter(examples, X.shape[1], network.outputs) as writer:
                writer.add(X, np.zeros((len(X), network.outputs)))
            scores = self._own.trainer.scores(ScoresTask(network, weights, examples))
        return scores.astype(np.float64)

    def _trained(self, job: _Job, given: Weights, epochs: float, learning_rate: float | None) -> dict[str, Any]:
        own, network, local = self._own, job.plan.checked, job.plan.local
        dataset = own.asks.store.dataset_version(job.state.dataset or "", job.state.dataset_version or "")
        if dataset is None:
            raise Problem(Code.DATASET_NOT_FOUND, f"Dataset {job.state.dataset!r} is not registered here any more.")
        settings = replace(
            local,
            epochs=epochs,
            steps=None,
            batch_size=local.batch_size if job.spec.training.optimizer is Optimizer.FEDAVG else BATCH_SIZE,
            learning_rate=local.learning_rate if learning_rate is None else learning_rate,
            proximal=0.0,
            clip=math.inf,  # nothing is sent that a bound would have to hold
        )
        began = own.asks.monotonic()
        with own.examples.personal(job.state.job_id, dataset, job.spec) as examples:
            training = ExamplesPart(examples.folder, "training")
            seed = bytes.fromhex(own.asks.draw_hex(32))
            result = own.trainer.train(TrainingTask(network, settings, given, training, seed, round=0))
            weights = {name: (given[name] + result.update[name]).astype(np.float32) for name in network.parameters}
            part: Part = "validation" if examples.validation_rows else "training"
            metrics: dict[str, float | None] = {}
            for name, of in (("before", given), ("after", weights)):
                task = EvaluationTask(network, local.loss, of, ExamplesPart(examples.folder, part))
                found = own.trainer.evaluate(task)
                metrics[f"loss_{name}"] = found.loss_sum / found.rows
                metrics[f"accuracy_{name}"] = found.hits / found.rows if job.spec.classifies else None
        path = own.files.keep(job.state.job_id, "personal", network, weights)
        return {
            "file": str(path),
            "hash": path.stem.removeprefix("personal-"),
            "epochs": epochs,
            "learning_rate": settings.learning_rate,
            "part": part,
            **metrics,
            "seconds": round(own.asks.monotonic() - began, 3),
        }
