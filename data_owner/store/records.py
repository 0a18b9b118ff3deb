"""Records that go into and come out of a Data Owner's store."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, PlainSerializer

from fedtrain.data_owner.data.encoding import DatasetFacts
from fedtrain.privacy.cost import Cost
from fedtrain.protocol.documents.signed import Hash, JobId, Name, PartyId, SignedDocument
from fedtrain.protocol.messages.rounds import Kind
from fedtrain.spec.model_spec import DataProps, Strict
from fedtrain.tabular.mapping.file import Mapping


class Dataset(Strict):
    """A registered dataset version. `version`: SHA-256 of the file's bytes, and of its mapping, where it has one.

    `adopted_from`: whose encoding it took. `mapping`: what the owner's mapping file said when it was registered;
    `content` is then the SHA-256 of the file alone.

    `columns` are the names that the first record gives, unless the schema says that there is no header, or the mapping
    another name.
    """

    name: Name
    version: Hash
    path: str
    columns: tuple[str, ...]
    schema_: Annotated[DataProps | None, Field(alias="schema")] = None
    mapping: Mapping | None = None
    content: Hash | None = None
    adopted_from: JobId | None = None
    registered_at: str

    @property
    def file_hash(self) -> str:
        """SHA-256 of the file's bytes, in hex."""
        return self.content or self.version

    def facts(self) -> DatasetFacts:
        """Return what judging a job needs of it."""
        return DatasetFacts(self.name, self.version, self.columns, self.schema_)


class FrozenTable(Strict):
    """A dataset version that was read once under one encoding; its moments are on disk under `key`."""

    key: Hash
    dataset: Name
    version: Hash
    rows: int
    frozen_at: str


class Release(Strict):
    """One answer that left this owner: how many numbers, of which dataset version, to whom."""

    job_id: JobId
    round: int
    kind: Kind
    numbers: int
    recipient: PartyId
    dataset: Name
    version: Hash
    released_at: str


class DecisionKind(StrEnum):
    """A person's decisions about a job, a request for one, or this owner's people; and queries that made a table."""

    APPROVED = "approved"
    RISKS_TAKEN = "risks_taken"
    DENIED = "denied"
    CONSENT_SIGNED = "consent_signed"
    CONSENT_TAKEN = "consent_taken"
    SIGNED_OFF = "signed_off"
    SIGN_OFF_REFUSED = "sign_off_refused"
    PERSONALISED = "personalised"
    REQUEST_APPROVED = "request_approved"
    REQUEST_DECLINED = "request_declined"
    QUERIED = "queried"
    ACCOUNT_ADDED = "account_added"
    ROLE_CHANGED = "role_changed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    ACCOUNT_DISABLED = "account_disabled"
    ACCOUNT_ENABLED = "account_enabled"


class Decision(Strict):
    """A decision that a person of this owner took about a job, about a `request`, by its hash, that is none yet, or
    about an account of its people.

    `about`: what the job waited for, in the words that were shown: why it was not let in by itself, or each risk; of a
    query that was run, the database with the rows that came, and the SQL; `version` is then the table's hash; of an
    account its name, its role, and what it was before.
    `reason`: why it was denied, or a result was signed off or not; `result`: that result, or the hash of the copy of
    the model that was trained here; `by`: the person, as named, or where `signed_in` the account that decided.
    `consent`: the hash of the consent as it was signed, `signer`: who signed it; a job that another owner's consent is
    for need not be known here. `token_id`: of the token that was shown; None where the
    service has no token list, and whoever runs it decides.
    """

    job_id: JobId | None = None
    decision: DecisionKind
    decided_at: str
    token_id: str | None = None
    about: tuple[str, ...] = ()
    reason: str | None = None
    consent: Hash | None = None
    signer: PartyId | None = None
    dataset: Name | None = None
    version: Hash | None = None
    result: Hash | None = None
    by: str | None = None
    signed_in: bool | None = None
    request: Hash | None = None


class DecidedRequest(Strict):
    """A request as its Model Owner signed it, and this owner's latest decision on it, as it was signed."""

    signed: SignedDocument
    decision: SignedDocument


#: A number that is hashed as text, which all languages write in one way.
Real = Annotated[float, PlainSerializer(repr, return_type=str)]


class SpendingKind(StrEnum):
    """Fate of a part of the records' privacy."""

    RESERVED = "reserved"
    BOOKED = "booked"
    FREE = "free"
    GIVEN_BACK = "given_back"


class Spending(Strict):
    """A part of the records' privacy that a job was set apart, spent for good, or gave back.

    `release`: what was booked, by its name; None before the roster is known. `share`: what this owner's noise is known
    by. `whole`: the set of the rows, hashed under `row_key`. `encoding`: of dictionary and mapping; None of what an
    earlier version spent. `rho`, `sampled`: the cost, as `fedtrain.privacy.cost` has it; `epsilon`, `delta`: what the
    job claims. FREE: the release was told before, and what was set apart is given back, as by GIVEN_BACK.
    """

    job_id: JobId
    kind: SpendingKind
    release: Hash | None = None
    share: Hash
    dataset: Name
    version: Hash
    whole: Hash | None = None
    row_key: str | None = None
    encoding: Hash | None = None
    rho: Annotated[Real, Field(ge=0)]
    sampled: tuple[Annotated[Real, Field(ge=0)], ...] | None = None
    epsilon: Real
    delta: Real
    spent_at: str

    @property
    def cost(self) -> Cost:
        """Rényi divergences of what was told."""
        return Cost(self.rho, self.sampled or ())

    def free(self, kind: SpendingKind | None = None) -> Self:
        """Return the same at no cost, as another kind where that is given."""
        return self.model_copy(update={"kind": kind or self.kind, "rho": 0.0, "sampled": None})
