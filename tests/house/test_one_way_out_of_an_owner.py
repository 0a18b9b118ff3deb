"""Numbers made from records reach the task client by `data_owner/release` alone, or, as scores, by its like.

What leaves an owner otherwise are signed documents (acceptances, which carry a salted hash of the moments, declines,
withdrawals, registrations) and the bare answer to an END task.

Private scoring stands apart, for it has no roster to be summed over and no Facilitator's log to be recorded in: x·w is
hidden by a mask that is uniform mod n, that this owner alone knows and takes off again, and not by masks that cancel.
It has the stages that fit it, in one file: fixed point, application to Enc(w), mask, re-randomiser. Rows that were
scored are no answer of a job: neither marked nor audited, and the Model Owner counts them (`test_scoring_attacks`).
An owner that asks for a finished network sends a key and a nonce, and nothing made from records.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from fedtrain import neural

OWNER = Path(__file__).resolve().parents[2] / "data_owner"
MODULES = sorted(path.relative_to(OWNER).as_posix() for path in OWNER.rglob("*.py"))

#: By what is named: the modules that may name it, besides those of `release/`.
NAMED_BY = {
    "fedtrain.data_owner.release.answer.compute_answer": (),
    "fedtrain.protocol.messages.tasks.CBOR_TYPE": (),
    "fedtrain.client.agent.tasks.TaskAnswer": ("agent/jobs/owner_jobs.py", "agent/jobs/tasks.py"),
    "fedtrain.protocol.messages.scoring.ScoreRequest": ("scoring/desk.py",),
    "fedtrain.data_owner.scoring.masked_scores.mask_scores": ("scoring/desk.py",),
    "fedtrain.data_owner.scoring.asking.exchange": ("scoring/desk.py", "scoring/given_models.py"),
    "fedtrain.protocol.messages.given_model.ModelAsk": ("scoring/given_models.py",),
}
#: What a method's half may import of ours.
OF_METHODS = (
    "fedtrain.data_owner.data.moments.",
    "fedtrain.data_owner.methods.",
    "fedtrain.methods.",
    "fedtrain.spec.",
    "fedtrain.protocol.messages.shared_weights.SharedWeights",
    # How a column's values are scaled: a function of its declaration, for bounds that they are held against.
    "fedtrain.tabular.columns.feature_codec",
    # What is asked of a trainer, as data; never the process that trains, or a file.
    *(f"fedtrain.neural.{name}" for name in neural.__all__),
)
ENCRYPTS = "scoring/masked_scores.py"


def imported(tree: ast.AST) -> Iterator[str]:
    """Full names of all that is imported, wherever it is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_signed_document(call: ast.Call) -> bool:
    """Say whether a TaskAnswer is `document.model_dump_json().encode()`, or b"{}", as JSON."""
    body, media_type = call.args
    return ast.unparse(media_type) == "JSON_TYPE" and (
        ast.unparse(body) == "b'{}'" or ast.unparse(body).endswith(".model_dump_json().encode()")
    )


def found(module: str, source: str) -> list[str]:
    """Ways round the release, in one module of an owner."""
    tree, wrong = ast.parse(source), []
    releases = PurePosixPath(module).parts[0] == "release"
    for name in imported(tree):
        engine = name.endswith(".Engine") or (module == "app.py" and name.startswith("fedtrain.crypto.engine."))
        if name.startswith("fedtrain.crypto") and not (releases or module == ENCRYPTS or engine):
            wrong.append(f"{name}: only the release encrypts")
        if name in NAMED_BY and not releases and module not in NAMED_BY[name]:
            wrong.append(f"{name} is the release's")
        if module.startswith("methods/") and name.startswith("fedtrain.") and not name.startswith(OF_METHODS):
            wrong.append(f"{name}: a method is a pure function of data")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and not releases:
            called = ast.unparse(node.func).split(".")
            if called[0] in ("RoundAnswer", "VectorMessage") or called[-1] == "signed_by":
                wrong.append(f"line {node.lineno}: an answer is made by the release")
            if called[-1] == "send_task" and module != "scoring/asking.py":
                wrong.append(f"line {node.lineno}: a task is sent by scoring alone")
            if called[-1] == "TaskAnswer" and not is_signed_document(node):
                wrong.append(f"line {node.lineno}: what is no signed document is sent by the release")
    return wrong


@pytest.mark.parametrize("module", MODULES)
def test_no_module_of_an_owner_goes_round_the_release(module: str) -> None:
    assert found(module, (OWNER / module).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("methods/histogram.py", "from fedtrain.crypto import encrypt_array"),
        ("methods/histogram.py", "def answer():\n    from fedtrain.data_owner.store.sql import OwnerStore"),
        ("methods/histogram.py", "from fedtrain.client.facilitator import FacilitatorClient"),
        ("methods/histogram.py", "import fedtrain.client"),
        ("agent/jobs/tasks.py", "from fedtrain.protocol.messages.tasks import CBOR_TYPE"),
        ("agent/jobs/tasks.py", "from fedtrain.crypto.masks import blind"),
        ("agent/jobs/tasks.py", "answer = TaskAnswer(body, JSON_TYPE)"),
        ("agent/jobs/tasks.py", "answer = TaskAnswer(document.model_dump_json().encode(), 'application/cbor')"),
        ("agent/effects.py", "answer = RoundAnswer(party=me, vector=vector)"),
        ("agent/effects.py", "answer = RoundAnswer.model_validate(fields)"),
        ("agent/effects.py", "sent = answer.signed_by(identity)"),
        ("data/moments.py", "from fedtrain.data_owner.release.answer import compute_answer"),
        ("routes/models.py", "from fedtrain.client.agent.tasks import TaskAnswer"),
        ("routes/models.py", "await client.send_task(kind, recipient, job_id, nonce, body)"),
        ("app.py", "from fedtrain.crypto import pack"),
        ("routes/scores.py", "from fedtrain.data_owner.scoring.asking import exchange"),
    ],
)
def test_a_way_round_it_is_seen(module: str, source: str) -> None:
    assert found(module, source)


@pytest.mark.parametrize("name", ["worker_process", "weights_file", "local_training"])
def test_a_method_that_trains_by_itself_is_seen(name: str) -> None:
    assert found("methods/network.py", f"from fedtrain.neural.{name} import anything")
    assert not found("methods/network.py", "from fedtrain.neural import Trainer, TrainingTask")
