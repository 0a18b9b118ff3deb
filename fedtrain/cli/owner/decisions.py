"""`fedtrain approve | deny | audit`: what a Data Owner's people decide and look at, at its own port."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedtrain.cli.jobs.verify import TimestampRoots, print_stamps, stamps_told
from fedtrain.cli.output import Failure, console, print_json, print_table

if TYPE_CHECKING:
    from fedtrain.cli.jobs.client import Service
    from fedtrain.data_owner.release.audit import AuditRecord, DecisionRecord, ReleaseRecord, SpendingRecord

DEFAULT_DATA_OWNER = "http://127.0.0.1:5000"

DataOwner = Annotated[
    str | None,
    typer.Option(help="The Data Owner's address. Default FEDTRAIN_DATA_OWNER, or http://127.0.0.1:5000."),
]
JobId = Annotated[str, typer.Argument(help="The job: its id, or how that begins.", metavar="JOB")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def approve(
    job: Annotated[
        str | None,
        typer.Argument(
            help="A job, or a request: its id, or how that begins. Without it, jobs that wait.", metavar="[JOB]"
        ),
    ] = None,
    until: Annotated[str | None, typer.Option(help="Of a request: the job has to come before this date.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Of a request: the most rounds.")] = None,
    epsilon: Annotated[float | None, typer.Option(help="Of a request: the largest epsilon.")] = None,
    by: Annotated[str | None, typer.Option(help="Of a request: who decides, for this owner's audit.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: it was looked at before.")] = False,
    data_owner: DataOwner = None,
    as_json: Json = False,
) -> None:
    """Let a job in that waits for a person, or approve a request, after showing what it is for and what leaves."""
    from fedtrain.cli.jobs.client import Service
    from fedtrain.cli.owner.consent import print_consent
    from fedtrain.cli.requests.approving import approve_request, moment
    from fedtrain.cli.requests.shown import request_id
    from fedtrain.spec.problems import Problem

    conditions = {"until": moment(until), "max_rounds": rounds, "max_epsilon": epsilon}
    with Service(data_owner_url(data_owner)) as service:
        if job is None:
            _list_waiting(service, as_json)
            return
        if not _is_job(service, job):
            try:
                request = request_id(service, job)
            except Problem as problem:
                why = f"no job at {service.base_url} goes by {job!r}, and requests cannot be looked for"
                raise Failure(f"{why}: {problem.detail}") from None
            approve_request(service, request, conditions, by, yes=yes, as_json=as_json)
            return
        if by is not None or any(value is not None for value in conditions.values()):
            raise Failure(f"{job} is a job, and --until, --rounds, --epsilon and --by are of requests: leave them out")
        waiting = _waiting_job(service, job)
        asked = _asked(waiting)
        if not as_json:
            print_consent(asked)
        if not yes:
            if not sys.stdin.isatty():
                raise Failure(f"job {waiting['id']} was not approved: there is nobody to ask here; --yes approves it")
            typer.confirm("Approve this job?", abort=True, err=as_json)
        state = service.post(f"/models/{waiting['id']}/approve", {})
    what_next = (
        "This owner freezes its sums and joins; training begins by itself once the other owners have answered and at "
        f"least {asked['least_owners']} take part. `fedtrain audit` shows all that has left."
    )
    _decided({**state, "consent": asked}, "approved", what_next, as_json)


def deny(
    job: JobId,
    reason: Annotated[str, typer.Option(help="Why. It stays at this owner: others are told `denied` alone.")],
    data_owner: DataOwner = None,
    as_json: Json = False,
) -> None:
    """Refuse a job that waits for a person."""
    from fedtrain.cli.jobs.client import Service

    with Service(data_owner_url(data_owner)) as service:
        waiting = _waiting_job(service, job)
        state = service.post(f"/models/{waiting['id']}/deny", {"reason": reason})
    what_next = (
        "Nothing of this owner's has left for it or will; the others are told `denied`, and not why. They go on "
        f"without this owner where {(waiting['training'] or {}).get('min_data_owners')} others take part."
        if not waiting["released"]["answers"]
        else "Nothing more leaves for it; the others are told `denied`, and not why."
    )
    _decided(state, "denied", what_next, as_json)


def audit(
    head: Annotated[
        str | None, typer.Option("--head", help="A head noted earlier: fails where the audit lost records since.")
    ] = None,
    held: Annotated[
        list[Path] | None,
        typer.Option("--held", help="Heads that another party holds: a file heads/JOB_ID.json of its state folder."),
    ] = None,
    timestamp_roots: TimestampRoots = None,
    data_owner: DataOwner = None,
    as_json: Json = False,
) -> None:
    """Print everything that left this owner and that its people decided, and recompute the hash chain over it.

    It is held against the heads that this owner and others signed at the ends of jobs. Exit code 1 where it does not
    hold, with the name of whose signature it contradicts. A file JOB_ID.stamps beside one that is given with --held
    has time stamps, which are checked against the authority's roots.
    """
    from pydantic import TypeAdapter

    from fedtrain.cli.jobs.client import Service
    from fedtrain.data_owner.release.audit import AuditRecord, DecisionRecord, ReleaseRecord, verify_records

    with Service(data_owner_url(data_owner)) as service:
        records = TypeAdapter(list[AuditRecord]).validate_python(service.get("/audit")["records"])
        owner = str(service.get("/identity")["party_id"])
        kept = service.get("/audit/heads")
    verified = verify_records(records, head)
    signatures = _check_signed(owner, kept, held or [], records)
    stamps = _check_stamped(owner, held or [], timestamp_roots, records)
    if as_json:
        print_json(
            {
                "head": verified,
                "signatures": signatures,
                "time_stamps": stamps,
                "records": [record.model_dump(mode="json") for record in records],
            }
        )
        return
    columns = ["record", "when", "job", "round", "kind", "numbers", "to", "by", "about"]
    print_table("", columns, [_row(one) for one in records])
    released = [one for one in records if isinstance(one, ReleaseRecord)]
    decisions = sum(isinstance(one, DecisionRecord) for one in records)
    console().print(
        f"{len(records)} records, {sum(one.numbers for one in released):,} numbers"
        + (f", {decisions} decisions of people" if decisions else "")
        + "; the chain holds"
        + (f", and passes through {signatures} heads that parties signed" if signatures else "")
        + f". Head: {verified}",
        markup=False,
    )
    print_stamps(stamps)


def _check_stamped(
    owner: str, held: Sequence[Path], roots: Path | None, records: Sequence[AuditRecord]
) -> list[dict[str, str | None]]:
    """Hold time stamps beside what others hold against `roots`, and the audit against what is stamped.

    Raises Problem LOG_INCONSISTENT as `_check_signed`, StampError that names the file of a stamp that does not hold.
    """
    from fedtrain.data_owner.release.audit import NO_RECORD
    from fedtrain.protocol.evidence.heads import check_audit_passes
    from fedtrain.service.timestamps.stamp import read_roots
    from fedtrain.service.timestamps.stamp_files import SUFFIX, check_stamps, read_stamps

    trusted = None if roots is None else read_roots(roots)
    heads, told = [NO_RECORD, *(record.hash for record in records)], []
    for path in (one.with_suffix(SUFFIX) for one in held):
        if path.exists():
            found = check_stamps(path, read_stamps(path, path.read_bytes()), path.stem, trusted)
            check_audit_passes([statement for statement, _ in found], owner, heads)
            told += stamps_told(found)
    return told


def _check_signed(
    owner: str, kept: Sequence[Mapping[str, Any]], held: Sequence[Path], records: Sequence[AuditRecord]
) -> int:
    """Return how many signed heads the audit passes through. Raises Problem LOG_INCONSISTENT where it misses one."""
    from fedtrain.data_owner.release.audit import NO_RECORD
    from fedtrain.protocol.documents.signed import parse_json
    from fedtrain.protocol.evidence.heads import HeadList, check_audit_passes, check_one_voice, open_statement

    listed = [(str(one["job_id"]), HeadList.model_validate({"statements": one["statements"]})) for one in kept]
    listed += [(path.stem, parse_json(path.read_bytes(), HeadList)) for path in held]
    heads, count = [NO_RECORD, *(record.hash for record in records)], 0
    for job_id, signed in listed:
        statements = [open_statement(one, job_id) for one in signed.statements]
        count += check_audit_passes(statements, owner, heads)
        check_one_voice(statements)
    return count


def _row(one: AuditRecord) -> list[object]:
    from fedtrain.data_owner.release.audit import DecisionRecord, ReleaseRecord

    if isinstance(one, ReleaseRecord):
        return _release(one)
    return _decision(one) if isinstance(one, DecisionRecord) else _spending(one)


def _release(one: ReleaseRecord) -> list[object]:
    kind, to = one.kind, one.recipient[:16] + "…"
    return [one.index, one.released_at, one.job_id[:8], one.round, kind, one.numbers, to, None, None]


def _decision(one: DecisionRecord) -> list[object]:
    token = None if one.token_id is None else f"token {one.token_id}"
    signed_in = "signed in" if one.signed_in else None
    by = ", ".join(said for said in (one.by, signed_in, token) if said is not None) or None
    signed = () if one.signer is None else (f"signed by {one.signer[:16]}…",)
    reason = () if one.reason is None else (f"Because: {one.reason}",)
    result = () if one.result is None else (f"Result {one.result[:16]}….",)
    about = " ".join((*one.about, *result, *reason, *signed))
    what = one.decision.value.replace("_", " ")
    of = one.job_id or one.request or ""
    return [one.index, one.decided_at, of[:8], None, what, None, None, by, about]


def _spending(one: SpendingRecord) -> list[object]:
    what = f"privacy {one.kind.value.replace('_', ' ')}"
    about = f"of {one.dataset}: epsilon {one.epsilon:g} at delta {one.delta:g}"
    return [one.index, one.spent_at, one.job_id[:8], None, what, None, None, None, about]


def data_owner_url(option: str | None) -> str:
    """Return the option, else FEDTRAIN_DATA_OWNER, else the default port on this machine."""
    return option or os.environ.get("FEDTRAIN_DATA_OWNER") or DEFAULT_DATA_OWNER


def _is_job(service: Service, text: str) -> bool:
    """Return whether a person means a job, and not a request. A job is looked for first: requests are elsewhere."""
    from fedtrain.cli.jobs.job_ids import is_whole

    wanted = text.strip().lower()
    if is_whole(wanted) or re.fullmatch("[0-9a-f]{33,64}", wanted):
        return is_whole(wanted)
    # A request's title is its job's name: of that name the job is meant where it waits.
    return any(
        str(one["id"]).startswith(wanted) or (one.get("name") == text and one["waits_because"] is not None)
        for one in service.get("/models")
    )


def _waiting_job(service: Service, job: str) -> dict[str, Any]:
    from fedtrain.cli.jobs.job_ids import job_id

    detail: dict[str, Any] = service.get(f"/models/{job_id(service, job)}")
    if detail["sign_off"] == "waits":
        raise Failure(f"the result of job {detail['id']} waits to be signed off: fedtrain sign-off {detail['id'][:8]}")
    if detail["waits_because"] is None:
        raise Failure(
            f"job {detail['id']} is {detail['phase']} and does not wait for a person: there is nothing to decide"
        )
    return detail


def _asked(job: dict[str, Any]) -> dict[str, Any]:
    """Return what a person decides on. Raises Failure where that cannot be shown."""
    asked: dict[str, Any] | None = job["asked"]
    if asked is None:
        raise Failure(
            f"what job {job['id']}'s Model Owner signed cannot be opened here, so that nobody sees what it asks: "
            f"`fedtrain deny {job['id']}` declines it"
        )
    return asked


def waiting_jobs(service: Service) -> list[dict[str, Any]]:
    """Return the jobs that wait for a person to let them in, in the words that are shown then."""
    return [
        _asked(service.get(f"/models/{one['id']}"))
        for one in service.get("/models")
        if one["waits_because"] is not None and one["sign_off"] != "waits"
    ]


def waiting_results(service: Service) -> list[dict[str, Any]]:
    """Return the jobs, id and name each, whose result waits for people of this owner to sign it off."""
    waiting = [one for one in service.get("/models") if one["sign_off"] == "waits"]
    return [{"job": one["id"], "name": one.get("name")} for one in waiting]


def print_waiting_results(waiting: list[dict[str, Any]]) -> None:
    """Print results that wait to be signed off, a line each, with the command that shows them."""
    for one in waiting:
        named = "" if one["name"] is None else f" ({one['name']})"
        console().print(
            f"the result of job {one['job'][:16]}{named} waits to be signed off: fedtrain sign-off {one['job'][:8]}",
            markup=False,
        )


def _list_waiting(service: Service, as_json: bool) -> None:
    waiting = waiting_jobs(service)
    if as_json:
        print_json(waiting)
    else:
        print_waiting_jobs(waiting)


def print_waiting_jobs(waiting: list[dict[str, Any]]) -> None:
    """Print jobs that wait for a person, a line each."""
    if not waiting:
        console().print("no job waits for a person here", markup=False)
    else:
        rows = [[one["job"], one["name"], one["model_owner"], one["predicts"], one["waits_because"]] for one in waiting]
        print_table("", ["job", "name", "model owner", "predicts", "waits because"], rows)


def _decided(state: dict[str, Any], what: str, what_next: str, as_json: bool) -> None:
    if as_json:
        print_json({**state, "next": what_next})
    else:
        console().print(f"job {state['id']} is {what}. {what_next}", markup=False)
