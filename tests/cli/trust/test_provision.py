"""`fedtrain provision`: what every party is handed, what stays, and what is refused."""

from __future__ import annotations

import json
import stat
import subprocess
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from typer.testing import CliRunner

from fedtrain.cli.main import app
from fedtrain.cli.output import Failure
from fedtrain.cli.services.parties import settings_of
from fedtrain.cli.trust.consortium import ConsortiumFile, read_consortium
from fedtrain.cli.trust.provisioning import ProvisionedParty, provision
from fedtrain.client.tls import client_context
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.facilitator.settings import FacilitatorSettings
from fedtrain.model_owner.settings import ModelOwnerSettings
from fedtrain.protocol.documents.signed import Membership, open_document
from fedtrain.protocol.states import Role
from fedtrain.service.health.finding import Level
from fedtrain.service.health.folder import check_folder
from fedtrain.service.runtime.connection import PartySettings, facilitator_client, gate_of, listening_tls
from fedtrain.service.vault.identity_file import load_identity
from fedtrain.service.vault.secret_files import SecretFileError, read_secret
from fedtrain.service.vault.tokens import find_token, read_tokens
from fedtrain.service.vault.trust_file import read_membership, read_pins, trust_of
from fedtrain.service.web.caller import OpenGate, TokenGate

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
ACROSS_MACHINES = """
name = "northern-lenders"
valid_days = 100

[facilitator]
url = "https://facilitator.example:8443"
mutual_tls = true

[[model_owner]]
name = "acme"

[[data_owner]]
name = "bank-a"

[[data_owner]]
name = "bank-b"
host = "10.1.2.3"
port = 5443
names = ["bank-b.internal"]
"""
ONE_MACHINE = """
name = "demo"
[facilitator]
url = "http://127.0.0.1:8080"
[[model_owner]]
name = "model-owner"
[[data_owner]]
name = "bank-a"
"""


def consortium(tmp_path: Path, text: str = ACROSS_MACHINES) -> ConsortiumFile:
    file = tmp_path / "consortium.toml"
    file.write_text(text)
    return read_consortium(file)


@pytest.fixture
def parties(tmp_path: Path) -> dict[str, ProvisionedParty]:
    return {one.name: one for one in provision(consortium(tmp_path), tmp_path / "out", NOW)}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_file_is_private_and_every_archive_holds_its_own_folder_and_no_other(
    tmp_path: Path, parties: dict[str, ProvisionedParty]
) -> None:
    for path in (tmp_path / "out").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0 or path.is_dir()
    for party in parties.values():
        unpacked = tmp_path / "unpacked"
        with tarfile.open(party.archive) as tar:
            assert {member.mode for member in tar.getmembers() if member.isfile()} == {0o600}
            assert {member.mode for member in tar.getmembers() if member.isdir()} == {0o700}
        unpacked.mkdir(exist_ok=True)
        subprocess.run(["tar", "xf", party.archive, "-C", unpacked], check=True)
        assert contents(unpacked / party.name) == contents(party.folder)
    assert sorted(path.name for path in unpacked.iterdir()) == sorted(parties)
    assert not (tmp_path / "out" / "consortium.tar").exists()


def test_an_unpacked_folder_is_its_owners_alone_whatever_the_umask_and_the_doctor_says_so(
    tmp_path: Path, parties: dict[str, ProvisionedParty]
) -> None:
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    for party in parties.values():
        subprocess.run(["tar", "xf", party.archive, "-C", unpacked], check=True, umask=0o002)
    for name, party in parties.items():
        folders = [unpacked / name, *(path for path in (unpacked / name).rglob("*") if path.is_dir())]
        assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
        settings = settings_of(Role(party.role), {"state_dir": unpacked / name})
        found = {finding.check: finding for finding in check_folder(settings)}
        assert found["permissions"].level is Level.OK
        (unpacked / name).chmod(0o755)
        found = {finding.check: finding for finding in check_folder(settings)}
        assert found["permissions"].level is Level.WARN


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bank-a", "two parties are called 'bank-a'"),
        ("Bank-A", "'bank-a' and 'Bank-A', which differ in case alone"),
        ("Consortium", "the consortium's own folder"),
    ],
)
def test_names_that_one_folder_would_stand_for_are_refused(tmp_path: Path, name: str, said: str) -> None:
    entry = f'[[data_owner]]\nname = "{name}"\nport = 5001\n'
    with pytest.raises(Failure, match=said):
        consortium(tmp_path, ONE_MACHINE + entry)
    assert len(consortium(tmp_path, ONE_MACHINE + entry.replace(name, "bank-b")).data_owner) == 2


