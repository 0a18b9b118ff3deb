"""The folders that `fedtrain provision` makes: one for every party of a consortium, and one file of it to hand over.

    OUT/consortium/    the consortium's key and its CA: they stay with whoever runs this
    OUT/NAME/          a party's state folder: identity, trust list, membership, tokens, certificate, party.toml
    OUT/NAME.tar       the same as one file, for its party and nobody else

Run again with parties added, it makes what is missing and leaves what is there. A party whose `party.toml` is deleted
before keeps its identity, and gets a new membership, certificate and token.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from fedtrain.cli.output import Failure
from fedtrain.cli.trust.consortium import CONSORTIUM_FOLDER, ConsortiumFile, PartyEntry
from fedtrain.service.runtime.settings import ADMIN_TOKEN_FILE, PARTY_FILE

if TYPE_CHECKING:
    from fedtrain.cli.trust.certificates import Pair
    from fedtrain.protocol.documents.identity import Identity
    from fedtrain.protocol.documents.signed import MemberRole
    from fedtrain.service.vault.tokens import Scope

CA_CERTIFICATE, CA_KEY = "ca.pem", "ca.key.pem"
TLS_CA = "tls/ca.pem"
FACILITATOR_TOKEN_FILE = "facilitator.token"  # noqa: S105 - a file's name
_TLS = {"tls_cert": "tls/cert.pem", "tls_key": "tls/key.pem"}
_HANDED_OVER = (
    *("identity.key", "membership.json", "trust.toml", "tokens.toml", ADMIN_TOKEN_FILE, FACILITATOR_TOKEN_FILE),
    *(*_TLS.values(), TLS_CA, PARTY_FILE),
)
CA_OUTLIVES = timedelta(days=3650)  # what it signs, so that members can be added and renewed


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

    Raises Failure where `out` holds something else.
    """
    run = _Run(consortium, out, now or datetime.now(UTC))
    return run.all_parties()


