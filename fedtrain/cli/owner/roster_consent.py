"""`fedtrain consent`: a Data Owner's signed word that a job may be over other owners than earlier ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedtrain.cli.output import Failure, console, print_json
from fedtrain.cli.owner.decisions import DataOwner, Json, data_owner_url

if TYPE_CHECKING:
    from fedtrain.cli.jobs.client import Service


def roster_consent(
    job: Annotated[
        str | None, typer.Argument(help="The job, by its id or by how it begins, to consent to.", metavar="[JOB]")
    ] = None,
    take: Annotated[
        list[Path] | None, typer.Option("--take", help="A file of what other owners signed. May be given again.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write every consent to the job that is here, for the others.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: the rosters were looked at before.")] = False,
    data_owner: DataOwner = None,
    as_json: Json = False,
) -> None:
    """Sign that a job's sum may be told over its owners, though sums of the same rows went to others before.

    Whoever was in the earlier jobs can be singled out, in the new one or not: so each of them signs, and all files are
    given to each with --take.
    """
    from fedtrain.cli.jobs.client import Service

    if job is None and not take:
        raise Failure("nothing to do: name a JOB to consent to, or a file of what others signed with --take")
    with Service(data_owner_url(data_owner)) as service:
        taken = service.post("/consents", {"consents": _read(take)}) if take else []
        if job is None:
            _print(taken, as_json)
            return
        job_id = _job_id(service, job, taken)
        if not yes:
            _confirm(service.get(f"/consents/{job_id}"), job_id)
        statements = service.post(f"/consents/{job_id}/sign", {})
        if out is not None:
            out.write_text(json.dumps(service.get(f"/consents/{job_id}/signed"), indent=1) + "\n")
    _print(statements, as_json)


def _read(files: list[Path]) -> list[Any]:
    found: list[Any] = []
    for file in files:
        try:
            found += json.loads(file.read_bytes())["consents"]
        except (ValueError, KeyError, TypeError):
            raise Failure(f"{file}: not what fedtrain consent --out writes") from None
    return found


def _job_id(service: Service, job: str, taken: list[dict[str, Any]]) -> str:
    """The job's id: of one that this owner was offered, or that a file just taken is about."""
    known = {model["id"] for model in service.get("/models")} | {one["job_id"] for one in taken}
    ids = sorted(one for one in known if one.startswith(job)) or [job] * (len(job) == 32)
    if len(ids) != 1:
        raise Failure(
            f"{len(ids)} jobs at {service.base_url} begin with {job!r}: give the whole id, or --take what others signed"
        )
    return str(ids[0])


def _confirm(statements: list[dict[str, Any]], job_id: str) -> None:
    if not statements:
        raise Failure(f"nobody asks for this owner's consent to job {job_id}: --take what others signed first")
    _show(statements)
    if not sys.stdin.isatty():
        raise Failure(f"nothing was signed for job {job_id}: there is nobody to ask here; --yes signs it")
    typer.confirm("Sums over these rosters can be combined. Sign for this owner?", abort=True)


def _print(statements: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(statements)
    else:
        _show(statements)


def _show(statements: list[dict[str, Any]]) -> None:
    for one in statements:
        lines = [
            ("job", one["job_id"]),
            ("new roster", _names(one["roster"])),
            *(("earlier", _names(parties)) for parties in one["earlier"]),
            ("signed by", _names(one["signed_by"]) or "nobody"),
            ("missing", _names(one["missing"]) or "nobody: the consent is complete"),
        ]
        for name, value in lines:
            console().print(f"{name:>14}  {value}", markup=False)


def _names(parties: list[dict[str, Any]]) -> str:
    return ", ".join(one["name"] or f"{one['party'][:16]}…" for one in parties)
