"""Parties that make their own keys: what they send, what the organiser signs, what is put in place, what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fedtrain.cli.main import app
from fedtrain.cli.output import Failure
from fedtrain.cli.trust.admitting import Organiser
from fedtrain.cli.trust.consortium import ConsortiumFile
from fedtrain.cli.trust.joining import accept_admission, request_admission
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.facilitator.settings import FacilitatorSettings
from fedtrain.protocol.admission import Admission, IdentityRequest, open_request
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import SignedDocument, open_document, parse_json, sign_document
from fedtrain.protocol.states import Role
from fedtrain.service.runtime.connection import gate_of, listening_tls
from fedtrain.service.vault.identity_file import load_identity, load_or_create_identity
from fedtrain.service.vault.secret_files import read_secret
from fedtrain.service.vault.tokens import find_token, read_tokens, write_tokens
from fedtrain.service.vault.trust_file import read_membership, read_pins, trust_of
from fedtrain.service.web.caller import TokenGate
from fedtrain.spec.problems import Code, Problem

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
FILE = {
    "name": "northern-lenders",
    "valid_days": 100,
    "facilitator": {"url": "https://facilitator.example:8443", "mutual_tls": True},
    "model_owner": [{"name": "acme"}],
    "data_owner": [{"name": "bank-a"}, {"name": "bank-b", "host": "10.1.2.3", "port": 5443, "names": ["b.internal"]}],
}
ROLES = {
    "facilitator": Role.FACILITATOR,
    "acme": Role.MODEL_OWNER,
    "bank-a": Role.DATA_OWNER,
    "bank-b": Role.DATA_OWNER,
}


class Consortium:
    """An organiser's folder, and one on a machine of its own for each party."""

    def __init__(self, folder: Path, now: datetime = NOW) -> None:
        self.folder = folder
        self.now = now

    @property
    def organiser(self) -> Organiser:
        return Organiser(ConsortiumFile.model_validate(FILE), self.folder / "organiser", self.now)

    def ask(self, name: str, role: Role | None = None, machine: str | None = None) -> SignedDocument:
        home = self.folder / (machine or name)
        return request_admission(home, load_or_create_identity(home), role or ROLES[name], name, self.now)

    def answer(self, name: str) -> SignedDocument:
        return parse_json((self.folder / "organiser" / f"{name}.admission.json").read_bytes(), SignedDocument)

    def accept(self, name: str, machine: str | None = None) -> Admission:
        home = self.folder / (machine or name)
        return accept_admission(home, load_identity(home), self.answer(name), self.organiser.party_id, self.now)

    def form(self, *names: str) -> None:
        self.organiser.sign([self.ask(name) for name in names])
        for name in names:
            self.accept(name)


@pytest.fixture
def consortium(tmp_path: Path) -> Consortium:
    return Consortium(tmp_path)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_parties_with_keys_of_their_own_are_set_up_as_those_that_provision_makes(consortium: Consortium) -> None:
    consortium.form(*ROLES)
    facilitator = FacilitatorSettings(state_dir=consortium.folder / "facilitator")
    assert (facilitator.host, facilitator.port) == ("0.0.0.0", 8443)  # noqa: S104
    assert listening_tls(facilitator) is not None and facilitator.tls_client_ca is not None
    assert isinstance(gate_of(facilitator), TokenGate)
    records = read_tokens(consortium.folder / "facilitator")
    pinned = trust_of(read_pins(consortium.folder / "bank-a"))
    for name in ("acme", "bank-a", "bank-b"):
        home, role = consortium.folder / name, ROLES[name]
        party = load_identity(home).party_id
        record = find_token(records, read_secret(home / "facilitator.token").decode().strip())
        assert record is not None and (record.party, record.role) == (party, role.value)
        known = party, role.value, read_membership(home, party, role)
        assert pinned.doubt(*known, NOW + timedelta(days=100)) is None  # type: ignore[arg-type]
        assert not (home / "requested").exists()
    reached = DataOwnerSettings(state_dir=consortium.folder / "bank-b")
    assert reached.facilitator_id == load_identity(consortium.folder / "facilitator").party_id
    assert (reached.host, reached.port) == ("10.1.2.3", 5443)
    assert isinstance(gate_of(reached), TokenGate) and listening_tls(reached) is not None
    assert not (consortium.folder / "bank-a" / "admin.token").exists()


