"""`fedtrain verify`: recompute everything that the Facilitator's log says of a job, with no key."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from fedtrain.cli.output import Failure, console, print_json
from fedtrain.cli.services.commands import KeyFile, KeyPassphraseFile
from fedtrain.cli.services.state_folder import party_settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography.x509 import Certificate

    from fedtrain.client.facilitator import FacilitatorClient
    from fedtrain.protocol.evidence.heads import HeadStatement
    from fedtrain.protocol.evidence.verification import Job

    Roots = Sequence[Certificate] | None


class _Ends(NamedTuple):
    """Names of the parties that signed the log's end, and of those that have not; none of a job that goes on.

    `stamps`: as `stamps_told` returns them.
    """

    signed: list[str]
    missing: list[str]
    stamps: list[dict[str, str | None]]


TimestampRoots = Annotated[
    Path | None,
    typer.Option(help="PEM file of the roots of who dates jobs' ends: time stamps are held against them."),
]

#: Exit code where the ciphertexts are gone and what is left of the job holds.
PRUNED = 3


def verify(
    model: Annotated[str, typer.Argument(help="The model: its id, or how that begins.", metavar="MODEL_ID")],
    facilitator: Annotated[str | None, typer.Option(help="The Facilitator's address.")] = None,
    state_dir: Annotated[
        Path, typer.Option(help="State folder of a party of the job: evidence is open to those alone.")
    ] = Path(".fedtrain/model-owner"),
    timestamp_roots: TimestampRoots = None,
    key_passphrase_file: KeyPassphraseFile = None,
    key_file: KeyFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Check every signature, request, answer and sum of a job. Exit code 1 names the first entry that fails.

    That it is the job, and not one that the Facilitator made up, is held against what this party knows by itself: its
    own signature on the job, or, for an auditor, the Model Owner that it has pinned.

    Of a job that is over, the log is also held against what its parties signed of its end, at the Facilitator and in
    the state folder: a log that was rewritten since is refused by the name of whoever it contradicts. Time stamps in
    the state folder are checked against the authority's roots.

    Of a job whose ciphertexts were deleted by age the log, its hashes and the owners' signatures are checked: exit
    code 3 says that those hold and that no sum could be recomputed.
    """
    from fedtrain.client.address import service_address
    from fedtrain.service.runtime.connection import facilitator_client, key_files_of
    from fedtrain.service.timestamps.stamp import read_roots
    from fedtrain.service.vault.identity_file import load_identity

    settings = party_settings(state_dir, key_passphrase_file, key_file)
    try:
        address = service_address(facilitator) if facilitator else settings.facilitator
    except ValueError as error:
        raise Failure(f"--facilitator: {error}") from None
    identity = load_identity(state_dir, key_files_of(settings))
    client = facilitator_client(settings, address, identity.party_id)
    roots = timestamp_roots
    if roots is None and settings.timestamps is not None:
        roots = state_dir / settings.timestamps.roots
    party = identity.party_id
    found = asyncio.run(_verify(client, model, party, state_dir, None if roots is None else read_roots(roots)))
    if as_json:
        print_json(found)
    elif found["pruned"]:
        gone = (
            f"Ciphertexts are kept of the job's last rounds alone: {found['recomputed']} of the {found['sums']} sums "
            f"were recomputed from them, {found['first_recomputed']} and on; of the others there are hashes."
            if found["recomputed"]
            else f"The ciphertexts were deleted by age, so that none of the {found['sums']} sums could be recomputed."
        )
        console().print(
            f"model {found['model_id']}: {found['entries']} log entries hold, from the manifest to "
            f"{str(found['head'])[:16]}…: hashes and the signatures of {found['owners']} owners.\n{gone}"
        )
    if found["pruned"]:
        _print_heads(found, as_json)
        raise typer.Exit(PRUNED)
    if as_json:
        return
    sums = "1 sum" if found["sums"] == 1 else f"{found['sums']} sums"
    console().print(
        f"model {found['model_id']}: {found['entries']} log entries hold, from the manifest to "
        f"{str(found['head'])[:16]}…\n"
        f"{sums} of {found['owners']} owners recomputed from their signed answers."
    )
    _print_heads(found, as_json)


