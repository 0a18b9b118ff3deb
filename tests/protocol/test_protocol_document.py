"""docs/protocol.md says what the code does: diagrams, problems, fields, tags, tasks."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.protocol import admission
from fedtrain.protocol.documents import consent, release, request
from fedtrain.protocol.documents import signed as documents
from fedtrain.protocol.documents.signed import Document
from fedtrain.protocol.evidence import heads, sum_set
from fedtrain.protocol.messages import rounds as messages
from fedtrain.protocol.messages.rounds import ANSWER_TAG, REQUEST_TAG
from fedtrain.protocol.messages.tasks import TaskHeader, TaskKind
from fedtrain.protocol.version import PROTOCOL_VERSION
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Code

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, f"docs/protocol.md has no section {title}"
    return found[1]


def between(name: str) -> str:
    return TEXT.split(f"<!-- {name}: begin -->")[1].split(f"<!-- {name}: end -->")[0].strip()


@pytest.mark.parametrize(("name", "module"), [("states", "protocol.states"), ("problems", "spec.problems")])
def test_what_is_generated_is_what_its_command_prints(name: str, module: str) -> None:
    """If this fails: python -m fedtrain.MODULE, and put its output between the markers."""
    command = [sys.executable, "-m", f"fedtrain.{module}"]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert f"`python -m fedtrain.{module}`" in TEXT
    assert between(name) == printed.strip()


def test_every_problem_has_its_row() -> None:
    assert [line.split("`")[1] for line in between("problems").splitlines()[2:]] == [code.slug for code in Code]


def classes(module: object) -> list[type[Strict]]:
    return [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Strict) and kind.__module__ == module.__name__
    ]


OF_REQUESTS = [kind for kind in classes(request) if issubclass(kind, Document)]
SIGNED = [*(kind for kind in (*classes(documents), *classes(consent)) if kind is not Document), *OF_REQUESTS]
CARRIED = [kind for kind in classes(messages) if kind is not messages.Message]
OF_SETS = classes(sum_set)


OF_ENDS = [heads.HeadStatement, heads.AuditHead, admission.IdentityRequest, admission.Admission]


@pytest.mark.parametrize("kind", [*SIGNED, *CARRIED, *OF_SETS, *OF_ENDS, TaskHeader], ids=lambda kind: kind.__name__)
def test_every_field_of_every_message_is_named(kind: type[Strict]) -> None:
    where = {
        **dict.fromkeys(SIGNED, "Signed documents (JSON)"),
        **dict.fromkeys(CARRIED, "Round messages (CBOR)"),
        **dict.fromkeys(OF_ENDS, "Signed documents (JSON)"),
        **dict.fromkeys(OF_SETS, "Rounds that go on without an owner"),
        messages.VectorMessage: "Encodings",
        TaskHeader: "Tasks",
    }[kind]
    text = section(where)
    if kind not in (messages.VectorMessage, TaskHeader, heads.AuditHead):
        assert f"`{kind.__name__}`" in text
    for name in kind.model_fields:
        assert f"`{name}`" in text or f'"{name}"' in text, f"{kind.__name__}.{name}"


def test_every_signature_is_listed_with_its_tag() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `([a-z-]+)` \|", section("Signatures and hashes"), re.MULTILINE)
    listed = (*SIGNED, release.ReleaseStatement, heads.HeadStatement, admission.IdentityRequest, admission.Admission)
    signed = {kind.__name__: kind.tag() for kind in listed if issubclass(kind, Document)}
    assert dict(rows) == {**signed, "RoundRequest": REQUEST_TAG, "RoundAnswer": ANSWER_TAG}


def test_every_task_and_every_kind_of_round_is_listed() -> None:
    kinds = re.findall(r"^\| `(\w+)` \|", section("Tasks"), re.MULTILINE)
    assert kinds == [kind.value for kind in TaskKind]
    for kind in RoundKind:
        assert f"`{kind.value}`" in section("Round messages (CBOR)")


def test_the_version_is_this_one() -> None:
    assert f"`{PROTOCOL_VERSION}`" in section("Signed documents (JSON)")


def test_links_within_the_page_lead_somewhere() -> None:
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    }
    links = re.findall(r"\]\(#([^)]+)\)", TEXT)
    assert links
    assert set(links) <= anchors
    for target in re.findall(r"\]\(([a-z-]+\.md)\)", TEXT):
        assert (ROOT / "docs" / target).is_file()


def test_every_route_of_the_facilitator_is_listed() -> None:
    from fedtrain.facilitator.routes import ROUTERS

    routes = {
        (method, re.sub(r"\{(job_id|task_id|content_hash)\}", lambda m: "{hash}" if "hash" in m[1] else "{id}", r.path))
        for router in ROUTERS
        for r in router.routes
        for method in r.methods
    }
    text = section("The Facilitator's routes")
    listed = {(method, path) for method, path in re.findall(r"`(GET|PUT|DELETE|POST) ([^`?]+)[^`]*`", text)}
    assert routes <= listed
