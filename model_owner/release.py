"""Release of a finished model to others, once people of every owner have signed that they may get it. Pure.

The job's sums were opened on the way, so that this rests on this party's word: nothing but its own software holds the
model back. Statements are handed in as owners wrote them, and are checked like any other party's word.
"""

from __future__ import annotations

from fedtrain.model_owner.job_state import JobContext, JobState, Member, OwnersWord
from fedtrain.protocol.documents.release import ReleaseStatement
from fedtrain.protocol.documents.signed import SignedDocument, open_document
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code, Problem


def with_statement(context: JobContext, state: JobState, signed: SignedDocument) -> JobState:
    """Return the job with one more owner's decision about its model.

    Raises Problem: WRONG_STATE where none is waited for; BAD_SIGNATURE, MALFORMED_MESSAGE, PROTOCOL_VERSION;
    SIGN_OFF_INVALID for a statement on another job or end of it, of who is not on the roster, and for a second one.
    """
    if not state.spec.awaits_release or state.phase is not Phase.FINISHED or state.roster is None:
        raise Problem(Code.WRONG_STATE, f"Model {state.job_id} is {state.status}, and waits for no owner's statement.")
    statement = open_document(signed, ReleaseStatement)
    if signed.signer != statement.party:
        raise _invalid(f"it is in the name of {statement.party[:16]}…, and {signed.signer[:16]}… signed it")
    about = (statement.job_id, statement.manifest_hash, statement.roster_hash)
    if about != (state.job_id, context.manifest_hash(state), state.roster.hash):
        raise _invalid(f"it is about job {statement.job_id}, or about other owners of it, and not about this model's")
    owner = next((one for one in state.owners if one.party == statement.party), None)
    if owner is None:
        raise _invalid(f"{statement.party[:16]}… is not on the roster of this job")
    if statement.log_head != state.log_head:
        raise _invalid(
            f"{owner.name} decided about a job whose log ends with {statement.log_head[:16]}…, and this one's ends "
            f"with {state.log_head[:16]}…: compare them by fedtrain verify"
        )
    if any(word.party == owner.party for word in state.owners_words):
        raise _invalid(f"the statement of {owner.name} is here already, and an owner decides once")
    word = OwnersWord(party=owner.party, refused_because=statement.why, people=statement.people, signed=signed)
    return state.model_copy(update={"owners_words": (*state.owners_words, word)})


def check_released(state: JobState, what: str) -> None:
    """Raise Problem(NOT_SIGNED_OFF) where others may not get the model. `what`: they would be given."""
    if not state.spec.awaits_release:
        return
    missing, refusals = undecided(state), refused(state)
    if not missing and not refusals:
        return
    said = [f"{owner.name} refused that ({word.refused_because})" for owner, word in refusals]
    if missing:
        said.append(f"{', '.join(owner.name for owner in missing)} have not signed it off yet")
    raise Problem(
        Code.NOT_SIGNED_OFF,
        f"Model {state.job_id} goes to nobody else before people of every owner have signed it off, and so there is no "
        f"{what}: {'; '.join(said)}.",
    )


def undecided(state: JobState) -> list[Member]:
    """Return the owners of the roster whose statement is not here, by name."""
    decided = {word.party for word in state.owners_words}
    missing = [owner for owner in state.owners if owner.party not in decided]
    return sorted(missing, key=lambda owner: owner.name)


def refused(state: JobState) -> list[tuple[Member, OwnersWord]]:
    """Return the owners whose people refused that others get the model."""
    named = {owner.party: owner for owner in state.owners}
    return [(named[word.party], word) for word in state.owners_words if word.refused_because is not None]


def _invalid(why: str) -> Problem:
    return Problem(Code.SIGN_OFF_INVALID, f"The owner's statement is refused: {why}.")