def test_the_consortiums_key_is_in_no_partys_folder(tmp_path: Path, parties: dict[str, ProvisionedParty]) -> None:
    own = tmp_path / "out" / "consortium"
    secrets = [read_secret(own / "identity.key"), read_secret(own / "ca.key.pem")]
    for party in parties.values():
        for content in [*contents(party.folder).values(), party.archive.read_bytes()]:
            assert not any(secret in content for secret in secrets)


def test_members_know_each_other_by_the_consortiums_word_until_it_ends(
    tmp_path: Path, parties: dict[str, ProvisionedParty]
) -> None:
    key = load_identity(tmp_path / "out" / "consortium").party_id
    for party in parties.values():
        assert [(pin.key, pin.role, pin.name) for pin in read_pins(party.folder)] == [
            (key, "consortium", "northern-lenders")
        ]
    trust = trust_of(read_pins(parties["bank-a"].folder))
    for name, role in (("acme", "model-owner"), ("bank-b", "data-owner")):
        membership = read_membership(parties[name].folder, parties[name].party_id, Role(role))
        assert membership is not None and open_document(membership, Membership).name == name
        known = parties[name].party_id, role, membership
        assert trust.doubt(*known, NOW + timedelta(days=100)) is None  # type: ignore[arg-type]
        assert trust.doubt(*known, NOW + timedelta(days=101)) is not None  # type: ignore[arg-type]


def test_the_facilitator_has_each_members_token_as_a_hash_with_its_role(parties: dict[str, ProvisionedParty]) -> None:
    records = read_tokens(parties["facilitator"].folder)
    stored = contents(parties["facilitator"].folder)
    for name, role in (("acme", "model-owner"), ("bank-a", "data-owner"), ("bank-b", "data-owner")):
        token = read_secret(parties[name].folder / "facilitator.token").decode().strip()
        record = find_token(records, token)
        assert record is not None and (record.party, record.role) == (parties[name].party_id, role)
        assert not any(token.encode() in content for content in stored.values())


def test_the_launchers_read_all_they_need_from_the_folder(parties: dict[str, ProvisionedParty]) -> None:
    facilitator = FacilitatorSettings(state_dir=parties["facilitator"].folder)
    assert (facilitator.host, facilitator.port) == ("0.0.0.0", 8443)  # noqa: S104
    assert listening_tls(facilitator) is not None and facilitator.tls_client_ca is not None
    assert isinstance(gate_of(facilitator), TokenGate)
    quiet = DataOwnerSettings(state_dir=parties["bank-a"].folder)
    assert (quiet.name, quiet.host, quiet.port) == ("bank-a", "127.0.0.1", 5000)
    assert quiet.facilitator == "https://facilitator.example:8443"
    assert quiet.facilitator_id == parties["facilitator"].party_id
    assert isinstance(gate_of(quiet), OpenGate) and listening_tls(quiet) is None
    facilitator_client(quiet, quiet.facilitator, parties["bank-a"].party_id)
    reached = DataOwnerSettings(state_dir=parties["bank-b"].folder)
    assert (reached.host, reached.port) == ("10.1.2.3", 5443)
    assert isinstance(gate_of(reached), TokenGate) and listening_tls(reached) is not None
    model_owner = ModelOwnerSettings(state_dir=parties["acme"].folder)
    assert model_owner.facilitator_id == parties["facilitator"].party_id and model_owner.port == 9090


