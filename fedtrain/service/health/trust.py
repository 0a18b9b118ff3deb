"""Checks of pins, and of whether others can know this party."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from fedtrain.protocol.documents.signed import Membership, open_document
from fedtrain.protocol.loopback import is_loopback
from fedtrain.protocol.states import Role
from fedtrain.service.health.finding import Finding, fail, ok, warn
from fedtrain.service.runtime.connection import key_files_of
from fedtrain.service.runtime.settings import ServiceSettings
from fedtrain.service.vault.identity_file import load_identity
from fedtrain.service.vault.secret_files import IDENTITY_FILE, SecretFileError
from fedtrain.service.vault.trust_file import Pin, read_membership, read_pins

SOON = timedelta(days=30)
_PIN = "`fedtrain trust KEY --role model-owner --name NAME --state-dir …`, or a consortium's key"

_PIN_OWNER = "`fedtrain trust KEY --role data-owner --name NAME --state-dir …`, or a consortium's key"
_OWNERS = ("data-owner", "consortium")


def check_trust(settings: ServiceSettings, role: Role, now: datetime) -> Iterator[Finding]:
    """Pins, and the consortium's word, for both kinds of members. Nothing for a Facilitator."""
    if role is Role.FACILITATOR:
        return
    try:
        pins = read_pins(settings.state_dir)
        yield from _pins(pins, settings) if role is Role.DATA_OWNER else _owners(pins)
        yield _membership(settings, role, now)
    except SecretFileError as error:
        yield fail(
            "trust",
            str(error),
            "mend that file, or move it away and pin everybody anew: `fedtrain trust KEY --role ROLE`",
        )


def _pins(pins: Sequence[Pin], settings: ServiceSettings) -> Iterator[Finding]:
    names = {
        kind: [pin.name for pin in pins if pin.role == kind] for kind in ("model-owner", "consortium", "data-owner")
    }
    if names["model-owner"] or names["consortium"]:
        pinned = (*names["model-owner"], *(f"members of {name}" for name in names["consortium"]))
        yield ok("trust", f"known Model Owners: {', '.join(pinned)}; jobs of others are declined")
    elif pins or not is_loopback(settings.host):
        yield fail("trust", "no Model Owner is known here, so every job will be declined", _PIN)
    else:
        yield warn("trust", "nobody is pinned: on loopback, every Model Owner is accepted", _PIN)


def _owners(pins: Sequence[Pin]) -> Iterator[Finding]:
    known = [pin.name if pin.role == "data-owner" else f"members of {pin.name}" for pin in pins if pin.role in _OWNERS]
    if known:
        yield ok("trust", f"known Data Owners: {', '.join(known)}; a job that others join ends")
    else:
        yield warn("trust", "nobody is pinned: whoever the Facilitator puts on a roster is taken", _PIN_OWNER)


def _membership(settings: ServiceSettings, role: Role, now: datetime) -> Finding:
    if not (settings.state_dir / IDENTITY_FILE).exists():
        return warn("membership", "there is no identity yet", "the first start makes one")
    party_id = load_identity(settings.state_dir, key_files_of(settings)).party_id
    signed = read_membership(settings.state_dir, party_id, role)
    if signed is None:
        return ok("membership", "of no consortium: others know this party where they pin its id")
    member = open_document(signed, Membership)
    remedy = "ask the consortium for a new membership.json (docs/access.md, a renewal)"
    ends = f"{member.not_after:%Y-%m-%d %H:%M} UTC"
    if now > member.not_after:
        return fail(
            "membership", f"of {signed.signer[:16]}…, ended at {ends}: others no longer know this party", remedy
        )
    if member.not_after - now < SOON:
        return warn("membership", f"of {signed.signer[:16]}…, ends at {ends}", remedy)
    return ok("membership", f"as {member.role} {member.name}, until {ends}")
