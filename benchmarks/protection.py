"""Cost of masks, signatures and checks in a round: the same round with and without them, in one run.

python -m benchmarks.protection [--json] [--quick]

"bare" is what training costs under encryption without any of it: Enc(w), every owner's A·w − b with fresh
re-randomisers, the product, the decryption, and all serialising. "added" is all the rest that the code does in a round:
at each owner the request's signature, the log's entry, masks and its own signature; at the Facilitator the signatures;
at the Model Owner every answer read and checked, and the product again. `ratio` of the row "added" is bare / added;
its share is in `sizes`. Processor seconds, all owners together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from rich.console import Console

from benchmarks.fixtures.engines import engine_here
from benchmarks.fixtures.jobs import Bench, bench_of, key_pair, moments_from, table_of
from benchmarks.rows.measure import Row, main, processor_seconds
from fedtrain.crypto import (
    EncryptedVector,
    KeyHolderEncryptor,
    blind,
    encrypt_array,
    key_id,
    sum_of_masks,
    sum_vectors,
)
from fedtrain.data_owner.methods.answers import Affine
from fedtrain.data_owner.release.answer import MASK_TAG, AnsweringJob, compute_answer, numbers_of, open_weights
from fedtrain.data_owner.release.under_encryption import applied, rerandomised
from fedtrain.protocol.documents.identity import Identity, sha256_hex
from fedtrain.protocol.evidence.addition import record_of
from fedtrain.protocol.messages.rounds import (
    REQUEST_TAG,
    LogEntry,
    RoundAnswer,
    SignedBytes,
    VectorMessage,
    from_cbor,
    to_cbor,
)

OWNERS, D, KEY_BITS = 5, 30, 3072
QUICK = (3, 8, 1024)
ROWS = 400
REPEATS = 3
ENGINE = engine_here()


def measure(quick: bool, notes: Console) -> Iterable[Row]:
    owners, d, key_bits = QUICK if quick else (OWNERS, D, KEY_BITS)
    notes.print(f"one round of {owners} owners at d = {d}, {key_bits} bits")
    bench = bench_of(moments_from(table_of(ROWS, d)), key_pair(key_bits), owners)
    bare, added = bare_round(bench, owners), protection(bench, owners)
    sizes: dict[str, float | int | str] = {"owners": owners, "d": d}
    total = {"bare": sum(bare.values()), "added": sum(added.values())}
    share = {**sizes, "added_percent": round(100 * total["added"] / total["bare"], 2)}
    yield Row("added by masks, signatures, checks", share, key_bits, total["added"], "the bare round", total["bare"])
    for name, parts in (("bare", bare), ("added", added)):
        for what, seconds in parts.items():
            yield Row(f"{name}: {what}", sizes, key_bits, seconds)


def bare_round(bench: Bench, owners: int) -> dict[str, float]:
    """Processor seconds of the round's parts without protection."""
    modulus, step = bench.job.modulus, bench.budget.steps[0]
    encryptor = KeyHolderEncryptor(bench.private_key, ENGINE)

    def encrypt() -> object:
        vector = encrypt_array(
            bench.weights,
            bench.budget.weights_layout,
            step.weight_fraction_bits,
            step.weight_bound,
            encryptor,
            key_id(modulus),
        )
        return to_cbor(bench.request.model_copy(update={"weights": VectorMessage.of(vector, modulus)}))

    def answer() -> VectorMessage:
        opened = open_weights(bench.job, bench.request)
        numbers, planned = numbers_of(bench.job, bench.request, bench.request_hash, None)
        if not isinstance(numbers, Affine) or not isinstance(opened, EncryptedVector):
            raise ValueError("the benchmark's request has weights, and a gradient is an affine answer")
        vector = applied(numbers, planned, opened, modulus, ENGINE)
        return VectorMessage.of(rerandomised(vector, modulus, bench.job.pool), modulus)

    def add() -> object:
        return sum_vectors([message.open(modulus) for message in messages], modulus, ENGINE, 0)

    encrypt_s, _ = processor_seconds(encrypt, REPEATS)
    answer_s, message = processor_seconds(answer, REPEATS)
    messages = (message,) * owners
    add_s, _ = processor_seconds(add, REPEATS)
    total = sum_vectors([message.open(modulus)], modulus, ENGINE, 0)
    decrypt_s, _ = processor_seconds(lambda: ENGINE.crt_decrypt(total.ciphertexts, bench.private_key), REPEATS)
    return {
        "weights encrypted": encrypt_s,
        "the owners' answers": owners * answer_s,
        "product": add_s,
        "sum decrypted": decrypt_s,
    }