def test_no_private_key_or_token_of_a_party_leaves_its_folder(consortium: Consortium) -> None:
    requests = [consortium.ask(name) for name in ROLES]
    waiting = {name: contents(consortium.folder / name) for name in ROLES}
    consortium.organiser.sign(requests)
    for name in ROLES:
        consortium.accept(name)
    seen = [*contents(consortium.folder / "organiser").values(), *(one.model_dump_json().encode() for one in requests)]
    for name, files in waiting.items():
        secrets = [files["identity.key"], files["identity.key"].hex().encode(), files["requested/key.pem"].strip()]
        secrets += [files["requested/facilitator.token"].strip()] if name != "facilitator" else []
        assert not any(secret in content for secret in secrets for content in seen)


def test_a_member_that_comes_later_is_told_to_the_facilitator_whose_list_keeps_what_it_revoked(
    consortium: Consortium,
) -> None:
    consortium.form("facilitator", "acme", "bank-a")
    home = consortium.folder / "facilitator"
    before = contents(home)
    revoked = [one.model_copy(update={"revoked_at": NOW} if one.name == "bank-a" else {}) for one in read_tokens(home)]
    write_tokens(home, revoked)
    written = consortium.organiser.sign([consortium.ask("bank-b")])
    assert {path.name for path in written} == {"facilitator.admission.json", "bank-b.admission.json"}
    consortium.accept("facilitator")
    records = {one.name: one for one in read_tokens(home)}
    assert set(records) == {"admin", "acme", "bank-a", "bank-b"} and records["bank-a"].revoked_at == NOW
    after = contents(home)
    assert {name for name in after if after[name] != before.get(name)} == {"tokens.toml"}


def test_a_request_that_was_altered_is_refused_and_so_is_one_for_somebody_elses_key(consortium: Consortium) -> None:
    asked = consortium.ask("facilitator")
    altered = asked.model_copy(update={"document": asked.document.replace("facilitator", "bank-a")})
    with pytest.raises(Problem) as caught:
        consortium.organiser.sign([altered])
    assert caught.value.code is Code.BAD_SIGNATURE
    stranger = Identity.generate()
    stolen = sign_document(open_request(asked), stranger)  # a victim's id, without the victim's key
    with pytest.raises(Problem, match="each party signs its own"):
        consortium.organiser.sign([stolen])
    assert not list((consortium.folder / "organiser").glob("*.admission.json"))


def test_a_certificate_request_of_another_key_is_refused(consortium: Consortium) -> None:
    home = consortium.folder / "facilitator"
    request = open_request(consortium.ask("facilitator"))
    pem = request.certificate_request.splitlines()
    pem[-2] = ("A" if pem[-2][0] != "A" else "B") + pem[-2][1:]  # in the signature at its end
    broken = request.model_copy(update={"certificate_request": "\n".join(pem) + "\n"})
    with pytest.raises(Failure, match="facilitator: "):
        consortium.organiser.sign([sign_document(broken, load_identity(home))])


@pytest.mark.parametrize(
    ("name", "role", "said"),
    [
        ("bank-a", Role.MODEL_OWNER, "asks as model-owner, and the consortium's file has it as data-owner"),
        ("bank-z", Role.DATA_OWNER, "not in the consortium's file"),
        ("acme", Role.FACILITATOR, "has it as model-owner"),
    ],
)
def test_another_role_than_the_files_and_a_party_that_is_not_in_it_are_refused(
    consortium: Consortium, name: str, role: Role, said: str
) -> None:
    consortium.form("facilitator")
    with pytest.raises(Failure, match=said):
        consortium.organiser.sign([consortium.ask(name, role)])


