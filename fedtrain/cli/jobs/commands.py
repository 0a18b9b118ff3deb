"""`fedtrain deploy | status | predict | cancel`: a person's calls to the Model Owner."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedtrain.cli.output import Failure, console, duration, echo, print_json, print_table

if TYPE_CHECKING:
    from fedtrain.cli.jobs.client import Service

Model = Annotated[str, typer.Argument(help="The model: its id, how that begins, or its name.", metavar="MODEL_ID")]
ModelOwner = Annotated[
    str | None, typer.Option(help="The Model Owner's address. Default FEDTRAIN_MODEL_OWNER, or http://127.0.0.1:9090.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

#: What is shown of the rows at a chosen threshold.
_AT_THRESHOLD = ("recall", "precision", "accuracy")


def deploy(
    spec: Annotated[Path, typer.Argument(help="The model spec, a JSON file.")],
    follow: Annotated[bool, typer.Option("--follow", help="Stay until the job has ended.")] = False,
    name: Annotated[str | None, typer.Option(help="What to call the job, in lists and to the owners' people.")] = None,
    purpose: Annotated[
        str | None, typer.Option(help="What the model is for: every owner's people read it before they approve.")
    ] = None,
    model_owner: ModelOwner = None,
    as_json: Json = False,
) -> None:
    """Start a training job."""
    from fedtrain.cli.jobs.client import Service, model_owner_url, read_json
    from fedtrain.cli.jobs.follow import follow as follow_job
    from fedtrain.cli.jobs.follow import progress

    document = read_json(spec)
    if isinstance(document, dict):  # what else it may be, the Model Owner refuses
        document |= {field: text for field, text in (("name", name), ("purpose", purpose)) if text is not None}
    with Service(model_owner_url(model_owner)) as service:
        state = service.post("/models", document)
        if state.get("test_set_problem"):
            echo(f"fedtrain: {state['test_set_problem']} The model is trained all the same.", err=True)
        if follow:
            for remark in state.get("remarks") or ():  # before it trains: they are not those of the end
                echo(f"fedtrain: {remark['text']}", err=True)
            with progress(f"model {state['id'][:8]}") as show:
                state = follow_job(service, state["id"], show)
    if as_json:
        print_json(state)
    else:
        print_model(state)
    if state["status"] in ("FAILED", "CANCELLED"):
        raise Failure(f"model {state['id']} is {state['status']}: {state.get('reason') or 'no reason given'}")


def status(
    model: Annotated[
        str | None,
        typer.Argument(help="A model: its id, how that begins, or its name. Without it, all.", metavar="[MODEL_ID]"),
    ] = None,
    model_owner: ModelOwner = None,
    as_json: Json = False,
) -> None:
    """Show where jobs stand."""
    from fedtrain.cli.jobs.client import Service, model_owner_url
    from fedtrain.cli.jobs.job_ids import job_id

    with Service(model_owner_url(model_owner)) as service:
        answer = service.get("/models" if model is None else f"/models/{job_id(service, model)}")
    if as_json:
        print_json(answer)
    elif model is not None:
        print_model(answer)
    else:
        _print_list(answer)


def predict(
    model_id: Annotated[
        str | None,
        typer.Option(help="A model: its id, how that begins, or its name. Without it, the one that finished last."),
    ] = None,
    rows: Annotated[int, typer.Option(min=0, help="How many predictions to show.")] = 10,
    data: Annotated[
        Path | None,
        typer.Option(help="Score this table (CSV or Parquet, read as a test set is), and not the test set."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the scored table goes: a .csv or .parquet file.")] = None,
    model_owner: ModelOwner = None,
    data_owner: Annotated[
        str | None, typer.Option(help="Predict at this Data Owner, by a network that was given to it.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="At a Data Owner: the records of a dataset there.")] = None,
    personal: Annotated[
        bool, typer.Option("--personal", help="At a Data Owner: by its own copy, of `fedtrain personalise`.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Score the Model Owner's test set: cost, metrics, predicted beside true; or with --data a table of yours.

    With --data-owner, --dataset or --personal: at a Data Owner, by a finished network that the job's spec gives to its
    owners. There --data is a JSON file: a list of rows.
    """
    if data_owner is not None or dataset is not None or personal:
        from fedtrain.cli.owner.given_models import predict_here

        if out is not None or model_owner is not None:
            raise Failure("--out and --model-owner do not go with --data-owner, --dataset and --personal")
        predict_here(data_owner, model_id, data, dataset, personal, as_json)
        return
    if (data is None) != (out is None):
        raise Failure("--data and --out go together: the table to score, and where it goes with what is predicted")
    from fedtrain.cli.jobs.client import Service, model_owner_url
    from fedtrain.cli.jobs.job_ids import job_id

    with Service(model_owner_url(model_owner)) as service:
        if data is not None and out is not None:
            _predict_file(service, model_id, data, out, as_json)
            return
        params = {} if model_id is None else {"model_id": job_id(service, model_id)}
        answer = service.get("/prediction", **params)
    if as_json:
        print_json(answer)
    else:
        print_prediction(answer, rows)


