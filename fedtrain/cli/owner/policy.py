"""`fedtrain policy check`: read an owner's policy file before the service does, and say what it means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedtrain.cli.output import Failure, console, print_json

if TYPE_CHECKING:
    from fedtrain.data_owner.policy.rules import OwnerPolicy

app = typer.Typer(name="policy", help="A Data Owner's policy file.", no_args_is_help=True)


@app.callback()
def policy() -> None:
    """A Data Owner's policy file."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The policy, a TOML file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Check a policy file: every mistake by its field, then what it allows, and what should give one pause."""
    allowed = read_policy(file)
    if as_json:
        print_json({"policy": allowed.model_dump(mode="json"), "warnings": warnings(allowed)})
        return
    for name, value in _described(allowed):
        console().print(f"{name:>20}  {value}", markup=False)
    for warning in warnings(allowed):
        console().print(f"note: {warning}", markup=False)


def read_policy(file: Path) -> OwnerPolicy:
    """Return the policy in a TOML file. Raises Failure, OSError, and Problem that names each field that is wrong."""
    from fedtrain.data_owner.policy.rules import OwnerPolicy

    try:
        text = file.read_text()
    except UnicodeError:
        raise Failure(f"{file}: not UTF-8 text") from None
    return OwnerPolicy.from_toml(text)


def warnings(policy: OwnerPolicy) -> list[str]:
    """List what a policy allows that a careful owner would not, a sentence each."""
    found = []
    if policy.any_model_owner:
        found.append("any Model Owner is accepted: a Facilitator can put itself in its place. Pin those you know.")
    elif not policy.trust.pins_model_owners:
        found.append("no Model Owner is trusted here: only those that `fedtrain trust` pins will be.")
    if not policy.trust.pins_data_owners:
        found.append("no other owner is known here: unless `fedtrain trust` pins some, made-up ones count as owners.")
    if policy.least_roster < 3:
        found.append("least_roster is below 3: with two owners, one that colludes is enough to single out the other.")
    if policy.min_cell == 0:
        found.append(
            "min_cell is 0: a category or a clipped tail of one row becomes a sum over one person, and a job that asks "
            "for ranges is told nearly how large the largest value is."
        )
    if policy.max_leverage == 1:
        found.append("max_leverage is 1: a sum over some combination of columns may be one row alone, and nobody asks.")
    if policy.min_rows < 2:
        found.append("min_rows is 1: two versions of a table that differ by one row may both be summed.")
    if policy.differencing == "unchecked":
        found.append("differencing is unchecked: sums over two rosters can be subtracted from each other.")
    if policy.standing_out == "unchecked":
        found.append("standing_out is unchecked: a sum over some combination of columns may be nearly one row alone.")
    if "shared_with_owners" in policy.weights:
        found.append("weights may be shared with owners: the leakage theorem does not hold for such jobs.")
    return found


def _described(policy: OwnerPolicy) -> list[tuple[str, object]]:
    trust = policy.trust
    offers = "every registered one, to every trusted Model Owner"
    if policy.datasets is not None:
        offers = "; ".join(
            f"{one.name} to {'all trusted' if one.model_owners is None else f'{len(one.model_owners)} named'}"
            for one in policy.datasets
        )
    known = (len(trust.model_owners), len(trust.data_owners), len(trust.consortium))
    return [
        ("trusted", "{} Model Owners, {} Data Owners, {} consortium keys".format(*known)),
        ("datasets", offers or "none"),
        ("least_roster", policy.least_roster),
        ("min_rows", policy.min_rows),
        ("min_cell", policy.min_cell),
        ("joint_cells", "counted" if policy.joint_cells else "not counted"),
        ("max_leverage", f"{policy.max_leverage:g}; a table with a row above it waits for a person"),
        ("weights", ", ".join(policy.weights)),
        ("max_reencrypt_every", policy.max_reencrypt_every),
        ("max_rounds", policy.max_rounds),
        ("approval", policy.approval),
        ("differencing", policy.differencing),
        ("standing_out", policy.standing_out),
        ("adopt_first_encoding", "yes" if policy.adopt_first_encoding else "a person approves"),
    ]
