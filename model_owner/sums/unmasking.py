"""Masks of owners' own, taken off a sum where rounds go on without somebody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from phe.paillier import PaillierPrivateKey

from fedtrain.crypto import EncryptedVector, blind, encode_context
from fedtrain.protocol.evidence.addition import CheckedSum, SumContext
from fedtrain.protocol.evidence.sum_set import SumSet, Unmasking, masks_of_sum
from fedtrain.protocol.messages.rounds import LogEntry, Step, from_cbor
from fedtrain.spec.problems import Code, Problem

_TAG = "unmasking-key"


def unmasking_key_of(private_key: PaillierPrivateKey) -> X25519PrivateKey:
    """Return the key that owners seal masks' keys to: derived from the job's primes, so that it is kept, backed up and
    destroyed with them (HKDF-SHA256, RFC 5869)."""
    primes = sorted((int(private_key.p), int(private_key.q)))
    secret = encode_context(*primes)
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=encode_context(_TAG)).derive(secret)
    return X25519PrivateKey.from_private_bytes(derived)


def public_unmasking_key(private_key: PaillierPrivateKey) -> str:
    """Return the public half, in hex, for the manifest."""
    return unmasking_key_of(private_key).public_key().public_bytes_raw().hex()


def unmasked(
    context: SumContext, checked: CheckedSum, unmaskings: Sequence[bytes], private_key: X25519PrivateKey
) -> EncryptedVector:
    """Return a sum, its set checked, without its owners' own masks, and those with owners outside the set.

    Raises Problem: UNMASKING_REFUSED, naming an owner, BAD_SIGNATURE, MALFORMED_MESSAGE.
    """
    total, told = checked.total, [from_cbor(data, Unmasking) for data in unmaskings]
    count, parties = len(total.ciphertexts), context.roster.parties
    summed = SumSet.of_entry(checked.entry)
    masks = masks_of_sum(summed, checked.answers, told, parties, private_key, context.modulus, count)
    return replace(total, ciphertexts=tuple(blind(total.ciphertexts, [-mask for mask in masks], context.modulus)))


def share_in_sum(step: Step, size_bands: Mapping[str, int]) -> Fraction:
    """Return how much of the roster's weight the owners in a sum have; 1 where all of them are. Raises Problem."""
    if not size_bands:
        return Fraction(1)
    entry = from_cbor(step.log_entry, LogEntry)
    if any(record.party not in size_bands for record in entry.answers):
        raise Problem(Code.LOG_INCONSISTENT, f"Log entry {entry.index} records an owner that is not on the roster.")
    return Fraction(sum(size_bands[record.party] for record in entry.answers), sum(size_bands.values()))
