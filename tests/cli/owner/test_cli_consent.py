"""fedtrain consent, from a Data Owner's port: what others signed is taken, shown, signed and written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fedtrain.protocol.documents.consent import RosterConsent
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import sign_document
from fedtrain.service.vault.identity_file import load_identity
from tests.cli.owner.test_cli_owner_and_policy import owner, run

__all__ = ["owner"]
JOB = "ab" * 16


def handed_over(folder: Path, own: str) -> Path:
    """Return what another owner signed: that a job may be over it and a third one, after a roster with this owner on
    it.
    """
    others = [Identity.generate() for _ in range(2)]
    statement = RosterConsent(
        job_id=JOB,
        manifest_hash="0a" * 32,
        roster=tuple(sorted(one.party_id for one in others)),
        earlier=(tuple(sorted([own, *(one.party_id for one in others)])),),
    )
    file = folder / "ana.json"
    file.write_text(json.dumps({"consents": [sign_document(statement, others[0]).model_dump(mode="json")]}))
    return file


def test_an_owner_of_an_earlier_roster_takes_signs_and_hands_on(owner: Any, tmp_path: Path) -> None:
    own = load_identity(tmp_path / "owner").party_id
    out = tmp_path / "gus.json"
    done = run("consent", JOB[:8], "--take", handed_over(tmp_path, own), "--out", out, "--yes", "--json")
    assert done.exit_code == 0, done.output
    # The service, which runs in this process too, logs before and after it.
    (shown,) = json.JSONDecoder().raw_decode(done.output[done.output.index("[\n") :])[0]
    assert len(shown["signed_by"]) == 2 and len(shown["missing"]) == 1
    assert own in {one["party"] for one in shown["signed_by"]}
    assert len(json.loads(out.read_text())["consents"]) == 2
    taken, signed = owner.state.parts.store.audit()
    assert (taken.decision, signed.decision, signed.signer) == ("consent_taken", "consent_signed", own)
    assert taken.job_id == signed.job_id == JOB  # which this owner was never offered
    assert run("consent", "--take", out).exit_code == 0
    assert len(owner.state.parts.store.audit()) == 2  # both are here already
    listed = run("audit")
    assert listed.exit_code == 0 and f"signed by {own[:16]}…" in listed.output


def test_nothing_is_signed_unseen_or_unasked(owner: Any, tmp_path: Path) -> None:
    own = load_identity(tmp_path / "owner").party_id
    refused = run("consent", JOB)
    assert refused.exit_code != 0 and "nobody asks" in " ".join(refused.output.split())
    seen = run("consent", JOB, "--take", handed_over(tmp_path, own))
    assert seen.exit_code != 0 and "nobody to ask here" in " ".join(seen.output.split())
    assert own[:16] in seen.output
    assert len(owner.state.parts.memory.signed(JOB)) == 1
    assert [record.decision for record in owner.state.parts.store.audit()] == ["consent_taken"]


@pytest.mark.parametrize("text", ["", "[]", '{"other": []}'])
def test_a_file_of_something_else_is_refused_in_a_line(text: str, owner: Any, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    refused = run("consent", "--take", file)
    assert refused.exit_code != 0 and "not what fedtrain consent --out writes" in " ".join(refused.output.split())
