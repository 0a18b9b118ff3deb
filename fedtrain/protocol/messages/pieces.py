"""Messages in pieces: byte strings that lie in files stay there, and all pieces one after the other are the message.

The bytes are those that `to_cbor` gives of the whole message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.messages import cbor
from fedtrain.protocol.messages.rounds import Step, plain, to_cbor


@dataclass(frozen=True)
class Filed:
    """Bytes that lie in a file: their SHA-256 and their number stand for them."""

    hash: str
    size_bytes: int


Pieces = tuple[bytes | Filed, ...]


def hash_of(content: bytes | Filed) -> str:
    """Return the SHA-256 of bytes, wherever they lie."""
    return content.hash if isinstance(content, Filed) else sha256_hex(content)


def size_of(content: bytes | Filed) -> int:
    """Return the number of bytes, wherever they lie."""
    return content.size_bytes if isinstance(content, Filed) else len(content)


def step_pieces(step: Step, answers: Sequence[bytes | Filed]) -> bytes | Pieces:
    """Return the encoding of `step` with these answers in the place of its own; in pieces where some lie in files."""
    if not any(isinstance(answer, Filed) for answer in answers):
        in_hand = tuple(answer for answer in answers if isinstance(answer, bytes))
        return to_cbor(step.model_copy(update={"answers": in_hand}))
    fields = plain(step) | {"answers": None}
    pieces: list[bytes | Filed] = [cbor.head_of_map(len(fields))]
    for key, name in sorted((cbor.encode(name), name) for name in fields):  # RFC 8949 §4.2.1
        pieces.append(key)
        if name != "answers":
            pieces.append(cbor.encode(fields[name]))
            continue
        pieces.append(cbor.head_of_list(len(answers)))
        for answer in answers:
            pieces += (cbor.head_of_bytes(size_of(answer)), answer)
    return _joined(pieces)


def _joined(pieces: list[bytes | Filed]) -> Pieces:
    """Join what lies in memory between two files."""
    joined: list[bytes | Filed] = [b""]
    for piece in pieces:
        last = joined[-1]
        if isinstance(last, bytes) and isinstance(piece, bytes):
            joined[-1] = last + piece
        else:
            joined.append(piece)
    return tuple(joined)
