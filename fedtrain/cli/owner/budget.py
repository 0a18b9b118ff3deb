"""`fedtrain budget`: what a Data Owner's records have spent of their privacy, and what is left."""

from __future__ import annotations

from fedtrain.cli.output import console, print_json, print_table
from fedtrain.cli.owner.decisions import DataOwner, Json, data_owner_url


def budget(data_owner: DataOwner = None, as_json: Json = False) -> None:
    """Show the privacy budget of each dataset: spent, left, and by which jobs."""
    from fedtrain.cli.jobs.client import Service

    with Service(data_owner_url(data_owner)) as service:
        found = service.get("/budget")
    if as_json:
        print_json(found)
        return
    rows: list[list[object]] = []
    for one in found["datasets"]:
        left = "no end" if one["epsilon_left"] is None else f"{one['epsilon_left']:.4g}"
        spent = "all: exact sums were told" if one["exact"] else f"{one['epsilon_spent']:.4g}"
        rows.append([one["dataset"], spent, left, one["delta"], one["reserved"], len(one["releases"])])
    print_table("", ["dataset", "epsilon spent", "left for one release", "delta", "reserved", "releases"], rows)
    for one in found["datasets"]:
        for release in one["releases"]:
            console().print(
                f"{one['dataset']}: epsilon {release['epsilon']:g} at delta {release['delta']:g}, first told to job "
                f"{release['job_id'][:8]} on {release['booked_at'][:10]}",
                markup=False,
            )
    if found["epsilon"] is None:
        text = "The policy has no [privacy] epsilon and delta: there is no end, and exact jobs are answered."
    else:
        text = f"The policy's budget of each record: epsilon {found['epsilon']:g} at delta {found['delta']:g}."
    console().print(text, markup=False)
    if found["forgotten"]:
        console().print(
            f"Warning: the store is an older copy, and does not know {found['forgotten']} of the releases that were "
            "told. They are remembered beside the keys, and count.",
            markup=False,
        )
