"""Fresh X25519 keys of a job, 0600 until it ends: for its masks, and another one to have weights sealed to.
`crypto.masks` derives masks from them.

Source: RFC 7748. An owner that lost a key has left the job: with another one its masks would not cancel, and nothing
that was sealed to it would open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from fedtrain.crypto.masks import masks_of_pairs, pair_keys, pair_mask, self_mask_key
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.evidence.sum_set import SumSet, Unmasking, commitments_to, outside, seal_keys
from fedtrain.protocol.messages.rounds import Commitments
from fedtrain.service.vault.key_files import KeyFiles
from fedtrain.service.vault.secret_files import delete_secret
from fedtrain.spec.problems import Code, Problem


class JobKeys:
    """The keys for one purpose in one folder, a file a job."""

    def __init__(self, folder: Path, files: KeyFiles, purpose: str, suffix: str) -> None:
        self._folder = folder
        self._files = files
        self._purpose = purpose
        self._suffix = suffix

    def _path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}{self._suffix}"

    def create(self, job_id: str) -> str:
        """Make the job's key, in place of one that was never announced; return the public key in hex."""
        key = X25519PrivateKey.generate()
        self._files.write(self._path(job_id), key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))
        return _public(key)

    def load(self, job_id: str, public_key: str) -> X25519PrivateKey:
        """Return the job's key. Raises Problem(OWNER_LOST_ITS_KEY) where it is gone or not the announced one.

        Problem(STORE_UNAVAILABLE), which is tried again, where the whole folder is away: a disk that is not mounted
        costs nobody the job.
        """
        try:
            key = X25519PrivateKey.from_private_bytes(self._files.read(self._path(job_id)))
        except FileNotFoundError:
            if not self._folder.is_dir():
                raise Problem(
                    Code.STORE_UNAVAILABLE, f"The folder of keys, {self._folder}, is not there: mount or restore it."
                ) from None
            raise self._lost(job_id) from None
        except ValueError:
            raise self._lost(job_id) from None
        if _public(key) != public_key:
            raise self._lost(job_id)
        return key

    def has(self, job_id: str) -> bool:
        """Say whether the job's key is there."""
        return self._path(job_id).exists()

    def destroy(self, job_id: str) -> None:
        """Delete the job's key, if it is there."""
        delete_secret(self._path(job_id))

    def _lost(self, job_id: str) -> Problem:
        return Problem(
            Code.OWNER_LOST_ITS_KEY,
            f"The {self._purpose} key of job {job_id} is gone, or is not the one this owner joined with: "
            "restore the state folder, or deploy the job again.",
        )


class MaskKeys(JobKeys):
    """The keys that masks are derived from."""

    def __init__(self, folder: Path, files: KeyFiles) -> None:
        super().__init__(folder, files, "mask", ".x25519")


class SealingKeys(JobKeys):
    """The keys that weights are sealed to, in jobs that share them with owners."""

    def __init__(self, folder: Path, files: KeyFiles) -> None:
        super().__init__(folder, files, "sealing", ".sealing.x25519")


@dataclass(frozen=True)
class RoundKeys:
    """The keys of one answer's masks where rounds go on without an owner. `pairs`: by the other owner's id.

    They follow from the job's mask key and what was asked, so that they are the same after any restart; they are told
    by `told`, and in no other way.
    """

    own_id: bytes
    self_mask: bytes = field(repr=False)
    pairs: Mapping[bytes, bytes] = field(repr=False)

    @classmethod
    def of(
        cls,
        own_id: bytes,
        mask_key: X25519PrivateKey,
        peers: Mapping[bytes, bytes],
        context: Sequence[bytes | str | int],
    ) -> RoundKeys:
        """Derive the keys. `context`: what the masks are bound to. Raises MalformedKey for a peer's bad key."""
        pairs = pair_keys(own_id, mask_key, peers, context)
        return cls(own_id, self_mask_key(mask_key, (*context, own_id)), pairs)

    @property
    def commitments(self) -> Commitments:
        return commitments_to(self.self_mask, self.pairs)

    def masks(self, count: int, modulus: int) -> list[int]:
        """Return `count` residues mod n, which no other owner's masks cancel."""
        pairs = masks_of_pairs(self.own_id, self.pairs, count, modulus)
        return [(pairs[index] + pair_mask(self.self_mask, index, modulus)) % modulus for index in range(count)]

    def told(self, summed: SumSet, recipient: str, identity: Identity) -> Unmasking:
        """Return what this owner tells under a set that it and all others in it have signed: never the key of a pair
        that are both in it. `recipient`: the manifest's unmasking_key."""
        roster = [self.own_id.hex(), *(peer.hex() for peer in self.pairs)]
        keys = [self.pairs[bytes.fromhex(party)] for party in outside(roster, summed)]
        return seal_keys(summed, self.self_mask, keys, recipient, identity)


def _public(key: X25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