def _predict_file(service: Service, model_id: str | None, data: Path, out: Path, as_json: bool) -> None:
    from fedtrain.cli.jobs.job_ids import job_id
    from fedtrain.cli.jobs.scored_file import score_file

    if not data.is_file():
        raise Failure(f"{data}: there is no such file")
    chosen = latest_finished(service.get("/models")) if model_id is None else job_id(service, model_id)
    told = score_file(service, chosen, data, out)
    if as_json:
        print_json(told)
        return
    console().print(f"model {chosen}: {told['rows']:,} records scored, in {out}", markup=False)
    if told["rows_outside_range"]:
        console().print(
            f"{told['rows_outside_range']:,} of them lie outside a declared range, and were scored at its end: the "
            "column `outside range` names where",
            markup=False,
        )


def latest_finished(models: list[dict[str, Any]]) -> str:
    """Return the id of the job that finished last. Raises Failure where none has."""
    finished = [model for model in models if model["status"] == "FINISHED"]
    if not finished:
        raise Failure("no model has finished yet: `fedtrain status` shows how far they are")
    return str(max(finished, key=lambda model: model["ended_at"])["id"])


def cancel(
    model: Model,
    model_owner: ModelOwner = None,
    as_json: Json = False,
) -> None:
    """Stop a training job, at every party."""
    from fedtrain.cli.jobs.client import Service, model_owner_url
    from fedtrain.cli.jobs.job_ids import job_id

    with Service(model_owner_url(model_owner)) as service:
        answer = service.delete(f"/models/{job_id(service, model)}")
    if as_json:
        print_json(answer)
    else:
        console().print(f"model {answer['id']} is {answer.get('status', 'CANCELLED')}", markup=False)


def print_prediction(answer: dict[str, Any], rows: int) -> None:
    """Print cost, metrics, and the first `rows` predictions beside their true values."""
    from fedtrain.cli.jobs.coefficients import print_coefficients
    from fedtrain.cli.jobs.remarks import print_remarks

    console().print(f"model {answer['model_id']}: cost {answer['cost']:.6f}", markup=False)
    if answer.get("cost_is"):
        console().print(f"  cost is the {answer['cost_is']}", markup=False)
    for name, value in sorted((answer.get("metrics") or {}).items()):
        if isinstance(value, int | float):
            console().print(f"  {name} {value:.6g}", markup=False)
    decision = answer.get("decision")
    if decision is not None:
        shown = ", ".join(f"{name} {decision[name]:.6g}" for name in _AT_THRESHOLD if decision[name] is not None)
        console().print(f"  at a threshold of {decision['threshold']:.6g} in place of 0.5: {shown}", markup=False)
    # Of three classes or more the likeliest says more than a list of probabilities.
    by_class = len(answer.get("class_names") or ()) > 2
    pairs = list(zip(answer["classes" if by_class else "values"], answer["targets"], strict=True))[:rows]
    if pairs:
        console().print()
        outside = {each["row"]: ", ".join(each["columns"]) for each in answer.get("clipped") or ()}
        lines = [[_value(predicted), _value(true), outside.get(row)] for row, (predicted, true) in enumerate(pairs)]
        some = any(line[2] for line in lines)
        columns = ["predicted", "true", "outside range"][: 3 if some else 2]
        print_table("", columns, [line[: len(columns)] for line in lines])
    calibrated = answer.get("calibrated_coefficients")
    if calibrated:
        console().print("\nlog odds as calibrated on the test set:", markup=False)
        print_coefficients({"coefficients": calibrated})
    print_remarks(answer)


