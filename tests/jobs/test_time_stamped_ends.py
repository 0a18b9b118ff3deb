"""A job's end, dated by an authority, as the commands check it; and a job that does not wait for one that is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fedtrain.cli.main import app
from fedtrain.service.runtime.settings import PARTY_FILE
from fedtrain.service.timestamps.stamp import Stamp
from fedtrain.service.timestamps.stamp_files import StampFiles, StampList
from fedtrain.service.vault.head_files import HeadFiles
from fedtrain.service.vault.secret_files import write_secret
from tests.harness.served_federation import Served, served_federation
from tests.harness.time_stamp_authority import TimeStampAuthority, make_authority, time_stamp_authority

PARTIES = ("facilitator", "model-owner", "owner-a")


@dataclass(frozen=True)
class Finished:
    folder: Path
    served: Served
    authority: TimeStampAuthority

    def stamps(self, party: str) -> StampFiles:
        return StampFiles(self.folder / party)

    def run(self, *arguments: object) -> Result:
        return CliRunner().invoke(app, [str(one) for one in arguments])

    def verify(self, *more: object) -> Result:
        where = ("--state-dir", self.folder / "model-owner", "--facilitator", self.served.urls["facilitator"])
        return self.run("verify", self.served.model_id, *where, *more)


def wait_for(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.05)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """Return a federation whose job has ended while the authority was away, which is back since."""
    folder = tmp_path_factory.mktemp("stamped")
    with time_stamp_authority(folder / "authority") as authority:
        authority.behaviour = "is away"
        for party in PARTIES:
            (folder / party).mkdir(mode=0o700)
            said = f'[timestamps]\nurl = "{authority.url}"\nroots = "{authority.roots}"\n'
            (folder / party / PARTY_FILE).write_text(said)
        with served_federation(folder) as served:  # which waits for the job's end
            finished = Finished(folder, served, authority)
            wait_for(lambda: authority.asked > 0)
            assert not any(finished.stamps(party).of(served.model_id) for party in PARTIES)
            authority.behaviour = "answers"
            wait_for(lambda: all(finished.stamps(party).of(served.model_id) for party in PARTIES))
            yield finished


@pytest.fixture
def stamps(finished: Finished) -> Iterator[tuple[Stamp, ...]]:
    """Return the Model Owner's stamps, whose file is as it was after the test."""
    files = finished.stamps("model-owner")
    path = files.path(finished.served.model_id)
    before = path.read_bytes()
    yield files.of(finished.served.model_id)
    write_secret(path, before)


def put(finished: Finished, *stamps: Stamp) -> None:
    path = finished.stamps("model-owner").path(finished.served.model_id)
    write_secret(path, StampList(stamps=stamps).model_dump_json().encode())


def test_verify_says_by_when_the_end_was_signed(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    fine = finished.verify()
    assert fine.exit_code == 0, fine.output
    assert "Signed by model-owner before 20" in fine.stdout and " UTC, says a time stamp's authority" in fine.stdout
    printed: list[dict[str, Any]] = []  # the services' own lines come out between those of the command
    monkeypatch.setattr("fedtrain.cli.jobs.verify.print_json", printed.append)
    assert finished.verify("--json").exit_code == 0
    (told,) = printed[0]["time_stamps"]
    assert told["signed_by"] == "model-owner" and told["by"].endswith("Z")
    assert not finished.stamps("owner-b").of(finished.served.model_id)  # it has no such settings


def test_the_facilitator_has_its_own_word_for_the_end_dated(finished: Finished) -> None:
    facilitator = finished.folder / "facilitator"
    held = facilitator / "heads" / f"{finished.served.model_id}.json"
    audit = ("audit", "--data-owner", finished.served.urls["data-owner"], "--held", held)
    fine = finished.run(*audit, "--timestamp-roots", finished.authority.roots)
    assert fine.exit_code == 0 and "Signed by facilitator before 20" in fine.stdout, fine.output
    (stamp,) = finished.stamps("facilitator").of(
        finished.served.model_id
    )  # one, whoever handed in a statement after it
    (own,) = HeadFiles(facilitator).of(finished.served.model_id)
    assert stamp.signed == own and own.signer == finished.served.parties["facilitator"].party_id


@pytest.mark.slow
def test_verify_names_a_stamp_under_another_root_and_one_that_was_altered(
    finished: Finished, stamps: tuple[Stamp, ...], tmp_path: Path
) -> None:
    def named(found: Result) -> bool:
        return found.exit_code == 1 and "time stamp 1, of what model-owner signed, does not hold" in found.stderr

    assert named(finished.verify("--timestamp-roots", make_authority(tmp_path / "other").roots))
    response = stamps[0].response
    last = f"{int(response[-2:], 16) ^ 1:02x}"
    put(finished, stamps[0].model_copy(update={"response": response[:-2] + last}))
    assert named(finished.verify())
    of_another = finished.stamps("owner-a").of(finished.served.model_id)[0].response
    put(finished, stamps[0].model_copy(update={"response": of_another}))
    found = finished.verify()
    assert named(found) and "something else than what was signed" in found.stderr
    missing = finished.verify("--timestamp-roots", tmp_path / "none.pem")
    assert missing.exit_code == 1 and "none.pem: No such file" in missing.stderr


def test_verify_says_of_stamps_without_roots_that_they_were_not_checked(finished: Finished) -> None:
    party = finished.folder / "model-owner" / PARTY_FILE
    before = party.read_text()
    party.write_text("")
    try:
        found = finished.verify()
        assert found.exit_code == 0 and "1 time stamp is there and was not checked" in found.stdout
        assert "Signed by model-owner before" not in found.stdout
    finally:
        party.write_text(before)


def test_audit_checks_stamps_beside_the_heads_that_others_hold(finished: Finished, tmp_path: Path) -> None:
    job_id, owner = finished.served.model_id, finished.served.urls["data-owner"]
    held = tmp_path / f"{job_id}.json"
    held.write_bytes((finished.folder / "owner-a" / "heads" / held.name).read_bytes())
    held.with_suffix(".stamps").write_bytes(finished.stamps("owner-a").path(job_id).read_bytes())
    audit = ("audit", "--data-owner", owner, "--held", held)
    unchecked = finished.run(*audit)
    assert unchecked.exit_code == 0 and "not checked: give the authority's roots" in unchecked.stdout
    fine = finished.run(*audit, "--timestamp-roots", finished.authority.roots)
    assert fine.exit_code == 0 and "Signed by owner-a before 20" in fine.stdout
    bad = finished.run(*audit, "--timestamp-roots", make_authority(tmp_path / "other").roots)
    assert bad.exit_code == 1 and f"{job_id}.stamps: time stamp 1, of what owner-a signed" in bad.stderr
