"""A consortium on one machine, for a trial: every party's keys made here, in a folder and one file for each.

    OUT/consortium/    the consortium's key and its CA: they stay with whoever runs this
    OUT/NAME/          a party's state folder: identity, trust list, membership, tokens, certificate, party.toml
    OUT/NAME.tar       the same as one file, for its party and nobody else

It plays every party's part in its own folder: the request, the consortium's answer, and what is done with that. Run
again with parties added, it makes what is missing and leaves what is there. A party whose `party.toml` is deleted
before keeps its identity, and gets a new membership, certificate and token.
"""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fedtrain.cli.trust.admitting import Organiser
from fedtrain.cli.trust.consortium import ConsortiumFile
from fedtrain.cli.trust.joining import (
    FACILITATOR_TOKEN_FILE,
    TLS,
    TLS_CA,
    accept_admission,
    request_admission,
    take_members,
)
from fedtrain.protocol.states import Role
from fedtrain.service.runtime.settings import ADMIN_TOKEN_FILE, PARTY_FILE

_HANDED_OVER = (
    *("identity.key", "membership.json", "trust.toml", "tokens.toml", ADMIN_TOKEN_FILE, FACILITATOR_TOKEN_FILE),
    *(*TLS.values(), TLS_CA, PARTY_FILE),
)


@dataclass(frozen=True)
class ProvisionedParty:
    """A party's folder and archive. `created`: whether this run made them."""

    name: str
    role: str
    party_id: str
    folder: Path
    archive: Path
    created: bool


def provision(consortium: ConsortiumFile, out: Path, now: datetime | None = None) -> tuple[ProvisionedParty, ...]:
    """Write a folder and an archive for every party, the Facilitator first; what is there already is kept.

    Whoever can read `out` can act as any of them.

    Raises Failure where `out` holds something else.
    """
    run = _Run(consortium, out, now or datetime.now(UTC))
    return run.all_parties()


class _Run:
    def __init__(self, consortium: ConsortiumFile, out: Path, now: datetime) -> None:
        self._file = consortium
        self._out = out
        self._now = now
        self._organiser = Organiser(consortium, out, now)

    def all_parties(self) -> tuple[ProvisionedParty, ...]:
        facilitator = self._make(self._file.facilitator.name, Role.FACILITATOR)
        self._organiser.knows_facilitator(facilitator.party_id)
        members = [self._make(entry.name, Role.MODEL_OWNER) for entry in self._file.model_owner]
        members += [self._make(entry.name, Role.DATA_OWNER) for entry in self._file.data_owner]
        made = [one for one in (facilitator, *members) if one.created or not one.archive.exists()]
        take_members(facilitator.folder, self._organiser.members())
        for one in dict.fromkeys([facilitator, *made] if made else []):  # the Facilitator's token list has grown
            _archive(one.folder, one.archive)
        return (facilitator, *members)

    def _make(self, name: str, role: Role) -> ProvisionedParty:
        from fedtrain.service.vault.identity_file import load_or_create_identity

        folder = self._out / name
        created = not (folder / PARTY_FILE).exists()  # the file that is written last
        identity = load_or_create_identity(folder)
        if created:
            self._organiser.sign([request_admission(folder, identity, role, name, self._now)])
            accept_admission(folder, identity, self._organiser.admission(name), self._organiser.party_id, self._now)
        return ProvisionedParty(name, role.value, identity.party_id, folder, self._out / f"{name}.tar", created)


def _archive(folder: Path, archive: Path) -> None:
    """Write what was made in the folder as one file, 0600, for nobody but its party.

    A service may run in the folder already, and what it keeps there stays out.
    """
    from fedtrain.service.vault.secret_files import read_secret, write_secret

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        paths = [path for path in (folder / name for name in _HANDED_OVER) if path.exists()]
        # With members of their own, or the umask of whoever unpacks it would say who may look into the folders.
        for path in sorted({folder, *(path.parent for path in paths)}):
            inside = tarfile.TarInfo(path.relative_to(folder.parent).as_posix())
            inside.type, inside.mode = tarfile.DIRTYPE, 0o700
            tar.addfile(inside)
        for path in paths:
            content = read_secret(path)
            member = tarfile.TarInfo(path.relative_to(folder.parent).as_posix())
            member.size, member.mode = len(content), 0o600
            tar.addfile(member, io.BytesIO(content))
    write_secret(archive, buffer.getvalue())
