"""Checks of a roster and of the Facilitator's log, by an owner. Pure."""

from __future__ import annotations

from datetime import datetime

from fedtrain.data_owner.job_state import AnswerFacts, JobContext, JobState
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.quorum import doubt_of_quorum, quorum_of
from fedtrain.protocol.documents.roster import OpenRoster
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.protocol.evidence.sum_set import SumSet
from fedtrain.protocol.messages.rounds import (
    NO_ENTRY,
    Compute,
    LogEntry,
    RoundAnswer,
    RoundRequest,
    from_cbor,
)
from fedtrain.spec.problems import Code, Problem


def check_roster(context: JobContext, state: JobState, signed: SignedDocument, now: datetime) -> OpenRoster:
    """Return the roster if this owner can work under it.

    Raises Problem: BAD_SIGNATURE, or ROSTER_INVALID: any rule of `protocol.documents.roster`, this owner's own
    acceptance missing or altered, fewer owners that count than the policy's least roster, or fewer that may be taken
    for honest than the job's privacy counts on.
    """
    roster = context.roster(state, signed)
    if state.join_answer is None or state.join_answer.signed not in roster.entries:
        raise Problem(Code.ROSTER_INVALID, "The roster does not hold this owner's acceptance as it was given.")
    strangers = [one for one in roster.acceptances if state.asked_owners and one.party not in state.asked_owners]
    if strangers:
        raise Problem(
            Code.ROSTER_INVALID,
            f"The roster has {strangers[0].name} ({strangers[0].party[:16]}…), which the request that was approved "
            "here did not ask: who else takes part is part of what was approved.",
        )
    counted = context.policy.counted_on_roster(roster.acceptances, context.party_id, now)
    if counted < context.policy.least_roster:
        raise Problem(
            Code.ROSTER_INVALID,
            f"The roster has {counted} owners that count, of {len(roster.parties)}; this owner's least roster is "
            f"{context.policy.least_roster}: pin the others, once checked, or lower least_roster.",
        )
    spec, colluders = context.manifest(state).spec, context.policy.privacy.colluders
    training, owners, honest = spec.training, len(roster.parties), counted - colluders
    # A sum may be without some of them, and they may be honest ones.
    missing = owners - quorum_of(training, owners) if training.goes_on else 0
    if spec.privacy is not None and spec.honest_owners > honest - missing:
        without = f", and a sum may be without {missing} more" if missing else ""
        raise Problem(
            Code.ROSTER_INVALID,
            f"The job's privacy counts on the noise of {spec.honest_owners} honest owners. Of the roster's "
            f"{owners} owners {counted} count, and {colluders} of those may collude{without}.",
        )
    doubt = doubt_of_quorum(quorum_of(training, owners), owners, owners - honest) if training.goes_on else None
    if doubt is not None:
        raise Problem(Code.ROSTER_INVALID, f"The roster is refused, since rounds go on without an owner: {doubt}.")
    return roster


def check_log(context: JobContext, state: JobState, request: RoundRequest, previous_entry: bytes) -> None:
    """Check that the log the request stands on holds this owner's last answer, right after the head it answered to.

    Raises Problem: LOG_INCONSISTENT, MALFORMED_CBOR, MALFORMED_MESSAGE.
    """
    if sha256_hex(previous_entry) != request.log_head:
        raise _inconsistent("the entry that was sent is not the head that the request names")
    entry = from_cbor(previous_entry, LogEntry)
    if state.roster is None or (entry.manifest_hash, entry.roster_hash) != (state.manifest_hash, state.roster.hash):
        raise _inconsistent("the entry belongs to another manifest or roster")
    last = state.last
    if context.manifest(state).spec.training.goes_on:
        _check_log_that_goes_on(context, state, request, entry)
        return
    if last is None:
        if (entry.index, entry.previous, entry.answers) != (0, NO_ENTRY, ()):
            raise _inconsistent("before the first round there must be the opening entry alone")
        return
    if entry.index != state.answers or entry.previous != last.log_head:
        raise _inconsistent(f"entry {entry.index} does not follow the entry that round {last.round} stood on")
    if (entry.round, entry.kind, entry.request_hash) != (last.round, last.kind, last.request_hash):
        raise _inconsistent(f"entry {entry.index} is not of round {last.round} ({last.kind}), the last one answered")
    parties = tuple(record.party for record in entry.answers)
    if parties != context.roster(state, state.roster).parties:
        raise _inconsistent(f"entry {entry.index} does not record one answer of every owner on the roster")
    own = entry.answers[parties.index(context.party_id)]
    expected = (last.answer_hash, last.ciphertexts_hash, bytes.fromhex(last.signature))
    if (own.answer_hash, own.ciphertexts_hash, own.signature) != expected:
        raise _inconsistent(f"entry {entry.index} records another answer of this owner than it gave")


