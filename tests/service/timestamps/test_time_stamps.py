"""Time stamps of a real authority, and those who would have them say something else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.x509 import Certificate
from pydantic import ValidationError

from fedtrain.model_owner.settings import ModelOwnerSettings
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import SignedDocument, sign_document
from fedtrain.protocol.evidence.heads import HeadStatement
from fedtrain.service.runtime.settings import PARTY_FILE
from fedtrain.service.timestamps import stamper as stamper_module
from fedtrain.service.timestamps.authority import Authority
from fedtrain.service.timestamps.settings import TimestampSettings
from fedtrain.service.timestamps.stamp import Stamp, StampError, check_stamp, read_roots
from fedtrain.service.timestamps.stamp_files import StampFiles, check_stamps
from fedtrain.service.timestamps.stamper import Stamper, stamper_of
from fedtrain.service.vault.head_files import HeadFiles
from fedtrain.service.vault.secret_files import SecretFileError, write_secret
from fedtrain.spec.setup_error import SetupError
from tests.harness.free_ports import free_port
from tests.harness.time_stamp_authority import HUGE_BYTES, Behaviour, TimeStampAuthority, time_stamp_authority

pytestmark = pytest.mark.anyio

JOB, OTHER_JOB = "0f" * 16, "1e" * 16
IDENTITY = Identity.generate()


def signed_end(job_id: str = JOB, log_head: str = "c2" * 32) -> SignedDocument:
    statement = HeadStatement(
        job_id=job_id,
        manifest_hash="a0" * 32,
        roster_hash="b1" * 32,
        party=IDENTITY.party_id,
        name="bank-a",
        log_head=log_head,
        entries=3,
    )
    return sign_document(statement, IDENTITY)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[TimeStampAuthority]:
    with time_stamp_authority(tmp_path / "authority") as authority:
        yield authority


def asked(authority: TimeStampAuthority, signed: SignedDocument) -> Stamp:
    return asyncio.run(Authority(authority.url, read_roots(authority.roots)).stamp(signed))


def when(stamp: Stamp, roots: tuple[Certificate, ...], signed: SignedDocument | None = None) -> datetime:
    return check_stamp(bytes.fromhex(stamp.response), signed or stamp.signed, roots)


def test_a_stamp_says_the_authoritys_time_of_what_was_signed(served: TimeStampAuthority) -> None:
    signed, before = signed_end(), datetime.now(UTC).replace(microsecond=0)
    stamp = asked(served, signed)
    assert before <= when(stamp, read_roots(served.roots)) <= datetime.now(UTC)
    assert stamp.signed == signed


def test_a_stamp_says_nothing_of_another_document_or_another_signature(served: TimeStampAuthority) -> None:
    stamp, roots = asked(served, signed_end()), read_roots(served.roots)
    others = (signed_end(log_head="d3" * 32), stamp.signed.model_copy(update={"signature": "00" * 64}))
    for other in others:
        with pytest.raises(StampError, match="something else than what was signed"):
            when(stamp, roots, other)


def test_another_root_of_the_same_name_does_not_do(served: TimeStampAuthority, tmp_path: Path) -> None:
    stamp = asked(served, signed_end())
    with time_stamp_authority(tmp_path / "another") as another, pytest.raises(StampError):
        when(stamp, read_roots(another.roots))


def test_no_altered_byte_makes_a_stamp_say_another_time(served: TimeStampAuthority) -> None:
    """Two version numbers and the name of the signature's algorithm, 10 bytes, nothing covers: it says the same."""
    stamp, roots = asked(served, signed_end()), read_roots(served.roots)
    at, whole, same = when(stamp, roots), bytes.fromhex(stamp.response), []
    for index in range(len(whole)):
        altered = bytearray(whole)
        altered[index] ^= 1
        with suppress(StampError):
            assert check_stamp(bytes(altered), stamp.signed, roots) == at
            same.append(index)
    assert len(same) <= 10, same


def test_two_certificates_by_which_the_signer_could_be_found_are_refused(tmp_path: Path) -> None:
    """One of them could have signed, and the other be the one that may sign time stamps."""
    with (
        time_stamp_authority(tmp_path / "twins", twin=True) as authority,
        pytest.raises(StampError, match="same issuer and serial number"),
    ):
        asked(authority, signed_end())


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        ("is away", "status 503"),
        ("refuses", "gave no stamp .status 2"),
        ("sends too much", "more than 65,536 bytes"),
        ("sends a page", "no time stamp that can be read"),
    ],
)
def test_an_authority_that_gives_no_stamp_is_told_by_its_reason(
    served: TimeStampAuthority, behaviour: Behaviour, why: str
) -> None:
    served.behaviour = behaviour
    with pytest.raises(StampError, match=why):
        asked(served, signed_end())
    assert served.asked == 1 and served.sent_bytes < HUGE_BYTES


def test_an_old_answer_to_the_same_question_is_not_taken_for_a_new_one(served: TimeStampAuthority) -> None:
    asked(served, signed_end())
    served.behaviour = "repeats its last answer"
    with pytest.raises(StampError, match="Nonce"):
        asked(served, signed_end())


def test_nobody_at_the_address_is_told_by_the_address(served: TimeStampAuthority) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(StampError, match=f"{url} is not reached"):
        asyncio.run(Authority(url, read_roots(served.roots)).stamp(signed_end()))


async def test_an_authority_that_says_nothing_is_left_alone_after_a_while(served: TimeStampAuthority) -> None:
    with served.lock, pytest.raises(StampError, match="has not answered within"):
        await Authority(served.url, read_roots(served.roots), timeout_s=0.2).stamp(signed_end())


