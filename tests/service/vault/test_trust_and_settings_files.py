"""Files of a party's state folder: trust list, membership, party.toml; read again when changed, refused by name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.trust import Trust, vouch
from fedtrain.protocol.states import Role
from fedtrain.service.runtime.settings import PARTY_FILE, SettingsFileError
from fedtrain.service.vault.secret_files import SecretFileError, write_secret
from fedtrain.service.vault.trust_file import (
    MEMBERSHIP_FILE,
    TRUST_FILE,
    Pin,
    read_membership,
    read_pins,
    watched_trust,
    write_membership,
    write_pins,
)

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
CONSORTIUM, BANK = Identity.generate(), Identity.generate()
PINS = (
    Pin(key=CONSORTIUM.party_id, role="consortium", name="lenders"),
    Pin(key=BANK.party_id, role="model-owner", name="bank-a"),
)


def test_pins_survive_the_file_which_is_private(tmp_path: Path) -> None:
    assert read_pins(tmp_path) == ()
    write_pins(tmp_path, PINS)
    assert read_pins(tmp_path) == PINS
    assert (tmp_path / TRUST_FILE).stat().st_mode & 0o777 == 0o600
    (tmp_path / TRUST_FILE).chmod(0o660)
    with pytest.raises(SecretFileError, match="chmod 600"):
        read_pins(tmp_path)


def test_a_running_service_knows_whom_the_list_names_now(tmp_path: Path) -> None:
    trust = watched_trust(tmp_path)
    assert trust.value() == Trust()
    write_pins(tmp_path, PINS)
    assert trust.value() == Trust(model_owners=(BANK.party_id,), consortium=(CONSORTIUM.party_id,))
    write_pins(tmp_path, PINS[:1])
    assert trust.value() == Trust(consortium=(CONSORTIUM.party_id,))
    (tmp_path / TRUST_FILE).unlink()
    assert trust.value() == Trust()


def test_a_running_service_refuses_a_list_that_is_broken_and_does_not_go_on_with_the_old_one(tmp_path: Path) -> None:
    trust = watched_trust(tmp_path)
    write_pins(tmp_path, PINS)
    trust.value()
    write_secret(tmp_path / TRUST_FILE, b"[[pin]\n")
    for _ in range(2):
        with pytest.raises(SecretFileError, match="not TOML"):
            trust.value()


def test_a_membership_is_the_partys_own_or_refused(tmp_path: Path) -> None:
    assert read_membership(tmp_path, BANK.party_id, Role.DATA_OWNER) is None
    membership = vouch(CONSORTIUM, BANK.party_id, "data-owner", "bank-a", NOW)
    write_membership(tmp_path, membership)
    assert read_membership(tmp_path, BANK.party_id, Role.DATA_OWNER) == membership
    with pytest.raises(SecretFileError, match="folder of the data-owner bank-a: name the folder of the model-owner"):
        read_membership(tmp_path, BANK.party_id, Role.MODEL_OWNER)
    with pytest.raises(SecretFileError, match="bank-a") as caught:
        read_membership(tmp_path, CONSORTIUM.party_id, Role.DATA_OWNER)
    assert "ask the consortium" in str(caught.value)
    broken = membership.model_copy(update={"signature": "00" * 64})
    write_secret(tmp_path / MEMBERSHIP_FILE, broken.model_dump_json().encode())
    with pytest.raises(SecretFileError, match="no membership"):
        read_membership(tmp_path, BANK.party_id, Role.DATA_OWNER)


def test_paths_in_party_toml_start_at_its_folder_and_others_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / PARTY_FILE).write_text('ca_file = "tls/ca.pem"\ntls_key = "/etc/key.pem"\nport = 5005\n')
    settings = DataOwnerSettings(state_dir=tmp_path)
    assert settings.ca_file == tmp_path / "tls/ca.pem"
    assert settings.tls_key == Path("/etc/key.pem")
    assert settings.port == 5005
    assert DataOwnerSettings(state_dir=tmp_path / "none").port == 5000


def test_party_toml_with_a_mistake_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / PARTY_FILE).write_text("port = \n")
    with pytest.raises(SettingsFileError, match=PARTY_FILE):
        DataOwnerSettings(state_dir=tmp_path)
    (tmp_path / PARTY_FILE).write_text("prot = 5000\n")
    with pytest.raises(ValidationError, match="prot"):
        DataOwnerSettings(state_dir=tmp_path)
