"""Heads that parties sign at a job's end: who is contradicted by whom, and what no statement can do."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import SignedDocument, sign_document
from fedtrain.protocol.evidence.heads import (
    MOST_COUNTERSIGNED,
    AuditHead,
    HeadStatement,
    check_audit_passes,
    check_log_end,
    check_one_voice,
    due_countersignatures,
    missing,
    open_statement,
)
from fedtrain.service.vault.head_files import HeadFiles
from fedtrain.spec.problems import Code, Problem

JOB, MANIFEST, ROSTER, HEAD = "0f" * 16, "a0" * 32, "b1" * 32, "c2" * 32
A, B = Identity.generate(), Identity.generate()
EARLIER, LATER, OTHER = "1a" * 32, "2b" * 32, "3c" * 32


def statement(who: Identity, **changes: object) -> HeadStatement:
    fields: dict[str, object] = {
        "job_id": JOB,
        "manifest_hash": MANIFEST,
        "roster_hash": ROSTER,
        "party": who.party_id,
        "name": "bank-a" if who is A else "bank-b",
        "log_head": HEAD,
        "entries": 3,
    }
    return HeadStatement.model_validate(fields | changes)


def seen(who: Identity, head: str) -> tuple[AuditHead, ...]:
    return (AuditHead(party=who.party_id, head=head),)


def test_a_log_that_ends_otherwise_contradicts_whoever_signed_its_end() -> None:
    signed = [statement(A), statement(B)]
    check_log_end(signed, MANIFEST, HEAD, 3)
    with pytest.raises(Problem, match=r"bank-a .* signed, at the end of job 0f0f0f0f…, the log to end at entry 2"):
        check_log_end(signed, MANIFEST, OTHER, 3)
    with pytest.raises(Problem, match="bank-a"):
        check_log_end(signed, MANIFEST, HEAD, 4)
    with pytest.raises(Problem, match="another manifest"):
        check_log_end(signed, ROSTER, HEAD, 3)
    with pytest.raises(Problem, match="bank-b") as caught:
        check_log_end([statement(A), statement(B, log_head=OTHER)], MANIFEST, HEAD, 3)
    assert caught.value.code is Code.LOG_INCONSISTENT


def test_an_audit_that_does_not_pass_through_a_signed_head_contradicts_its_signer_by_name() -> None:
    countersigned = [statement(B, audit_head=OTHER, countersigned=seen(A, EARLIER))]
    assert check_audit_passes(countersigned, A.party_id, [EARLIER, LATER]) == 1
    with pytest.raises(Problem, match=r"bank-b .* the audit stood at 1a1a"):
        check_audit_passes(countersigned, A.party_id, [LATER])
    with pytest.raises(Problem, match=r"bank-a .* the audit stood at 1a1a"):
        check_audit_passes([statement(A, audit_head=EARLIER)], A.party_id, [LATER])
    assert check_audit_passes(countersigned, Identity.generate().party_id, []) == 0


def test_one_party_that_signed_two_ends_is_named_and_so_are_two_that_do_not_agree() -> None:
    check_one_voice([statement(A, audit_head=EARLIER), statement(B, countersigned=seen(A, EARLIER))])
    with pytest.raises(Problem, match=r"bank-a .* two ends of the job"):
        check_one_voice([statement(A), statement(A, log_head=OTHER)])
    with pytest.raises(Problem, match=r"bank-a .* two ends of the job"):
        check_one_voice([statement(A, audit_head=EARLIER), statement(A, audit_head=LATER)])
    with pytest.raises(Problem, match=r"bank-b .* the audit of bank-a stood at 2b2b"):
        check_one_voice([statement(A, audit_head=EARLIER), statement(B, countersigned=seen(A, LATER))])


def test_a_statement_is_of_its_signer_and_its_job() -> None:
    signed = sign_document(statement(A), A)
    assert open_statement(signed, JOB) == statement(A)
    for forged, why in (
        (sign_document(statement(A), B), "each party signs its own"),
        (signed.model_copy(update={"document": signed.document.replace(HEAD, OTHER)}), "not signed by"),
        (sign_document(statement(A, job_id="1e" * 16), A), "of job 1e1e"),
    ):
        with pytest.raises(Problem, match=why):
            open_statement(forged, JOB)


def test_owners_countersign_those_that_follow_them_and_in_a_small_job_all_others() -> None:
    small = [f"{one:064x}" for one in range(4)]
    assert due_countersignatures(small[2], small) == (small[3], small[0], small[1])
    large = [f"{one:064x}" for one in range(MOST_COUNTERSIGNED + 10)]
    counted = [other for one in large for other in due_countersignatures(one, large)]
    assert all(one not in due_countersignatures(one, large) for one in large)
    assert {counted.count(one) for one in large} == {MOST_COUNTERSIGNED}


def test_who_has_not_signed_is_named() -> None:
    assert missing([statement(A)], (A.party_id, B.party_id)) == (B.party_id,)


def signed_by(who: Identity, **changes: object) -> SignedDocument:
    return sign_document(statement(who, **changes), who)


def test_what_is_kept_grows_and_a_contradiction_is_kept_beside_what_it_contradicts(tmp_path: Path) -> None:
    files = HeadFiles(tmp_path)
    first, more = signed_by(A, audit_head=EARLIER), signed_by(A, audit_head=EARLIER, countersigned=seen(B, OTHER))
    files.keep(JOB, [first, signed_by(B)])
    files.keep(JOB, [more])
    files.keep(JOB, [first])  # an earlier one takes nothing back
    assert set(HeadFiles(tmp_path).of(JOB)) == {more, signed_by(B)}
    contrary = signed_by(A, audit_head=LATER)
    files.keep(JOB, [contrary])
    assert set(files.of(JOB)) == {more, contrary, signed_by(B)}
    with pytest.raises(Problem, match="two ends"):
        check_one_voice(files.statements(JOB))
    with pytest.raises(Problem):
        files.keep(JOB, [sign_document(statement(B), A)])
    assert files.jobs() == [JOB] and files.of("1e" * 16) == ()
    assert (tmp_path / "heads" / f"{JOB}.json").stat().st_mode & 0o777 == 0o600
