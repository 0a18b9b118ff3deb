"""The catalogue of everything that can go wrong between parties and with their users.

One code a problem; over HTTP it is `application/problem+json` (RFC 9457), whose `type` ends in the code, so that a
client can turn it back into the same `Problem`. The `type` is a relative reference: to the page on the problem that the
service itself serves. What is said to *others* (a decline) is the code alone.
"""

from __future__ import annotations

import json
from enum import Enum, unique

from fedtrain.spec.json_text import JsonRefusedError, check_json
from fedtrain.spec.shown_text import all_shown, shown

PROBLEM_JSON = "application/problem+json"
TYPE_BASE = "/problems/"
_MOST_VALUES = 10_000


@unique  # two of the same words would be one problem under two names
class Code(Enum):
    """Every problem, by name: the HTTP status it travels with, a short title, and what a person does about it."""

    def __init__(self, status: int, title: str, remedy: str) -> None:
        self.status = status
        self.title = title
        self.remedy = remedy

    # What a user sends
    INVALID_REQUEST = 422, "The request does not have the expected form", "Correct the fields that `errors` names."
    INVALID_SPEC = 422, "The model spec cannot be used", "Correct the fields that `errors` names."
    DOES_NOT_FIT = 422, "The job does not fit the key", "Take one of the changes that `fixes` lists."
    BODY_TOO_LARGE = 413, "The body is larger than this route takes", "Send less, or raise the limit in the settings."
    MALFORMED_JSON = 400, "The body is not JSON", "Check quotes, commas and encoding (UTF-8)."
    MALFORMED_CBOR = 400, "The body is not deterministic CBOR", "Encode as RFC 8949 §4.2.1 says, without tags."
    UNSUPPORTED_MEDIA_TYPE = 415, "The body's type is not taken here", "Set Content-Type to one that the detail names."
    NOT_FOUND = 404, "There is nothing at this address", "Look at /docs for the routes."
    METHOD_NOT_ALLOWED = 405, "This address does not take that method", "Look at /docs for the routes."
    MODEL_NOT_FOUND = 404, "There is no such model", "List the models with GET /models."
    DATASET_NOT_FOUND = 404, "There is no such dataset", "List the datasets with GET /datasets."
    REQUEST_NOT_FOUND = 404, "There is no such request", "List the requests with GET /requests."
    PREDICTION_NOT_FOUND = 404, "There is no such prediction", "List them with GET /predictions."
    NO_FINISHED_MODEL = 409, "No model has finished yet", "Wait until a model's status is FINISHED."
    MODEL_NOT_FINISHED = 409, "The model has not finished", "Wait until its status is FINISHED."
    NO_PREDICTIONS = (
        409,
        "The model predicts nothing",
        "Look at what it found with GET /models/{id}, or name another model.",
    )
    NO_TEST_DATA = 409, "The Model Owner has no test set", "Register one with POST /datasets."
    INVALID_DATA = 422, "The data do not fit their declared encoding", "Mend the data or the declaration."
    QUERY_FAILED = 422, "The query gave no table", "Mend the query, or ask who keeps the database."
    INVALID_ROWS = 422, "The rows cannot be scored", "Correct what `errors` names."
    # Who may do what
    UNAUTHENTICATED = 401, "The caller is not known", "Send a valid bearer token."
    FORBIDDEN = 403, "The caller may not do this", "Use a token whose role allows it."
    FOREIGN_HOST = (
        403,
        "The service is not known by that name",
        "Call it by a name of its own, or add this one to allowed_hosts in its settings.",
    )
    FOREIGN_ORIGIN = (
        403,
        "Another web page's request",
        "Open the service's own pages, or use the command line or a program.",
    )
    RATE_LIMITED = 429, "Too many requests", "Wait as long as Retry-After says."
    PROTOCOL_VERSION = 400, "The message is of another protocol version", "Upgrade the older party."
    BAD_SIGNATURE = 400, "A signature does not hold", "Check that the parties' identities are the pinned ones."
    # Tasks and rounds
    TASK_NOT_FOUND = 404, "There is no such task for the caller", "Poll GET /tasks."
    TASK_CLOSED = 409, "The task is over", "Nothing; its job went on or ended."
    ANSWER_CONFLICT = 409, "Another answer was already given", "Send the same bytes, or nothing."
    CARD_SUPERSEDED = (
        409,
        "The dataset has a later card, or its card was withdrawn later",
        "Publish the dataset again: that makes a newer card.",
    )
    JOB_EXISTS = 409, "Another job has this id", "Choose a new id."
    JOB_OVER = 409, "The job has ended", "Deploy a new one."
    WRONG_STATE = 409, "The job is not in a state that allows this", "Look at its status."
    MALFORMED_MESSAGE = 400, "A party's message does not have the agreed form", "Check the parties' versions."
    MALFORMED_CIPHERTEXT = 400, "A ciphertext is not valid", "Check the sender's software."
    MALFORMED_KEY = 400, "The public key is not sound", "Do not join; tell the Model Owner."
    REQUEST_DIFFERS = (
        409,
        "This round was already answered for another request",
        "Nothing; an owner answers a round once.",
    )
    ROWS_TOTAL_REFUSED = (
        409,
        "A request's total of rows cannot be the federation's",
        "Ask the Model Owner; deploy the job again.",
    )
    ROSTER_INVALID = 409, "The roster is not acceptable", "Compare it with the consortium's list."
    SEALED_WEIGHTS_REFUSED = (
        400,
        "The weights that were sealed to this owner do not open",
        "Nothing; the Model Owner deploys the job again.",
    )
    SET_REFUSED = (
        409,
        "A set of owners whose answers are to be summed is refused",
        "Ask the Facilitator; the round goes without this owner, or comes to nothing.",
    )
    UNMASKING_REFUSED = (
        409,
        "An owner told other keys than those its answer was masked with",
        "Ask the owner that is named; deploy the job again without it.",
    )
    SIGN_OFF_INVALID = (
        409,
        "A signature under a result is refused",
        "Look at what waits with `fedtrain sign-off JOB`, and sign that, each person once.",
    )
    ADDITION_NOT_PROVEN = 409, "The sum is not the product of the owners' answers", "Run `fedtrain verify`."
    SUM_OUT_OF_BOUND = (
        409,
        "A sum does not decrypt to what was planned",
        "Deploy the job again; if it stays, ask the owners for their software's versions.",
    )
    SUMS_UNUSABLE = (
        409,
        "The Model Owner cannot use a job's sums",
        "Ask the Model Owner, who knows more; see that every owner runs unaltered software.",
    )
    LOG_INCONSISTENT = 409, "The Facilitator's log does not hold what was answered", "Run `fedtrain verify`."
    RESTORED_TOO_OLD = (
        409,
        "A party's state is older than its job",
        "Run `fedtrain resume MODEL_ID` at that party; where it cannot catch up, deploy the job again.",
    )
    EVIDENCE_PRUNED = (
        410,
        "The job's ciphertexts were deleted by age",
        "Hashes and signatures are kept: `fedtrain verify` checks those. Ask before prune_after_days the next time.",
    )
    IDEMPOTENCY_CONFLICT = (
        409,
        "The Idempotency-Key was used for another body",
        "Send the same body again, or a new key.",
    )
    # Why an owner declines, or a job ends
    UNTRUSTED_MODEL_OWNER = 403, "The Model Owner is not pinned", "Pin it with `fedtrain trust`."
    BUDGET_SPENT = (
        403,
        "The records' privacy budget does not cover the job",
        "Ask for a smaller epsilon, or for the same columns, row_bound and roster as an earlier job.",
    )
    POLICY_REFUSES = 403, "The owner's policy does not allow the job", "Change the job or the policy."
    APPROVAL_DIFFERS = (
        403,
        "The job is not what was approved",
        "Deploy the request as it was approved, or make a new one.",
    )
    REQUEST_NOT_APPROVED = (
        409,
        "Too few owners have approved the request",
        "Wait for their decisions, or ask them in the request's thread.",
    )
    ENCODING_DIFFERS = (
        409,
        "The job reads columns otherwise than the dataset declares",
        "Use the consortium's schema.json.",
    )
    PLAN_DIFFERS = 409, "The plan is not what the spec gives", "Use the same version at every party."
    TOO_FEW_OWNERS = 409, "Fewer owners took part than the job needs", "See who declined, and why."
    ROSTER_CLOSED = (
        409,
        "The roster was closed without this owner",
        "Answer sooner, or ask the Model Owner for a longer join_timeout_s.",
    )
    OWNER_LEFT = 409, "An owner left the job after it had joined", "Ask that owner why, and deploy the job again."
    NOT_SIGNED_OFF = (
        409,
        "The model is not released to others",
        "Hand in what the owners' people signed with `fedtrain release FILE`; a refusal stands.",
    )
    SIGN_OFF_REFUSED = (
        409,
        "An owner's people did not sign the result off",
        "Read their reason, talk to them, and deploy the job again.",
    )
    OWNER_TIMED_OUT = 504, "An owner did not answer in time", "Start it again, or use on_dropout: wait."
    OWNER_LOST_ITS_KEY = 409, "An owner no longer has its mask key", "Deploy the job again."
    DIFFERENCING_RISK = (
        403,
        "The job's sum could be subtracted from an earlier one",
        "Look at what is shown, and approve or deny it by hand.",
    )
    CONSENT_MISSING = (
        409,
        "Owners of an earlier roster have not consented",
        "Use the same roster, or have every owner concerned sign with `fedtrain consent`.",
    )
    CONSENT_NOT_CONCERNED = (
        400,
        "A consent is signed by somebody who is on none of its rosters",
        "Hand in what the owners concerned signed.",
    )
    TOO_FEW_ROWS = (
        403,
        "A dataset, a part of it or a cell holds too few rows",
        "Do what the detail says, such as merging categories, or collect more rows.",
    )
    DATA_REFUSED = (
        403,
        "An owner's data are not let into the job",
        "Ask the owner: its own people see why, and `fedtrain check` says beforehand what to change.",
    )
    DIVERGED = 409, "Training diverged", "Lower learning_rate, or use auto."
    TRAINING_UNAVAILABLE = (
        503,
        "Networks cannot be trained here",
        "Install the extra `torch`, and take a device that is there.",
    )
    TRAINING_OUT_OF_MEMORY = (
        503,
        "Training needs more memory than it has",
        "Take a smaller batch_size, or raise the memory limit of the process that trains.",
    )
    TRAINING_STOPPED = (
        503,
        "The process that trains ended",
        "See in the log of the party how it ended, and whether its machine is short of memory.",
    )
    DENIED = 403, "The owner denied the job by hand", "Talk to the owner."
    SCORING_REFUSED = (
        403,
        "The Model Owner does not let this owner score the model",
        "Ask it to allow it: POST /models/{id}/scoring.",
    )
    SCORES_USED_UP = 403, "The model's scores are used up", "Score fewer rows; more scores would tell the model itself."
    MODEL_NOT_GIVEN = (
        403,
        "The model is not given to this owner",
        "Its spec says who gets it: give_model; of a model that is not given, rows can be scored unseen.",
    )
    NO_PERSONAL_MODEL = 404, "This owner has trained no copy of the model", "Train one: POST /models/{id}/personal."
    CANCELLED = 409, "The job was cancelled", "Deploy it again."
    # Operation
    NOT_READY = 503, "The service is not ready", "See GET /readyz for what is missing."
    TOO_MANY_CONNECTIONS = (
        503,
        "The service has all the connections that it can hold",
        "Try again in a few seconds; the log of the service says what holds them.",
    )
    BODY_DAMAGED = (
        500,
        "A file of a party's store is missing or was altered",
        "Put the file back from a backup: the job goes on by itself, and nothing was added or passed on of it.",
    )
    STORE_UNAVAILABLE = (
        503,
        "The service's database cannot be used now",
        "Nothing is lost: try again when GET /readyz says that the store is ok.",
    )
    FACILITATOR_UNREACHABLE = 502, "The Facilitator cannot be reached", "Check its address and that it runs."
    NO_ANSWER = 504, "The other party did not answer in time", "Check that it runs, and try again."
    SERVICE_UNREACHABLE = 502, "The service cannot be reached", "Check its address and that it runs."
    INTERNAL = 500, "The service failed", "Look at its log for the error's id."

    @property
    def slug(self) -> str:
        return self.name.lower().replace("_", "-")

    @classmethod
    def from_slug(cls, slug: str, status: int = 500) -> Code:
        """Return the code with that slug.

        For one that this version does not know, such as a proxy's own: INTERNAL, which may pass when it is tried again,
        RATE_LIMITED for 429, which will, or for another 4xx status INVALID_REQUEST, which will not.
        """
        if slug in _BY_SLUG:
            return _BY_SLUG[slug]
        if status == cls.RATE_LIMITED.status:
            return cls.RATE_LIMITED
        return cls.INVALID_REQUEST if 400 <= status < 500 else cls.INTERNAL


