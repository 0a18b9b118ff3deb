"""The release that noise belongs to: of one table's noised moments, or of a job's noised gradients, to one roster.

Whoever asks within a release of moments is told the same noised numbers, so that it costs once; gradients are of one
job, and each answer has noise of its own. An owner's **share** says all that
its own part of a release follows from; its name, which its acceptance carries, is a keyed hash that tells nobody more
than whether it is the same share. A **release** is bound to the shares of the whole roster: where another owner's table
or noise changed, the same own noise would meet another sum, and could be told from it. Source: docs/privacy.md.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fedtrain.crypto.context import encode_context
from fedtrain.data_owner.methods.answers import Places
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.data_owner.release.noise import NOISE_VERSION
from fedtrain.methods.noised_moments import GRID_BITS, NoiseTerms
from fedtrain.methods.plan import NoiseClaim
from fedtrain.privacy.random_stream import SEED_BYTES
from fedtrain.protocol.documents.signed import Acceptance
from fedtrain.service.vault.key_files import KeyFiles
from fedtrain.service.vault.secret_files import NOISE_KEY_FILE
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem

_SHARE_TAG: Final = "noised release, own share"
_JOB_SHARE_TAG: Final = "noised job, own share"
_RELEASE_TAG: Final = "noised release, over a roster"


@dataclass(frozen=True)
class NoisedRelease:
    """`name`: by which it is booked. `share`: this owner's own part of it. `seed`: 32 secret bytes that its noise
    follows from, where it is the same in every job. `claim`: what it claims, and costs.
    """

    name: str
    share: str
    claim: NoiseClaim
    seed: bytes = field(repr=False)


class NoiseKey:
    """The secret that an owner's noise follows from, beside its other keys, made when it is first needed.

    Without it no noise can be drawn again: what was told under it stays, and what is told next is another release.
    """

    def __init__(self, state_dir: Path, keys: KeyFiles, random_bytes: Callable[[int], bytes]) -> None:
        self._path = state_dir / NOISE_KEY_FILE
        self._keys = keys
        self._random_bytes = random_bytes

    def share(self, table: SummedTable, spec: ModelSpec, terms: NoiseTerms, places: Places) -> str:
        """Return the name of this owner's share of a release. `places`: of the job's columns.

        The most rows that the job has room for are part of it: numbers end there, and the same noise on numbers that
        end elsewhere would cancel in the difference.

        Raises SecretFileError where the key's file is not usable.
        """
        privacy = terms.privacy
        given = f"noise {privacy.noise_multiplier}" if privacy.epsilon is None else privacy.epsilon.hex()
        claim = (given, privacy.delta.hex(), privacy.unit, float(privacy.longest_row).hex())
        of_table = (table.version, table.encoding, table.whole or "", table.row_key or "")
        context = encode_context(
            _SHARE_TAG,
            NOISE_VERSION,
            GRID_BITS,
            *of_table,
            *claim,
            terms.honest_owners,
            terms.variance,
            terms.variance_off_diagonal,
            terms.tail,
            spec.training.max_rows,
            "classes" if spec.kind.classifies else "values",
            places.encoding,
            *sorted(places.outputs),
        )
        return hmac.new(self._key(), context, hashlib.sha256).hexdigest()

    def share_of_job(self, table: SummedTable, manifest_hash: str) -> str:
        """Return the name of this owner's share of a release that one job alone is told."""
        of_table = (table.version, table.encoding, table.whole or "", table.row_key or "")
        context = encode_context(_JOB_SHARE_TAG, NOISE_VERSION, *of_table, manifest_hash)
        return hmac.new(self._key(), context, hashlib.sha256).hexdigest()

    def release(self, own_share: str, roster: Iterable[Acceptance], claim: NoiseClaim) -> NoisedRelease:
        """Return the release of that share to a roster.

        Raises Problem(ROSTER_INVALID) where another share of this owner is on it, or none of another owner.
        """
        parts: list[str] = []
        for acceptance in roster:
            if acceptance.noise_share is None:
                raise Problem(
                    Code.ROSTER_INVALID, f"{acceptance.name} accepted without naming its share of the job's noise."
                )
            parts += [acceptance.party, acceptance.noise_share]
        if own_share not in parts:
            raise Problem(
                Code.ROSTER_INVALID,
                "This owner's table or noise key is not what it joined with: deploy the job again.",
            )
        context = encode_context(_RELEASE_TAG, own_share, *parts)
        key = self._key()
        name = hmac.new(key, encode_context("name", context), hashlib.sha256).hexdigest()
        seed = hashlib.shake_256(encode_context("seed", key, context)).digest(SEED_BYTES)
        return NoisedRelease(name, own_share, claim, seed)

    def _key(self) -> bytes:
        return self._keys.kept(self._path, self._random_bytes)