def _print_heads(found: dict[str, object], as_json: bool) -> None:
    signed, missing = found["head_signed_by"], found["head_not_signed_by"]
    if as_json or not isinstance(signed, list) or not isinstance(missing, list) or not signed:
        return
    rest = f"; not by {', '.join(missing)}" if missing else ", all of its parties"
    console().print(f"Its end is signed by {', '.join(signed)}{rest}.", markup=False)
    print_stamps(found["time_stamps"])


def stamps_told(stamps: Sequence[tuple[HeadStatement, datetime | None]]) -> list[dict[str, str | None]]:
    """Return, for JSON, who signed what is stamped, of which job, and by when: None where that was not checked."""
    return [
        {"job_id": one.job_id, "signed_by": one.name, "by": None if at is None else f"{at:%Y-%m-%dT%H:%M:%S}Z"}
        for one, at in stamps
    ]


def print_stamps(told: object) -> None:
    """Print what `stamps_told` returned; of what was not checked, how many there are and how they are."""
    stamps = told if isinstance(told, list) else []
    for one in stamps:
        if one["by"] is not None:
            by = one["by"].replace("T", " ").replace("Z", " UTC")
            console().print(f"Signed by {one['signed_by']} before {by}, says a time stamp's authority.")
    if unchecked := sum(one["by"] is None for one in stamps):
        there = "1 time stamp is there and was" if unchecked == 1 else f"{unchecked} time stamps are there and were"
        console().print(f"{there} not checked: give the authority's roots with --timestamp-roots.")


async def _signed_ends(
    client: FacilitatorClient, job: Job, state_dir: Path, head: str, entries: int, roots: Roots
) -> _Ends:
    """Hold a log against what parties signed of its end, at the Facilitator and here, and time stamps against `roots`.

    Raises Problem(LOG_INCONSISTENT) that names the party whose signature contradicts it, and StampError.
    """
    from fedtrain.protocol.evidence.heads import check_log_end, check_one_voice, missing, open_statement
    from fedtrain.service.timestamps.stamp_files import StampFiles, check_stamps
    from fedtrain.service.vault.head_files import HeadFiles
    from fedtrain.spec.problems import Code, Problem

    model_id, names = job.manifest.job_id, {one.party: one.name for one in job.roster.acceptances}
    names |= {job.manifest.model_owner: job.manifest.model_owner_name, job.facilitator: "the Facilitator"}
    try:
        listed = (await client.heads(model_id)).statements
    except Problem as problem:
        if problem.code not in (Code.WRONG_STATE, Code.NOT_FOUND):  # it goes on, or a Facilitator of before
            raise
        listed = ()
    files = StampFiles(state_dir)
    stamps = check_stamps(files.path(model_id), files.of(model_id), model_id, roots)
    told = [one for one in (open_statement(one, model_id) for one in listed) if one.party in names]
    # What is kept here is of the job's own parties: one that this roster lacks is on it, or this is another job's.
    statements = [*told, *HeadFiles(state_dir).statements(model_id), *(one for one, _ in stamps)]
    check_log_end(statements, job.manifest_hash, head, entries)
    check_one_voice(statements)
    absent = missing(statements, names)
    signed = [name for party, name in names.items() if party not in absent]
    return _Ends(signed, [names[party] for party in absent] if statements else [], stamps_told(stamps))