def _value(value: object) -> object:
    """One target travels as a number, several as a list."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return round(value, 4) if isinstance(value, float) else value if isinstance(value, int) else str(value)


def _of_what(model: dict[str, Any]) -> str:
    return f" ({model['loss_is']})" if model.get("loss_is") else ""


def _paces(model: dict[str, Any]) -> str:
    """Return how long each owner's last answer took, the slowest first."""
    pace = [one for one in model.get("pace") or () if one.get("last_answer_after_s") is not None]
    slowest = sorted(pace, key=lambda one: -float(one["last_answer_after_s"]))
    return ", ".join(f"{one['name']} {one['last_answer_after_s']:.1f} s" for one in slowest)


def _last_test(model: dict[str, Any]) -> str:
    """Return a network's metrics on the test set, of the last round that has any."""
    from fedtrain.cli.jobs.follow import metrics_on_test_set

    row = next((row for row in reversed(model.get("history") or ()) if row.get("test_loss") is not None), None)
    return "" if row is None else f"{metrics_on_test_set(row)} after round {row['round']}"


def _round(model: dict[str, Any]) -> str:
    return f"{model.get('round') or 0} of {model['rounds']}" if model.get("rounds") else ""


def _print_list(models: list[dict[str, Any]]) -> None:
    columns = ["model", "name", "status", "round", "optimizer", "since", "took", "reason"]
    rows = [
        [
            model["id"],
            model["name"],
            model["status"],
            _round(model),
            model["optimizer"],
            *_times(model),
            model["reason"],
        ]
        for model in models
    ]
    # A column with nothing in it takes room from those that have something.
    shown = [at for at in range(len(columns)) if at == 0 or any(row[at] for row in rows)]
    print_table("", [columns[at] for at in shown], [[row[at] for at in shown] for row in rows])


def _times(model: dict[str, Any]) -> tuple[str, str | None]:
    """Return when a job was made, by this machine's clock, and how long it took, once it has ended."""
    made = datetime.fromisoformat(model["created_at"])
    if model["ended_at"] is None:
        return f"{made.astimezone():%Y-%m-%d %H:%M}", None
    took_s = (datetime.fromisoformat(model["ended_at"]) - made).total_seconds()
    return f"{made.astimezone():%Y-%m-%d %H:%M}", duration(took_s)


def _suspect(owner: dict[str, Any]) -> str:
    jobs = "its one job" if owner["jobs"] == 1 else f"{owner['ended_so']} of its {owner['jobs']} jobs"
    return f"{owner['name']} ({jobs} here ended so)"


def print_model(model: dict[str, Any]) -> None:
    """Print where a job stands, and of one that has finished its tables and what people must know of it."""
    console().print(f"model {model['id']}: {model['status']}", markup=False)
    for label, text in (
        ("name", model.get("name") or ""),
        ("optimizer", model.get("optimizer") or ""),
        ("round", _round(model)),
        ("loss", f"{model['loss']:.6f}{_of_what(model)}" if model.get("loss") is not None else ""),
        ("answered after", _paces(model)),
        ("on the test set", _last_test(model)),
        ("test set", model.get("test_set_problem") or ""),
        ("reason", model.get("reason") or ""),
        ("may have caused it", ", ".join(map(_suspect, model.get("may_have_caused") or ()))),
        (
            "waiting for" if model.get("not_signed_off") is None else "not signed off by",
            ", ".join(model.get("not_signed_off") or [owner["name"] for owner in model.get("waiting_for") or ()]),
        ),
        (
            "no release",
            ", ".join(f"{one['name']} refused ({one['why']})" for one in model.get("release_refused") or ()),
        ),
    ):
        if text:
            console().print(f"  {label}: {text}", markup=False)
    leak = model.get("leak")
    if leak and model["status"] == "FINISHED":
        told = f"{leak['numbers_decrypted']} of the federation's {leak['of']} sums"
        console().print(f"  decrypted: {told} ({leak['holds']})", markup=False)
    from fedtrain.cli.jobs.coefficients import print_coefficients, print_ranges
    from fedtrain.cli.jobs.remarks import print_remarks

    print_coefficients(model)
    print_ranges(model.get("ranges") or ())
    print_remarks(model)