def test_one_key_is_one_party_and_one_party_has_one_key(consortium: Consortium) -> None:
    consortium.form("facilitator", "acme")
    with pytest.raises(Failure, match="bank-a asks with the key of acme"):
        consortium.organiser.sign([consortium.ask("bank-a", machine="acme")])
    with pytest.raises(Failure, match="bank-b asks with the key of bank-a"):
        consortium.organiser.sign([consortium.ask("bank-a"), consortium.ask("bank-b", machine="bank-a")])
    with pytest.raises(Failure, match=r"acme is [0-9a-f]{16}… already, and asks with another key"):
        consortium.organiser.sign([consortium.ask("acme", machine="elsewhere")])
    with pytest.raises(Failure, match="two requests of bank-b"):
        consortium.organiser.sign([consortium.ask("bank-b"), consortium.ask("bank-b")])
    assert {path.name for path in (consortium.folder / "organiser").glob("*.json")} == {
        *("facilitator.admission.json", "acme.admission.json")
    }


def test_a_request_is_signed_once(consortium: Consortium) -> None:
    asked = consortium.ask("facilitator")
    consortium.organiser.sign([asked])
    before = contents(consortium.folder / "organiser")
    with pytest.raises(Failure, match="signed before"):
        consortium.organiser.sign([asked])
    assert contents(consortium.folder / "organiser") == before


def test_members_are_told_of_the_facilitator_so_it_comes_first(consortium: Consortium) -> None:
    with pytest.raises(Failure, match="sign the request of facilitator first"):
        consortium.organiser.sign([consortium.ask("acme")])
    consortium.organiser.sign([consortium.ask("acme"), consortium.ask("facilitator")])
    assert (
        consortium.accept("acme").settings.facilitator_id == load_identity(consortium.folder / "facilitator").party_id
    )


def test_a_renewal_keeps_the_identity_and_the_settings_and_changes_nothing_until_it_is_accepted(
    consortium: Consortium,
) -> None:
    consortium.form("facilitator", "acme")
    home = consortium.folder / "acme"
    (home / "party.toml").write_text((home / "party.toml").read_text() + "workers = 1\n")
    before = contents(home)
    consortium.now = NOW + timedelta(days=90)
    asked = consortium.ask("acme")
    assert {name: contents(home)[name] for name in before} == before
    consortium.organiser.sign([asked])
    consortium.accept("acme")
    after = contents(home)
    assert {name for name in after if after[name] != before[name]} == {
        *("membership.json", "facilitator.token", "tls/cert.pem", "tls/key.pem")
    }
    consortium.accept("facilitator")
    assert [one.name for one in read_tokens(consortium.folder / "facilitator")] == ["admin", "acme", "acme"]


def test_an_answer_to_another_request_or_of_another_consortium_changes_nothing(consortium: Consortium) -> None:
    consortium.form("facilitator")
    consortium.organiser.sign([consortium.ask("acme")])
    home, answer = consortium.folder / "acme", consortium.answer("acme")
    consortium.ask("acme")  # another nonce, another TLS key: the first request is void
    before = contents(home)
    identity = load_identity(home)
    with pytest.raises(Problem, match="another request"):
        accept_admission(home, identity, answer, consortium.organiser.party_id, NOW)
    stranger = Identity.generate()
    forged = sign_document(open_document(answer, Admission), stranger)
    with pytest.raises(Problem) as caught:
        accept_admission(home, identity, forged, consortium.organiser.party_id, NOW)
    assert caught.value.code is Code.BAD_SIGNATURE
    other = consortium.folder / "bank-a"
    consortium.ask("bank-a")
    with pytest.raises(Problem, match="not for here"):
        accept_admission(other, load_identity(other), answer, consortium.organiser.party_id, NOW)
    assert contents(home) == before


