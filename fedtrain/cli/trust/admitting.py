"""The organiser's side of a consortium: requests held against `consortium.toml`, and signed by the consortium's key.

    OUT/consortium/             the consortium's key and its CA: they stay with whoever runs this
    OUT/NAME.admission.json     the answer to a party's request; it has no secret in it

The Facilitator's answer names all members' tokens, so that it is written anew with each member.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from fedtrain.cli.output import Failure
from fedtrain.cli.trust.consortium import CONSORTIUM_FOLDER, ConsortiumFile, PartyEntry

if TYPE_CHECKING:
    from fedtrain.cli.trust.certificates import Pair
    from fedtrain.protocol.admission import Admission, IdentityRequest, MemberToken
    from fedtrain.protocol.documents.signed import MemberRole, SignedDocument

CA_CERTIFICATE, CA_KEY = "ca.pem", "ca.key.pem"
CA_OUTLIVES = timedelta(days=3650)  # what it signs, so that members can be added and renewed
_ADMISSION = ".admission.json"


class Organiser:
    """The consortium's key, its CA, and the answers that were given so far."""

    def __init__(self, consortium: ConsortiumFile, out: Path, now: datetime) -> None:
        """Raises Failure where `out` holds something that no run left."""
        from fedtrain.service.vault.identity_file import load_or_create_identity

        own = out / CONSORTIUM_FOLDER
        if out.exists() and any(out.iterdir()) and not own.is_dir():
            raise Failure(f"{out} holds something that no run of this command left: name another --out")
        self._file = consortium
        self._out = out
        self._now = now
        self._not_after = (now + timedelta(days=consortium.valid_days)).replace(microsecond=0)
        self._key = load_or_create_identity(own)
        self._ca = self._load_ca(own) if consortium.has_tls else None
        self._facilitator_id: str | None = None
        self._given = self._read_given()
        self._roles: dict[str, str] = {consortium.facilitator.name: "facilitator"}
        self._roles |= {entry.name: "model-owner" for entry in consortium.model_owner}
        self._roles |= {entry.name: "data-owner" for entry in consortium.data_owner}

    @property
    def party_id(self) -> str:
        """The consortium's key, as the parties pin it."""
        return self._key.party_id

    def knows_facilitator(self, party_id: str) -> None:
        """Take note of the Facilitator's id where it was not admitted by a request."""
        self._facilitator_id = party_id

    def sign(self, requests: Sequence[SignedDocument]) -> tuple[Path, ...]:
        """Answer requests; return the files to hand over, the Facilitator's among them wherever its members changed.

        Nothing is written unless all are in order. Raises Failure that names the request.
        """
        from fedtrain.protocol.admission import open_request

        asked = self._checked(requests)
        written = [self._write(request, self._admit(signed, request)) for signed, request in asked]
        facilitator = self._given.get(self._file.facilitator.name)
        if facilitator is not None:
            request = open_request(facilitator.request)
            path = self._write(request, facilitator.model_copy(update={"members": self.members()}))
            written = list(dict.fromkeys([path, *written]))
        return tuple(written)

    def members(self) -> tuple[MemberToken, ...]:
        """Return the tokens of all members that were admitted and are in the consortium's file."""
        from fedtrain.protocol.admission import member_token

        tokens = (member_token(admission) for name, admission in self._given.items() if name in self._roles)
        return tuple(token for token in tokens if token is not None)

    def admission(self, name: str) -> SignedDocument:
        """Return the answer that was given to a party, as it was signed."""
        from fedtrain.protocol.documents.signed import SignedDocument, parse_json

        return parse_json((self._out / f"{name}{_ADMISSION}").read_bytes(), SignedDocument)

    def _checked(self, requests: Iterable[SignedDocument]) -> list[tuple[SignedDocument, IdentityRequest]]:
        """Return the requests, the Facilitator's first, each held against the file and all that were answered."""
        from fedtrain.protocol.admission import open_request

        given = {name: open_request(admission.request) for name, admission in self._given.items()}
        answered = {admission.request.hash: name for name, admission in self._given.items()}
        names = {request.party: name for name, request in given.items()}
        asked: list[tuple[SignedDocument, IdentityRequest]] = []
        for signed in requests:
            request = open_request(signed)
            name, party = request.name, request.party
            self._check_role(request)
            if signed.hash in answered:
                raise Failure(
                    f"the request of {name} was signed before: the answer is {self._path(answered[signed.hash])}"
                )
            if names.get(party, name) != name:
                raise Failure(
                    f"{name} asks with the key of {names[party]}, {party[:16]}…: each party makes a key of its own"
                )
            known = next((one for one in (*given.values(), *(one for _, one in asked)) if one.name == name), None)
            if known is not None and known.party != party:
                raise Failure(
                    f"{name} is {known.party[:16]}… already, and asks with another key, {party[:16]}…: where its own "
                    f"people say that it has a new one, delete {self._path(name)} first"
                )
            if known is not None and request.created_at < known.created_at:
                raise Failure(f"the request of {name} is older than the one that was answered: sign its latest")
            if any(one.name == name for _, one in asked):
                raise Failure(f"two requests of {name} are given: sign the later one alone")
            self._check_certificate(request)
            names[party] = name
            asked.append((signed, request))
        asked.sort(key=lambda pair: pair[1].role != "facilitator")
        facilitator = next(
            (one for one in (*(one for _, one in asked), *given.values()) if one.role == "facilitator"), None
        )
        if facilitator is not None:
            self._facilitator_id = facilitator.party
        if self._facilitator_id is None:
            raise Failure(
                f"the others have to know the Facilitator: sign the request of {self._file.facilitator.name} first, or "
                "with theirs"
            )
        return asked

    def _check_role(self, request: IdentityRequest) -> None:
        role = self._roles.get(request.name)
        if role is None:
            raise Failure(f"{request.name} asks as {request.role}, and is not in the consortium's file: add it there")
        if role != request.role:
            raise Failure(f"{request.name} asks as {request.role}, and the consortium's file has it as {role}")

    def _check_certificate(self, request: IdentityRequest) -> None:
        from fedtrain.cli.trust.certificates import requested_key

        try:
            requested_key(request.certificate_request.encode())
        except ValueError as error:
            raise Failure(f"{request.name}: {error}") from None

    def _admit(self, signed: SignedDocument, request: IdentityRequest) -> Admission:
        from fedtrain.protocol.admission import Admission, AdmittedSettings
        from fedtrain.protocol.documents.trust import vouch

        facilitator = self._file.facilitator
        if request.role == "facilitator":
            host, port = facilitator.listens_on
            tls = facilitator.over_tls
            settings = AdmittedSettings(host=host, port=port, serves_tls=tls, asks_certificates=facilitator.mutual_tls)
            certificate = self._certificate(request, [facilitator.hostname]) if tls else None
            membership = None
        else:
            entry = self._entry(request.name)
            settings = AdmittedSettings(
                host=entry.host,
                port=entry.port,
                facilitator=facilitator.url,
                facilitator_id=self._facilitator_id,
                serves_tls=entry.reached_by_others,
                shows_token=facilitator.over_tls,
            )
            certificate = self._certificate(request, entry.names)
            role: MemberRole = request.role
            membership = vouch(self._key, request.party, role, request.name, self._not_after)
        return Admission(
            consortium=self._file.name,
            request=signed,
            membership=membership,
            certificate=certificate,
            authority=None if certificate is None or self._ca is None else self._ca.certificate.decode(),
            settings=settings,
        )

    def _entry(self, name: str) -> PartyEntry:
        return next(one for one in (*self._file.model_owner, *self._file.data_owner) if one.name == name)

    def _certificate(self, request: IdentityRequest, hosts: Sequence[str]) -> str | None:
        from fedtrain.cli.trust.certificates import certify, requested_key

        if self._ca is None:
            return None
        key = requested_key(request.certificate_request.encode())
        names = dict.fromkeys((*hosts, "localhost", "127.0.0.1", "::1"))
        return certify(self._ca, key, request.name, names, self._now, self._not_after).decode()

    def _write(self, request: IdentityRequest, admission: Admission) -> Path:
        from fedtrain.protocol.documents.signed import sign_document
        from fedtrain.service.vault.secret_files import write_secret

        path = self._path(request.name)
        self._given[request.name] = admission
        write_secret(path, sign_document(admission, self._key).model_dump_json().encode())
        return path

    def _path(self, name: str) -> Path:
        return self._out / f"{name}{_ADMISSION}"

    def _read_given(self) -> dict[str, Admission]:
        """Return the answers given so far, by the parties' names. Raises Failure for a file that is none."""
        from fedtrain.cli.trust.signed_file import read_signed
        from fedtrain.protocol.admission import Admission
        from fedtrain.protocol.documents.signed import open_document

        def opened(signed: SignedDocument) -> Admission:
            return open_document(signed, Admission, signer=self.party_id)

        paths = sorted(self._out.glob(f"*{_ADMISSION}"))
        return {path.name.removesuffix(_ADMISSION): opened(read_signed(path, opened)) for path in paths}

    def _load_ca(self, own: Path) -> Pair:
        from fedtrain.cli.trust.certificates import Pair, make_ca
        from fedtrain.service.vault.secret_files import read_secret, write_secret

        if not (own / CA_KEY).exists():
            ca = make_ca(self._file.name, self._now, self._not_after + CA_OUTLIVES)
            write_secret(own / CA_CERTIFICATE, ca.certificate)
            write_secret(own / CA_KEY, ca.key)
        return Pair(read_secret(own / CA_CERTIFICATE), read_secret(own / CA_KEY))
