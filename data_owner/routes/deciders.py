"""The person who decides by a request to this owner: who is signed in, or who says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, Field

from fedtrain.data_owner.approval import Person
from fedtrain.service.people.accounts import name_key
from fedtrain.service.web.caller import Caller
from fedtrain.spec.model_spec import check_printable
from fedtrain.spec.problems import Code, Problem

#: A name as the audit is to have it.
DeciderName = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(check_printable)]


def person_of(by: str | None, who: Caller, refused: Callable[[str], Problem] | None = None) -> Person:
    """Return who decides: whose account is signed in, else the name as given.

    Raises Problem for another name than the account's: INVALID_REQUEST, or what `refused` makes of the reason.
    """
    if who.account is None:
        return Person(by, who.token_id)
    if by is not None and name_key(by) != name_key(who.account):
        why = f"it is in the name of {by}, and {who.account} is signed in"
        errors = [{"field": "by", "message": why, "value": by}]
        raise refused(why) if refused else Problem(Code.INVALID_REQUEST, f"by: {why}.", errors=errors)
    return Person(who.account, who.token_id, signed_in=True)