def stamper(authority: TimeStampAuthority, folder: Path) -> Stamper:
    settings = TimestampSettings(url=authority.url, roots=authority.roots)
    return stamper_of(settings, folder, IDENTITY.party_id, lambda: datetime.now(UTC))


async def stamped(files: StampFiles, job_id: str, count: int = 1) -> None:
    async with asyncio.timeout(60):
        while len(files.of(job_id)) < count:
            await asyncio.sleep(0.02)


async def test_what_was_signed_while_the_authority_was_away_is_stamped_when_it_is_back(
    served: TimeStampAuthority, tmp_path: Path
) -> None:
    heads, files, stop = HeadFiles(tmp_path), StampFiles(tmp_path), asyncio.Event()
    served.behaviour = "is away"
    heads.keep(JOB, [signed_end()])
    at_work = stamper(served, tmp_path)
    running = asyncio.create_task(at_work.run(stop))  # finds the one of before
    async with asyncio.timeout(60):
        while served.asked < 1:
            await asyncio.sleep(0.02)
    heads.keep(OTHER_JOB, [signed_end(OTHER_JOB)])
    at_work.signed(OTHER_JOB)
    async with asyncio.timeout(60):
        while served.asked < 2:
            await asyncio.sleep(0.02)
    assert heads.jobs() == [JOB, OTHER_JOB] and not files.of(JOB)
    served.behaviour = "answers"
    for job_id in (JOB, OTHER_JOB):
        await stamped(files, job_id)
    stop.set()
    await asyncio.wait_for(running, 300)
    assert [one.signed for one in files.of(JOB)] == [signed_end()]


async def test_a_later_statement_is_stamped_too_and_no_statement_twice(
    served: TimeStampAuthority, tmp_path: Path
) -> None:
    heads, files, stop = HeadFiles(tmp_path), StampFiles(tmp_path), asyncio.Event()
    at_work = stamper(served, tmp_path)
    running = asyncio.create_task(at_work.run(stop))
    first, second = signed_end(), signed_end(log_head="d3" * 32)
    for number, signed in enumerate((first, second), 1):
        heads.keep(JOB, [signed])
        at_work.signed(JOB)
        await stamped(files, JOB, number)
    at_work.signed(JOB)
    heads.keep(OTHER_JOB, [signed_end(OTHER_JOB)])
    at_work.signed(OTHER_JOB)
    await stamped(files, OTHER_JOB)  # it comes after
    assert served.asked == 3 and [one.signed for one in files.of(JOB)] == [first, second]
    stop.set()
    await asyncio.wait_for(running, 300)
    assert heads.jobs() == [JOB, OTHER_JOB]  # its own files are nobody's job


async def test_without_settings_nobody_is_asked(tmp_path: Path) -> None:
    at_rest = stamper_of(None, tmp_path, IDENTITY.party_id, lambda: datetime.now(UTC))
    HeadFiles(tmp_path).keep(JOB, [signed_end()])
    at_rest.signed(JOB)
    await asyncio.wait_for(at_rest.run(asyncio.Event()), 300)
    assert not StampFiles(tmp_path).of(JOB)


def test_what_does_not_hold_is_told_with_its_file_and_who_signed(served: TimeStampAuthority, tmp_path: Path) -> None:
    files, roots = StampFiles(tmp_path), read_roots(served.roots)
    first = asked(served, signed_end())
    files.keep(JOB, first)
    ((statement, at),) = check_stamps(files.path(JOB), files.of(JOB), JOB, roots)
    assert statement.name == "bank-a" and at == when(first, roots)
    assert check_stamps(files.path(JOB), files.of(JOB), JOB, None) == [(statement, None)]
    files.keep(JOB, Stamp(signed=signed_end(log_head="d3" * 32), response=first.response))
    with pytest.raises(StampError, match=rf"{JOB}\.stamps: time stamp 2, of what bank-a signed, does not hold"):
        check_stamps(files.path(JOB), files.of(JOB), JOB, roots)
    write_secret(files.path(JOB), b'{"stamps": [{}]}')
    with pytest.raises(SecretFileError, match="holds no time stamps"):
        files.of(JOB)


def test_roots_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("none\n")
    with pytest.raises(SetupError, match=r"none\.pem: No such file"):
        read_roots(tmp_path / "none.pem")
    with pytest.raises(SetupError, match=r"empty\.pem has no certificates in PEM"):
        read_roots(tmp_path / "empty.pem")


def test_without_the_package_the_start_says_how_to_install_it(
    served: TimeStampAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamper_module, "find_spec", lambda _name: None)
    with pytest.raises(SetupError, match="the extra `timestamps`"):
        stamper(served, tmp_path)


def test_the_settings_are_a_table_of_party_toml_and_belong_together(tmp_path: Path) -> None:
    party = tmp_path / PARTY_FILE
    party.write_text('[timestamps]\nurl = "http://time.example/tsr"\nroots = "roots.pem"\n')
    settings = ModelOwnerSettings(state_dir=tmp_path)
    assert settings.timestamps == TimestampSettings(url="http://time.example/tsr", roots=Path("roots.pem"))
    for wrong, named in (('url = "http://time.example"', "roots"), ('url = "ftp://x"\nroots = "r"', "url")):
        party.write_text(f"[timestamps]\n{wrong}\n")
        with pytest.raises(ValidationError, match=named):
            ModelOwnerSettings(state_dir=tmp_path)
