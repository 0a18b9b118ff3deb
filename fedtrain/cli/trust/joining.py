"""A party's side of joining a consortium: keys made in its own state folder, and the consortium's answer put in place.

What a request made lies in `requested/` until the answer is there, so that a service goes on with what it has.

    STATE_DIR/identity.key          made by the first request, never written again
    STATE_DIR/requested/            request.json, TLS key and token that are asked for; gone once they are in use
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fedtrain.cli.output import Failure
from fedtrain.service.runtime.settings import ADMIN_TOKEN_FILE, PARTY_FILE

if TYPE_CHECKING:
    from fedtrain.protocol.admission import Admission, AdmittedSettings, IdentityRequest, MemberToken
    from fedtrain.protocol.documents.identity import Identity
    from fedtrain.protocol.documents.signed import SignedDocument
    from fedtrain.protocol.states import Role

TLS_CA = "tls/ca.pem"
TLS = {"tls_cert": "tls/cert.pem", "tls_key": "tls/key.pem"}
FACILITATOR_TOKEN_FILE = "facilitator.token"  # noqa: S105 - a file's name
_REQUESTED = "requested"
_REQUEST, _KEY = "request.json", "key.pem"


def request_admission(folder: Path, identity: Identity, role: Role, name: str, now: datetime) -> SignedDocument:
    """Return a new request by the party whose state folder this is; its TLS key and token wait there for the answer.

    An earlier request that nobody answered is void.
    """
    from fedtrain.cli.trust.certificates import request_certificate
    from fedtrain.protocol.admission import IdentityRequest, TokenHash
    from fedtrain.protocol.documents.signed import sign_document
    from fedtrain.service.vault.secret_files import write_secret
    from fedtrain.service.vault.tokens import Scope, new_token

    asked = folder / _REQUESTED
    pair = request_certificate(name)
    token_hash = None
    write_secret(asked / _KEY, pair.key)
    if role.value != "facilitator":
        token, record = new_token(name, Scope.READ, now)  # the Facilitator gives it its scope
        token_hash = TokenHash(id=record.id, sha256=record.sha256, created_at=record.created_at)
        write_secret(asked / FACILITATOR_TOKEN_FILE, token.encode() + b"\n")
    request = IdentityRequest(
        party=identity.party_id,
        role=role.value,
        name=name,
        certificate_request=pair.certificate.decode(),
        token=token_hash,
        nonce=secrets.token_hex(32),
        created_at=now.replace(microsecond=0),
    )
    signed = sign_document(request, identity)
    write_secret(asked / _REQUEST, signed.model_dump_json().encode())
    return signed


def accept_admission(
    folder: Path, identity: Identity, signed: SignedDocument, consortium: str, now: datetime
) -> Admission:
    """Put the consortium's answer to this folder's request in place; interrupted, it is done again.

    Settings that are there already stay. The Facilitator takes new members' tokens, and takes them without a request.
    Raises Failure where no request waits here, Problem as `open_admission`.
    """
    from fedtrain.protocol.admission import open_admission, open_request
    from fedtrain.protocol.documents.signed import SignedDocument, parse_json
    from fedtrain.service.vault.secret_files import delete_secret, read_secret, write_secret
    from fedtrain.service.vault.trust_file import Pin, read_pins, write_membership, write_pins

    waiting = folder / _REQUESTED / _REQUEST
    request = parse_json(read_secret(waiting), SignedDocument) if waiting.exists() else None
    admission = open_admission(signed, consortium, identity.party_id, now, request)
    who = open_request(admission.request)
    if request is None and who.role != "facilitator":
        raise Failure(f"no request waits in {folder}: make one with `fedtrain identity request`")
    if request is not None:
        _take_keys(folder, admission)
    if admission.settings.serves_tls and not (folder / ADMIN_TOKEN_FILE).exists():
        token = _new_admin_token(folder, now)
        write_secret(folder / ADMIN_TOKEN_FILE, token.encode() + b"\n")
    if admission.membership is not None:
        write_membership(folder, admission.membership)
    take_members(folder, admission.members)
    pin = Pin(key=consortium, role="consortium", name=admission.consortium)
    write_pins(folder, [*(one for one in read_pins(folder) if (one.key, one.role) != (pin.key, pin.role)), pin])
    if not (folder / PARTY_FILE).exists():
        _write_settings(folder, _party_settings(who, admission.settings, tls=admission.certificate is not None))
    if request is not None:
        delete_secret(waiting)
        shutil.rmtree(waiting.parent)
    return admission


def _take_keys(folder: Path, admission: Admission) -> None:
    """Put what was made with the request into use: TLS key with its certificate, and token."""
    from fedtrain.cli.trust.certificates import fits
    from fedtrain.service.vault.secret_files import read_secret, write_secret

    asked = folder / _REQUESTED
    if admission.certificate is not None and admission.authority is not None:
        key = read_secret(asked / _KEY)
        if not fits(admission.certificate.encode(), key):
            raise Failure("the certificate in the answer is for another key than the one that was made here")
        write_secret(folder / TLS["tls_key"], key)
        write_secret(folder / TLS["tls_cert"], admission.certificate.encode())
        write_secret(folder / TLS_CA, admission.authority.encode())
    if admission.settings.shows_token:
        write_secret(folder / FACILITATOR_TOKEN_FILE, read_secret(asked / FACILITATOR_TOKEN_FILE))


def take_members(folder: Path, members: Sequence[MemberToken]) -> int:
    """Add members' tokens to the Facilitator's list, those whose ids are not in it; return how many.

    One that was revoked there stays revoked.
    """
    from fedtrain.service.vault.tokens import Scope, TokenRecord, read_tokens, write_tokens

    records = read_tokens(folder)
    known = {record.id for record in records}
    new = [TokenRecord(scope=Scope.PARTY, **member.model_dump()) for member in members if member.id not in known]
    if new:
        write_tokens(folder, [*records, *new])
    return len(new)


def _party_settings(who: IdentityRequest, given: AdmittedSettings, *, tls: bool) -> dict[str, object]:
    settings: dict[str, object] = {"name": who.name, "host": given.host, "port": given.port}
    if given.facilitator is not None:
        settings |= {"facilitator": given.facilitator, "facilitator_id": given.facilitator_id}
    if tls and who.role != "facilitator":
        settings |= {"ca_file": TLS_CA, "client_cert": TLS["tls_cert"], "client_key": TLS["tls_key"]}
    if given.serves_tls:
        settings |= TLS
    if given.asks_certificates:
        settings["tls_client_ca"] = TLS_CA
    if given.shows_token:
        settings["token_file"] = FACILITATOR_TOKEN_FILE
    return settings


def _write_settings(folder: Path, settings: Mapping[str, object]) -> None:
    from fedtrain.service.vault.secret_files import write_secret

    lines = ["# Settings of this party's service. Options and FEDTRAIN_* in the environment go before them."]
    lines += [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    write_secret(folder / PARTY_FILE, ("\n".join(lines) + "\n").encode())


def _new_admin_token(folder: Path, now: datetime) -> str:
    """Return a token for the people of the party itself, at its own port."""
    from fedtrain.service.vault.tokens import Scope, new_token, read_tokens, write_tokens

    token, record = new_token("admin", Scope.ADMIN, now)
    write_tokens(folder, [*read_tokens(folder), record])
    return token
