"""Deploying a model once, however often the call for it comes; and how calls with one key are known as one."""

from __future__ import annotations

from fedtrain.model_owner.job_state import JobState
from fedtrain.model_owner.service import ModelService
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem


async def deployed(
    service: ModelService, spec: ModelSpec, idempotency_key: str | None, request: str | None = None
) -> JobState:
    """Return a new job, or with a key that came with the same spec before, that job.

    `request`: the hash of the request that it comes of. The id follows from the key, so that the store takes one of two
    requests at once. Raises Problem: INVALID_SPEC, DOES_NOT_FIT, IDEMPOTENCY_CONFLICT where the key came with another
    spec.
    """
    if idempotency_key is None:
        return await service.create(spec, request=request)
    job_id = key_hash(service.party_id, idempotency_key)[:32]
    try:
        there = await service.job(job_id)
    except Problem as problem:
        if problem.code is not Code.MODEL_NOT_FOUND:
            raise
        try:
            return await service.create(spec, job_id, request)
        except Problem as taken:
            if taken.code is not Code.JOB_EXISTS:
                raise
        there = await service.job(job_id)
    if (there.spec, there.request) != (spec, request):
        raise made_of_another(f"Model {job_id}", "spec", "model")
    return there


def key_hash(party_id: str, idempotency_key: str) -> str:
    """Return the name of a key as this party keeps it: a SHA-256 in hex."""
    return sha256_hex(f"idempotency-key {party_id} {idempotency_key}".encode())


def made_of_another(made: str, what: str, kind: str) -> Problem:
    """Return that a key has come before, with another `what`, and that `made` is of that."""
    return Problem(
        Code.IDEMPOTENCY_CONFLICT,
        f"{made} was made under this Idempotency-Key from another {what}: take a new key for a new {kind}.",
    )