def test_a_command_in_a_partys_name_calls_as_its_service_does(parties: dict[str, ProvisionedParty]) -> None:
    settings = PartySettings(state_dir=parties["acme"].folder)
    assert settings.facilitator == "https://facilitator.example:8443"
    assert settings.token_file is not None and settings.ca_file is not None
    facilitator_client(settings, settings.facilitator, parties["acme"].party_id)
    settings.token_file.unlink()
    with pytest.raises(SecretFileError, match="no token file"):
        facilitator_client(settings, settings.facilitator, parties["acme"].party_id)


def test_options_and_environment_go_before_the_folders_settings(
    parties: dict[str, ProvisionedParty], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = parties["bank-a"].folder
    monkeypatch.setenv("FEDTRAIN_PORT", "5001")
    monkeypatch.setenv("FEDTRAIN_STATE_DIR", str(folder))
    assert DataOwnerSettings().port == 5001 and DataOwnerSettings().name == "bank-a"
    assert DataOwnerSettings(port=5002).port == 5002
    monkeypatch.delenv("FEDTRAIN_PORT")
    assert DataOwnerSettings().port == 5000


def test_certificates_are_for_the_names_that_a_party_is_reached_at(parties: dict[str, ProvisionedParty]) -> None:
    for name, host in (("facilitator", "facilitator.example"), ("bank-b", "bank-b.internal")):
        certificate = x509.load_pem_x509_certificate((parties[name].folder / "tls/cert.pem").read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert host in names.get_values_for_type(x509.DNSName)
        assert certificate.not_valid_after_utc == NOW + timedelta(days=100)
    client_context(parties["acme"].folder / "tls/ca.pem")


def test_on_one_machine_there_are_identities_and_trust_and_nothing_to_carry_tokens_through(tmp_path: Path) -> None:
    made = {one.name: one for one in provision(consortium(tmp_path, ONE_MACHINE), tmp_path / "out", NOW)}
    assert sorted(contents(made["bank-a"].folder)) == [
        "identity.key",
        "membership.json",
        "party.toml",
        "trust.toml",
    ]
    settings = FacilitatorSettings(state_dir=made["facilitator"].folder)
    assert (settings.host, settings.port) == ("127.0.0.1", 8080) and isinstance(gate_of(settings), OpenGate)


def test_run_again_it_leaves_what_is_there_and_makes_what_is_new(
    tmp_path: Path, parties: dict[str, ProvisionedParty]
) -> None:
    before = {name: contents(party.folder) for name, party in parties.items() if name != "facilitator"}
    more = consortium(tmp_path, ACROSS_MACHINES + '\n[[data_owner]]\nname = "bank-c"\n')
    again = {one.name: one for one in provision(more, tmp_path / "out", NOW)}
    assert {name for name, one in again.items() if one.created} == {"bank-c"}
    assert {name: contents(again[name].folder) for name in before} == before
    assert [record.name for record in read_tokens(again["facilitator"].folder)] == [
        *("admin", "acme", "bank-a", "bank-b", "bank-c")
    ]
    with tarfile.open(again["facilitator"].archive) as tar:
        tokens = tar.extractfile("facilitator/tokens.toml")
        assert tokens is not None and b"bank-c" in tokens.read()


def test_a_party_without_its_settings_file_is_renewed_under_its_old_identity(
    tmp_path: Path, parties: dict[str, ProvisionedParty]
) -> None:
    (parties["bank-a"].folder / "party.toml").unlink()
    later = NOW + timedelta(days=90)
    renewed = {one.name: one for one in provision(consortium(tmp_path), tmp_path / "out", later)}["bank-a"]
    assert renewed.created and renewed.party_id == parties["bank-a"].party_id
    membership = read_membership(renewed.folder, renewed.party_id, Role.DATA_OWNER)
    assert membership is not None
    assert open_document(membership, Membership).not_after == later + timedelta(days=100)


def test_what_a_running_service_keeps_in_its_folder_stays_out_of_the_archive(
    tmp_path: Path, parties: dict[str, ProvisionedParty]
) -> None:
    (parties["facilitator"].folder / "state.sqlite3").write_bytes(b"records of jobs")
    provision(consortium(tmp_path, ACROSS_MACHINES + '\n[[data_owner]]\nname = "bank-c"\n'), tmp_path / "out", NOW)
    assert b"records of jobs" not in parties["facilitator"].archive.read_bytes()


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine")
    with pytest.raises(Failure, match="holds something"):
        provision(consortium(tmp_path), tmp_path / "out", NOW)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("https://facilitator.example:8443", "http://facilitator.example:8080", "in the clear"),
        ("https://facilitator.example:8443", "https://a:secret@facilitator.example", "password"),
        ("https://facilitator.example:8443", "facilitator.example", "no address"),
        ('name = "bank-b"', 'name = "bank-a"', "two parties"),
        ('name = "bank-b"', 'name = "consortium"', "own folder"),
        ('name = "bank-b"', 'name = "../bank-b"', "data_owner.1.name"),
        ('name = "bank-b"', 'nmae = "bank-b"', "data_owner.1"),
        ("valid_days = 100", "valid_days = 0", "valid_days"),
        ("valid_days = 100", "valid_days = ", "not TOML"),
    ],
)
def test_a_consortium_file_with_a_mistake_is_refused_by_file_and_field(
    tmp_path: Path, before: str, after: str, words: str
) -> None:
    with pytest.raises(Failure, match=words) as caught:
        consortium(tmp_path, ACROSS_MACHINES.replace(before, after))
    assert "consortium.toml" in str(caught.value) and "secret" not in str(caught.value)


