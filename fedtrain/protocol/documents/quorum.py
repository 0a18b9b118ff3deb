"""The quorum: the owners that a round needs which goes on without the others, and what it is held against.

With n owners on the roster, of which c may work together against another: c < n/3, 2·quorum − n > c and quorum − c ≥ 2.
To open one owner's answer takes two fully signed sets in one round, with and without it. Two sets of a quorum each have
2·quorum − n owners in common: more than c, so that one of them is honest, and an honest one signs once a round. The
last says that a sum over the smallest set is over two honest owners at least.
"""

from __future__ import annotations

import math

from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.training import Training


def colluders_by_default(owners: int) -> int:
    """Return the most owners of a roster that may collude where nobody says how many: fewer than a third."""
    return max(0, math.ceil(owners / 3) - 1)


def least_quorum(owners: int, colluders: int) -> int:
    """Return the smallest quorum that holds with so many colluders; it may be more than there are owners."""
    return max((owners + colluders) // 2 + 1, colluders + 2)


def quorum_of(training: Training, owners: int) -> int:
    """Return the job's quorum on a roster of so many owners: the spec's, or the least for `colluders_by_default`."""
    return training.quorum or least_quorum(owners, colluders_by_default(owners))


def least_in_set(spec: ModelSpec, owners: int) -> int | None:
    """Return how many of a roster's owners a sum needs; None where it needs all, and nobody signs whose they are.

    Where the result is signed off it needs all as well, each with its signature on the set.
    """
    if spec.signs_off:
        return owners
    return quorum_of(spec.training, owners) if spec.training.goes_on else None


def most_rows(training: Training, owners: int) -> int:
    """Return the most rows that so many owners can have: N in requests, where it opens with the result alone."""
    return training.max_rows * owners


def doubt_of_quorum(quorum: int, owners: int, colluders: int) -> str | None:
    """Say why a quorum does not protect an owner on such a roster, in words; None where it does."""
    if 3 * colluders >= owners:
        return f"{colluders} of {owners} owners may collude, and they have to be fewer than a third"
    least = least_quorum(owners, colluders)
    if not least <= quorum <= owners:
        return f"the quorum is {quorum}, and with {colluders} of {owners} owners that may collude {least} are needed"
    return None


def size_band(rows: int, max_rows: int) -> int:
    """Return what an owner tells in place of its rows: the next power of two, `max_rows` at most."""
    return min(1 << (rows - 1).bit_length(), max_rows)
