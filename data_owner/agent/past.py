"""The memory of the sums that an owner told, and a job's table held against it. Blocks: it runs in the executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from fedtrain.data_owner.data.encoding import by_position
from fedtrain.data_owner.job import Past
from fedtrain.data_owner.job_state import JobState
from fedtrain.data_owner.policy.differencing import linked, links_of, touched
from fedtrain.data_owner.policy.row_groups import Comparison, Relation, compare
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.data_owner.policy.told import Told
from fedtrain.data_owner.release.told_files import RowFiles, ToldSums
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.protocol.documents.consent import Consent, RosterConsent, gathered, sorted_rosters
from fedtrain.protocol.documents.signed import Acceptance, Manifest, Roster, SignedDocument, open_document
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.errors import TableError


class Memory:
    """The record of what was told, the rows it was told of, and the consents that are here."""

    def __init__(
        self,
        told: ToldSums,
        rows: RowFiles,
        store: OwnerStore,
        now: Callable[[], datetime],
        restored_at: datetime | None = None,
    ) -> None:
        """`restored_at`: when the state folder was put back from a backup, if it ever was."""
        self._told = told
        self._rows = rows
        self._store = store
        self._now = now
        self._restored_at = restored_at

    def restored_since(self, moment: datetime) -> bool:
        """Say whether the whole state folder was put back from a backup after that moment."""
        return self._restored_at is not None and self._restored_at >= moment

    def past(self, job_id: str, table: SummedTable, policy: OwnerPolicy) -> Past:
        """Hold a job's table against all other jobs that were answered; nothing where the policy compares no sums."""
        if not policy.compares_sums:
            return Past(Comparison(table))
        told = self._told_to_others(job_id)
        compared = compare(table, told, self._rows.get, self._doubts(job_id, table, told))
        return Past(compared, told, self.consents())

    def tell(self, job_id: str, table: SummedTable, acceptances: Sequence[Acceptance], *, noised: bool = False) -> None:
        """Remember, durably, that a job's sums are told of this table, over the owners of this roster.

        Whatever the policy says: one that is made stricter finds what was told before.
        """
        reached = touched(compare(table, self._told_to_others(job_id), self._rows.get))
        self._told.tell(
            Told(
                job_id=job_id,
                told_at=self._now().isoformat(),
                table=table,
                roster=tuple(one.party for one in acceptances),
                names=tuple(one.name for one in acceptances),
                linked=reached,
                noised=noised,
            )
        )

    def related(self, job_id: str, table: SummedTable) -> tuple[Told, ...]:
        """The other jobs that this one's sums could be combined with, in the order of their first answers."""
        found = compare(table, self._told_to_others(job_id), self._rows.get)
        return tuple(one.told for one in found.against if one.relation is not Relation.APART)

    def of_dataset(self, name: str) -> tuple[Told, ...]:
        """The jobs that a dataset was told for, whatever its version, in the order of their first answers."""
        return tuple(one for one in self._told.sums() if one.table.dataset == name)

    def consents(self) -> tuple[Consent, ...]:
        """Every consent that is here."""
        return gathered(self._told.consents())

    def signed(self, job_id: str) -> tuple[SignedDocument, ...]:
        """The consents to one job, as they were signed."""
        signed = self._told.consents()
        return tuple(one for one in signed if open_document(one, RosterConsent).job_id == job_id)

    def has(self, signed: SignedDocument) -> bool:
        """Say whether this very consent is here."""
        return signed in self._told.consents()

    def take(self, signed: SignedDocument) -> RosterConsent:
        """Keep a consent. Raises Problem as `fedtrain.protocol.documents.consent.open_consent`."""
        return self._told.take(signed)

    def statement(self, job_id: str, asked: RosterConsent | None, own: str) -> RosterConsent:
        """Return what this owner is asked to sign for a job: by its own check, and in what others signed.

        It names every roster that is linked here to one of theirs. Raises Problem(MODEL_NOT_FOUND) where nobody asks.
        """
        consents = self.consents()
        here = [one.statement for one in consents if one.statement.job_id == job_id]
        of_job = here if asked is None else [asked, *here]
        if not of_job:
            raise Problem(Code.MODEL_NOT_FOUND, f"Nobody asks this owner to consent to job {job_id}.")
        first = of_job[0]
        if any((one.manifest_hash, one.roster) != (first.manifest_hash, first.roster) for one in of_job):
            raise Problem(
                Code.ROSTER_INVALID, f"The consents to job {job_id} name different rosters or manifests: sign none."
            )
        reached = {roster for one in of_job for roster in (one.roster, *one.earlier)}
        links = links_of(self._told.sums(), consents, own)
        return RosterConsent(
            job_id=job_id,
            manifest_hash=first.manifest_hash,
            roster=first.roster,
            earlier=sorted_rosters(linked(reached, links), first.roster),
        )

    def names(self) -> dict[str, str]:
        """Return what the parties of earlier rosters called themselves, by party id."""
        return {party: name for one in self._told.sums() for party, name in zip(one.roster, one.names, strict=True)}

    def take_over(self) -> None:
        """Remember the jobs that were answered before anything was kept here: their rows are not known."""
        known = {one.job_id for one in self._told.sums()}
        earlier: list[Told] = []
        for state in reversed(self._store.jobs()):
            if state.last is None or state.roster is None or state.table is None or state.job_id in known:
                continue
            acceptances = [open_document(one, Acceptance) for one in open_document(state.roster, Roster).entries]
            table = state.table.model_copy(update={"split": _is_split(state), "columns": self._columns(state)})
            same = [one.roster for one in earlier if one.table.is_same_dataset(table)]
            told = Told(
                job_id=state.job_id,
                told_at=state.changed_at.isoformat(),
                table=table,
                roster=tuple(one.party for one in acceptances),
                names=tuple(one.name for one in acceptances),
                linked=tuple(dict.fromkeys(same)),
            )
            self._told.tell(told)
            earlier.append(told)

    def _told_to_others(self, job_id: str) -> tuple[Told, ...]:
        return tuple(one for one in self._told.sums() if one.job_id != job_id)

    def _columns(self, state: JobState) -> tuple[str, ...]:
        dataset = self._store.dataset_version(state.dataset or "", state.dataset_version or "")
        if dataset is None or dataset.schema_ is None:
            return ()
        try:
            places = by_position(dataset.columns, dataset.schema_)
        except TableError:
            return ()
        return tuple(sorted(dataset.columns[place] for place in places))

    def _doubts(self, job_id: str, table: SummedTable, told: Sequence[Told]) -> tuple[str, ...]:
        """Return why more may have been told than is remembered here: a person is to say that it was not."""
        found = []
        if self._restored_at is not None and not any(
            datetime.fromisoformat(one.told_at) > self._restored_at and one.table.whole == table.whole for one in told
        ):
            found.append(
                f"This owner's state was put back from a backup at {self._restored_at:%Y-%m-%d %H:%M} UTC, and what it "
                "told between the backup and then is not known here: let the job in only if no sum of these rows was "
                "told in that time, or to the same owners alone."
            )
        last = told[-1] if told else None
        state = self._store.job(last.job_id) if last is not None else None
        if last is not None and (state is None or state.last is None) and last.job_id != job_id:
            found.append(
                f"This owner's store is older than what it told: it does not know the answers to job "
                f"{last.job_id[:8]}…. What was told is remembered beside the keys, but not what was approved since."
            )
        return tuple(found)


def _is_split(state: JobState) -> bool:
    try:
        return open_document(state.offer, Manifest).spec.validates
    except Problem:
        return True  # a manifest that this version does not read: more is not known of it