class _Run:
    def __init__(self, consortium: ConsortiumFile, out: Path, now: datetime) -> None:
        from fedtrain.service.vault.identity_file import load_or_create_identity

        own = out / CONSORTIUM_FOLDER
        if out.exists() and any(out.iterdir()) and not own.is_dir():
            raise Failure(f"{out} holds something that no run of this command left: name another --out")
        self._file = consortium
        self._out = out
        self._now = now
        self._not_after = (now + timedelta(days=consortium.valid_days)).replace(microsecond=0)
        self._consortium: Identity = load_or_create_identity(own)
        self._facilitator = out / consortium.facilitator.name
        self._facilitator_id = ""
        self._wants_tls = consortium.facilitator.over_tls or any(
            party.reached_by_others for party in (*consortium.model_owner, *consortium.data_owner)
        )
        self._ca = self._load_ca(own) if self._wants_tls else None

    def all_parties(self) -> tuple[ProvisionedParty, ...]:
        first = self._make_facilitator()
        self._facilitator_id = first.party_id
        members = [self._make_member(entry, "model-owner") for entry in self._file.model_owner]
        members += [self._make_member(entry, "data-owner") for entry in self._file.data_owner]
        if first.created or any(member.created for member in members):
            _archive(first.folder, first.archive)  # its token list has grown
        return (first, *members)

    def _load_ca(self, own: Path) -> Pair:
        from fedtrain.cli.trust.certificates import Pair, make_ca
        from fedtrain.service.vault.secret_files import read_secret, write_secret

        if not (own / CA_KEY).exists():
            ca = make_ca(self._file.name, self._now, self._not_after + CA_OUTLIVES)
            write_secret(own / CA_CERTIFICATE, ca.certificate)
            write_secret(own / CA_KEY, ca.key)
        return Pair(read_secret(own / CA_CERTIFICATE), read_secret(own / CA_KEY))

    # The Facilitator

    def _make_facilitator(self) -> ProvisionedParty:
        from fedtrain.service.vault.identity_file import load_or_create_identity

        entry, folder = self._file.facilitator, self._facilitator
        created = not (folder / PARTY_FILE).exists()  # the file that is written last
        if created:
            host, port = entry.listens_on
            settings: dict[str, object] = {"name": entry.name, "host": host, "port": port}
            if entry.over_tls:
                self._certify(folder, entry.name, [entry.hostname])
                settings |= _TLS
                if entry.mutual_tls:
                    settings["tls_client_ca"] = TLS_CA
                self._give_admin_token(folder)
            load_or_create_identity(folder)
            self._write_common(folder, settings)
        return self._provisioned(entry.name, "facilitator", folder, created)

    # Members

    def _make_member(self, entry: PartyEntry, role: MemberRole) -> ProvisionedParty:
        from fedtrain.protocol.documents.trust import vouch
        from fedtrain.service.vault.identity_file import load_or_create_identity
        from fedtrain.service.vault.secret_files import write_secret
        from fedtrain.service.vault.tokens import Scope
        from fedtrain.service.vault.trust_file import write_membership

        folder = self._out / entry.name
        created = not (folder / PARTY_FILE).exists()  # the file that is written last
        if created:
            settings: dict[str, object] = {
                "name": entry.name,
                "host": entry.host,
                "port": entry.port,
                "facilitator": self._file.facilitator.url,
                "facilitator_id": self._facilitator_id,
            }
            if self._wants_tls:
                self._certify(folder, entry.name, entry.names)
                settings |= {"ca_file": TLS_CA, "client_cert": _TLS["tls_cert"], "client_key": _TLS["tls_key"]}
            if entry.reached_by_others:
                settings |= _TLS
                self._give_admin_token(folder)
            party_id = load_or_create_identity(folder).party_id
            if self._file.facilitator.over_tls:
                settings["token_file"] = FACILITATOR_TOKEN_FILE
                token = self._new_token(self._facilitator, entry.name, Scope.PARTY, party_id, role)
                write_secret(folder / FACILITATOR_TOKEN_FILE, token)
            write_membership(folder, vouch(self._consortium, party_id, role, entry.name, self._not_after))
            self._write_common(folder, settings)
            _archive(folder, self._archive_of(entry.name))
        return self._provisioned(entry.name, role, folder, created)

    # What every folder has

    def _write_common(self, folder: Path, settings: Mapping[str, object]) -> None:
        """The trust list, which pins the consortium and so all its members, and the settings."""
        from fedtrain.service.vault.secret_files import write_secret
        from fedtrain.service.vault.trust_file import Pin, write_pins

        write_pins(folder, [Pin(key=self._consortium.party_id, role="consortium", name=self._file.name)])
        lines = ["# Settings of this party's service. Options and FEDTRAIN_* in the environment go before them."]
        lines += [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        write_secret(folder / PARTY_FILE, ("\n".join(lines) + "\n").encode())

    def _certify(self, folder: Path, name: str, hosts: Sequence[str]) -> None:
        from fedtrain.cli.trust.certificates import issue
        from fedtrain.service.vault.secret_files import write_secret

        if self._ca is None:
            raise ValueError("a consortium without TLS has no CA")
        here = ("localhost", "127.0.0.1", "::1")
        pair = issue(self._ca, name, dict.fromkeys((*hosts, *here)), self._now, self._not_after)
        write_secret(folder / _TLS["tls_cert"], pair.certificate)
        write_secret(folder / _TLS["tls_key"], pair.key)
        write_secret(folder / TLS_CA, self._ca.certificate)

    def _give_admin_token(self, folder: Path) -> None:
        """For the people of the party itself, at its own port."""
        from fedtrain.service.vault.secret_files import write_secret
        from fedtrain.service.vault.tokens import Scope

        write_secret(folder / ADMIN_TOKEN_FILE, self._new_token(folder, "admin", Scope.ADMIN))

    def _new_token(
        self, service: Path, name: str, scope: Scope, party: str | None = None, role: MemberRole | None = None
    ) -> bytes:
        from fedtrain.service.vault.tokens import new_token, read_tokens, write_tokens

        token, record = new_token(name, scope, self._now, party=party, role=role)
        write_tokens(service, [*read_tokens(service), record])
        return token.encode() + b"\n"

    def _archive_of(self, name: str) -> Path:
        return self._out / f"{name}.tar"

    def _provisioned(self, name: str, role: str, folder: Path, created: bool) -> ProvisionedParty:
        from fedtrain.service.vault.identity_file import load_identity

        return ProvisionedParty(name, role, load_identity(folder).party_id, folder, self._archive_of(name), created)


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