def _check_whose(job: Job, model_id: str, party: str, state_dir: Path) -> None:
    """Hold a job against what this party knows by itself: a Facilitator can make up all of one, signatures included.

    Raises Problem: LOG_INCONSISTENT for another job, or one that this party has no part in, UNTRUSTED_MODEL_OWNER where
    an auditor has not pinned who signed it.
    """
    from fedtrain.service.runtime.system_clock import SystemClock
    from fedtrain.service.vault.trust_file import read_pins, trust_of
    from fedtrain.spec.problems import Code, Problem

    manifest = job.manifest
    if manifest.job_id != model_id:
        raise Problem(Code.LOG_INCONSISTENT, f"The Facilitator shows job {manifest.job_id} in the place of {model_id}.")
    if party in (manifest.model_owner, *job.roster.parties, job.facilitator):
        return  # its own signature is on the manifest, or on its hash; or the log is its own
    if party not in manifest.spec.auditors:
        raise Problem(
            Code.LOG_INCONSISTENT,
            f"The job {model_id} that the Facilitator shows is neither signed by this party ({party[:16]}…) nor names "
            "it as an auditor: give --state-dir the folder of one of its parties.",
        )
    doubt = trust_of(read_pins(state_dir)).doubt(
        manifest.model_owner, "model-owner", manifest.membership, SystemClock().now()
    )
    if doubt is not None:
        owner = f"{manifest.model_owner_name} ({manifest.model_owner[:16]}…)"
        why = f"The job is signed by {owner}, which {doubt}: an auditor would have the Facilitator's word for it."
        raise Problem(Code.UNTRUSTED_MODEL_OWNER, why)


async def _verify(
    client: FacilitatorClient, model: str, party: str, state_dir: Path, roots: Roots = None
) -> dict[str, object]:
    from fedtrain.cli.jobs.job_ids import is_whole, whole_id
    from fedtrain.client.evidence import fetch_entries, fetch_log
    from fedtrain.crypto import LocalEngine
    from fedtrain.protocol.evidence.pruned_log import verify_entries
    from fedtrain.protocol.evidence.verification import Job, verify_log
    from fedtrain.spec.problems import Code, Problem

    pruned, first = False, 1
    try:
        me = await client.identity()
        model_id = model if is_whole(model) else whole_id(model, await client.models(), client.base_url)
        job = Job.open(await client.manifest(model_id), await client.roster(model_id), str(me["party_id"]))
        _check_whose(job, model_id, party, state_dir)
        try:
            verifier = verify_log(job, await fetch_log(client, model_id, job.evidence_limits), LocalEngine())
            entries, head = verifier.length, verifier.head
        except Problem as problem:
            if problem.code is not Code.EVIDENCE_PRUNED:
                raise
            pruned = True
            kept = await fetch_entries(client, model_id, job.evidence_limits)
            entries, head = len(kept), verify_entries(job, kept)
            first = await _recomputed_from(client, model_id, job, kept)
        ends = await _signed_ends(client, job, state_dir, head, entries, roots)
    finally:
        await client.aclose()
    return {
        "model_id": model_id,
        "entries": entries,
        "sums": entries - 1,
        "recomputed": entries - first,
        "first_recomputed": first,
        "owners": len(job.roster.parties),
        "head": head,
        "pruned": pruned,
        "head_signed_by": ends.signed,
        "head_not_signed_by": ends.missing,
        "time_stamps": ends.stamps,
    }


async def _recomputed_from(client: FacilitatorClient, model_id: str, job: Job, entries: Sequence[bytes]) -> int:
    """Recompute the sums of the rounds that the job keeps; return the first log entry of those, the log's end for none.

    Raises Problem where one does not hold.
    """
    from fedtrain.client.evidence import fetch_log
    from fedtrain.crypto import LocalEngine
    from fedtrain.protocol.evidence.pruned_log import kept_from, verify_kept
    from fedtrain.spec.problems import Code, Problem

    first = kept_from(job, entries)
    if first >= len(entries):
        return first
    try:
        items = await fetch_log(client, model_id, job.evidence_limits, first)
    except Problem as problem:
        if problem.code is not Code.EVIDENCE_PRUNED:
            raise
        return len(entries)  # by age, too
    verify_kept(job, entries, first, items, LocalEngine())
    return first
