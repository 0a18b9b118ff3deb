"""A dishonest Facilitator against a Model Owner, by a proxy in between: nothing that is not proven is decrypted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fedtrain.crypto import LocalEngine, sum_vectors
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.evidence.addition import record_of
from fedtrain.protocol.messages.rounds import LogEntry, RoundAnswer, Step, VectorMessage, from_cbor, to_cbor
from fedtrain.simulation.federation import federation
from fedtrain.spec.problems import Problem
from tests.harness.attackers.job_material import props, rows, write_table

NAMES = ("ana", "bea", "cleo")
Tamper = Callable[["Proxy", Step], Step]


@dataclass
class Proxy:
    """Between the Facilitator and its parties: the steps that the Model Owner fetches pass through `tamper`."""

    tamper: Tamper
    modulus: int = 0
    steps: dict[int, Step] = field(default_factory=dict)
    tampered: int = 0

    def wrap(self, app: FastAPI) -> ASGIApp:
        async def line(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["method"] == "PUT" and scope["path"].startswith("/models/"):
                await app(scope, self._reading_manifest(receive), send)
            elif scope["type"] == "http" and scope["path"].endswith("/request"):
                await self._altering(app, scope, receive, send)
            else:
                await app(scope, receive, send)

        return line

    def _reading_manifest(self, receive: Receive) -> Receive:
        async def read() -> Message:
            message = await receive()
            body = message.get("body", b"")
            if body:
                self.modulus = int(json.loads(json.loads(body)["document"])["modulus"], 16)
            return message

        return read

    async def _altering(self, app: FastAPI, scope: Scope, receive: Receive, send: Send) -> None:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await app(scope, receive, keep)
        start = messages[0]
        body = b"".join(message.get("body", b"") for message in messages[1:])
        kind = dict(start["headers"]).get(b"content-type", b"")
        if start["status"] == 200 and kind.startswith(b"application/cbor"):
            body = self._altered(body)
        headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
        await send({**start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})

    def _altered(self, body: bytes) -> bytes:
        try:
            step = from_cbor(body, Step)
        except Problem:
            return body  # a request to an owner
        self.steps.setdefault(step.step, step)
        altered = self.tamper(self, step)
        self.tampered += altered is not step
        return to_cbor(altered)


def outcome(folder: Path, tamper: Tamper) -> dict[str, Any]:
    """Return how a job ends under that Facilitator."""
    proxy = Proxy(tamper)

    async def play() -> dict[str, Any]:
        tables = {name: write_table(folder / f"{name}.csv", rows(40, seed)) for seed, name in enumerate(NAMES)}
        async with federation(folder, tables, allow_small_keys=True, line=proxy.wrap, engine=LocalEngine()) as parties:
            spec = {
                "model_type": "LINEAR_REGRESSION",
                "data_props": props(),
                "training": {"key_bits": 512, "max_rows": 1000, "max_data_owners": 3, "rounds": 20},
            }
            return await parties.wait(await parties.deploy(spec))

    model = asyncio.run(play())
    if model["status"] == "FAILED":
        assert proxy.tampered > 0
    return model


def product_of(proxy: Proxy, answers: Sequence[bytes]) -> VectorMessage:
    vectors = [from_cbor(answer, RoundAnswer).vector.open(proxy.modulus) for answer in answers]
    return VectorMessage.of(sum_vectors(vectors, proxy.modulus, LocalEngine()), proxy.modulus)


def rewritten(step: Step, answers: Sequence[bytes], product: VectorMessage) -> Step:
    """The step with these answers and this product, and a log entry that says the same."""
    records = tuple(record_of(answer, from_cbor(answer, RoundAnswer)) for answer in answers)
    changes = {"answers": records, "product_hash": sha256_hex(product.ciphertexts)}
    entry = from_cbor(step.log_entry, LogEntry).model_copy(update=changes)
    return step.model_copy(update={"answers": tuple(answers), "sum": product, "log_entry": to_cbor(entry)})


def one_for_the_sum(_proxy: Proxy, step: Step) -> Step:
    """One owner's ciphertexts in place of the product; the answers, and a log that fits, stay."""
    return rewritten(step, step.answers, from_cbor(step.answers[0], RoundAnswer).vector)


