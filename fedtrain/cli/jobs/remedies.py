"""Remedies for a person at a terminal, where the catalogue's remedy speaks of routes and headers."""

from __future__ import annotations

from typing import Final

from fedtrain.spec.problems import Code

_COMMANDS: Final = "See `fedtrain --help` for what there is; both sides have to be of one version."

REMEDIES: Final[dict[Code, str]] = {
    Code.INVALID_REQUEST: "Correct the fields that are named.",
    Code.INVALID_SPEC: "Correct the fields that are named; docs/spec.md has all of them.",
    Code.DOES_NOT_FIT: "Take one of the changes that are listed.",
    Code.NO_PREDICTIONS: "Look at what it found with fedtrain status MODEL_ID, or name another model.",
    Code.INVALID_ROWS: "Correct the rows that are named.",
    Code.UNSUPPORTED_MEDIA_TYPE: _COMMANDS,
    Code.NOT_FOUND: f"Is this the address of the right kind of party? {_COMMANDS}",
    Code.METHOD_NOT_ALLOWED: f"Is this the address of the right kind of party? {_COMMANDS}",
    Code.MODEL_NOT_FOUND: "`fedtrain status` lists the Model Owner's models, `fedtrain approve` a Data Owner's.",
    Code.DATASET_NOT_FOUND: "Name one that is registered there; a Data Owner started with --data has `default`.",
    Code.REQUEST_NOT_FOUND: "`fedtrain request list` shows a Model Owner's requests, `fedtrain inbox` a Data Owner's.",
    Code.PREDICTION_NOT_FOUND: "Make one: `fedtrain predict`.",
    Code.NO_FINISHED_MODEL: "`fedtrain status` shows how far the jobs are; `fedtrain deploy SPEC --follow` starts one.",
    Code.MODEL_NOT_FINISHED: "`fedtrain status MODEL_ID` shows how far it is.",
    Code.NO_TEST_DATA: "Start the Model Owner with --test-data FILE, or score a file: `fedtrain predict --data FILE`.",
    Code.UNAUTHENTICATED: "Set FEDTRAIN_TOKEN_FILE to the file of a valid token; `fedtrain token create` makes one.",
    Code.FORBIDDEN: "Ask as somebody who may: FEDTRAIN_TOKEN_FILE names the file of a token whose role allows it.",
    Code.RATE_LIMITED: "Wait a moment, and try again.",
    Code.TASK_NOT_FOUND: "Nothing; the party asks again by itself.",
    Code.IDEMPOTENCY_CONFLICT: "Deploy it again as a new model.",
    Code.SCORING_REFUSED: "Ask the Model Owner to allow it: `fedtrain allow-scoring MODEL_ID`.",
    Code.NO_PERSONAL_MODEL: "Train one: `fedtrain personalise MODEL_ID`.",
    Code.NOT_READY: "`fedtrain doctor ROLE` shows what is missing.",
    Code.STORE_UNAVAILABLE: "Nothing is lost: try again when `fedtrain doctor ROLE` says that the database is ok.",
}


#: Their remedies mean what is listed beside them, and say nothing where nothing is.
_OF_WHAT_IS_LISTED: Final = frozenset({Code.INVALID_REQUEST, Code.INVALID_SPEC, Code.INVALID_ROWS, Code.DOES_NOT_FIT})


def remedy_of(code: Code, *, listed: bool) -> str | None:
    """Return what to do about a problem, in commands and options. `listed`: fields or changes are shown beside it."""
    if code in _OF_WHAT_IS_LISTED and not listed:
        return None
    return REMEDIES.get(code, code.remedy)
