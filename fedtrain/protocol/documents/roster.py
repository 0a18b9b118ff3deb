"""The rules a roster must obey, the same for every party that reads one."""

from __future__ import annotations

from dataclasses import dataclass

from fedtrain.protocol.documents.quorum import size_band
from fedtrain.protocol.documents.signed import Acceptance, Manifest, Roster, SignedDocument, open_document
from fedtrain.spec.problems import Code, Problem


@dataclass(frozen=True)
class OpenRoster:
    """A roster whose every signature and rule was checked: its hash, and the acceptances by ascending party id.

    `entries`: the acceptances as they were signed.
    """

    hash: str
    acceptances: tuple[Acceptance, ...]
    entries: tuple[SignedDocument, ...] = ()

    @property
    def parties(self) -> tuple[str, ...]:
        return tuple(entry.party for entry in self.acceptances)

    @property
    def mask_keys(self) -> dict[str, str]:
        """X25519 public keys in hex, by party."""
        return {entry.party: entry.mask_key for entry in self.acceptances}

    @property
    def sealing_keys(self) -> dict[str, str]:
        """X25519 public keys in hex, by party, for weights that are shared with owners; empty for other jobs."""
        return {entry.party: entry.sealing_key for entry in self.acceptances if entry.sealing_key is not None}

    @property
    def size_bands(self) -> dict[str, int]:
        """Weights of the owners' answers where rounds go on without some, by party; empty for other jobs."""
        return {entry.party: entry.size_band for entry in self.acceptances if entry.size_band is not None}


def open_roster(signed: SignedDocument, manifest: Manifest, manifest_hash: str, facilitator: str) -> OpenRoster:
    """Return the roster after every check that needs no list of known parties.

    Raises Problem: BAD_SIGNATURE (of the Facilitator, or of an owner on its acceptance) or ROSTER_INVALID: another
    manifest's, an identity or a key twice, sealing keys missing or not asked for, entries out of order, fewer or more
    owners than the spec says.
    """
    roster = open_document(signed, Roster, signer=facilitator)
    training = manifest.spec.training
    entries = tuple(open_document(entry, Acceptance) for entry in roster.entries)
    for entry, acceptance in zip(roster.entries, entries, strict=True):
        if entry.signer != acceptance.party:
            raise _invalid(f"the acceptance of {acceptance.party[:16]}… is signed by {entry.signer[:16]}…")
    if roster.manifest_hash != manifest_hash or any(entry.manifest_hash != manifest_hash for entry in entries):
        raise _invalid("it belongs to another manifest")
    parties = [entry.party for entry in entries]
    if len(set(parties)) < len(parties):
        raise _invalid("an owner is on it twice")
    if parties != sorted(parties):
        raise _invalid("its entries are not in ascending order")
    if len({entry.mask_key for entry in entries}) < len(entries):
        raise _invalid("a mask key is on it twice")
    for acceptance in entries:
        check_belongs(acceptance, manifest)
    own_keys = {key for one in entries for key in (one.mask_key, one.sealing_key) if key is not None}
    if len(own_keys) < len(entries) * (2 if manifest.spec.shares_weights else 1):
        raise _invalid("a sealing key is on it twice")
    if not training.min_data_owners <= len(entries) <= training.max_data_owners:
        raise _invalid(
            f"it has {len(entries)} owners, the manifest allows {training.min_data_owners} to "
            f"{training.max_data_owners}"
        )
    return OpenRoster(signed.hash, entries, roster.entries)


def check_belongs(acceptance: Acceptance, manifest: Manifest) -> None:
    """Check that an acceptance has what the job asks for, and nothing else. Raises Problem(ROSTER_INVALID)."""
    _check_sealing_key(acceptance, manifest)
    if (acceptance.noise_share is None) != (manifest.spec.privacy is None):
        named = "does not name its noise, and this job claims privacy"
        if manifest.spec.privacy is None:
            named = "names its noise, and this job claims no privacy"
        raise _invalid(f"{acceptance.name} {named}")
    band, training = acceptance.size_band, manifest.spec.training
    if training.goes_on and band is None:
        raise _invalid(f"{acceptance.name} gave no size band, and this job's rounds go on without an owner")
    if not training.goes_on and band is not None:
        raise _invalid(f"{acceptance.name} gave a size band, and this job counts rows")
    if band is not None and band != size_band(band, training.max_rows):
        raise _invalid(
            f"{acceptance.name} gave the size band {band}, no power of two up to max_rows {training.max_rows}"
        )


def _check_sealing_key(acceptance: Acceptance, manifest: Manifest) -> None:
    """Check that an owner gave a key to seal weights to where the job shares them, and none elsewhere."""
    name = acceptance.name
    if not manifest.spec.shares_weights and acceptance.sealing_key is not None:
        raise _invalid(f"{name} gave a key to seal weights to, and this job's weights are encrypted")
    if manifest.spec.shares_weights and acceptance.sealing_key is None:
        raise _invalid(f"{name} gave no key to seal weights to, and this job shares them with owners")
    if acceptance.sealing_key == acceptance.mask_key:
        raise _invalid(f"{name} gave one key for its masks and for sealed weights")


def _invalid(why: str) -> Problem:
    return Problem(Code.ROSTER_INVALID, f"The roster is refused: {why}.")
