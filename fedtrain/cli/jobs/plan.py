"""`fedtrain plan`: what a job will do and cost, before it is started: proven bits, exact bytes, estimated seconds."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from fedtrain.cli.output import Failure, console, duration, print_json, print_table, wrong_fields

_BAR_WIDTH = 40


def plan(
    spec: Annotated[Path, typer.Argument(help="The model spec, a JSON file, or a schema.json.")],
    owners: Annotated[
        int | None, typer.Option(min=1, help="Data Owners that take part. Default: the fewest that the spec allows.")
    ] = None,
    rows: Annotated[
        int | None, typer.Option(min=1, help="Their rows together, less those kept for validation. Default: the most.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="Of a schema.json: the column to predict.")] = None,
    measure: Annotated[bool, typer.Option("--measure", help="Measure this machine's speed again.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Show a job's budget and cost. A spec that does not fit is refused, with the smallest changes that do."""
    from fedtrain.cli.jobs.client import read_json

    document = plan_document(of_schema(read_json(spec), target), owners, rows, again=measure)
    if as_json:
        print_json(document)
    else:
        _show(document)


def of_schema(document: Any, target: str | None = None) -> Any:
    """A schema as a spec with everything else by default, linear or, for a target with categories, logistic.

    `target`: the column of it to predict. Anything else is returned as it is. Raises Failure where it is not said what
    to predict.
    """
    if not isinstance(document, dict) or "model_type" in document or "features" not in document:
        if target is not None:
            raise Failure("--target belongs to a schema.json: a model spec names its own")
        return document
    if target is not None:
        document = _asking_for(document, target)
    elif document.get("target") is None and document.get("targets") is None:
        raise Failure("the schema leaves open what to predict: name a column with --target")
    targets = [document.get("target"), *(document.get("targets") or ())]
    classes = any(isinstance(target, dict) and target.get("categories") is not None for target in targets)
    return {"model_type": "LOGISTIC_REGRESSION" if classes else "LINEAR_REGRESSION", "data_props": document}


def _asking_for(document: dict[str, Any], target: str) -> dict[str, Any]:
    from pydantic import ValidationError

    from fedtrain.spec.model_spec import DataProps
    from fedtrain.spec.roles import asking_for

    try:
        props = DataProps.model_validate_json(json.dumps(document))
        asked = asking_for(props, target)
    except ValidationError as error:
        raise Failure(wrong_fields(error, document)) from None
    except ValueError as error:
        raise Failure(str(error)) from None
    return asked.model_dump(mode="json", exclude_none=True, exclude_defaults=True)


def plan_document(document: Any, owners: int | None, rows: int | None, *, again: bool = False) -> dict[str, Any]:
    """Return the plan as the Model Owner gives it, from a spec's JSON.

    Raises Problem as POST /models would: INVALID_SPEC, DOES_NOT_FIT; Failure for owners or rows beyond the spec's.
    """
    from fedtrain.cli.services.parties import settings_of
    from fedtrain.model_owner.jobs.specs import plan_of, spec_of
    from fedtrain.planning.plans import sign_off_in_words
    from fedtrain.protocol.messages.forecast import forecast
    from fedtrain.protocol.states import Role
    from fedtrain.service.runtime.machine_speed import default_folder, unit_costs

    spec = spec_of(document)
    settings = settings_of(Role.MODEL_OWNER, {})
    budget = plan_of(spec, allow_small_keys=settings.allow_small_keys)
    bits = spec.training.key_bits
    unit = unit_costs(default_folder(), bits, time.perf_counter, choice=settings.engine, again=again)
    said = sign_off_in_words(spec)
    signs = {} if said is None else {"sign_off": said}
    try:
        return {**budget.to_dict(), "forecast": forecast(spec, owners, rows, unit), **signs}
    except ValueError as error:
        raise Failure(f"{error}.") from None


def _show(plan: dict[str, Any]) -> None:
    job = plan["forecast"]
    windows = "" if job["rounds_a_turn"] == 1 else f", re-encrypted every {job['rounds_a_turn']}"
    evaluated = f", {job['evaluations']:,} evaluations" if job["evaluations"] else ""
    layout = plan["answer_layout"] if "answer_layout" in plan else _widest(plan["rounds"])
    slots = layout["rows_per_ciphertext"] * layout["columns_per_ciphertext"]
    columns = f"; a network of {plan['parameters']:,} weights" if "parameters" in plan else ""
    if "dimensions" in plan:
        columns = f"; {plan['dimensions']} columns, {plan['outputs']} output{'s' if plan['outputs'] > 1 else ''}"
    out = console()
    out.print(
        f"{job['rounds']:,} rounds at most{windows}{evaluated}; {job['owners']} Data Owners{columns}",
        markup=False,
    )
    out.print(
        f"slots of {layout['slot_bits']} bits, {slots} of an answer in a ciphertext of "
        f"{job['ciphertext_bytes']:,} bytes",
        markup=False,
    )
    out.print(f"\nbits used of {plan['bits_available']:,} in a plaintext:", markup=False)
    for step in plan["steps"] if "steps" in plan else plan["rounds"]:
        out.print(bar_line(step, plan["bits_available"]), markup=False, no_wrap=True)
    _show_costs(job)
    if "privacy" in job:
        _show_noise(job["privacy"], job["rows"])
    out.print(_what_is_decrypted(plan), markup=False)
    if "sign_off" in plan:
        out.print(f"sign-off: {plan['sign_off']}", markup=False)


