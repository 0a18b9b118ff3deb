"""One process at a time in a state folder: real services beside services and beside commands that change keys."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fedtrain.cli.services.parties import settings_of
from fedtrain.protocol.states import Role
from fedtrain.service.health.finding import Level
from fedtrain.service.health.folder import check_folder
from fedtrain.service.runtime.system_clock import SystemClock
from fedtrain.service.vault.backup import back_up, restore
from fedtrain.service.vault.folder_lock import LOCK_FILE, FolderInUseError, folder_lock
from fedtrain.service.vault.identity_file import load_or_create_identity
from fedtrain.service.vault.key_files import key_paths
from fedtrain.service.vault.secret_files import IDENTITY_FILE, SEALED, write_secret

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("FEDTRAIN_")},
    "PYTHONPATH": str(ROOT),
    "NO_COLOR": "1",
}
FACILITATOR = ("--facilitator", "http://127.0.0.1:9")
ROLES = {"facilitator": (), "data-owner": FACILITATOR, "model-owner": FACILITATOR}
HOLDER = """
import sys
from pathlib import Path
from fedtrain.service.vault.folder_lock import folder_lock
with folder_lock(Path(sys.argv[1]), shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def process(*command: str | Path) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    started = subprocess.Popen(
        [sys.executable, *map(str, command)], cwd=ROOT, env=ENVIRONMENT, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


@contextmanager
def service(role: str, folder: Path, *options: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A service that listens, and what it logged until then."""
    arguments = (role, "--state-dir", folder, "--port", "0", *ROLES[role], *options)
    with process("-m", "fedtrain.cli.main", *arguments) as started:
        assert started.stderr is not None
        said = ""
        for line in started.stderr:
            said += line
            if re.search(r"listening .*url=", line):
                break
        else:
            raise AssertionError(said)
        yield started, said


def refusal(*arguments: str | Path) -> str:
    """The one line of a command that fails."""
    with process("-m", "fedtrain.cli.main", *arguments) as started:
        out, said = started.communicate()
    assert started.returncode == 1 and len(said.splitlines()) == 1, (out, said)
    return said


@contextmanager
def held(folder: Path, how: str) -> Iterator[None]:
    with process("-c", HOLDER, folder, how) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield


@pytest.fixture
def key(tmp_path: Path) -> Path:
    write_secret(tmp_path / "key", bytes(range(32)))
    return tmp_path / "key"


@pytest.mark.slow
@pytest.mark.parametrize("role", list(ROLES))
def test_a_second_service_in_a_folder_is_refused_and_starts_once_the_first_was_killed(
    role: str, tmp_path: Path
) -> None:
    folder = tmp_path / "party"
    with service(role, folder) as (first, _):
        said = refusal(role, "--state-dir", folder, "--port", "0", *ROLES[role])
        assert str(folder) in said and "is in use" in said and "--state-dir" in said
        with service(role, tmp_path / "another"):
            pass
        first.send_signal(signal.SIGKILL)
        first.wait()
        with service(role, folder):
            pass


@pytest.mark.slow
def test_keys_are_encrypted_rotated_and_decrypted_only_while_no_service_is_in_the_folder(
    tmp_path: Path, key: Path
) -> None:
    folder = tmp_path / "party"
    with service("data-owner", folder):
        for command in ("encrypt", "decrypt"):
            assert "is in use" in refusal("identity", command, "--state-dir", folder, "--key-file", key)
        assert "is in use" in refusal(
            "identity", "rotate", "--state-dir", folder, "--key-file", key, "--new-key-file", key
        )
        assert not (folder / IDENTITY_FILE).read_bytes().startswith(SEALED)
    with process("-m", "fedtrain.cli.main", "identity", "encrypt", "--state-dir", folder, "--key-file", key) as done:
        assert "1 private keys" in done.communicate()[0]
    assert (folder / IDENTITY_FILE).read_bytes().startswith(SEALED)


@pytest.mark.slow
def test_a_start_seals_keys_that_lie_open_in_a_folder_of_sealed_ones_and_warns(tmp_path: Path, key: Path) -> None:
    folder = tmp_path / "party"
    with service("data-owner", folder, "--key-file", key) as (_, said):
        assert "not encrypted" not in said
    write_secret(folder / "keys" / "aa.x25519", bytes(32))
    with service("data-owner", folder, "--key-file", key) as (_, said):
        assert "private keys that were not encrypted now are" in said and "count=1" in said
    paths = key_paths(folder)
    assert len(paths) == 2 and all(path.read_bytes().startswith(SEALED) for path in paths)


def test_one_is_alone_and_several_share(tmp_path: Path) -> None:
    with held(tmp_path, "shared"):
        with folder_lock(tmp_path, shared=True):
            pass
        with pytest.raises(FolderInUseError, match="in use"), folder_lock(tmp_path):
            raise AssertionError("held by two")
    with held(tmp_path, "alone"), pytest.raises(FolderInUseError), folder_lock(tmp_path, shared=True):
        raise AssertionError("held by two")
    with folder_lock(tmp_path):
        pass


@pytest.mark.slow
def test_facilitators_share_a_folder_where_their_store_is_on_postgresql_and_owners_never_do(tmp_path: Path) -> None:
    """No database answers here: who gets past the lock ends by that."""
    store = ("--database-url", "postgresql://party@127.0.0.1:9/store")
    with held(tmp_path, "shared"):
        arguments = ("facilitator", "--state-dir", tmp_path, "--port", "0", *store)
        with process("-m", "fedtrain.cli.main", *arguments) as started:
            said = started.communicate()[1]
        assert "the store cannot be used" in said and "in use" not in said
        assert "in use" in refusal("facilitator", "--state-dir", tmp_path, "--port", "0")
        assert "in use" in refusal("data-owner", "--state-dir", tmp_path, "--port", "0", *FACILITATOR, *store)


def test_the_locks_file_is_private_in_no_backup_and_in_no_restores_way(tmp_path: Path) -> None:
    folder, restored = tmp_path / "party", tmp_path / "restored"
    load_or_create_identity(folder)
    restored.mkdir()
    for each in (folder, restored):
        with folder_lock(each):
            assert stat.S_IMODE((each / LOCK_FILE).stat().st_mode) == 0o600
    permissions = [
        found
        for found in check_folder(settings_of(Role.DATA_OWNER, {"state_dir": folder}))
        if found.check == "permissions"
    ]
    assert [found.level for found in permissions] == [Level.OK]
    taken = back_up(folder, tmp_path / "archive", SystemClock(), None)
    assert LOCK_FILE not in taken.listing.files
    with held(restored, "shared"), pytest.raises(FolderInUseError):
        restore(tmp_path / "archive", restored, SystemClock())
    restore(tmp_path / "archive", restored, SystemClock())
    assert (restored / IDENTITY_FILE).read_bytes() == (folder / IDENTITY_FILE).read_bytes()
