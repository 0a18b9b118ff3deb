"""`fedtrain sign-off`: a result is shown to people of a Data Owner, who let it open, or refuse it. `fedtrain release`:
what they signed of a finished model is handed to its Model Owner.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedtrain.cli.output import Failure, console, print_json, print_table
from fedtrain.cli.owner.decisions import DataOwner, Json, data_owner_url

if TYPE_CHECKING:
    from fedtrain.cli.jobs.client import Service


def sign_off(
    job: Annotated[
        str | None,
        typer.Argument(help="The job: its id, or how that begins. Without it, those that wait.", metavar="[JOB]"),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(help="Who signs, as the audit is to name this person, and a statement for the Model Owner."),
    ] = None,
    why: Annotated[
        str | None, typer.Option(help="Why. With --refuse all parties are told it, else it stays here.")
    ] = None,
    refuse: Annotated[
        bool,
        typer.Option(
            "--refuse",
            help="Refuse it, with --why: the job ends, and nobody can ever open it. Of a finished model: nobody but "
            "its Model Owner is to get it.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Of a finished model: where to write what was signed, for `fedtrain release` at the Model Owner.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: the result was looked at before.")] = False,
    data_owner: DataOwner = None,
    as_json: Json = False,
) -> None:
    """Sign off the result of a job, after showing what it is made of.

    Nobody can open it before people of all owners have. Where the job opened sums on its way, others than its Model
    Owner do not get the finished model before that, by the Model Owner's word.
    """
    from fedtrain.cli.jobs.client import Service
    from fedtrain.cli.jobs.job_ids import job_id

    with Service(data_owner_url(data_owner)) as service:
        if job is None:
            _list_waiting(service, as_json)
            return
        if refuse and why is None:
            raise Failure("--refuse needs --why: all parties are told the reason")
        path = f"/models/{job_id(service, job)}/sign-off"
        result = service.get(path)
        if not as_json:
            _print(result)
        if out is not None and not result["opened_on_the_way"]:
            raise Failure(
                "there is nothing to write: the parties' services tell each other of this sign-off by themselves"
            )
        if out is not None and result["standing"] in ("signed_off", "refused"):
            _write(service.get(f"{path}/statement"), out, result, as_json)
            return
        if not yes and result["standing"] == "waits":
            if not sys.stdin.isatty():
                raise Failure(f"job {result['job']} was not decided: there is nobody to ask here; --yes does without")
            typer.confirm("Refuse this result?" if refuse else "Sign this result off?", abort=True, err=as_json)
        decision = {"decision": "refuse" if refuse else "sign_off", "by": by, "why": why, "result": result["result"]}
        after = service.post(path, {name: value for name, value in decision.items() if value is not None})
        if out is not None and after["standing"] != "waits":
            _write(service.get(f"{path}/statement"), out, after, as_json)
            return
    what_next = _what_next(after)
    if as_json:
        print_json({**after, "next": what_next})
    else:
        console().print(f"job {after['job']}: {what_next}", markup=False)


def release(
    statement: Annotated[Path, typer.Argument(help="What an owner's `fedtrain sign-off JOB --out FILE` wrote.")],
    model_owner: Annotated[
        str | None,
        typer.Option(help="The Model Owner's address. Default FEDTRAIN_MODEL_OWNER, or http://127.0.0.1:9090."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Hand in what an owner's people signed about a finished model: that others may get it, or may not.

    Once all owners have agreed, the model is exported and scored for others. It rests on this Model Owner's word.
    """
    from fedtrain.cli.jobs.client import Service, model_owner_url, read_json

    signed = read_json(statement)
    try:
        job = str(json.loads(signed["document"])["job_id"])
    except (ValueError, KeyError, TypeError):
        raise Failure(f"{statement}: not what fedtrain sign-off --out writes") from None
    with Service(model_owner_url(model_owner)) as service:
        model = service.post(f"/models/{job}/sign-offs", signed)
    if as_json:
        print_json(model)
        return
    missing, refusals = model["not_signed_off"], model["release_refused"]
    for one in refusals:
        console().print(f"model {job}: {one['name']} refused ({one['why']}): others never get it", markup=False)
    if missing:
        console().print(f"model {job}: not signed off yet by {', '.join(missing)}", markup=False)
    elif not refusals:
        console().print(f"model {job} is released: it may be exported and scored for others", markup=False)


