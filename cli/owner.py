"""`fedtrain approve | deny | audit`: what a Data Owner's people decide and look at, at its own port."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import Failure, console, print_json, print_table

if TYPE_CHECKING:
    from cli.client import Service

DEFAULT_DATA_OWNER = "http://127.0.0.1:5000"

DataOwner = Annotated[
    str | None,
    typer.Option(help="The Data Owner's address. Default FEDTRAIN_DATA_OWNER, or http://127.0.0.1:5000."),
]
JobId = Annotated[str, typer.Argument(help="The job, by its id or by how it begins.", metavar="JOB")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def approve(
    job: JobId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: the job was looked at before.")] = False,
    data_owner: DataOwner = None,
    as_json: Json = False,
) -> None:
    """Let a job in that waits for a person, after showing its terms, what it may reveal, and its risks."""
    from cli.client import Service

    with Service(data_owner_url(data_owner)) as service:
        waiting = _waiting_job(service, job)
        if not as_json:
            _show(waiting)
        if not yes:
            if not sys.stdin.isatty():
                raise Failure(f"job {waiting['id']} was not approved: there is nobody to ask here; --yes approves it")
            typer.confirm("Approve this job?", abort=True)
        state = service.post(f"/models/{waiting['id']}/approve", {})
    _decided(state, "approved", as_json)


def deny(
    job: JobId,
    reason: Annotated[str, typer.Option(help="Why. It stays at this owner: others are told `denied` alone.")],
    data_owner: DataOwner = None,
    as_json: Json = False,
) -> None:
    """Refuse a job that waits for a person."""
    from cli.client import Service

    with Service(data_owner_url(data_owner)) as service:
        waiting = _waiting_job(service, job)
        state = service.post(f"/models/{waiting['id']}/deny", {"reason": reason})
    _decided(state, "denied", as_json)


def audit(
    head: Annotated[
        str | None, typer.Option("--head", help="A head noted earlier: fails where the audit lost records since.")
    ] = None,
    data_owner: DataOwner = None,
    as_json: Json = False,
) -> None:
    """Print everything that left this owner, and recompute its hash chain. Exit code 1 where it does not hold."""
    from cli.client import Service
    from data_owner.audit import AuditRecord, verify_records

    with Service(data_owner_url(data_owner)) as service:
        records = [AuditRecord.model_validate(record) for record in service.get("/audit")["records"]]
    verified = verify_records(records, head)
    if as_json:
        print_json({"head": verified, "records": [record.model_dump(mode="json") for record in records]})
        return
    rows = [
        [one.index, one.released_at, one.job_id[:8], one.round, one.kind.value, one.numbers, one.recipient[:16] + "…"]
        for one in records
    ]
    print_table("", ["record", "when", "job", "round", "kind", "numbers", "to"], rows)
    numbers = sum(record.numbers for record in records)
    console().print(f"{len(records)} records, {numbers:,} numbers; the chain holds. Head: {verified}", markup=False)


def data_owner_url(option: str | None) -> str:
    """Return the option, else FEDTRAIN_DATA_OWNER, else the default port on this machine."""
    return option or os.environ.get("FEDTRAIN_DATA_OWNER") or DEFAULT_DATA_OWNER


def _waiting_job(service: Service, job: str) -> dict[str, Any]:
    ids = [model["id"] for model in service.get("/models") if model["id"].startswith(job)]
    if len(ids) != 1:
        raise Failure(f"{len(ids)} jobs at {service.base_url} begin with {job!r}: `GET /models` there lists them")
    detail: dict[str, Any] = service.get(f"/models/{ids[0]}")
    if detail["waits_because"] is None:
        raise Failure(f"job {ids[0]} is {detail['phase']} and does not wait for a person: there is nothing to decide")
    return detail


def _show(job: dict[str, Any]) -> None:
    leak, training, plan = job["leak"] or {}, job["training"] or {}, job["plan"] or {}
    owners = f"{training.get('min_data_owners')} to {training.get('max_data_owners')}"
    lines = [
        ("job", job["id"]),
        ("model owner", f"{job['model_owner_name']} ({job['model_owner']})"),
        ("dataset", f"{job['dataset']}, version {str(job['dataset_version'])[:16]}…"),
        ("training", f"{training.get('optimizer')}, at most {job['rounds']} rounds, {owners} owners"),
        ("weights", _weights(training)),
        ("plan", f"{training.get('key_bits')}-bit key, {plan_bits(plan)}"),
        (
            "reveals",
            f"{leak.get('numbers_per_round')} sums a decrypted round, of {leak.get('numbers_in_all_moments')} that "
            f"there are, if {leak.get('holds_if')}",
        ),
        ("waits because", job["waits_because"]),
        *(("risk", risk) for risk in job["differencing_risks"]),
        *(("earlier job", f"{one['id'][:8]}… over {', '.join(one['owners'])}") for one in job["earlier_jobs"]),
    ]
    for name, value in lines:
        console().print(f"{name:>14}  {value}", markup=False)


def _weights(training: dict[str, Any]) -> str:
    if training.get("weights") == "shared_with_owners":
        return "shown to this owner; who makes them steep enough can single out a row of the sum"
    return f"{training.get('weights')}, encrypted afresh every {training.get('reencrypt_every')} rounds"


def plan_bits(plan: dict[str, Any]) -> str:
    """The plan's own numbers in a line: whatever is a plain number in it."""
    shown = [f"{name} {value}" for name, value in sorted(plan.items()) if isinstance(value, int)]
    return ", ".join(shown) or "no numbers"


def _decided(state: dict[str, Any], what: str, as_json: bool) -> None:
    if as_json:
        print_json(state)
    else:
        console().print(f"job {state['id']} is {what}; it is {state['phase']}", markup=False)