_BY_SLUG = {code.slug: code for code in Code}


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """Something named in the catalogue went wrong.

    `detail` says, to a person, what happened with which value and what to do; it never holds a data value, a key or
    a plaintext. `extra` are further members of the problem document, such as `errors` or `fixes`.
    """

    def __init__(self, code: Code, detail: str, /, **extra: object) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.extra = extra

    def __str__(self) -> str:
        return self.detail

    def to_dict(self) -> dict[str, object]:
        """Return the problem document (RFC 9457 §3.1)."""
        code = self.code
        document: dict[str, object] = {
            "type": TYPE_BASE + code.slug,
            "title": code.title,
            "status": code.status,
            "detail": self.detail,
            "remedy": code.remedy,
        }
        return document | {name: value for name, value in self.extra.items() if name not in document}

    @classmethod
    def from_body(cls, body: bytes, status: int) -> Problem:
        """Return the problem in the body of a peer's answer. Whatever it sent, nothing is raised."""
        try:
            check_json(body, _MOST_VALUES)
            document: object = json.loads(body)
        except (JsonRefusedError, ValueError, RecursionError):
            document = None
        return cls.from_dict(document, status)

    @classmethod
    def from_dict(cls, document: object, status: int) -> Problem:
        """Return the problem a peer sent. Whatever it sent, the result is a Problem and nothing is raised."""
        if not isinstance(document, dict):
            return cls(Code.from_slug("", status), f"The peer answered {status} without saying why.")
        # The part after the last base, so that an absolute address of the same page is the same problem.
        slug = str(document.get("type", "")).rpartition(TYPE_BASE)[2]
        known = {"type", "title", "status", "detail", "remedy"}
        detail = str(document.get("detail") or document.get("title") or f"The peer answered {status}.")
        extra = {str(key): value for key, value in document.items() if key not in known}
        return cls(Code.from_slug(slug, status), shown(detail), **all_shown(extra))


def catalogue() -> str:
    """Return the Markdown table of every problem that `docs/protocol.md` holds between its problem markers."""
    rows = [f"| `{c.slug}` | {c.status} | {c.title} | {c.remedy} |" for c in Code]
    return "\n".join(["| code | status | what happened | what to do |", "|---|---|---|---|", *rows])


if __name__ == "__main__":
    print(catalogue())  # noqa: T201