def _write(statement: dict[str, Any], out: Path, result: Mapping[str, Any], as_json: bool) -> None:
    out.write_text(json.dumps(statement, indent=1) + "\n")
    what_next = f"written to {out}: its Model Owner takes it with fedtrain release {out.name}"
    if as_json:
        print_json({**result, "next": what_next})
    else:
        said = "refused" if result["standing"] == "refused" else "signed off"
        console().print(f"job {result['job']}: {said}, and {what_next}", markup=False)


def _what_next(result: Mapping[str, Any]) -> str:
    if result["opened_on_the_way"] and result["standing"] != "waits":
        said = "refused" if result["standing"] == "refused" else "signed off"
        return (
            f"{said}. Its Model Owner knows once it has what was signed: fedtrain sign-off {result['job'][:8]} "
            "--out FILE writes it, and fedtrain release FILE there takes it."
        )
    if result["standing"] == "refused":
        return (
            "refused. The key of this owner's mask is destroyed: nobody can open the result. All parties are told why."
        )
    if result["missing"]:
        more = "one more person" if result["missing"] == 1 else f"{result['missing']} more people"
        return f"signed; {more} of this owner must sign it off, of {result['people']}."
    return "signed off. The Model Owner can open the result as soon as the other owners have signed it off too."


def _print(result: Mapping[str, Any]) -> None:
    """Print a result, a line a matter; nothing is said of what there is none of."""
    for label, value in _lines(result):
        if value:
            console().print(f"{label:>14}  {value}", markup=False)


def _lines(result: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    yield from (("job", result["job"]), ("name", result["name"]), ("purpose", result["purpose"]))
    yield "model owner", f"{result['model_owner_name']} ({result['model_owner']})"
    rounds = "1 round" if result["rounds"] == 1 else f"{result['rounds']} rounds"
    yield "answered", f"{rounds}, {result['numbers']:,} numbers, masked: only their sum over all owners can open"
    yield from (("owner", f"{one['name']} ({one['party'][:16]}…)") for one in result["owners"])
    if (checked := result["verified"]) is not None:
        yield (
            "verified",
            (
                f"{checked['owners_signed']} of {checked['of']} owners have signed whose answers are summed; this "
                f"owner's is among them as it was given ({checked['own_answer'][:16]}…)"
            ),
        )
    if result["opened_on_the_way"]:
        yield (
            "holds",
            (
                "its sums were opened on the way, and its Model Owner has the model. That nobody else gets it before "
                "people of every owner have signed it off rests on the Model Owner's word"
            ),
        )
    if (privacy := result["privacy"]) is not None:
        left = "no budget" if privacy["epsilon_left"] is None else f"{privacy['epsilon_left']:.4g} is left"
        yield (
            "privacy",
            (
                f"epsilon {privacy['epsilon']:g} at delta {privacy['delta']:g} for each record, with this job "
                f"{privacy['epsilon_spent']:.4g} of these records is spent or set apart; {left}"
            ),
        )
    else:
        yield "privacy", "exact sums, without noise"
    yield "result", result["result"]
    yield from (("signed by", f"{one['by'] or one['token_id'] or 'a person'}, {one['at']}") for one in result["signed"])


def _list_waiting(service: Service, as_json: bool) -> None:
    waiting = [
        service.get(f"/models/{one['id']}/sign-off") for one in service.get("/models") if one["sign_off"] == "waits"
    ]
    if as_json:
        print_json(waiting)
    elif not waiting:
        console().print("no result waits to be signed off here", markup=False)
    else:
        rows: list[list[object]] = [
            [one["job"], one["name"], one["model_owner_name"], len(one["owners"]), one["numbers"], one["missing"]]
            for one in waiting
        ]
        print_table("", ["job", "name", "model owner", "owners", "numbers", "people missing"], rows)