def _show_noise(noise: dict[str, Any], rows: int) -> None:
    """The noise of the spec's ε against that of others, and whether the rows carry it."""
    if "noise_multiplier" in noise:
        _show_noise_of_steps(noise)
        return
    lines: list[list[object]] = [
        [f"{line['epsilon']:g}", f"{line['noise']:.4g}", f"{line['least_error']:.2g}", f"{line['least_rows']:,}"]
        for line in sorted([noise, *noise["by_epsilon"]], key=lambda line: float(line["epsilon"]))
    ]
    title = f"noise by epsilon, at delta {noise['delta']:g}, and the error that it adds at least over {rows:,} rows"
    print_table(title, ["epsilon", "noise of a sum", "error, of half a target's range", "takes rows"], lines)
    if noise["dominates"]:
        console().print(
            f"Warning: {rows:,} rows do not carry the noise of epsilon {noise['epsilon']:g}. It takes at least "
            f"{noise['least_rows']:,} rows, or fewer columns, a smaller row_bound or a larger epsilon.\n",
            markup=False,
        )


def _show_noise_of_steps(noise: dict[str, Any]) -> None:
    lines: list[list[object]] = [
        [f"{line['epsilon']:g}", f"{line['noise_multiplier']:.4g}", f"{line['noise_length']:.3g}"]
        for line in sorted([noise, *noise["by_epsilon"]], key=lambda line: float(line["epsilon"]))
    ]
    title = f"noise of a step by epsilon, at delta {noise['delta']:g} over all rounds"
    print_table(title, ["epsilon", "noise multiplier", "its length, of the longest mean gradient's"], lines)


def _widest(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The layout of the kind of round whose answer has most numbers."""
    layouts: list[dict[str, Any]] = [one["layout"] for one in rounds]
    return max(layouts, key=lambda layout: layout["rows"] * layout["columns"])


def _what_is_decrypted(plan: dict[str, Any]) -> str:
    job = plan["forecast"]
    if "parameters" in plan and "privacy" in job:
        return (
            f"The Model Owner decrypts at most {job['sums_decrypted']:,} sums over all owners: clipped gradients of a "
            "sample of the records, each with noise, and nothing else. Gradients come on top of these seconds."
        )
    if "parameters" in plan:
        return (
            f"The Model Owner decrypts at most {job['sums_decrypted']:,} sums over all owners: the mean of their "
            "updates, and what is told of their losses. Each is of other weights, so that no number of rounds has seen "
            "all there is. Local training comes on top of these seconds."
        )
    if "privacy" in job:
        return f"The Model Owner decrypts {job['sums_decrypted']:,} sums of the federation, and N, all with noise."
    if "bounds" in plan:
        return (
            f"The Model Owner decrypts {job['sums_decrypted']:,} sums over all owners: below and above each of "
            f"{plan['bounds']:,} public bounds, how many owners have at least min_cell rows."
        )
    if "loss_shift_bits" in plan:  # only where owners see the weights and tell their loss
        return (
            f"The Model Owner decrypts at most {job['sums_decrypted']:,} sums over all owners: a gradient and a loss a "
            "round. Each is of another model's errors, so that no number of rounds has seen all there is."
        )
    return (
        f"The Model Owner decrypts {job['sums_decrypted']:,} of the federation's {job['sums_in_all']:,} sums, "
        "besides the row count and Σy², if it follows the protocol."
    )


def bar_line(step: dict[str, Any], bits_available: int) -> str:
    """One step of a window, or one kind of round: its name, the scale of weights or numbers, a bar, how full it is."""
    used = step["bits_used"]
    filled = min(_BAR_WIDTH, -(-used * _BAR_WIDTH // bits_available))
    bar = "█" * filled + "·" * (_BAR_WIDTH - filled)
    name = f"step {step['step']:>3}" if "step" in step else f"{step['kind']:<8}"
    scale = step["weight_fraction_bits"] if "step" in step else step["fraction_bits"]
    return f"  {name}  2^-{scale:<5} {bar} {used:>6,}  {used / bits_available:4.0%}"


def _show_costs(job: dict[str, Any]) -> None:
    seconds = job["seconds"]
    rows: list[list[object]] = []
    for party, label, turn in (
        ("data_owner", "each Data Owner", "round"),
        ("facilitator", "Facilitator", "round"),
        ("model_owner", "Model Owner", "turn"),
    ):
        sizes = job["bytes"][party]
        rows.append(
            [
                label,
                turn,
                sizes[f"ciphertexts_received_a_{turn}"],
                sizes[f"ciphertexts_sent_a_{turn}"],
                sizes["received"],
                sizes["sent"],
                f"{seconds[f'{party}_a_round']:.3f}",
            ]
        )
        if job["evaluations"]:
            in_and_out = (sizes["ciphertexts_received_an_evaluation"], sizes["ciphertexts_sent_an_evaluation"])
            rows.append(["", "evaluation", *in_and_out, None, None, f"{seconds[f'{party}_an_evaluation']:.3f}"])
    a_round = "seconds each" if job["evaluations"] else "seconds a round"
    columns = ["party", "a", "ciphertexts in", "ciphertexts out", "job in", "job out", a_round]
    engine = {"native": "the compiled kernel", "gmpy2": "gmpy2"}[job["unit_costs"]["engine"]]
    print_table(f"bytes, and processor seconds on machines like this one, by {engine}", columns, rows)
    evaluation = f", {seconds['an_evaluation']:.2f} s an evaluation" if job["evaluations"] else ""
    console().print(
        f"about {seconds['a_round']:.2f} s a round{evaluation}, {duration(seconds['job'])} for all of them\n",
        markup=False,
    )
