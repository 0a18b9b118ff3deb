"""Weights that owners see, as they travel: sealed to each owner of the roster.

A request carries one box an owner, all of the same weights, within the bytes that the Model Owner signs. Large weights
travel once: sealed under a content key, of which each owner has a box. Masks are bound to the hash of those bytes and
to the hash of what was opened: masks of owners that were given different weights do not cancel, and their sum decrypts
to nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Annotated, Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray
from pydantic import Field

from fedtrain.crypto import CryptoError, open_sealed, seal
from fedtrain.crypto.sealing import CONTENT_KEY_BYTES, OVERHEAD_BYTES, PUBLIC_KEY_BYTES, open_once, seal_once
from fedtrain.methods.plan import SharedArrays, numbers_in, split
from fedtrain.protocol.documents.signed import PartyId
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Code, Problem

Floats = NDArray[np.float32] | NDArray[np.float64]

_TAG = "sealed-weights"
_DOUBLE = np.dtype(">f8")
_SINGLE = np.dtype(">f4")


class SealedWeights(Strict):
    """One owner's box: the ephemeral X25519 public key, and the weights, or the key to them, sealed to the owner."""

    party: PartyId
    ephemeral_key: Annotated[bytes, Field(min_length=PUBLIC_KEY_BYTES, max_length=PUBLIC_KEY_BYTES)]
    ciphertext: Annotated[bytes, Field(min_length=OVERHEAD_BYTES)]


@dataclass(frozen=True)
class SealingContext:
    """Context that the boxes of one request are bound to."""

    manifest_hash: str
    roster_hash: str
    round: int

    def of(self, party: str) -> tuple[bytes | str | int, ...]:
        """The derivation's context of that owner's box."""
        return *self.of_all, bytes.fromhex(party)

    @property
    def of_all(self) -> tuple[bytes | str | int, ...]:
        """The context of weights that are sealed once."""
        return _TAG, self.manifest_hash, self.roster_hash, self.round


@dataclass(frozen=True)
class Sealed:
    """Weights in a request: a box an owner and, where they travel once, the `blob` to which the boxes have the key."""

    boxes: tuple[SealedWeights, ...]
    blob: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class SharedWeights:
    """Weights as an owner opened them, arrays by name, float32 where they travelled once, or float64.

    `hash`: of their bytes, for the masks.
    """

    arrays: Mapping[str, Floats] = field(repr=False)
    hash: str = field(repr=False)


def sealed_bytes(planned: SharedArrays) -> int:
    """Return how long a box's ciphertext is: its doubles, or the content key, and the authenticator."""
    content = CONTENT_KEY_BYTES if planned.once else numbers_in(planned.arrays) * _DOUBLE.itemsize
    return content + OVERHEAD_BYTES


def blob_bytes(planned: SharedArrays) -> int | None:
    """Return how long the blob of weights that travel once is; None for others."""
    return numbers_in(planned.arrays) * _SINGLE.itemsize + OVERHEAD_BYTES if planned.once else None


def seal_weights(
    arrays: Mapping[str, Floats], recipients: Mapping[str, str], context: SealingContext
) -> tuple[SealedWeights, ...]:
    """Return a box of the arrays, one after another, for each of `recipients` (X25519 public keys in hex, by party).

    By ascending party id. Raises MalformedKey for a key of low order.
    """
    return _boxes(_bytes_of(arrays, _DOUBLE), recipients, context)


def seal_weights_once(arrays: Mapping[str, Floats], recipients: Mapping[str, str], context: SealingContext) -> Sealed:
    """Return the arrays as float32, sealed once, with a box of the key to them for each of `recipients`.

    Raises MalformedKey for a key of low order.
    """
    key, blob = seal_once(_bytes_of(arrays, _SINGLE), context.of_all)
    return Sealed(_boxes(key, recipients, context), blob)


def _bytes_of(arrays: Mapping[str, Floats], number: np.dtype[Any]) -> bytes:
    return b"".join(np.ascontiguousarray(values).astype(number).tobytes() for values in arrays.values())


def _boxes(plaintext: bytes, recipients: Mapping[str, str], context: SealingContext) -> tuple[SealedWeights, ...]:
    boxes = []
    for party in sorted(recipients):
        ephemeral, ciphertext = seal(plaintext, bytes.fromhex(recipients[party]), context.of(party))
        boxes.append(SealedWeights(party=party, ephemeral_key=ephemeral, ciphertext=ciphertext))
    return tuple(boxes)


def open_weights_box(
    boxes: Sequence[SealedWeights],
    party: str,
    private_key: X25519PrivateKey,
    context: SealingContext,
    planned: SharedArrays,
    blob: bytes | None = None,
) -> SharedWeights:
    """Return the weights that were sealed to `party`; `blob`: those that travel once, to which its box has the key.

    Raises Problem(SEALED_WEIGHTS_REFUSED) where there is no box for it, or it was made for another owner, round, job or
    roster, or was altered; MALFORMED_MESSAGE where a weight is no number within the plan's weight_bound.
    """
    box = next((one for one in boxes if one.party == party), None)
    if box is None:
        raise Problem(Code.SEALED_WEIGHTS_REFUSED, f"Round {context.round} has no sealed weights for this owner.")
    try:
        plaintext = open_sealed(private_key, box.ephemeral_key, box.ciphertext, context.of(party))
        if planned.once:
            plaintext = open_once(plaintext, blob or b"", context.of_all)
    except CryptoError as error:
        raise Problem(
            Code.SEALED_WEIGHTS_REFUSED, f"The weights of round {context.round} cannot be opened: {error}."
        ) from None
    number = _SINGLE if planned.once else _DOUBLE
    due_bytes = numbers_in(planned.arrays) * number.itemsize
    if len(plaintext) != due_bytes:
        raise Problem(Code.MALFORMED_MESSAGE, f"The sealed weights have {len(plaintext)} bytes, {due_bytes} are due.")
    values = np.frombuffer(plaintext, dtype=number).astype(number.newbyteorder("="))
    if not np.isfinite(values).all() or Fraction(float(np.abs(values).max())) > planned.bound:
        raise Problem(Code.MALFORMED_MESSAGE, "The sealed weights are no numbers within the plan's weight_bound.")
    return SharedWeights(split(values, planned.arrays), hashlib.sha256(plaintext).hexdigest())


def check_recipients(boxes: Sequence[SealedWeights] | None, parties: Sequence[str]) -> None:
    """Check that there is one box for each owner of the roster, in its order. Raises Problem(MALFORMED_MESSAGE)."""
    if boxes is not None and [box.party for box in boxes] != list(parties):
        raise Problem(
            Code.MALFORMED_MESSAGE,
            f"The request: its {len(boxes)} boxes of sealed weights are not one for each of the roster's "
            f"{len(parties)} owners, in ascending order.",
        )