def one_answer_alone(_proxy: Proxy, step: Step) -> Step:
    return rewritten(step, step.answers[:1], from_cbor(step.answers[0], RoundAnswer).vector)


def a_part_dropped(proxy: Proxy, step: Step) -> Step:
    return rewritten(step, step.answers[1:], product_of(proxy, step.answers[1:]))


def a_part_counted_twice(proxy: Proxy, step: Step) -> Step:
    answers = (step.answers[0], step.answers[0], step.answers[2])
    return rewritten(step, answers, product_of(proxy, answers))


def a_part_dropped_from_the_product_only(proxy: Proxy, step: Step) -> Step:
    return rewritten(step, step.answers, product_of(proxy, step.answers[1:]))


def something_added(proxy: Proxy, step: Step) -> Step:
    return rewritten(step, step.answers, product_of(proxy, (*step.answers, step.answers[0])))


def an_old_round(proxy: Proxy, step: Step) -> Step:
    """Everything of the round before, under this step's number."""
    return proxy.steps[step.step - 1].model_copy(update={"step": step.step})


def old_answers(proxy: Proxy, step: Step) -> Step:
    answers = proxy.steps[step.step - 1].answers
    return rewritten(step, answers, product_of(proxy, answers))


def a_signature_of_another_round(proxy: Proxy, step: Step) -> Step:
    old = from_cbor(proxy.steps[step.step - 1].answers[0], RoundAnswer)
    new = from_cbor(step.answers[0], RoundAnswer)
    moved = to_cbor(new.model_copy(update={"signature": old.signature}))
    answers = (moved, *step.answers[1:])
    return rewritten(step, answers, product_of(proxy, answers))


def old_ciphertexts_under_a_new_signature(proxy: Proxy, step: Step) -> Step:
    old = from_cbor(proxy.steps[step.step - 1].answers[0], RoundAnswer)
    new = from_cbor(step.answers[0], RoundAnswer)
    answers = (to_cbor(new.model_copy(update={"vector": old.vector})), *step.answers[1:])
    return rewritten(step, answers, product_of(proxy, answers))


def another_log(_proxy: Proxy, step: Step) -> Step:
    entry = from_cbor(step.log_entry, LogEntry).model_copy(update={"previous": "77" * 32})
    return step.model_copy(update={"log_entry": to_cbor(entry)})


#: The step after round 2: there is an older gradient round to take things from.
AT_STEP = 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("attack", "code", "words"),
    [
        (one_for_the_sum, "addition-not-proven", "another ciphertext"),
        (one_answer_alone, "addition-not-proven", "missing"),
        (a_part_dropped, "addition-not-proven", "missing"),
        (a_part_counted_twice, "addition-not-proven", "missing"),
        (a_part_dropped_from_the_product_only, "addition-not-proven", "another ciphertext"),
        (something_added, "addition-not-proven", "another ciphertext"),
        (an_old_round, "addition-not-proven", "request"),
        (old_answers, "addition-not-proven", "belongs to another round"),
        (a_signature_of_another_round, "bad-signature", ""),
        (old_ciphertexts_under_a_new_signature, "bad-signature", ""),
        (another_log, "log-inconsistent", ""),
    ],
)
def test_a_sum_that_is_not_proven_ends_the_job_before_it_is_decrypted(
    tmp_path: Path, attack: Callable[[Proxy, Step], Step], code: str, words: str
) -> None:
    def tamper(proxy: Proxy, step: Step) -> Step:
        return attack(proxy, step) if step.step == AT_STEP else step

    model = outcome(tmp_path, tamper)
    assert (model["status"], model["code"]) == ("FAILED", code), model
    assert words in model["reason"]


@pytest.mark.slow
def test_the_same_proxy_that_alters_nothing_lets_the_job_finish(tmp_path: Path) -> None:
    assert outcome(tmp_path, lambda _proxy, step: step)["status"] == "FINISHED"