def _check_log_that_goes_on(context: JobContext, state: JobState, request: RoundRequest, entry: LogEntry) -> None:
    """Check that a log holds the sum over the set that this owner signed last, and its answer in no other way.

    Rounds that came to nothing are in no log, and an owner that was away did not see all entries; but one that follows
    the head its latest answer stood on is of that answer's round, or of a later one. In the very next round there is
    that one entry since, or none.
    """
    last, signed = state.last, state.signed_set
    if last is not None and request.round == last.round + 1 and last.log_head not in (request.log_head, entry.previous):
        raise _inconsistent(f"entry {entry.index} does not follow the entry that round {last.round} stood on")
    if last is None or request.log_head == last.log_head or entry.previous != last.log_head:
        return
    if entry.round < last.round:
        raise _inconsistent(f"entry {entry.index} is of round {entry.round}, and round {last.round} stood before it")
    if entry.round > last.round:
        return
    own = next((record for record in entry.answers if record.party == context.party_id), None)
    if own is not None and (own.answer_hash, own.ciphertexts_hash) != (last.answer_hash, last.ciphertexts_hash):
        raise _inconsistent(f"entry {entry.index} records another answer of this owner than it gave")
    if signed is not None and signed.round == entry.round and SumSet.of_entry(entry).hash != signed.set_hash:
        raise _inconsistent(f"entry {entry.index} records the sum over another set than this owner signed")


def own_answer(context: JobContext, compute: Compute, entry: LogEntry, body: bytes) -> tuple[RoundAnswer, AnswerFacts]:
    """Return what this owner answered to a request, from the log: its signature on it is its own word for it.

    For a state that was restored from a backup and has forgotten the answer. Raises Problem(LOG_INCONSISTENT) where the
    bytes are not what the log's entry records of this owner, or not an answer to that very request; BAD_SIGNATURE.
    """
    answer, request = from_cbor(body, RoundAnswer), from_cbor(compute.request.body, RoundRequest)
    asked = (request.manifest_hash, request.roster_hash, request.round, request.kind, request.log_head)
    given = (answer.manifest_hash, answer.roster_hash, answer.round, answer.kind, answer.log_head)
    belongs = given == asked and (answer.party, answer.request_hash) == (context.party_id, compute.request.hash)
    recorded = (entry.round, entry.kind, entry.request_hash)
    if not belongs or recorded != (request.round, request.kind, answer.request_hash):
        raise _inconsistent(f"entry {entry.index} does not record this owner's answer to round {request.round}")
    if all(record.answer_hash != sha256_hex(body) for record in entry.answers if record.party == context.party_id):
        raise _inconsistent(f"entry {entry.index} records another answer of this owner than the one that was sent")
    answer.check_signature()
    return answer, AnswerFacts(
        round=answer.round,
        kind=answer.kind,
        request_hash=answer.request_hash,
        log_head=answer.log_head,
        answer_hash=sha256_hex(body),
        ciphertexts_hash=answer.vector.ciphertexts_hash,
        signature=answer.signature.hex(),
    )


def _inconsistent(why: str) -> Problem:
    return Problem(Code.LOG_INCONSISTENT, f"The Facilitator's log is refused: {why}.")
