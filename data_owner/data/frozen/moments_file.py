"""Moments frozen on disk, and the salted hash by which an owner commits to them.

An owner freezes its moments when it accepts a job, and answers every round from them: a table that changes
under a running job could otherwise be told by the difference of two rounds. The bytes are deterministic, so
that the same moments always have the same hash.

File: magic, version, a CBOR header of plain numbers, the integers in fixed width (XᵀX as its upper triangle),
and the SHA-256 of all that, which finds damage and is no defence against anybody who can write the file.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import cbor2
import numpy as np

from fedtrain.data_owner.data.moments import Integers, Moments, MomentsError
from fedtrain.service.vault.secret_files import write_secret

MAGIC: Final = b"fedtrain-moments"
VERSION: Final = 1
LEAST_SALT_BYTES: Final = 16
_CHECKSUM_BYTES: Final = 32
_PREFIX_BYTES: Final = len(MAGIC) + 1 + 4
_FIELDS: Final = ("rows", "dimensions", "outputs", "fraction_bits", "integer_bytes")


class FrozenMomentsError(Exception):
    """Base of what goes wrong with frozen moments. Carries the path, never what is in the file."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"frozen moments {path}: {reason}")
        self.path = str(path)
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.path, self.reason)


class FrozenMomentsMissing(FrozenMomentsError):  # noqa: N818
    """There is no such file; an owner that lost it has left the job."""


class FrozenMomentsDamaged(FrozenMomentsError):  # noqa: N818
    """The file is not what was written; restore it from a backup, or leave the job."""


def freeze(moments: Moments, path: Path) -> None:
    """Write moments to `path`, whole or not at all, readable by this user alone (mode 0600). Raises OSError."""
    content = to_bytes(moments)
    write_secret(path, content + hashlib.sha256(content).digest())


def thaw(path: Path) -> Moments:
    """Read what `freeze` wrote. Raises FrozenMomentsMissing, FrozenMomentsDamaged."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FrozenMomentsMissing(path, "there is no such file; if the job runs, leave it") from None
    if not content.startswith(MAGIC):
        raise FrozenMomentsDamaged(path, "does not start as such a file does; restore it from a backup")
    version = content[len(MAGIC)] if len(content) > len(MAGIC) else 0
    if version != VERSION:
        raise FrozenMomentsDamaged(path, f"is of version {version}, this program reads {VERSION}")
    body, checksum = content[:-_CHECKSUM_BYTES], content[-_CHECKSUM_BYTES:]
    if hashlib.sha256(body).digest() != checksum:
        raise FrozenMomentsDamaged(path, "its checksum does not hold; restore it from a backup, or leave the job")
    try:
        return from_bytes(body)
    except (MomentsError, ValueError) as error:
        raise FrozenMomentsDamaged(path, f"its content does not hold together: {error}") from error


def moments_hash(moments: Moments, salt: bytes) -> str:
    """SHA-256 in hex over a length-prefixed secret salt and the moments: a commitment that gives nothing away.

    Without the salt, whoever guesses a small table could confirm the guess. Raises ValueError for fewer than
    16 bytes of salt.
    """
    if len(salt) < LEAST_SALT_BYTES:
        raise ValueError(f"the salt has {len(salt)} bytes, at least {LEAST_SALT_BYTES} are needed")
    digest = hashlib.sha256(MAGIC + b"-hash")
    digest.update(len(salt).to_bytes(8, "big") + salt)
    digest.update(to_bytes(moments))
    return digest.hexdigest()


def to_bytes(moments: Moments) -> bytes:
    """Deterministic bytes: equal moments give equal bytes, different ones different."""
    d = moments.dimensions
    upper = moments.xtx[np.triu_indices(d)]
    integers = [int(value) for value in (*upper, *moments.xty.ravel(), *moments.yty)]
    # One bit for the sign of two's complement.
    width = max(value.bit_length() for value in integers) // 8 + 1
    header = cbor2.dumps(
        dict(zip(_FIELDS, (moments.rows, d, moments.outputs, moments.fraction_bits, width), strict=True)),
        canonical=True,
    )
    prefix = MAGIC + bytes([VERSION]) + len(header).to_bytes(4, "big")
    return prefix + header + b"".join(value.to_bytes(width, "big", signed=True) for value in integers)


def from_bytes(content: bytes) -> Moments:
    """The inverse of to_bytes. Raises ValueError for bytes that it never gives."""
    header_bytes = int.from_bytes(content[_PREFIX_BYTES - 4 : _PREFIX_BYTES], "big")
    start = _PREFIX_BYTES + header_bytes
    try:
        header: Any = cbor2.loads(content[_PREFIX_BYTES:start])
    except cbor2.CBORDecodeError as error:
        raise ValueError("its header is no CBOR") from error
    if not isinstance(header, dict) or set(header) != set(_FIELDS):
        raise ValueError(f"its header does not have the fields {', '.join(_FIELDS)}")
    rows, d, k, fraction_bits, width = (header[name] for name in _FIELDS)
    if not all(isinstance(number, int) and number >= 0 for number in header.values()):
        raise ValueError("its header holds something else than whole numbers")
    count = d * (d + 1) // 2 + d * k + k
    if width < 1 or len(content) - start != count * width:
        raise ValueError(f"it holds {len(content) - start} bytes of integers, its header says {count * width}")
    integers: Integers = np.empty(count, dtype=object)
    for index in range(count):
        place = start + index * width
        integers[index] = int.from_bytes(content[place : place + width], "big", signed=True)
    return _assembled(rows, d, k, fraction_bits, integers)


def _assembled(rows: int, d: int, k: int, fraction_bits: int, integers: Integers) -> Moments:
    triangle, rest = np.split(integers, [d * (d + 1) // 2])
    xtx: Integers = np.empty((d, d), dtype=object)
    upper = np.triu_indices(d)
    xtx[upper] = triangle
    xtx.T[upper] = triangle
    return Moments(rows, xtx, rest[: d * k].reshape(d, k), rest[d * k :], fraction_bits)