def test_the_command_prints_who_was_made_and_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "consortium.toml"
    file.write_text(ACROSS_MACHINES)
    done = CliRunner().invoke(app, ["provision", "--demo", str(file), "--out", str(tmp_path / "out"), "--json"])
    made = json.loads(done.stdout)
    assert [(one["name"], one["role"]) for one in made] == [
        ("facilitator", "facilitator"),
        ("acme", "model-owner"),
        ("bank-a", "data-owner"),
        ("bank-b", "data-owner"),
    ]
    for path in (tmp_path / "out").rglob("*.token"):
        assert path.read_text().strip() not in done.output
    refused = CliRunner().invoke(
        app, ["provision", "--demo", str(tmp_path / "none.toml"), "--out", str(tmp_path / "out")]
    )
    assert refused.exit_code != 0 and "none.toml" in refused.stderr and len(refused.stderr.splitlines()) == 1


def test_on_one_machine_every_party_has_a_port_of_its_own(tmp_path: Path) -> None:
    second = '[[data_owner]]\nname = "bank-b"\n'
    with pytest.raises(Failure, match=r"'bank-a' and 'bank-b' would both listen on port 5000 .* `port = 5001`"):
        consortium(tmp_path, ONE_MACHINE + second)
    with pytest.raises(Failure, match=r"'facilitator' and 'bank-b' .* 8080"):
        consortium(tmp_path, ONE_MACHINE + second + "port = 8080\n")
    made = provision(consortium(tmp_path, ONE_MACHINE + second + "port = 5001\n"), tmp_path / "out", NOW)
    assert settings_of(Role.DATA_OWNER, {"state_dir": made[-1].folder}).port == 5001


def test_on_several_machines_parties_may_have_the_same_port(tmp_path: Path) -> None:
    assert len(consortium(tmp_path, ACROSS_MACHINES + '[[data_owner]]\nname = "bank-c"\nport = 5443\n').data_owner) == 3


def test_it_says_that_it_holds_everybodys_private_keys(tmp_path: Path) -> None:
    file, out = tmp_path / "consortium.toml", tmp_path / "out"
    file.write_text(ONE_MACHINE)
    first, again = (CliRunner().invoke(app, ["provision", "--demo", str(file), "--out", str(out)]) for _ in range(2))
    assert "holds every party's private keys" in first.stderr
    assert again.exit_code == 0 and "private keys" not in again.stderr  # it made none this time
