"""The allowance of scoring and what is spent of it, durably: a score is counted before it is sent, in the store and
beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from fedtrain.model_owner.scoring.told import BitsTold
from fedtrain.model_owner.store import tables
from fedtrain.protocol.documents.signed import PartyId
from fedtrain.protocol.messages.scoring import SCORE_BITS
from fedtrain.service.store.database import read, write
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Code, Problem


class Terms(Strict):
    """Parties that may score a model, and the bits of it that all of them together are told. `allowed`: at all."""

    allowed: bool
    quota_bits: int
    data_owners: tuple[PartyId, ...]


@dataclass(frozen=True)
class Account:
    """A model's terms, what was spent of its quota, and its signed offer (SignedBytes, CBOR)."""

    terms: Terms
    spent_bits: int
    offer: bytes

    def scores_left(self, outputs: int) -> int:
        """Rows that can still be scored, for a model of so many outputs."""
        return max(0, self.terms.quota_bits - self.spent_bits) // (outputs * SCORE_BITS)


class ScoringLedger:
    """The accounts in the Model Owner's database; `told` counts what a database that was set back has forgotten.

    Any thread may share it.
    """

    def __init__(self, engine: sa.Engine, told: BitsTold) -> None:
        self._engine = engine
        self._told = told

    def account(self, job_id: str) -> Account | None:
        """A model's account. Raises SecretFileError where its count beside the store cannot be read."""
        with read(self._engine) as connection:
            return self._account(connection, job_id)

    def open(self, job_id: str, terms: Terms, offer: bytes) -> Account:
        """Set a model's terms. The first offer of a model stays, and so does what was spent."""
        t = tables.scoring
        with write(self._engine) as connection:
            known = self._account(connection, job_id)
            if known is None:
                spent = self._told.of(job_id)
                values = {"terms": terms.model_dump_json(), "spent_bits": spent, "offer": offer}
                connection.execute(sa.insert(t).values(job_id=job_id, **values))
                return Account(terms, spent, offer)
            connection.execute(sa.update(t).where(t.c.job_id == job_id).values(terms=terms.model_dump_json()))
            return Account(terms, known.spent_bits, known.offer)

    def reply(self, request_hash: str) -> bytes | None:
        """The answer that was given to a request."""
        query = sa.select(tables.scores.c.reply).where(tables.scores.c.request_hash == request_hash)
        with read(self._engine) as connection:
            body = connection.execute(query).scalar()
        return None if body is None else bytes(body)

    def charge(self, job_id: str, request_hash: str, party: str, bits: int, reply: bytes, now: datetime) -> bytes:
        """Count an answer and keep it, before anybody sees it; return the one there is where it was given before.

        Raises Problem: SCORING_REFUSED and SCORES_USED_UP, by what the account says at this very moment.
        """
        t, kept = tables.scoring, tables.scores
        with write(self._engine) as connection:
            account = self._account(connection, job_id, lock=True)
            known = connection.execute(sa.select(kept.c.reply).where(kept.c.request_hash == request_hash)).scalar()
            if known is not None:
                return bytes(known)
            spent = check(account, job_id, party, bits).spent_bits + bits
            self._told.set(job_id, spent)
            connection.execute(sa.update(t).where(t.c.job_id == job_id).values(spent_bits=spent))
            values = {"party": party, "bits": bits, "answered_at": now.isoformat(), "reply": reply}
            connection.execute(sa.insert(kept).values(request_hash=request_hash, job_id=job_id, **values))
        return reply

    def _account(self, connection: Connection, job_id: str, *, lock: bool = False) -> Account | None:
        query = sa.select(tables.scoring).where(tables.scoring.c.job_id == job_id)
        row = connection.execute(query.with_for_update() if lock else query).mappings().first()
        if row is None:
            return None
        spent = max(int(row["spent_bits"]), self._told.of(job_id))
        return Account(Terms.model_validate_json(row["terms"]), spent, bytes(row["offer"]))


def check(account: Account | None, job_id: str, party: str, bits: int) -> Account:
    """Return the account if it lets that party have so many bits. Raises Problem: SCORING_REFUSED, SCORES_USED_UP."""
    if account is None or not account.terms.allowed:
        raise Problem(Code.SCORING_REFUSED, f"Model {job_id} is not to be scored.")
    if party not in account.terms.data_owners:
        raise Problem(Code.SCORING_REFUSED, f"Model {job_id} is not to be scored by {party[:16]}….")
    left = account.terms.quota_bits - account.spent_bits
    if bits > left:
        raise Problem(
            Code.SCORES_USED_UP,
            f"These scores tell {bits} bits, and of the {account.terms.quota_bits} that model {job_id} may tell in all "
            f"{max(0, left)} are left.",
        )
    return account