def test_a_member_that_waits_for_no_answer_takes_none(consortium: Consortium) -> None:
    consortium.form("facilitator", "acme")
    with pytest.raises(Failure, match="no request waits"):
        consortium.accept("acme")


# The commands


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_the_commands_from_a_request_to_a_member(tmp_path: Path) -> None:
    file = tmp_path / "consortium.toml"
    file.write_text(
        'name = "demo"\n[facilitator]\nurl = "http://127.0.0.1:8080"\n'
        '[[model_owner]]\nname = "acme"\n[[data_owner]]\nname = "bank-a"\n'
    )
    for name in ("facilitator", "acme"):
        said = command(
            *("identity", "request", "--role", ROLES[name].value, "--name", name),
            *("--out", tmp_path / f"{name}.json", "--state-dir", tmp_path / name),
        )
        assert said.exit_code == 0 and load_identity(tmp_path / name).party_id in said.stdout
    requests = [tmp_path / "facilitator.json", tmp_path / "acme.json"]
    signed = command("provision", "sign", file, *requests, "--out", tmp_path / "out", "--json")
    made = json.loads(signed.stdout)
    assert [one["name"] for one in made["signed"]] == ["facilitator", "acme"]
    answer = ("identity", "accept", tmp_path / "out" / "acme.admission.json", "--state-dir", tmp_path / "acme")
    assert "pins no consortium yet" in command(*answer).stderr
    refused = command(*answer, "--consortium", Identity.generate().party_id)
    assert refused.exit_code != 0 and "nothing was taken" in refused.stderr
    assert not (tmp_path / "acme" / "party.toml").exists()
    taken = command(*answer, "--consortium", made["consortium"])
    assert taken.exit_code == 0 and "acme is the model-owner of demo" in taken.stdout
    assert sorted(contents(tmp_path / "acme")) == ["identity.key", "membership.json", "party.toml", "trust.toml"]


def test_a_key_and_a_file_that_are_there_are_never_written_over(tmp_path: Path) -> None:
    ask = ("identity", "request", "--role", "data-owner", "--name", "bank-a", "--state-dir", tmp_path / "bank-a")
    assert "no identity to renew" in command(*ask, "--out", tmp_path / "a.json", "--renew").stderr
    assert command(*ask, "--out", tmp_path / "a.json").exit_code == 0
    before = contents(tmp_path)
    again = command(*ask, "--out", tmp_path / "b.json")
    assert again.exit_code != 0 and "never written over" in again.stderr
    there = command(*ask, "--out", tmp_path / "a.json", "--renew")
    assert there.exit_code != 0 and "is there already" in there.stderr
    assert "letters, digits" in command(*ask[:4], "--name", "../x", "--out", tmp_path / "c.json").stderr
    assert contents(tmp_path) == before
    assert command(*ask, "--out", tmp_path / "b.json", "--renew").exit_code == 0
    first, second = (parse_json((tmp_path / name).read_bytes(), SignedDocument) for name in ("a.json", "b.json"))
    assert open_document(first, IdentityRequest).party == open_document(second, IdentityRequest).party


def test_provision_makes_no_keys_of_others_unless_it_is_told_to(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("")
    said = command("provision", "--out", tmp_path / "out")
    assert said.exit_code != 0 and "parties make their own keys" in said.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_request_is_named(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        'name = "x"\n[facilitator]\nurl = "http://127.0.0.1:1"\n[[model_owner]]\nname = "a"\n'
        '[[data_owner]]\nname = "b"\n'
    )
    (tmp_path / "r.json").write_text("{}")
    said = command("provision", "sign", tmp_path / "c.toml", tmp_path / "r.json", "--out", tmp_path / "out")
    assert said.exit_code != 0 and "r.json" in said.stderr and len(said.stderr.splitlines()) == 1
