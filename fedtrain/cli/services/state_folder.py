"""A party's settings from its state folder, for the commands that are given one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fedtrain.cli.output import Failure

if TYPE_CHECKING:
    from fedtrain.service.runtime.connection import PartySettings


def party_settings(state_dir: Path, key_passphrase_file: Path | None, key_file: Path | None) -> PartySettings:
    """Return the settings of the party in `state_dir`: what is given here, else FEDTRAIN_*, else its `party.toml`.

    One way to open its keys that is given puts aside the other, wherever that one is named. Raises Failure that names
    each setting that cannot be with its source.
    """
    from pydantic import ValidationError

    from fedtrain.cli.services.setting_sources import wrong_settings
    from fedtrain.service.runtime.connection import PartySettings

    given: dict[str, Path | None] = {}
    if key_passphrase_file is not None or key_file is not None:
        given = {"key_passphrase_file": key_passphrase_file, "key_file": key_file}
    try:
        return PartySettings.model_validate({"state_dir": state_dir, **given})
    except ValidationError as error:
        raise Failure(wrong_settings(error, {"state_dir": state_dir, **given}, PartySettings.model_fields)) from None
