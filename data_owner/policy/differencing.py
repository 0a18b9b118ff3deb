"""Rules against sums that could be combined with earlier ones so that what is left singles somebody out. Pure.

Three rules, explained in docs/decisions/sums-that-could-be-subtracted.md:

- Rows that sums tell apart are at least `min_rows`, or a person of this owner, whose rows they are, takes the risk.
- Where a table changed, the difference may be this owner's alone, and a person takes the risk.
- Sums of a table's rows go to one roster. Another one, or a change that would take this owner out of what is left
  for others, exposes others too: every owner of all rosters concerned signs, see `fedtrain.protocol.documents.consent`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fedtrain.data_owner.policy.row_groups import Against, Comparison, Relation
from fedtrain.data_owner.policy.told import Told
from fedtrain.protocol.documents.consent import Consent, sorted_rosters

#: Risks are all listed to a person, but no page of them.
MOST_SHOWN = 6

Roster = tuple[str, ...]


def table_risks(found: Comparison, min_rows: int) -> tuple[str, ...]:
    """Return what this owner's own rows risk, whoever is on the roster: a sentence each, () where nothing."""
    risks = list(found.doubts)
    if found.smallest_group is not None and found.smallest_group < min_rows and _has(found, Relation.SHARED):
        risks.append(
            f"Together with what was told before, {found.smallest_group} of this owner's rows would be told apart from "
            f"all others, and at least min_rows ({min_rows}) are to be: subtracting the sums leaves those."
        )
    shared = [one for one in found.against if one.relation is Relation.SHARED]
    if found.fresh:
        risks += _changed(found, shared)
    others = [one for one in shared if one.told.table.encoding != found.table.encoding]
    if others and not found.table.thresholds:  # in which no encoding shows
        risks.append(
            f"Job {_latest(others)} told sums of these rows under another encoding: the two may differ by what the "
            "encodings cut off, or put in place, of single rows."
        )
    unknown = [one for one in found.against if one.relation is Relation.UNKNOWN]
    if unknown:
        risks.append(
            f"Job {_latest(unknown)} told sums of dataset {unknown[-1].told.table.dataset!r}, and it is not known of "
            "which rows, or under which columns: where they are nearly those of this job, subtracting the two sums "
            "leaves single rows."
        )
    same_names = [one for one in found.against if one.relation is Relation.OTHER_COLUMNS]
    if same_names:
        risks.append(
            f"Job {_latest(same_names)} told sums of dataset {same_names[-1].told.table.dataset!r}, which has columns "
            "of the same names: let this job in only if no person has a record in both, for sums of the same records "
            "can be subtracted."
        )
    return tuple(risks[:MOST_SHOWN])


def roster_risks(found: Comparison, roster: Roster) -> tuple[str, ...]:
    """Return what this owner's own rows risk over this roster, besides `table_risks`."""
    if any(one.told.roster == roster and one.differ == 0 for one in found.against):
        return ()  # these rows went to it before
    if found.fresh and any(one.relation is Relation.SHARED for one in found.against):
        return ()  # which table_risks tells of
    return tuple(_changed(found, [one for one in _apart(found) if one.told.roster == roster]))


def touched(found: Comparison) -> tuple[Roster, ...]:
    """The rosters that sums of these rows went to, or may have gone to, in the order of their jobs."""
    known = (Relation.SHARED, Relation.UNKNOWN)
    return tuple(dict.fromkeys(one.told.roster for one in found.against if one.relation in known))


def rosters_to_consent(
    found: Comparison, roster: Roster, told: Iterable[Told], own: str, consents: Sequence[Consent]
) -> tuple[Roster, ...] | None:
    """The earlier rosters whose owners must consent, with those of the new one, before its sum is told; None: nobody.

    Rosters are linked once sums of the same rows went to them, which took consent. A roster that is linked already to
    all that the rows went to tells nothing new. `own`: this owner; what it signed itself links rosters, too, when it
    comes to whom to ask.
    """
    reached = touched(found)
    told = tuple(told)
    needs = bool(set(reached) - linked({roster}, links_of(told))) or (found.cancels and bool(found.against))
    if not needs:
        return None
    return sorted_rosters(linked({roster, *reached}, links_of(told, consents, own)), roster)


def links_of(told: Iterable[Told], consents: Iterable[Consent] = (), own: str = "") -> list[set[Roster]]:
    """Sets of rosters that belong together: by what was told, and by consents that are complete or `own` signed."""
    signed_here = [one for one in consents if own in one.signers or not one.missing]
    return [
        *({one.roster, *one.linked} for one in told),
        *({one.statement.roster, *one.statement.earlier} for one in signed_here),
    ]


def is_consented(consents: Iterable[Consent], manifest_hash: str, roster: Roster, earlier: Sequence[Roster]) -> bool:
    """Say whether all owners concerned signed a statement on this job that names at least these earlier rosters."""
    return any(
        (one.statement.manifest_hash, one.statement.roster) == (manifest_hash, roster)
        and set(earlier) <= set(one.statement.earlier)
        and not one.missing
        for one in consents
    )


def _changed(found: Comparison, others: Sequence[Against]) -> list[str]:
    if not others:
        return []
    latest = others[-1]
    return [
        f"Job {_latest(others)} told sums of {latest.told.table.rows} rows, this one is over {found.table.rows}, and "
        f"{latest.differ} are in one of the two alone or in another part of the split: where the other owners' tables "
        "stay as they are, the difference of the two sums is this owner's alone."
    ]


def _apart(found: Comparison) -> list[Against]:
    return [one for one in found.against if one.relation is Relation.APART and one.differ is not None]


def linked(start: set[Roster], links: Sequence[set[Roster]]) -> set[Roster]:
    """All rosters that are linked to these, by way of others too."""
    found, left = set(start), list(links)
    while joined := [link for link in left if link & found]:
        left = [link for link in left if not link & found]
        found = found.union(*joined)
    return found


def _has(found: Comparison, relation: Relation) -> bool:
    return any(one.relation is relation for one in found.against)


def _latest(others: Sequence[Against]) -> str:
    return f"{others[-1].told.job_id[:8]}…"
