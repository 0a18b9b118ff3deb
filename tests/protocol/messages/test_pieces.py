"""A message in pieces has the bytes of the whole one, wherever its answers lie."""

from __future__ import annotations

import cbor2
import pytest

from fedtrain.protocol.documents.identity import Identity, sha256_hex
from fedtrain.protocol.messages import cbor
from fedtrain.protocol.messages.pieces import Filed, hash_of, size_of, step_pieces
from fedtrain.protocol.messages.rounds import REQUEST_TAG, SignedBytes, Step, VectorMessage, from_cbor, to_cbor

#: Around each width that a length can be written in.
SIZES = (0, 1, 23, 24, 255, 256, 65_535, 65_536)
JOB = "0f" * 16


def step(**more: object) -> Step:
    request = SignedBytes.sign(b"a request", REQUEST_TAG, Identity.generate())
    total = VectorMessage(key_id="ab" * 16, fraction_bits=16, bound=b"\1", layout={"slots": 3}, ciphertexts=bytes(768))
    return Step.model_validate(
        {"job_id": JOB, "step": 4, "log_entry": b"entry", "request": request, "sum": total} | more
    )


def filed(content: bytes) -> Filed:
    return Filed(sha256_hex(content), len(content))


@pytest.mark.parametrize("owners", [1, 2, 23, 24, 256])
def test_the_bytes_are_those_of_the_whole_message(owners: int) -> None:
    answers = tuple(bytes([at % 251]) * SIZES[at % len(SIZES)] for at in range(owners))
    lying = [filed(answer) if at % 3 else answer for at, answer in enumerate(answers)]
    lying[0] = filed(answers[0])
    of_hash = {sha256_hex(answer): answer for answer in answers}
    for more in ({}, {"unmaskings": (b"keys",) * 3}, {"void": "nobody came", "sum": None}):
        one = step(**more)
        pieces = step_pieces(one, lying)
        assert isinstance(pieces, tuple)
        whole = b"".join(piece if isinstance(piece, bytes) else of_hash[piece.hash] for piece in pieces)
        assert whole == to_cbor(one.model_copy(update={"answers": answers}))
        assert from_cbor(whole, Step).answers == answers
        assert sum(map(size_of, pieces)) == len(whole)


def test_a_message_without_files_is_not_in_pieces() -> None:
    one = step()
    assert step_pieces(one, (b"first", b"second")) == to_cbor(one.model_copy(update={"answers": (b"first", b"second")}))
    assert step_pieces(one, ()) == to_cbor(one)


def test_heads_are_the_shortest() -> None:
    for size in SIZES:
        assert cbor.head_of_bytes(size) + bytes(size) == cbor2.dumps(bytes(size), canonical=True)
        assert cbor.head_of_list(size) + b"\0" * size == cbor2.dumps([0] * size, canonical=True)
        entries = dict.fromkeys(range(size), 0)
        assert cbor2.dumps(entries, canonical=True).startswith(cbor.head_of_map(size))
    assert cbor.head_of_bytes(1 << 32) == b"\x5b" + (1 << 32).to_bytes(8, "big")


def test_a_hash_and_a_size_are_the_same_wherever_bytes_lie() -> None:
    assert (hash_of(b"abc"), size_of(b"abc")) == (hash_of(filed(b"abc")), size_of(filed(b"abc")))