def protection(bench: Bench, owners: int) -> dict[str, float]:
    """Processor seconds of what is added, all parties together."""
    job, modulus = bench.job, bench.job.modulus
    asker = Identity.generate()
    signed = SignedBytes.sign(to_cbor(bench.request), REQUEST_TAG, asker)
    bodies = [compute_answer(answering, bench.request, bench.request_hash).body for answering in _others(job, owners)]
    answers = [from_cbor(body, RoundAnswer) for body in bodies]
    entry = to_cbor(_entry(bench, bodies, answers))
    count = len(answers[0].vector.open(modulus).ciphertexts)
    ciphertexts = answers[0].vector.open(modulus).ciphertexts

    def mask() -> object:
        own = bytes.fromhex(job.identity.party_id)
        context = (MASK_TAG, job.manifest_hash, job.roster_hash, 1, "gradient", bench.request_hash)
        return blind(ciphertexts, sum_of_masks(own, job.mask_key, job.peers, context, count, modulus), modulus)

    def owner_checks() -> None:
        signed.open(REQUEST_TAG, asker.party_id)
        sha256_hex(entry)
        from_cbor(entry, LogEntry)

    def verify() -> None:
        for answer in answers:
            answer.check_signature()

    def model_owner_checks() -> object:
        read = [from_cbor(body, RoundAnswer) for body in bodies]
        for answer in read:
            answer.check_signature()
        from_cbor(entry, LogEntry)
        return sum_vectors([answer.vector.open(modulus) for answer in read], modulus, ENGINE, 0)

    parts: dict[str, tuple[int, Callable[[], object]]] = {
        "masks at the owners": (owners, mask),
        "signatures at the owners": (owners, lambda: to_cbor(answers[0].signed_by(job.identity))),
        "request and log checked at the owners": (owners, owner_checks),
        "request signed": (1, lambda: SignedBytes.sign(signed.body, REQUEST_TAG, asker)),
        "signatures checked, entry made at the Facilitator": (
            1,
            lambda: (verify(), to_cbor(_entry(bench, bodies, answers))),
        ),
        "answers checked, product again at the Model Owner": (1, model_owner_checks),
    }
    return {what: times * processor_seconds(call, REPEATS)[0] for what, (times, call) in parts.items()}


def _others(job: AnsweringJob, owners: int) -> list[AnsweringJob]:
    """The same job at so many owners, each with an identity of its own."""
    return [
        replace(job, identity=Identity.from_private_bytes(bytes([i + 1]) * 32), mask_key=X25519PrivateKey.generate())
        for i in range(owners)
    ]


def _entry(bench: Bench, bodies: list[bytes], answers: list[RoundAnswer]) -> LogEntry:
    pairs = sorted(zip(bodies, answers, strict=True), key=lambda pair: pair[1].party)
    return LogEntry(
        index=1,
        previous="33" * 32,
        manifest_hash=bench.job.manifest_hash,
        roster_hash=bench.job.roster_hash,
        round=1,
        kind=bench.request.kind,
        request_hash=bench.request_hash,
        answers=tuple(record_of(body, answer) for body, answer in pairs),
        product_hash="44" * 32,
    )


if __name__ == "__main__":
    main(__doc__, measure)
